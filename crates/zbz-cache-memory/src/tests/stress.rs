//! Several threads on a few tiny segments, with values that tell whose they are and whether they
//! are whole. `ZBZ_CACHE_TEST_SECONDS` says how long; the structure is checked whenever all threads
//! are done with a round.

use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::plan::{Plan, Rig};
use super::random::Random;
use crate::log::segment::Phase;
use crate::{Condition, Cursor, Error, MemoryCache, SetOptions, SetOutcome, WhenFull};

const THREADS: u64 = 4;
const KEYS: u64 = 40;
const CALLS: u64 = 3000;

fn seconds() -> Duration {
    let seconds = std::env::var("ZBZ_CACHE_TEST_SECONDS").ok().map(|text| text.parse().expect("a number"));
    Duration::from_secs(seconds.unwrap_or(1))
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// A value of this key: the key, a number, filling, and a checksum.
fn value(key: u64, number: u64, len: usize) -> Vec<u8> {
    let mut bytes = [key.to_le_bytes(), number.to_le_bytes()].concat();
    bytes.extend((0..len).map(|at| (number as u8).wrapping_add(at as u8)));
    let sum = checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn assert_whole(key: u64, bytes: &[u8]) {
    assert!(bytes.len() >= 24, "{} bytes are no value", bytes.len());
    let (body, sum) = bytes.split_at(bytes.len() - 8);
    assert_eq!(body[..8], key.to_le_bytes(), "the value of another key");
    assert_eq!(sum, checksum(body).to_le_bytes(), "a mix of two values");
}

/// Keys of all lengths; their first byte is one of four.
fn key(id: u64, plan: &Plan) -> Vec<u8> {
    let long = [0, 0, 0, 3, 250, plan.segment_bytes() as usize / 4, plan.segment_bytes() as usize];
    let mut key = vec![b'a' + (id % 4) as u8, id as u8];
    key.resize(2 + long[id as usize % long.len()], b'.');
    key
}

struct Stress<'a> {
    plan: &'a Plan,
    rig: &'a Rig,
    random: Random,
    buffer: Vec<u8>,
}

impl Stress<'_> {
    fn call(&mut self, number: u64) {
        let id = self.random.below(KEYS);
        let key = key(id, self.plan);
        let most = self.random.pick(&[8, 40, 40, self.plan.segment_bytes(), 3 * self.plan.segment_bytes()]);
        let bytes = value(id, number, self.random.below(most) as usize);
        let cache = &self.rig.cache;
        let ttl = self.random.pick(&[None, None, Some(Duration::from_millis(5)), Some(Duration::MAX)]);
        let answer = match self.random.below(32) {
            0..8 => cache.set(&key, &bytes, ttl),
            8..10 => swap(cache, &key, &bytes),
            10..12 => {
                let options = SetOptions::new(ttl).keep_deadline();
                cache.set_opts(&key, &bytes, &options).map(drop)
            }
            12 => cache.set_multi(&[(&key, &bytes)], ttl).map_err(Error::from),
            13..18 => self.read(id, &key),
            18..20 => {
                let visit = |_: usize, bytes: &[u8], _| assert_whole(id, bytes);
                cache.get_multi(&[&key, &key, &key], visit)
            }
            20..22 => cache.delete(&key).map(drop),
            22 => {
                let taken = cache.take_into(&key, &mut self.buffer).unwrap();
                taken.iter().for_each(|_| assert_whole(id, &self.buffer));
                Ok(())
            }
            23..25 => cache.expire(&key, Duration::from_millis(1 + number % 9)).map(drop),
            25..27 => cache.persist(&key).map(drop),
            27 => cache.delete_multi(&[&key, &key]).map(drop),
            28 => cache.add(b"sum", 1, ttl).map(drop),
            _ => self.rare(),
        };
        assert!(matches!(answer, Ok(()) | Err(Error::Full | Error::TooLarge { .. })), "{answer:?}");
    }

    /// Reads in place, slowly, and writes meanwhile.
    fn read(&mut self, id: u64, key: &[u8]) -> Result<(), Error> {
        let (random, cache) = (&mut self.random, &self.rig.cache);
        let read = cache.get_with(key, |bytes, _| {
            assert_whole(id, bytes);
            match random.below(8) {
                0 => drop(cache.set(key, &value(id, 7, 20), None)),
                1 => std::thread::yield_now(),
                _ => {}
            }
            assert_whole(id, bytes);
        });
        read.map(drop)
    }

    fn rare(&mut self) -> Result<(), Error> {
        let cache = &self.rig.cache;
        match self.random.below(24) {
            0 => cache.clear().map(drop),
            1 => cache.clear_prefix(b"a").map(drop),
            2..4 => {
                let (least, most) = (cache.min_resize(), cache.max_resize());
                match cache.resize(least + self.random.below(most.saturating_sub(least).max(1))) {
                    Err(Error::Config { .. }) => Ok(()),
                    other => other,
                }
            }
            4..7 => cache.run_maintenance().map(drop),
            7..9 => {
                let limit = self.random.below(7) as usize;
                cache.scan(b"b", Cursor::START, limit, |_| true).map(drop)
            }
            _ => {
                self.rig.hand.advance(Duration::from_micros(300));
                Ok(())
            }
        }
    }
}

fn swap(cache: &MemoryCache, key: &[u8], bytes: &[u8]) -> Result<(), Error> {
    let seen = cache.get_with(key, |_, found| found.version())?;
    let condition = seen.map_or(Condition::Absent, Condition::Version);
    cache.set_opts(key, bytes, &SetOptions::new(None).when(condition)).map(drop)
}

fn plan(random: &mut Random, when_full: WhenFull) -> Plan {
    let segments = random.pick(&[2, 3, 4, 8]);
    Plan { segments, segment_bits: random.pick(&[8, 9, 10]), when_full, ..Plan::random(random) }
}

/// Prints what repeats the plan of a round that fails.
struct Told(u64, Plan);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("round {}: {:?}", self.0, self.1);
        }
    }
}

fn stress(when_full: WhenFull) {
    let begun = Instant::now();
    for round in 0.. {
        let mut random = Random::new(round);
        let told = Told(round, plan(&mut random, when_full));
        let rig = told.1.build();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (plan, rig) = (&told.1, &rig);
                scope.spawn(move || {
                    let random = Random::new(round << 8 | thread);
                    let mut stress = Stress { plan, rig, random, buffer: Vec::new() };
                    (0..CALLS).for_each(|number| stress.call(number));
                });
            }
        });
        rig.engine.check();
        let stats = rig.cache.stats();
        let gone = stats.deletes + stats.evictions + stats.expirations;
        assert_eq!(stats.sets + stats.adds - stats.replaced, stats.keys + gone, "{stats:?}");
        rig.cache.run_maintenance().unwrap();
        rig.engine.check();
        rig.cache.clear().unwrap();
        rig.engine.check();
        assert_eq!((rig.cache.len(), rig.engine.store.space.room.streams.present()), (0, 0));
        if begun.elapsed() > seconds() {
            return;
        }
    }
}

#[test]
fn an_evicting_engine_stays_whole_under_load() {
    stress(WhenFull::Evict);
}

#[test]
fn a_rejecting_engine_stays_whole_under_load() {
    stress(WhenFull::Reject);
}

/// Few keys in a log that goes round all the time: an item soon stands where another of its key
/// stood when a call began.
#[test]
fn no_sum_is_lost_while_the_log_goes_round() {
    let begun = Instant::now();
    let mut random = Random::new(5);
    let base = plan(&mut random, WhenFull::Reject);
    let plan = Plan { segments: 3, segment_bits: 8, classes: 1, tight: false, hash_mask: u64::MAX, ..base };
    let rig = plan.build();
    let sums: [AtomicI64; 2] = Default::default();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (rig, sums) = (&rig, &sums);
            scope.spawn(move || {
                let mut random = Random::new(thread);
                while begun.elapsed() < seconds() {
                    let at = random.below(2) as usize;
                    match rig.cache.add(&[b'a' + at as u8], 1, None) {
                        Ok(_) => drop(sums[at].fetch_add(1, Ordering::Relaxed)),
                        Err(error) => assert_eq!(error, Error::Full),
                    }
                }
            });
        }
    });
    rig.engine.check();
    for (at, sum) in sums.iter().enumerate() {
        let held = rig.cache.add(&[b'a' + at as u8], 0, None).unwrap();
        assert_eq!(held, sum.load(Ordering::Relaxed), "of adds that were answered");
    }
}

#[test]
fn a_rejecting_cache_fills_what_other_stripes_have_open() {
    let base = plan(&mut Random::new(5), WhenFull::Reject);
    let plan = Plan { segments: 3, segment_bits: 8, stripes: 4, classes: 1, tight: false, ..base };
    let rig = Plan { hash_mask: u64::MAX, ..plan }.build();
    // So many at once that every stripe is some thread's.
    let barrier = Barrier::new(16);
    std::thread::scope(|scope| {
        for thread in 0..16_u8 {
            let (rig, barrier) = (&rig, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let answer = rig.cache.set(&[thread + 1], b"v", None);
                barrier.wait();
                assert_eq!(answer, Ok(()));
            });
        }
    });
    assert_eq!(rig.cache.stats().keys, 16);
    rig.engine.check();
}

/// What a predicate guards must not be stored after the predicate was made false and the key
/// deleted, also by a write that keeps the deadline.
#[test]
fn a_write_whose_predicate_failed_before_a_delete_is_not_there_after_it() {
    let begun = Instant::now();
    let mut random = Random::new(6);
    let plan = Plan { segments: 8, hash_mask: u64::MAX, ..plan(&mut random, WhenFull::Evict) };
    let rig = plan.build();
    let (token, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mine = token.load(Ordering::SeqCst);
                    let holds = || token.load(Ordering::SeqCst) == mine;
                    let options = SetOptions::new(None).when(Condition::If(&holds)).keep_deadline();
                    let stored = rig.cache.set_opts(b"k", &mine.to_le_bytes(), &options);
                    assert!(matches!(stored, Ok(SetOutcome::Stored | SetOutcome::ConditionFailed)));
                }
            });
        }
        while begun.elapsed() < seconds() {
            let next = token.fetch_add(1, Ordering::SeqCst) + 1;
            rig.cache.delete(b"k").unwrap();
            if let Some(value) = rig.cache.get(b"k").unwrap() {
                let stored = u64::from_le_bytes(value.try_into().unwrap());
                if stored != next {
                    stop.store(true, Ordering::Relaxed);
                }
                assert_eq!(stored, next, "a write whose predicate had failed");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    rig.engine.check();
}

/// Calls under way when the cache is closed leave nothing behind.
#[test]
fn a_close_under_load_leaves_no_segment_behind() {
    let begun = Instant::now();
    for round in 0.. {
        let mut random = Random::new(round);
        let when_full = random.pick(&[WhenFull::Evict, WhenFull::Reject]);
        let told = Told(round, plan(&mut random, when_full));
        let rig = told.1.build();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let cache = Arc::new(rig.cache.clone());
                let plan = &told.1;
                scope.spawn(move || {
                    let mut random = Random::new(round << 8 | thread);
                    while !cache.is_closed() {
                        let id = random.below(8);
                        let key = key(id, plan);
                        let _ = match random.below(4) {
                            0 => cache.set(&key, &value(id, 1, 60), None),
                            1 => cache.expire(&key, Duration::from_secs(9)).map(drop),
                            2 => cache.add(b"sum", 1, None).map(drop),
                            _ => cache.persist(&key).map(drop),
                        };
                    }
                });
            }
            (0..random.below(2000)).for_each(|_| std::hint::spin_loop());
            rig.cache.set(b"sum", b"1", None).unwrap_or(());
            rig.cache.close();
        });
        rig.engine.check();
        assert_eq!(rig.cache.len(), 0);
        // One that a call protected at the last look stays in limbo.
        let phases = (0..rig.engine.store.space.room.streams.reached())
            .map(|segment| rig.engine.store.entries.log.segment(segment).phase());
        let left: Vec<_> = phases.filter(|&phase| phase != Phase::Absent).collect();
        assert!(left.len() <= THREADS as usize && left.iter().all(|&it| it == Phase::Limbo), "{left:?}");
        if begun.elapsed() > seconds() {
            return;
        }
    }
}
