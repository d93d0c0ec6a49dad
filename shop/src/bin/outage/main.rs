//! The shop under load while its Redis is in trouble: `make outage` prints a table, and fails where a promise of
//! `docs/outages.md` is not kept. `--short` takes a second for each row and judges no times.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use shop::api;
use shop::catalogue::Catalogue;
use shop::server::{PASSWORD, Server};
use shop::store::{Queries, Store};

mod load;
mod proxy;

use load::{Load, Outcome};
use proxy::Trouble;

/// Products that the callers ask for.
const KEYS: i64 = 200;

/// What the database takes for a query.
const LATENCY: Duration = Duration::from_millis(10);

/// What the slow server adds to each answer.
const DELAY: Duration = Duration::from_millis(300);

#[derive(Parser)]
struct Args {
    /// One second for each row, no judgement of times.
    #[arg(long)]
    short: bool,
    /// Seconds of trouble for each row.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Only the rows whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// The server's program.
    #[arg(long, env = "REDIS_SERVER", default_value = "redis-server")]
    server: String,
}

/// A kind of trouble: how it begins and how it ends.
struct Row {
    name: &'static str,
    begin: fn(&mut Server, &Trouble) -> Result<()>,
    end: fn(&mut Server, &Trouble) -> Result<()>,
}

const ROWS: [Row; 7] = [
    Row { name: "killed", begin: |server, _| server.kill(), end: |server, _| server.start_again() },
    Row { name: "stopped", begin: |server, _| server.signal("STOP"), end: |server, _| server.signal("CONT") },
    Row {
        name: "slow",
        begin: |_, trouble| trouble.delay(DELAY),
        end: |_, trouble| trouble.delay(Duration::ZERO),
    },
    Row {
        name: "refusing",
        begin: |_, trouble| trouble.refuse(true),
        end: |_, trouble| trouble.refuse(false),
    },
    Row {
        name: "out of memory",
        begin: |server, _| {
            server.command("CONFIG SET maxmemory-policy noeviction")?;
            server.command("CONFIG SET maxmemory 1")
        },
        end: |server, _| server.command("CONFIG SET maxmemory 0"),
    },
    Row {
        name: "read only",
        begin: |server, _| server.command("REPLICAOF 127.0.0.1 1"),
        end: |server, _| server.command("REPLICAOF NO ONE"),
    },
    Row {
        name: "new password",
        begin: |server, _| {
            server.command("CONFIG SET requirepass another")?;
            server.command("CLIENT KILL TYPE normal SKIPME yes")
        },
        end: |server, _| server.command(&format!("CONFIG SET requirepass {PASSWORD}")),
    },
];

/// What one row came to.
struct Measured {
    during: Outcome,
    queries: Queries,
    loader_p99: Duration,
    /// From the end of the trouble to the first hit.
    hit_after: Option<Duration>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut args = Args::parse();
    if args.short {
        args.seconds = 1;
    }
    println!("{KEYS} keys, {} callers, {LATENCY:?} a query, {} s of trouble", load::CALLERS, args.seconds);
    println!("p99 is that after the first second; times are ms");
    println!();
    println!("| trouble | cache | requests | failed | p99 | the loader's | loads | at once | hit after |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
    let mut broken = Vec::new();
    for row in ROWS.iter().filter(|row| row.name.contains(&args.only)) {
        for cache in ["redis", "tiered"] {
            let measured =
                measure(row, cache, &args).await.with_context(|| format!("{} on {cache}", row.name))?;
            print(row, cache, &measured);
            let promises = judge(&measured, !args.short);
            broken.extend(promises.into_iter().map(|promise| format!("{} on {cache}: {promise}", row.name)));
        }
    }
    for promise in &broken {
        eprintln!("not kept: {promise}");
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(row: &Row, cache: &str, args: &Args) -> Result<Measured> {
    let mut server = Server::start(&args.server)?;
    let (port, trouble) = proxy::start(server.port).await?;
    let url = match cache {
        "tiered" => format!("tiered://?far=redis://127.0.0.1:{port}&far.password={PASSWORD}"),
        _ => format!("redis://:{PASSWORD}@127.0.0.1:{port}"),
    };
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("shop.db"), KEYS, LATENCY)?;
    let catalogue = Catalogue::new(store.clone(), &url)?;
    for id in 1..=KEYS {
        catalogue.by_id(id).await?;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(async move { axum::serve(listener, api::router(catalogue)).await });

    let load = Arc::new(Load::begin(address));
    load.run_for(Duration::from_millis(500)).await;
    load.take();
    store.take_queries();
    tokio::task::block_in_place(|| (row.begin)(&mut server, &trouble))?;
    load.run_for(Duration::from_secs(args.seconds)).await;
    let (during, queries) = (load.take(), store.take_queries());
    tokio::task::block_in_place(|| (row.end)(&mut server, &trouble))?;
    load.run_for(Duration::from_millis(1500)).await;
    let after = load.take();
    serving.abort();
    Ok(Measured { during, loader_p99: queries.p99, queries, hit_after: after.first_hit })
}

fn print(row: &Row, cache: &str, measured: &Measured) {
    let ms = |span: Duration| format!("{:.1}", span.as_secs_f64() * 1e3);
    let Measured { during, queries, loader_p99, hit_after } = measured;
    println!(
        "| {} | {cache} | {} | {} | {} | {} | {} | {} | {} |",
        row.name,
        during.requests,
        during.failed,
        ms(during.p99),
        ms(*loader_p99),
        queries.all,
        queries.most_at_once,
        hit_after.map_or("-".to_owned(), ms),
    );
    for words in &during.failures {
        println!("    {words}");
    }
}

/// The promises that were not kept.
fn judge(measured: &Measured, judges_times: bool) -> Vec<String> {
    let Measured { during, queries, loader_p99, hit_after } = measured;
    let mut broken = Vec::new();
    if during.failed > 0 {
        broken.push(format!("{} requests failed whose loader succeeds", during.failed));
    }
    if queries.most_at_once > 1 {
        broken.push(format!("{} loads of one key at once", queries.most_at_once));
    }
    let most = (*loader_p99).max(LATENCY) + Duration::from_millis(5);
    if judges_times && during.p99 > most {
        broken.push(format!("p99 is {:?}, and at most {most:?} was promised", during.p99));
    }
    if judges_times && hit_after.is_none_or(|after| after > Duration::from_secs(1)) {
        broken.push(format!("the first hit came {hit_after:?} after the server's return"));
    }
    broken
}
