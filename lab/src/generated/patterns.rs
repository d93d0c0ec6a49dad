//! Traces of keys alone: each shows what one habit of a cache's users does to an eviction policy.
//!
//! Sizes and TTLs are not told; a thousand requests come in a second. No two traces read the same part of the
//! [`Sequence`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use zbz_cache_cli::trace::{Op, Record, Records, Step, TraceError};

use super::REQUESTS;
use super::sequence::Sequence;
use super::zipf::Zipf;

/// Tells the key of every request, asked in their order with their numbers.
type Keys = Box<dyn FnMut(u64) -> u64>;

/// A trace of keys.
pub(super) struct Pattern {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) requests: u64,
    keys: fn() -> Keys,
}

pub(super) const PATTERNS: [Pattern; 11] = [
    Pattern {
        name: "loop",
        what: "11,000 keys in order, again and again; 600,000 requests",
        requests: 600_000,
        keys: || Box::new(|number| number % 11_000),
    },
    Pattern {
        name: "loopzipf",
        what: "half zipf 0.9 over 20,000 keys, half a loop of 30,000",
        requests: REQUESTS,
        keys: loop_and_zipf,
    },
    Pattern {
        name: "scanhot",
        what: "zipf 0.9 over 20,000 keys, after every 40,000 requests a scan of 10,000 new keys",
        requests: REQUESTS,
        keys: hot_keys_and_scans,
    },
    Pattern {
        name: "phase",
        what: "zipf 0.9 over 30,000 keys, all replaced every 125,000 requests",
        requests: REQUESTS,
        keys: phases,
    },
    Pattern {
        name: "drift",
        what: "zipf 0.8 over a window of 10,000 keys that slides one key every 20 requests",
        requests: REQUESTS,
        keys: drift,
    },
    Pattern {
        name: "mixphase",
        what: "phases of 150,000: zipf 1.0 over 20,000, a loop of 6,000, a recency stack; 900,000 requests",
        requests: 6 * MIXED_PHASE,
        keys: mixed_phases,
    },
    Pattern {
        name: "onehit",
        what: "40 % of requests for keys seen once, the rest zipf 0.7 over 50,000",
        requests: REQUESTS,
        keys: one_hit_wonders,
    },
    Pattern {
        name: "burst",
        what: "zipf 0.7 over 100,000 keys, each use followed by 0 to 3 more within 60 uses",
        requests: REQUESTS,
        keys: bursts,
    },
    Pattern { name: "zipf08", what: "zipf 0.8 over 200,000 keys", requests: REQUESTS, keys: || zipf(0.8, 7) },
    Pattern {
        name: "zipf10",
        what: "zipf 1.0 over 200,000 keys",
        requests: REQUESTS,
        keys: || zipf(1.0, 1_000_007),
    },
    Pattern {
        name: "zipf12",
        what: "zipf 1.2 over 200,000 keys",
        requests: REQUESTS,
        keys: || zipf(1.2, 2_000_007),
    },
];

/// Requests in one phase of `mixphase`.
const MIXED_PHASE: u64 = 150_000;

/// Keys from here on are apart from all ranks.
pub(super) const APART: u64 = 1 << 40;

/// `place` is where it begins in the [`Sequence`].
fn zipf(exponent: f64, place: u64) -> Keys {
    let (zipf, mut sequence) = (Zipf::over(200_000, exponent), Sequence::after(place));
    Box::new(move |_| zipf.draw(&mut sequence))
}

fn hot_keys_and_scans() -> Keys {
    let (zipf, mut sequence) = (Zipf::over(20_000, 0.9), Sequence::after(3_000_007));
    Box::new(move |number| match number % 50_000 {
        0..40_000 => zipf.draw(&mut sequence),
        _ => APART + number,
    })
}

fn loop_and_zipf() -> Keys {
    let (zipf, mut sequence) = (Zipf::over(20_000, 0.9), Sequence::after(3_800_007));
    let mut turns = 0;
    Box::new(move |_| {
        if sequence.below(2) == 0 {
            return zipf.draw(&mut sequence);
        }
        turns += 1;
        APART + turns % 30_000
    })
}

fn phases() -> Keys {
    let (zipf, mut sequence) = (Zipf::over(30_000, 0.9), Sequence::after(5_299_483));
    Box::new(move |number| (number / 125_000) << 32 | zipf.draw(&mut sequence))
}

fn drift() -> Keys {
    let (zipf, mut sequence) = (Zipf::over(10_000, 0.8), Sequence::after(6_299_483));
    Box::new(move |number| number / 20 + zipf.draw(&mut sequence))
}

fn mixed_phases() -> Keys {
    let (zipf, mut sequence) = (Zipf::over(20_000, 1.0), Sequence::after(7_299_483));
    Box::new(move |number| {
        let (phase, number) = (number / MIXED_PHASE, number % MIXED_PHASE);
        match phase % 3 {
            0 => zipf.draw(&mut sequence),
            1 => APART + number % 6_000,
            _ => {
                // A new key every fourth request; those further back are asked for ever less.
                let back = (1.0 / (sequence.share() + 1e-4)) as u64;
                phase * 2 * APART + (number / 4).saturating_sub(back)
            }
        }
    })
}

fn one_hit_wonders() -> Keys {
    let (zipf, mut sequence) = (Zipf::over(50_000, 0.7), Sequence::after(7_899_483));
    Box::new(move |number| {
        if sequence.share() < 0.4 {
            return APART + number;
        }
        zipf.draw(&mut sequence)
    })
}

fn bursts() -> Keys {
    let (zipf, mut sequence) = (Zipf::over(100_000, 0.7), Sequence::after(9_498_927));
    let mut uses = 1;
    // Of uses to come: after how many first ones, and for which key.
    let mut to_come = BinaryHeap::new();
    Box::new(move |_| {
        if let Some(&(Reverse(due), key)) = to_come.peek()
            && due <= uses
        {
            to_come.pop();
            return key;
        }
        let key = zipf.draw(&mut sequence);
        for _ in 0..sequence.below(4) {
            to_come.push((Reverse(uses + 1 + sequence.below(60)), key));
        }
        uses += 1;
        key
    })
}

/// The requests of a pattern.
pub(super) struct Patterned {
    keys: Keys,
    requests: u64,
    /// Requests so far.
    count: u64,
}

impl Patterned {
    pub(super) fn new(pattern: &Pattern) -> Patterned {
        Patterned { keys: (pattern.keys)(), requests: pattern.requests, count: 0 }
    }
}

impl Records for Patterned {
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError> {
        if self.count == self.requests {
            return Ok(Step::End);
        }
        record.key.clear();
        record.key.extend_from_slice(&(self.keys)(self.count).to_le_bytes());
        (record.time_ms, record.value_bytes, record.ttl_ms, record.op) = (self.count, None, None, Op::Get);
        self.count += 1;
        Ok(Step::Record)
    }
}
