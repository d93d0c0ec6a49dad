//! Three shop processes and one Redis: a price that changes in one is seen by the others, Redis is killed and comes
//! back. `make demo` prints what became of it, and fails where something was not as it should be.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use reqwest::Client;
use serde_json::{Value, json};
use shop::server::{PASSWORD, Server};
use tokio::task::JoinSet;
use tokio::time::sleep;

const PRODUCTS: i64 = 200;
const NEAR_MIB: u64 = 16;
const CALLERS: u64 = 12;

/// Shows three shops over one Redis.
#[derive(Parser)]
struct Args {
    /// The server's program.
    #[arg(long, env = "REDIS_SERVER", default_value = "redis-server")]
    server: String,
}

/// A shop process, until it is dropped.
struct Shop {
    child: Child,
    url: String,
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the callers met. The counts guard nothing, so Relaxed suffices.
#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    failed: AtomicU64,
    hits: AtomicU64,
}

impl Counts {
    fn take(&self) -> (u64, u64, u64) {
        (self.requests.swap(0, Relaxed), self.failed.swap(0, Relaxed), self.hits.swap(0, Relaxed))
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let (folder, client) = (tempfile::tempdir()?, Client::new());
    let mut server = Server::start(&args.server)?;
    let mut shops = Vec::new();
    for _ in 0..3 {
        shops.push(begin(folder.path(), server.port, &client).await?);
    }
    println!(
        "three shops over one Redis, {PRODUCTS} products, {CALLERS} callers, {NEAR_MIB} MiB near in each\n"
    );
    let counts = Arc::new(Counts::default());
    let urls: Vec<String> = shops.iter().map(|shop| shop.url.clone()).collect();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(call(client.clone(), urls.clone(), caller, Arc::clone(&counts)));
    }
    let mut is_well = true;
    let mut expect = |holds: bool, words: &str| {
        is_well &= holds;
        println!("{} {words}", if holds { "  ok:" } else { "  NOT AS IT SHOULD BE:" });
    };

    sleep(Duration::from_secs(2)).await;
    counts.take();
    let before = server.commands()?;
    sleep(Duration::from_secs(2)).await;
    let ((requests, failed, hits), asked) = (counts.take(), server.commands()? - before);
    println!("warm, 2 s: {requests} requests, {failed} failed, {hits} hits; Redis had {asked} commands");
    expect(failed == 0 && asked < 100, "reads do not reach Redis, except to prove that its connection works");

    let mut slowest = Duration::ZERO;
    for id in 1..=20 {
        slowest = slowest.max(change_price(&client, &urls, id, 7_000 + id).await?);
    }
    println!(
        "20 prices changed in one shop: seen by both others within {:.1} ms",
        slowest.as_secs_f64() * 1e3
    );
    expect(slowest < Duration::from_millis(100), "within milliseconds");

    counts.take();
    server.kill()?;
    sleep(Duration::from_secs(4)).await;
    let (requests, failed, hits) = counts.take();
    let loads = requests - failed - hits;
    println!(
        "Redis is killed, 4 s: {requests} requests, {failed} failed, {hits} hits, {loads} answered by loads"
    );
    expect(failed == 0, "no request failed");

    server.start_again()?;
    sleep(Duration::from_secs(1)).await;
    counts.take();
    let stale = stale(&client, &urls).await?;
    sleep(Duration::from_secs(1)).await;
    let (requests, failed, hits) = counts.take();
    println!(
        "Redis is back, 1 s later: {stale} stale values; then {requests} requests, {failed} failed, {hits} hits"
    );
    expect(stale == 0 && failed == 0 && hits > 0, "what the shops serve is what the database has");

    for shop in &shops {
        let resident = resident_mib(shop.child.id())?;
        println!("a shop's process takes {resident} MiB");
        expect(resident < NEAR_MIB + 48, "the cache's limit and the program");
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn begin(folder: &Path, redis: u16, client: &Client) -> Result<Shop> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let cache = format!(
        "tiered://?far=redis://127.0.0.1:{redis}&far.password={PASSWORD}&near.max_size={NEAR_MIB}MiB"
    );
    let program = std::env::current_exe()?.with_file_name("shop");
    let child = Command::new(&program)
        .args(["--port", &port.to_string(), "--products", &PRODUCTS.to_string(), "--database"])
        .arg(folder.join("shop.db"))
        .arg(cache)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("start {}; build the whole workspace first", program.display()))?;
    let shop = Shop { child, url: format!("http://127.0.0.1:{port}") };
    for _ in 0..500 {
        if client.get(format!("{}/ready", shop.url)).send().await.is_ok() {
            return Ok(shop);
        }
        sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("the shop at {} did not answer within 10 s", shop.url)
}

/// Asks one shop after the other for products, with pauses.
async fn call(client: Client, urls: Vec<String>, caller: u64, counts: Arc<Counts>) {
    let mut random = caller.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    loop {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (id, url) = (1 + (random >> 33) % PRODUCTS as u64, &urls[(random >> 20) as usize % urls.len()]);
        let answer = client.get(format!("{url}/products/{id}")).send().await;
        counts.requests.fetch_add(1, Relaxed);
        match answer {
            Ok(answer) if answer.status().is_success() => {
                let is_hit = answer.headers().get("x-cache").is_some_and(|origin| origin == "Hit");
                counts.hits.fetch_add(u64::from(is_hit), Relaxed);
            }
            _ => drop(counts.failed.fetch_add(1, Relaxed)),
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn price(client: &Client, url: &str, id: i64) -> Result<i64> {
    let product: Value = client.get(format!("{url}/products/{id}")).send().await?.json().await?;
    product["price_cents"].as_i64().context("a product without a price")
}

/// Changes a price in the first shop; how long the others took to see it.
async fn change_price(client: &Client, urls: &[String], id: i64, cents: i64) -> Result<Duration> {
    for url in urls {
        price(client, url, id).await?;
    }
    let change =
        client.put(format!("{}/products/{id}/price", urls[0])).json(&json!({ "price_cents": cents }));
    ensure!(change.send().await?.status().is_success(), "the price could not be changed");
    let changed = Instant::now();
    for url in &urls[1..] {
        while price(client, url, id).await? != cents {
            ensure!(changed.elapsed() < Duration::from_secs(5), "{url} still has the old price after 5 s");
        }
    }
    Ok(changed.elapsed())
}

/// How many products some shop serves at another price than the others.
async fn stale(client: &Client, urls: &[String]) -> Result<usize> {
    let mut seen: HashMap<i64, Vec<i64>> = HashMap::new();
    for id in 1..=PRODUCTS {
        for url in urls {
            seen.entry(id).or_default().push(price(client, url, id).await?);
        }
    }
    let right = |id: i64| if id <= 20 { 7_000 + id } else { 100 * id };
    Ok(seen.into_iter().filter(|(id, prices)| prices.iter().any(|price| *price != right(*id))).count())
}

fn resident_mib(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024)
}
