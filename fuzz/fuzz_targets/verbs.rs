//! Calls that are made of bytes, on the smallest cache and on a plain map: one that may forget, or
//! refuse, but never answers with what was not set.

#![no_main]

use std::collections::HashMap;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use zbz_cache_memory::{
    Clock, Condition, Cursor, Error, MIN_MAX_SIZE, ManualClock, MemoryCache, SetOptions, SetOutcome, WhenFull,
};

/// A value and its deadline, in nanoseconds.
type Entry = (Vec<u8>, Option<u64>);

struct Run {
    cache: MemoryCache,
    hand: ManualClock,
    now: u64,
    evicts: bool,
    map: HashMap<Vec<u8>, Entry>,
}

/// What is left of the input; zeros at its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn number(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// One of few keys, short or long.
    fn key(&mut self) -> Vec<u8> {
        let byte = self.byte();
        let len = [1, 2, 255, 256, 1000, 8192][usize::from(byte) % 6];
        vec![b'a' + byte % 16; len]
    }

    fn value(&mut self) -> Vec<u8> {
        let (len, byte) = (self.number(), self.byte());
        vec![byte; if byte % 4 == 0 { len % 20_000 } else { len % 300 }]
    }

    fn ttl(&mut self) -> Option<Duration> {
        let nanos = self.number() as u64;
        [None, Some(Duration::from_nanos(nanos)), Some(Duration::from_millis(nanos)), Some(Duration::MAX)]
            [usize::from(self.byte()) % 4]
    }
}

impl Run {
    fn live(&self, key: &[u8]) -> Option<&Entry> {
        self.map.get(key).filter(|(_, deadline)| deadline.is_none_or(|at| self.now < at))
    }

    fn stored(&mut self, key: Vec<u8>, value: Vec<u8>, ttl: Option<Duration>) {
        let end = |ttl: Duration| self.now + (ttl.as_nanos() as u64).max(1_000_000);
        match ttl {
            Some(Duration::ZERO) => drop(self.map.remove(&key)),
            Some(Duration::MAX) | None => drop(self.map.insert(key, (value, None))),
            Some(ttl) => drop(self.map.insert(key, (value, Some(end(ttl))))),
        }
    }

    fn check(&mut self, key: &[u8]) {
        let value = self.cache.get(key).unwrap();
        match (&value, self.live(key)) {
            (Some(value), Some((expected, _))) => assert_eq!(value, expected),
            (Some(_), None) => panic!("something where nothing should be"),
            (None, live) => assert!(live.is_none() || self.evicts, "an entry is lost"),
        }
        if value.is_none() {
            self.map.remove(key);
        }
    }

    fn set(&mut self, key: Vec<u8>, value: Vec<u8>, ttl: Option<Duration>, condition: Condition<'_>) {
        match self.cache.set_opts(&key, &value, &SetOptions::new(ttl).when(condition)) {
            Ok(SetOutcome::Stored) => self.stored(key, value, ttl),
            Ok(_) => assert!(!matches!(condition, Condition::Always)),
            Err(Error::TooLarge { .. }) => drop(self.map.remove(&key)),
            Err(error) => assert!(error == Error::Full && !self.evicts, "{error}"),
        }
    }

    fn call(&mut self, input: &mut Input<'_>) {
        let (verb, key) = (input.byte() % 12, input.key());
        match verb {
            0..3 => self.set(key, input.value(), input.ttl(), Condition::Always),
            3 => self.set(key, input.value(), input.ttl(), Condition::Absent),
            4 => self.set(key, input.value(), input.ttl(), Condition::Present),
            5 => self.check(&key),
            6 => {
                let deleted = self.cache.delete(&key).unwrap();
                assert!(!deleted || self.live(&key).is_some());
                self.map.remove(&key);
            }
            7 => {
                let ttl = input.ttl().unwrap_or(Duration::MAX);
                if self.cache.expire(&key, ttl) == Ok(true) {
                    let value = self.live(&key).expect("it was live").0.clone();
                    self.stored(key, value, Some(ttl));
                }
            }
            8 => {
                let step = input.number() as u64 * 1000;
                self.hand.advance(Duration::from_nanos(step));
                self.now += step;
            }
            9 => drop(self.cache.run_maintenance().unwrap()),
            10 => {
                let page = self.cache.scan(&key[..1], Cursor::START, 1000, |_| true).unwrap();
                assert!(page.keys.iter().all(|key| self.live(key).is_some()));
            }
            _ if input.byte() == 0 => {
                self.cache.clear().unwrap();
                self.map.clear();
            }
            _ => drop(self.cache.resize(MIN_MAX_SIZE + input.number() as u64)),
        }
        let stats = self.cache.stats();
        assert!(stats.memory_bytes <= stats.max_bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let (clock, hand) = Clock::manual();
    let when_full = if input.byte() % 2 == 0 { WhenFull::Evict } else { WhenFull::Reject };
    let cache =
        MemoryCache::builder().max_size(MIN_MAX_SIZE).clock(clock).when_full(when_full).build().unwrap();
    let mut run = Run { cache, hand, now: 0, evicts: when_full == WhenFull::Evict, map: HashMap::new() };
    while !input.0.is_empty() {
        run.call(&mut input);
    }
    let keys: Vec<_> = run.map.keys().cloned().collect();
    keys.iter().for_each(|key| run.check(key));
});
