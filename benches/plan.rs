//! What is measured, and for how long.

use crate::work::KEY_BYTES;
use criterion::Criterion;
use std::thread;
use std::time::Duration;

/// Bytes of a value, rising.
const VALUE_BYTES: [usize; 5] = [16, 64, 1 << 10, 16 << 10, 64 << 10];

/// How many keys a cache holds, and how large their values are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub keys: u64,
    pub value_bytes: usize,
}

impl Shape {
    /// Bytes of one key and its value.
    pub fn entry_bytes(self) -> u64 {
        (KEY_BYTES + self.value_bytes) as u64
    }
}

/// A whole measurement.
pub struct Plan {
    /// Rising.
    keys: [u64; 3],
    /// Numbers of threads, rising.
    pub threads: Vec<usize>,
    /// The most bytes of keys and values in a cache; of larger values there are fewer.
    data_bytes: u64,
    live_keys: u64,
    warm_up: Duration,
    time: Duration,
    samples: usize,
}

impl Plan {
    /// The small one if criterion is asked to be quick or, as by `cargo test`, only to try.
    pub fn of_arguments() -> Plan {
        let given = |argument| std::env::args().any(|other| other == argument);
        if given("--quick") || given("--test") || !given("--bench") { Plan::quick() } else { Plan::full() }
    }

    fn full() -> Plan {
        Plan {
            keys: [1_000, 100_000, 4_000_000],
            threads: threads_of_this_machine(),
            data_bytes: 512 << 20,
            live_keys: 1_000_000,
            warm_up: Duration::from_millis(500),
            time: Duration::from_secs(2),
            samples: 20,
        }
    }

    fn quick() -> Plan {
        Plan {
            keys: [1_000, 100_000, 1_000_000],
            data_bytes: 64 << 20,
            live_keys: 200_000,
            warm_up: Duration::from_millis(100),
            time: Duration::from_millis(200),
            samples: 10,
            ..Plan::full()
        }
    }

    /// Criterion with the plan's times, where the arguments say nothing else.
    pub fn criterion(&self) -> Criterion {
        Criterion::default()
            .warm_up_time(self.warm_up)
            .measurement_time(self.time)
            .sample_size(self.samples)
            .configure_from_args()
    }

    /// Each number of keys with each size of values, within the bound.
    pub fn shapes(&self) -> Vec<Shape> {
        let mut shapes = Vec::new();
        for value_bytes in VALUE_BYTES {
            for keys in self.keys {
                let bound = self.data_bytes / Shape { keys, value_bytes }.entry_bytes();
                shapes.push(Shape { keys: keys.min(bound), value_bytes });
            }
        }
        // Numbers of keys beyond the bound are one shape.
        shapes.dedup();
        shapes
    }

    /// The keys that live on while others are swept.
    pub fn live(&self) -> Shape {
        Shape { keys: self.live_keys, value_bytes: 64 }
    }
}

/// One, and as many as there are.
fn threads_of_this_machine() -> Vec<usize> {
    let all = thread::available_parallelism().map_or(1, usize::from);
    if all == 1 { vec![1] } else { vec![1, all] }
}
