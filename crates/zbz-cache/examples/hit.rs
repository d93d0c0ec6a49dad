//! What a hit through `get_or_load` costs more than one through `get`, in memory, in turns on one
//! thread: `cargo run --release --example hit`. With `get` or `load` it makes a million of one
//! kind and prints nothing, for an instruction counter.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use zbz_cache::{Cache, Contract, Error, LoadOptions, Result, options};

const HITS: u32 = 100_000;
const TURNS: usize = 40;

/// The answer of a future that is ready.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a hit in memory does not wait"),
    }
}

fn gets(cache: &Cache<u64>) -> Result<()> {
    for _ in 0..HITS {
        black_box(ready(cache.get(black_box("name")))?);
    }
    Ok(())
}

fn loads(cache: &Cache<u64>) -> Result<()> {
    for _ in 0..HITS {
        let loader = || async { Ok::<_, Error>(8) };
        black_box(ready(cache.get_or_load(black_box("name"), loader))?);
    }
    Ok(())
}

/// Nanoseconds for each hit.
fn time(run: fn(&Cache<u64>) -> Result<()>, cache: &Cache<u64>) -> Result<f64> {
    let begun = Instant::now();
    run(cache)?;
    Ok(begun.elapsed().as_nanos() as f64 / f64::from(HITS))
}

fn main() -> Result<()> {
    let provider = zbz_cache::new_provider("memory", options! { "cleanup_interval" => 0 })?;
    let plain = Contract::<u64>::new("plain", provider.clone())?.cache();
    let minute = Duration::from_secs(60);
    let fresh = LoadOptions::builder().ttl(minute).fresh_for(minute / 2).refresh_by_callers().build()?;
    let fresh = Contract::<u64>::new("fresh", provider)?.load_options(fresh).cache()?;
    plain.blocking().set("name", &7, minute)?;
    fresh.blocking().set("name", &7, minute)?;
    match std::env::args().nth(1).as_deref() {
        Some("get") => return (0..10).try_for_each(|_| gets(&plain)),
        Some("load") => return (0..10).try_for_each(|_| loads(&plain)),
        _ => {}
    }
    for (name, cache) in [("no options", &plain), ("fresh_for", &fresh)] {
        let (mut get, mut load) = (f64::MAX, f64::MAX);
        for _ in 0..TURNS {
            get = get.min(time(gets, cache)?);
            load = load.min(time(loads, cache)?);
        }
        println!("{name:<10}  get {get:6.1} ns, get_or_load {load:6.1} ns, {:+.1} ns", load - get);
    }
    Ok(())
}
