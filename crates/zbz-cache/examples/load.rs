//! What each option of a load changes, on a simulated database that takes 20 ms and now and then
//! fails: `cargo run --release --features tokio --example load`.
//!
//! 64 tasks ask for 20 names over and over for two seconds. What is counted: calls to the
//! database, the most of them at one moment (after the cold start), how long callers waited, and
//! what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;
use zbz_cache::{
    Cache, Contract, ErrorKind, LoadOptions, LoadOptionsBuilder, Loaded, Result, Spawner, options,
};

const TASKS: usize = 64;
const NAMES: usize = 20;
const RUN: Duration = Duration::from_secs(2);
const TTL: Duration = Duration::from_millis(400);

/// Slow, and for the second half of a run down, if so asked.
#[derive(Default)]
struct Database {
    calls: AtomicU64,
    at_once: AtomicU64,
    most: AtomicU64,
    is_down: AtomicBool,
    hangs: AtomicBool,
}

impl Database {
    async fn find(self: Arc<Self>, name: String) -> Result<Option<String>, String> {
        let call = self.calls.fetch_add(1, Relaxed);
        self.most.fetch_max(self.at_once.fetch_add(1, Relaxed) + 1, Relaxed);
        let hangs = self.hangs.load(Relaxed) && call % 50 == 49;
        sleep(if hangs { RUN / 2 } else { Duration::from_millis(20) }).await;
        self.at_once.fetch_sub(1, Relaxed);
        if self.is_down.load(Relaxed) {
            return Err("the database is down".to_owned());
        }
        // Every fourth name is unknown.
        let number: usize = name.parse().unwrap_or(0);
        Ok((number % 4 != 3).then(|| format!("row {name}")))
    }
}

/// What the callers met.
#[derive(Default)]
struct Met {
    answers: u64,
    errors: u64,
    timeouts: u64,
    waits: Vec<Duration>,
}

/// How callers ask.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// get, then the database, then set: what one writes without loads.
    ByHand,
    Load,
}

async fn ask(cache: &Cache<String>, database: &Arc<Database>, name: &str, way: Way) -> Result<(), ErrorKind> {
    let load = || Arc::clone(database).find(name.to_owned());
    if way == Way::Load {
        let found = cache.get_or_load(name, || {
            let row = load();
            async { row.await.map(Loaded::from) }
        });
        return found.await.map(drop).map_err(|error| error.kind());
    }
    if cache.get(name).await.map_err(|error| error.kind())?.is_none()
        && let Some(row) = load().await.map_err(|_| ErrorKind::LoadFailed)?
    {
        cache.set(name, &row, TTL).await.map_err(|error| error.kind())?;
    }
    Ok(())
}

async fn work(cache: Cache<String>, database: Arc<Database>, task: usize, way: Way) -> Met {
    let (begun, mut met) = (Instant::now(), Met::default());
    let mut draw = task as u64;
    while begun.elapsed() < RUN {
        // Any name as likely as any other; the upper bits of such a sequence are the random ones.
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let name = ((draw >> 33) as usize % NAMES).to_string();
        let asked = Instant::now();
        match ask(&cache, &database, &name, way).await {
            Ok(()) => met.answers += 1,
            Err(ErrorKind::LoadTimeout) => met.timeouts += 1,
            Err(_) => met.errors += 1,
        }
        met.waits.push(asked.elapsed());
        sleep(Duration::from_millis(1)).await;
    }
    met
}

/// What goes wrong in a run.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    None,
    Down,
    Hangs,
}

async fn run(title: &str, way: Way, trouble: Trouble, options: LoadOptionsBuilder) -> Result<()> {
    let database = Arc::new(Database::default());
    let provider = zbz_cache::new_provider("memory", options! {})?;
    let contract = Contract::<String>::new("rows", provider.clone())?;
    let cache = contract.default_ttl(TTL).load_options(options.build()?).cache()?;
    database.hangs.store(trouble == Trouble::Hangs, Relaxed);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(work(cache.clone(), Arc::clone(&database), task, way));
    }
    // Every name is cold at first; that is not what is compared.
    sleep(RUN / 8).await;
    database.most.store(0, Relaxed);
    sleep(RUN / 2 - RUN / 8).await;
    database.is_down.store(trouble == Trouble::Down, Relaxed);
    let mut met = Met::default();
    for other in tasks.join_all().await {
        met.answers += other.answers;
        met.errors += other.errors;
        met.timeouts += other.timeouts;
        met.waits.extend(other.waits);
    }
    met.waits.sort_unstable();
    let at = |share: f64| met.waits[((met.waits.len() - 1) as f64 * share) as usize];
    let waited = met.waits.iter().filter(|wait| **wait >= Duration::from_millis(10)).count();
    println!(
        "| {title} | {} | {} | {:.1} % | {:.1} | {:.1} | {} | {} |",
        database.calls.load(Relaxed),
        database.most.load(Relaxed),
        100.0 * waited as f64 / met.waits.len() as f64,
        at(0.99).as_secs_f64() * 1000.0,
        at(1.0).as_secs_f64() * 1000.0,
        met.errors,
        met.timeouts,
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let plain = LoadOptions::builder;
    let spawner = Spawner::tokio()?;
    let fresh = || plain().fresh_for(TTL / 2).spawner(spawner.clone());
    println!(
        "| options | database calls | most at once | waited 10 ms | 99 % (ms) | longest (ms) | errors | timeouts |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: | --: |");
    run("get, then set, by hand", Way::ByHand, Trouble::None, plain()).await?;
    run("get_or_load", Way::Load, Trouble::None, plain()).await?;
    run("and absent_ttl", Way::Load, Trouble::None, plain().absent_ttl(TTL / 2)).await?;
    run("and jitter 30 %", Way::Load, Trouble::None, plain().absent_ttl(TTL / 2).jitter_percent(30.0))
        .await?;
    run("and fresh_for", Way::Load, Trouble::None, fresh().absent_ttl(TTL / 2)).await?;
    run("database down: no option", Way::Load, Trouble::Down, plain()).await?;
    let longer = || fresh().ttl(RUN).absent_ttl(RUN);
    run("database down: fresh_for, ttl of 2 s", Way::Load, Trouble::Down, longer()).await?;
    let cooled = || longer().stale_on_error(TTL / 2);
    run("and stale_on_error", Way::Load, Trouble::Down, cooled()).await?;
    run("database hangs: no option", Way::Load, Trouble::Hangs, plain()).await?;
    run("and timeout 60 ms", Way::Load, Trouble::Hangs, plain().timeout(Duration::from_millis(60))).await?;
    Ok(())
}
