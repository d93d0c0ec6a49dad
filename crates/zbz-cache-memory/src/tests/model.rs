//! The engine and a plain map queue by queue: random calls under a clock moved by hand, every answer
//! compared, the structure checked in between. `ZBZ_CACHE_TEST_SEED` repeats one sequence,
//! `ZBZ_CACHE_TEST_SEQUENCES` says how many there are.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::expected::Expected;
use super::plan::{Plan, Rig};
use super::random::Random;
use crate::engine::Engine;
use crate::{ManualClock, MemoryCache, WhenFull};

const SEQUENCES: u64 = 20_000;
const CALLS: u64 = 240;

/// A sequence takes some milliseconds.
const LONGEST: Duration = Duration::from_secs(60);

/// How often each verb was called, and how often it did something.
type Coverage = BTreeMap<&'static str, (u64, u64)>;

/// A cache, what it should hold, and where the calls come from.
pub struct Run {
    pub plan: Plan,
    pub engine: Arc<Engine>,
    pub cache: MemoryCache,
    pub hand: ManualClock,
    pub expected: Expected,
    pub random: Random,
    pub buffer: Vec<u8>,
    pub hits: u64,
    pub misses: u64,
    keys: Vec<Vec<u8>>,
    largest_value: u64,
    coverage: Coverage,
    seed: u64,
    verbose: bool,
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("ZBZ_CACHE_TEST_SEED={} repeats it: {:?}", self.seed, self.plan);
        }
    }
}

impl Run {
    fn new(seed: u64, verbose: bool) -> Run {
        let mut random = Random::new(seed);
        let plan = Plan::random(&mut random);
        let Rig { engine, cache, hand } = plan.build();
        let largest_value = cache.max_value_bytes() as u64;
        // Every cache takes keys of this length, also one too small to keep them.
        let longest = cache.max_key_bytes().max(8192);
        let count = random.pick(&[3, 12, 40, 90]);
        let keys = (0..count).map(|at| key(at, longest, &plan, &mut random)).collect();
        Run {
            plan,
            engine,
            cache,
            hand,
            expected: Expected::new(plan.when_full == WhenFull::Evict),
            random,
            buffer: Vec::new(),
            hits: 0,
            misses: 0,
            keys,
            largest_value,
            coverage: Coverage::new(),
            seed,
            verbose,
        }
    }

    pub fn note(&mut self, verb: &'static str, done: bool) {
        if self.verbose {
            eprintln!("{verb} {done}");
        }
        let count = self.coverage.entry(verb).or_default();
        *count = (count.0 + 1, count.1 + u64::from(done));
    }

    pub fn key(&mut self) -> Vec<u8> {
        let at = self.random.below(self.keys.len() as u64);
        self.keys[at as usize].clone()
    }

    pub fn prefix(&mut self) -> &'static [u8] {
        self.random.pick(&[b"", b"a", b"b", b"aa", b"nothing"])
    }

    /// A value, most of them small, others around the limits.
    pub fn value(&mut self) -> Vec<u8> {
        let segment = self.plan.segment_bytes();
        let len = match self.random.below(40) {
            0..3 => self.random.below(2),
            3..25 => self.random.below(40),
            25..30 => self.random.below(segment / 8),
            30..33 => segment / 16 + self.random.below(16) - 8,
            33..36 => (segment + self.random.below(60)).saturating_sub(50),
            36..38 => self.random.below(4 * segment).min(self.largest_value),
            38 => self.largest_value - self.random.below(2),
            _ => self.largest_value + 1,
        };
        let mut value = self.random.next().to_le_bytes().repeat(len as usize / 8 + 1);
        value.truncate(len as usize);
        value
    }

    fn call(&mut self) {
        match self.random.below(64) {
            0..14 => self.set(),
            14..22 => self.set_opts(),
            22 => self.set_multi(),
            23..33 => self.get(),
            33 => self.get_multi(),
            34..37 => self.ask(),
            37..40 => self.delete(),
            40 => self.delete_multi(),
            41..43 => self.take(),
            43..47 => self.add(),
            47..52 => self.move_deadline(),
            52 => self.scan(),
            53 if self.random.below(8) == 0 => self.clear(),
            54 if self.random.below(3) == 0 => self.resize(),
            55 => self.maintain(),
            56 if self.random.below(4) == 0 => self.bad_key(),
            _ => self.advance(),
        }
    }

    fn check(&self) {
        self.engine.check();
        let stats = self.cache.stats();
        let gone = stats.deletes + stats.evictions + stats.expirations;
        assert_eq!(stats.sets + stats.adds - stats.replaced, stats.keys + gone, "{stats:?}");
        assert_eq!((stats.hits, stats.misses), (self.hits, self.misses));
        assert!(stats.memory_bytes <= stats.max_bytes, "{stats:?}");
        assert!(self.expected.forgets || stats.evictions == 0, "{stats:?}");
    }

    fn sequence(&mut self) {
        for call in 1..=CALLS {
            self.call();
            if self.verbose || call.is_multiple_of(60) {
                self.check();
            }
        }
        self.scan();
        self.maintain();
        self.check();
        if self.random.below(2) == 0 {
            self.close();
            self.check();
        }
    }
}

/// A key of one byte to the longest, none like another.
fn key(at: u64, longest: usize, plan: &Plan, random: &mut Random) -> Vec<u8> {
    let segment = plan.segment_bytes();
    let len = match random.below(24) {
        0 => 253 + random.below(6),
        1 => segment / 4 + random.below(3) - 1,
        2 => segment + random.below(3) - 1,
        3 if random.below(4) == 0 => longest as u64,
        _ => 1 + random.below(20),
    };
    let mut key = vec![b'a' + (at % 3) as u8];
    // As short as it can be and another nevertheless.
    match at / 3 {
        0 => {}
        number => key.push(b'a' + number as u8),
    }
    key.resize(key.len().max(len as usize), b'.');
    key
}

fn run(seed: u64, verbose: bool) -> Coverage {
    let mut run = Run::new(seed, verbose);
    if verbose {
        eprintln!("{:?}", run.plan);
    }
    run.sequence();
    std::mem::take(&mut run.coverage)
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn the_engine_is_a_map_that_forgets_or_refuses() {
    if let Some(seed) = from_environment("ZBZ_CACHE_TEST_SEED") {
        return drop(run(seed, true));
    }
    let sequences = from_environment("ZBZ_CACHE_TEST_SEQUENCES").unwrap_or(SEQUENCES);
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut coverage = Coverage::new();
    std::thread::scope(|scope| {
        let (next, (sender, done)) = (&next, channel::<Coverage>());
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(move || {
                let begun = watch();
                let mut seed = next.fetch_add(1, Ordering::Relaxed);
                while seed < sequences && begun.send(seed).is_ok() {
                    let _ = sender.send(run(seed, false));
                    seed = next.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        drop(sender);
        for (verb, (called, did)) in done.iter().flatten() {
            let count = coverage.entry(verb).or_default();
            *count = (count.0 + called, count.1 + did);
        }
    });
    report(sequences, &coverage);
}

/// Ends the process if a registered sequence does not end, and says which.
fn watch() -> Sender<u64> {
    let (sender, begun) = channel();
    std::thread::spawn(move || {
        let mut seed = None;
        loop {
            match begun.recv_timeout(LONGEST) {
                Ok(next) => seed = Some(next),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("ZBZ_CACHE_TEST_SEED={seed:?} never ends");
                    std::process::abort();
                }
            }
        }
    });
    sender
}

/// Past the test's captured output, to be seen whenever the tests run.
fn report(sequences: u64, coverage: &Coverage) {
    let mut text =
        format!("\n{sequences} sequences of {CALLS} calls: each verb, its calls, those that did something\n");
    for (verb, (called, done)) in coverage {
        text += &format!("  {verb:<18} {called:>9} {done:>9}\n");
        let never = ["set_opts if not", "add to no number", "a bad key"].contains(verb);
        assert!(never == (*done == 0) || sequences < SEQUENCES, "{verb}: {done} of {called}");
    }
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
