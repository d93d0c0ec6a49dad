//! How many instructions one call of the engine takes, counted by callgrind.
//!
//! Instructions do not depend on how busy the machine is, so a change of one in a hundred can be
//! seen. Each case runs twice in a process of its own: once with the calls and once without them.
//! Both runs do all else (fill the cache, draw keys, make values), so the difference is the calls'.
//! The least of three such pairs is printed: where a call reads the clock, how often it has to do so
//! depends on how fast the run is.
//!
//! ```text
//! cargo bench --manifest-path benches/Cargo.toml --bench instructions
//! cargo bench --manifest-path benches/Cargo.toml --bench instructions -- get     cases whose name has it
//! ```
//!
//! Takes valgrind. One thread, 16-byte keys, 64-byte values; cases without a number have 1,000
//! keys, so that everything is in the processor's caches, which callgrind does not model anyway.

#[expect(dead_code, reason = "the benchmarks of time use the rest")]
mod work;

use self::work::{Dice, Value};
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::Duration;
use zbz_cache_memory::{Builder, Clock, ManualClock, MemoryCache};

const KEYS: u64 = 1000;
const VALUE_BYTES: usize = 64;
const CALLS: u64 = 100_000;
const PAIRS: usize = 3;
const HOUR: Duration = Duration::from_secs(3600);

/// The environment variable that tells a process which run it is.
const RUN: &str = "ZBZ_CACHE_COUNTED_RUN";

/// One case by its name. `calls` says whether the engine is called in the counted part.
struct Case {
    name: &'static str,
    run: fn(calls: Calls),
}

/// Whether a run makes the calls that are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calls {
    Made,
    LeftOut,
}

const CASES: [Case; 8] = [
    Case { name: "get", run: |calls| get(calls, None) },
    Case { name: "get with a TTL", run: |calls| get(calls, Some(HOUR)) },
    Case { name: "set over a key, with room", run: |calls| overwrite(calls, None) },
    Case { name: "set over a key with a TTL, with room", run: |calls| overwrite(calls, Some(HOUR)) },
    Case { name: "set of a new key, with room", run: |calls| add_new(calls, 64 << 20, None) },
    Case { name: "set of a new key, full", run: |calls| add_new(calls, 1 << 20, None) },
    Case { name: "set of a new key with a TTL, full", run: |calls| add_new(calls, 1 << 20, Some(HOUR)) },
    Case { name: "sweep of an expired entry", run: sweep },
];

fn still() -> (Builder, ManualClock) {
    let (clock, hand) = Clock::manual();
    (MemoryCache::builder().cleanup_interval(Duration::ZERO).clock(clock), hand)
}

/// Stores `count` keys, beginning with the one of number `first`.
fn fill(cache: &MemoryCache, first: u64, count: u64, ttl: Option<Duration>) {
    let mut value = Value::of(VALUE_BYTES);
    for number in first..first + count {
        cache.set(&work::key(number), value.for_key(number), ttl).expect("a key is taken");
    }
}

/// A cache with the clock of every user, which is what a deadline is read against.
fn filled(max_size: u64, ttl: Option<Duration>) -> MemoryCache {
    let builder = MemoryCache::builder().cleanup_interval(Duration::ZERO).max_size(max_size);
    let cache = builder.build().expect("a cache is built");
    fill(&cache, 0, KEYS, ttl);
    cache
}

fn get(calls: Calls, ttl: Option<Duration>) {
    let (cache, mut dice, mut buffer) = (filled(64 << 20, ttl), Dice::of(1), Vec::with_capacity(VALUE_BYTES));
    for _ in 0..CALLS {
        let number = dice.below(KEYS);
        let key = black_box(work::key(number));
        if calls == Calls::Made {
            let found = cache.get_into(&key, &mut buffer).expect("a get answers");
            assert!(found.is_some(), "there is room for all keys");
        }
    }
}

fn overwrite(calls: Calls, ttl: Option<Duration>) {
    let (cache, mut dice, mut value) = (filled(64 << 20, ttl), Dice::of(1), Value::of(VALUE_BYTES));
    for _ in 0..CALLS {
        let number = dice.below(KEYS);
        let (key, value) = (black_box(work::key(number)), black_box(value.for_key(number)));
        if calls == Calls::Made {
            cache.set(&key, value, ttl).expect("a key is taken");
        }
    }
}

/// Into a full cache if it is small: that was filled several times over then.
fn add_new(calls: Calls, max_size: u64, ttl: Option<Duration>) {
    let (cache, mut value) = (filled(max_size, ttl), Value::of(VALUE_BYTES));
    let first = if max_size < 16 << 20 { 100_000 } else { KEYS };
    fill(&cache, KEYS, first - KEYS, ttl);
    for number in first..first + CALLS {
        let (key, value) = (black_box(work::key(number)), black_box(value.for_key(number)));
        if calls == Calls::Made {
            cache.set(&key, value, ttl).expect("a key is taken");
        }
    }
}

fn sweep(calls: Calls) {
    let (builder, hand) = still();
    let cache = builder.max_size(64 << 20).build().expect("a cache is built");
    fill(&cache, 0, CALLS, Some(HOUR));
    hand.advance(2 * HOUR);
    if calls == Calls::Made {
        cache.run_maintenance().expect("a cache that is open is maintained");
        assert_eq!(cache.stats().expirations, CALLS, "all of them expired");
    }
    // A drop would sweep them too.
    std::mem::forget(cache);
}

/// The instructions of one call of a case: the least of some pairs of runs.
fn count_call(case: usize) -> Result<f64, String> {
    let mut least = f64::MAX;
    for _ in 0..PAIRS {
        let (made, left_out) = (count(case, Calls::Made)?, count(case, Calls::LeftOut)?);
        least = least.min((made as f64 - left_out as f64) / CALLS as f64);
    }
    Ok(least)
}

/// The instructions of one run of a case, in a process of its own.
fn count(case: usize, calls: Calls) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let run = format!("{case} {}", if calls == Calls::Made { "made" } else { "left out" });
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .env(RUN, run)
        .output()
        .map_err(|error| {
            format!("valgrind did not start ({error}); install it: sudo apt-get install valgrind")
        })?;
    let told = String::from_utf8_lossy(&counted.stderr);
    let number = told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    match number {
        Some(number) if counted.status.success() => Ok(number),
        _ => Err(format!("the run failed: {told}")),
    }
}

fn main() -> ExitCode {
    if let Ok(run) = std::env::var(RUN) {
        let (case, calls) = run.split_once(' ').expect("a case and whether calls are made");
        let case: usize = case.parse().expect("the number of a case");
        (CASES[case].run)(if calls == "made" { Calls::Made } else { Calls::LeftOut });
        return ExitCode::SUCCESS;
    }
    // Cargo passes `--bench` to every benchmark.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    println!(
        "instructions of one call, by callgrind ({CALLS} calls, 16-byte keys, {VALUE_BYTES}-byte values)"
    );
    for (at, case) in CASES.iter().enumerate() {
        if wanted.as_ref().is_some_and(|wanted| !case.name.contains(wanted.as_str())) {
            continue;
        }
        match count_call(at) {
            Ok(instructions) => println!("{:40} {instructions:7.1}", case.name),
            Err(error) => {
                eprintln!("{}: {error}", case.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
