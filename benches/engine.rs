//! The engine's verbs by number of keys, value size and threads.
//!
//! Invariants: every value that is read is checked against its key; caches are filled before the
//! clock starts, and only if a benchmark that reads them is chosen; no background thread runs.
//!
//! A name is `<keys>_keys-<bytes>_byte_values/<verb>/<threads>_threads`, or `sweep/...`, and the
//! arguments are criterion's:
//!
//! ```text
//! cargo bench --manifest-path benches/Cargo.toml -- --quick          smaller, seconds each
//! cargo bench --manifest-path benches/Cargo.toml -- 64_byte.*/get/   those that match
//! ```
//!
//! A time is that of one call by each thread at once; the rate counts keys, of all threads.

mod plan;
mod work;

use self::plan::{Plan, Shape};
use self::work::{BATCH, Dice, Value};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use std::cell::LazyCell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use zbz_cache_memory::{Builder, Clock, Error, MIN_MAX_SIZE, ManualClock, MemoryCache, WhenFull};

/// Keys that expire together before each sweep.
const EXPIRED: u64 = 10_000;

/// Bytes that a key and its value may take beyond themselves: more than any layout needs.
const SPARE_BYTES: u64 = 128;

/// How many keys are read again after sets: of a full cache the newest. Fewer than any cache was given.
const READ_AGAIN: u64 = 64;

const HOUR: Duration = Duration::from_secs(3600);

/// One call of the engine, by its name in the report.
#[derive(Clone, Copy)]
enum Verb {
    Get,
    /// A get of an entry that has a deadline, so that the clock is read.
    GetWithTtl,
    /// A batch a call.
    GetMulti,
    /// A set of a key that is there, in a cache half full of live entries.
    SetWithRoom,
    /// A set of a key that was never there, into a full cache.
    SetEvicting,
    /// The same, refused by a full cache that rejects.
    SetRefused,
    /// A set of a key that is there, in such a cache.
    OverwriteRejecting,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::GetWithTtl => "get_with_ttl",
            Verb::GetMulti => "get_multi_32",
            Verb::SetWithRoom => "set_with_room",
            Verb::SetEvicting => "set_evicting",
            Verb::SetRefused => "set_refused",
            Verb::OverwriteRejecting => "overwrite_rejecting",
        }
    }

    fn keys_per_call(self) -> u64 {
        match self {
            Verb::GetMulti => BATCH as u64,
            _ => 1,
        }
    }
}

/// A cache with the keys below `shape.keys` in it, and where the next new keys begin.
struct Subject {
    cache: MemoryCache,
    shape: Shape,
    /// Also the seed of the next dice: no two samples ask for the same keys in the same order.
    fresh: AtomicU64,
}

impl Subject {
    fn of(cache: MemoryCache, shape: Shape, ttl: Option<Duration>) -> Subject {
        let mut value = Value::of(shape.value_bytes);
        for number in 0..shape.keys {
            cache.set(&work::key(number), value.for_key(number), ttl).expect("a key is taken");
        }
        Subject { cache, shape, fresh: AtomicU64::new(shape.keys) }
    }

    fn with_room(shape: Shape) -> Subject {
        Subject::of(roomy(shape), shape, None)
    }

    fn with_room_and_ttl(shape: Shape) -> Subject {
        // A day outlasts every run.
        Subject::of(roomy(shape), shape, Some(24 * HOUR))
    }

    /// Stores new keys beyond the first until entries were evicted, and as many again: the first
    /// evictions are not typical.
    fn full(shape: Shape) -> Subject {
        let budget = (shape.keys * shape.entry_bytes()).max(MIN_MAX_SIZE);
        let cache = still().max_size(budget).build().expect("a cache is built");
        let subject = Subject::of(cache, shape, None);
        let mut value = Value::of(shape.value_bytes);
        let mut last = u64::MAX;
        while subject.fresh.load(Ordering::Relaxed) < last {
            let number = subject.new_keys(1);
            subject.cache.set(&work::key(number), value.for_key(number), None).expect("a key is taken");
            if last == u64::MAX && subject.cache.stats().evictions > 0 {
                last = 2 * number;
            }
        }
        subject
    }

    /// A cache that rejects, with as many keys as it takes.
    fn full_rejecting(shape: Shape) -> Subject {
        let budget = (shape.keys * shape.entry_bytes()).max(MIN_MAX_SIZE);
        let cache = still().max_size(budget).when_full(WhenFull::Reject).build().expect("a cache is built");
        let mut value = Value::of(shape.value_bytes);
        let is_refused = |&number: &u64| cache.set(&work::key(number), value.for_key(number), None).is_err();
        let keys = (0..).find(is_refused).expect("it becomes full");
        Subject { cache, shape: Shape { keys, ..shape }, fresh: AtomicU64::new(keys) }
    }

    /// The first of `count` numbers that no thread took before.
    fn new_keys(&self, count: u64) -> u64 {
        self.fresh.fetch_add(count, Ordering::Relaxed)
    }

    fn dice(&self) -> Dice {
        Dice::of(self.new_keys(1))
    }

    /// How long `threads` take when each does `calls` of a verb.
    fn time(&self, verb: Verb, threads: usize, calls: u64) -> Duration {
        match verb {
            Verb::Get | Verb::GetWithTtl => work::together(threads, calls, || self.get()),
            Verb::GetMulti => work::together(threads, calls, || self.get_multi()),
            Verb::SetWithRoom | Verb::OverwriteRejecting => {
                work::together(threads, calls, || self.overwrite())
            }
            Verb::SetRefused => work::together(threads, calls, || self.set_refused(calls)),
            Verb::SetEvicting => {
                let time = work::together(threads, calls, || self.set_evicting(calls));
                self.check_newest();
                time
            }
        }
    }

    fn get(&self) -> impl FnMut() {
        let (mut dice, mut value) = (self.dice(), Vec::new());
        move || {
            let number = dice.below(self.shape.keys);
            let found = self.cache.get_into(&work::key(number), &mut value).expect("a get answers");
            assert!(found.is_some(), "the key of number {number} is lost, although there is room");
            work::check(number, &value, self.shape.value_bytes);
        }
    }

    fn get_multi(&self) -> impl FnMut() {
        let mut dice = self.dice();
        move || {
            let numbers: [u64; BATCH] = std::array::from_fn(|_| dice.below(self.shape.keys));
            let mut found = 0;
            let visit = |index: usize, value: &[u8], _| {
                found += 1;
                work::check(numbers[index], value, self.shape.value_bytes);
            };
            self.cache.get_multi(&numbers.map(work::key), visit).expect("a batch answers");
            assert_eq!(found, BATCH, "keys of a batch are lost, although there is room");
        }
    }

    fn set_refused(&self, calls: u64) -> impl FnMut() {
        let mut value = Value::of(self.shape.value_bytes);
        let mut number = self.new_keys(calls + work::UNTIMED_CALLS);
        move || {
            let refused = self.cache.set(&work::key(number), value.for_key(number), None);
            assert_eq!(refused, Err(Error::Full), "a full cache takes a new key");
            number += 1;
        }
    }

    fn overwrite(&self) -> impl FnMut() {
        let (mut dice, mut value) = (self.dice(), Value::of(self.shape.value_bytes));
        move || {
            let number = dice.below(self.shape.keys);
            self.cache.set(&work::key(number), value.for_key(number), None).expect("a key is taken");
        }
    }

    fn set_evicting(&self, calls: u64) -> impl FnMut() {
        let mut value = Value::of(self.shape.value_bytes);
        let mut number = self.new_keys(calls + work::UNTIMED_CALLS);
        move || {
            self.cache.set(&work::key(number), value.for_key(number), None).expect("a key is taken");
            number += 1;
        }
    }

    /// A full cache keeps its bounds, and what it still has of its newest keys is theirs.
    fn check_newest(&self) {
        let stored = self.fresh.load(Ordering::Relaxed);
        let stats = self.cache.stats();
        assert!(stats.evictions > 0 && stats.keys < stored && stats.memory_bytes <= stats.max_bytes);
        self.check_values(stored - READ_AGAIN..stored);
    }

    /// How many of these keys are there; each with its own value.
    fn check_values(&self, numbers: Range<u64>) -> u64 {
        let (mut value, mut found) = (Vec::new(), 0);
        for number in numbers {
            if self.cache.get_into(&work::key(number), &mut value).expect("a get answers").is_some() {
                work::check(number, &value, self.shape.value_bytes);
                found += 1;
            }
        }
        found
    }

    /// A cache that was not to evict has every key it was given, whatever was overwritten.
    fn check_all(&self) {
        assert_eq!(self.cache.len() as u64, self.shape.keys, "keys are lost, although there was room");
        assert_eq!(self.cache.stats().evictions, 0, "it evicted, although there was room");
        let some = READ_AGAIN.min(self.shape.keys);
        assert_eq!(self.check_values(0..some), some, "keys are lost, although there was room");
    }
}

/// Sweeps by hand or not at all.
fn still() -> Builder {
    MemoryCache::builder().cleanup_interval(Duration::ZERO)
}

fn roomy(shape: Shape) -> MemoryCache {
    let budget = (1 << 20) + 2 * shape.keys * (shape.entry_bytes() + SPARE_BYTES);
    still().max_size(budget).build().expect("a cache is built")
}

/// Measures some verbs, with each number of threads, on one cache that `fill` makes.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    threads: &[usize],
    verbs: &[Verb],
    fill: impl FnOnce() -> Subject,
) {
    let subject = LazyCell::new(fill);
    for &verb in verbs {
        for &threads in threads {
            group.throughput(Throughput::Elements(threads as u64 * verb.keys_per_call()));
            let id = BenchmarkId::new(verb.name(), format!("{threads}_threads"));
            group.bench_function(id, |bencher| {
                // Filled outside of the time that criterion measures, since it chooses the number of calls by that.
                let subject = &*subject;
                bencher.iter_custom(|calls| subject.time(verb, threads, calls));
                if matches!(verb, Verb::SetWithRoom | Verb::OverwriteRejecting) {
                    subject.check_all();
                }
            });
        }
    }
}

fn measure_shape(criterion: &mut Criterion, threads: &[usize], shape: Shape) {
    let name = format!("{}_keys-{}_byte_values", shape.keys, shape.value_bytes);
    let mut group = criterion.benchmark_group(name);
    // Samples of one length: in short ones threads would hardly meet.
    group.sampling_mode(SamplingMode::Flat);
    // Reading comes first: it shall find the cache as it was filled. One cache at a time is in memory.
    let with_room = [Verb::Get, Verb::GetMulti, Verb::SetWithRoom];
    measure(&mut group, threads, &with_room, || Subject::with_room(shape));
    measure(&mut group, threads, &[Verb::GetWithTtl], || Subject::with_room_and_ttl(shape));
    measure(&mut group, threads, &[Verb::SetEvicting], || Subject::full(shape));
    // Overwrites move entries together, and leave room for new ones.
    let rejecting = [Verb::SetRefused, Verb::OverwriteRejecting];
    measure(&mut group, threads, &rejecting, || Subject::full_rejecting(shape));
    group.finish();
}

/// Measures a sweep of keys that have expired, among keys that live on.
fn measure_sweep(criterion: &mut Criterion, live: Shape) {
    let subject = LazyCell::new(|| {
        let (clock, hand) = Clock::manual();
        // Room for those that expire is in the half that the live ones leave.
        let budget = (1 << 20) + 2 * (live.keys + EXPIRED) * (live.entry_bytes() + SPARE_BYTES);
        let cache = MemoryCache::builder().clock(clock).max_size(budget).build().expect("a cache is built");
        (Subject::of(cache, live, None), hand)
    });
    let mut group = criterion.benchmark_group("sweep");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(EXPIRED));
    group.bench_function(format!("{EXPIRED}_expired_among_{}", live.keys), |bencher| {
        let (subject, hand) = &*subject;
        bencher.iter_custom(|sweeps| (0..sweeps).map(|_| time_sweep(subject, hand)).sum());
    });
    group.finish();
}

fn time_sweep(subject: &Subject, hand: &ManualClock) -> Duration {
    let (cache, live) = (&subject.cache, subject.shape);
    let mut value = Value::of(live.value_bytes);
    for number in live.keys..live.keys + EXPIRED {
        cache.set(&work::key(number), value.for_key(number), Some(HOUR)).expect("a key is taken");
    }
    hand.advance(HOUR);
    let begun = Instant::now();
    let swept = cache.run_maintenance().expect("a sweep ends");
    let time = begun.elapsed();
    assert_eq!((swept.expired, cache.len() as u64), (EXPIRED, live.keys), "a sweep takes what expired, no more");
    time
}

fn main() {
    let plan = Plan::of_arguments();
    let mut criterion = plan.criterion();
    for shape in plan.shapes() {
        measure_shape(&mut criterion, &plan.threads, shape);
    }
    measure_sweep(&mut criterion, plan.live());
    criterion.final_summary();
}
