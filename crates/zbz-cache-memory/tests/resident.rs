//! The budget as the system counts it: a child process, which is this test's own program, uses a
//! cache and reads how much of its memory is resident.

#![cfg(all(target_os = "linux", not(zbz_cache_heap)))]
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod random;

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use random::Random;
use zbz_cache_memory::{Clock, MIN_MAX_SIZE, ManualClock, MemoryCache};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What resident memory may exceed the budget by.
const SLACK: u64 = 2 * MIB;

const KEYS: u64 = 300_000;
const LOAD: &str = "ZBZ_CACHE_TEST_LOAD";
const BUDGET: &str = "ZBZ_CACHE_TEST_BUDGET";

/// Anonymous resident bytes of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * KIB
}

/// What a load works with: all of it is there, and touched, before the first sample.
struct Child {
    cache: MemoryCache,
    hand: ManualClock,
    keys: Vec<[u8; 16]>,
    bytes: Vec<u8>,
    random: Random,
    samples: HashMap<&'static str, u64>,
    calls: u64,
}

impl Child {
    fn new(budget: u64) -> Child {
        let (clock, hand) = Clock::manual();
        let cache = MemoryCache::builder().max_size(budget).clock(clock).build().unwrap();
        let key = |number: u64| format!("{number:016x}").into_bytes().try_into().unwrap();
        let samples = HashMap::with_capacity(64);
        let bytes = (0..64 * KIB).map(|at| at as u8 | 1).collect();
        Child {
            cache,
            hand,
            keys: (0..KEYS).map(key).collect(),
            bytes,
            random: Random::new(9),
            samples,
            calls: 0,
        }
    }

    /// Keeps the largest sample of what is named.
    fn sample(&mut self, name: &'static str) {
        let most = self.samples.entry(name).or_default();
        *most = resident().max(*most);
    }

    fn set(&mut self, key: u64, len: u64, ttl: Option<Duration>) {
        let len = (len as usize).min(self.cache.max_value_bytes());
        self.cache.set(&self.keys[key as usize], &self.bytes[..len], ttl).unwrap();
        self.calls += 1;
        if self.calls.is_multiple_of(997) {
            self.sample("peak");
        }
    }

    /// So many bytes of values whose lengths are below this.
    fn fill(&mut self, mut bytes: u64, below: u64, ttl: Option<Duration>) {
        while bytes > 0 {
            let (key, len) = (self.random.below(KEYS), self.random.below(below));
            self.set(key, len, ttl);
            bytes = bytes.saturating_sub(len + 40);
        }
        self.sample("peak");
    }

    fn uniform(&mut self, budget: u64) {
        for turn in 0..2 * budget / 270 {
            self.set(turn % KEYS, 250, None);
        }
    }

    fn mixed(&mut self, budget: u64) {
        self.fill(2 * budget, 300, None);
        self.fill(2 * budget, 64 * KIB, None);
        self.fill(budget, 300, None);
    }

    /// Few keys most of the time, many seldom; some go.
    fn overwrites(&mut self, budget: u64) {
        for turn in 0..3 * budget / 200 {
            let reach = self.random.pick(&[100, 10_000, KEYS]);
            let key = self.random.below(reach);
            let len = self.random.below(300);
            self.set(key, len, None);
            if turn % 4 == 0 {
                let key = self.random.below(KEYS) as usize;
                self.cache.delete(&self.keys[key]).unwrap();
            }
        }
    }

    fn deadlines(&mut self, budget: u64) {
        for seconds in [1, 100, 10_000] {
            self.fill(budget / 2, 300, Some(Duration::from_secs(seconds)));
            self.hand.advance(Duration::from_secs(seconds / 2 + 1));
            self.cache.run_maintenance().unwrap();
            self.sample("peak");
        }
    }

    /// Each budget is kept to while it holds.
    fn resizes(&mut self, budget: u64) {
        if budget == MIN_MAX_SIZE {
            return self.fill(4 * budget, 2000, None);
        }
        self.cache.resize(budget / 2).unwrap();
        self.fill(budget, 2000, None);
        self.sample("half");
        self.cache.resize(budget).unwrap();
        self.fill(2 * budget, 300, None);
        self.cache.resize(budget / 4).unwrap();
        self.sample("quarter");
        self.fill(budget, 2000, None);
        self.sample("quarter");
    }

    fn run(&mut self, load: &str, budget: u64) {
        self.sample("peak");
        match load {
            "uniform" => self.uniform(budget),
            "mixed" => self.mixed(budget),
            "overwrites" => self.overwrites(budget),
            "deadlines" => self.deadlines(budget),
            "resizes" => self.resizes(budget),
            other => panic!("{other}"),
        }
        self.cache.clear().unwrap();
        self.sample("cleared");
    }
}

/// The child's part: does nothing when the test is run by itself.
#[test]
fn child() {
    let (Ok(load), Ok(budget)) = (std::env::var(LOAD), std::env::var(BUDGET)) else { return };
    let budget = budget.parse().unwrap();
    let mut child = Child::new(budget);
    child.run(&load, budget);
    for (name, bytes) in &child.samples {
        println!("\nsample {name} {bytes}");
    }
}

/// Runs a load in a child and answers its samples.
fn samples(load: &str, budget: u64) -> HashMap<String, u64> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture", "--test-threads", "1"]);
    let output = command.env(LOAD, load).env(BUDGET, budget.to_string()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let sample = |line: &str| {
        let (name, bytes) = line.strip_prefix("sample ")?.split_once(' ')?;
        Some((name.to_owned(), bytes.parse().unwrap()))
    };
    text.lines().filter_map(sample).collect()
}

fn check(load: &str) {
    let base = samples(load, MIN_MAX_SIZE)["peak"];
    for budget in [MIB, 16 * MIB, 64 * MIB] {
        let samples = samples(load, budget);
        for (name, &bytes) in &samples {
            let limit = match name.as_str() {
                "peak" => budget,
                "half" => budget / 2,
                "quarter" => budget / 4,
                _ => 0,
            };
            let beyond = bytes as i64 - base as i64 - limit as i64;
            println!(
                "{load}, {} KiB, {name}: {} KiB beyond {} KiB",
                budget / KIB,
                beyond / 1024,
                limit / KIB
            );
            assert!(beyond <= SLACK as i64, "{load}, {budget} bytes: {name} is {beyond} bytes beyond");
        }
        // A cache that uses nothing would keep its budget, too.
        assert!(
            samples["peak"] > base + budget / 2 - SLACK.min(budget / 2),
            "{load}: hardly anything is used"
        );
    }
}

#[test]
fn entries_of_one_size_stay_within_the_budget() {
    check("uniform");
}

#[test]
fn entries_of_all_sizes_stay_within_the_budget() {
    check("mixed");
}

#[test]
fn overwrites_and_deletes_stay_within_the_budget() {
    check("overwrites");
}

#[test]
fn entries_that_expire_stay_within_the_budget() {
    check("deadlines");
}

#[test]
fn every_budget_of_a_resized_cache_is_kept_to() {
    check("resizes");
}
