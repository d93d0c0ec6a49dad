//! The measurements, and how long they take.

use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::{grid, layers, overhead};

/// A whole measurement.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    /// Numbers of keys of the grid, rising.
    pub(super) keys: Vec<u64>,
    /// Numbers of threads of the grid, rising.
    pub(super) threads: Vec<u16>,
    pub(super) rounds: usize,
    /// Time of one figure in one round.
    pub(super) round_ms: u64,
    /// Size of the cache whose overhead is measured.
    pub(super) overhead_max_size: u64,
    /// Keys that live on while others are swept.
    pub(super) live_keys: u64,
}

impl Plan {
    /// Some minutes.
    pub(super) fn full() -> Plan {
        Plan {
            keys: vec![1_000, 100_000, 4_000_000],
            threads: threads_of_this_machine(),
            rounds: 9,
            round_ms: 400,
            overhead_max_size: 64 << 20,
            live_keys: 1_000_000,
        }
    }

    /// Seconds.
    pub(super) fn quick() -> Plan {
        Plan {
            keys: vec![1_000, 100_000, 1_000_000],
            rounds: 3,
            round_ms: 60,
            live_keys: 200_000,
            ..Plan::full()
        }
    }

    /// The same with these numbers of keys, if there are any.
    pub(super) fn with_keys(self, keys: &[u64]) -> Plan {
        if keys.is_empty() { self } else { Plan { keys: rising(keys), ..self } }
    }

    /// The same with these numbers of threads, if there are any.
    pub(super) fn with_threads(self, threads: &[u16]) -> Plan {
        if threads.is_empty() { self } else { Plan { threads: rising(threads), ..self } }
    }

    pub(super) fn round(&self) -> Duration {
        Duration::from_millis(self.round_ms)
    }

    /// How many steps the progress has.
    pub(super) fn steps(&self) -> u64 {
        let (keys, threads) = (self.keys.len(), self.threads.len());
        let grid = keys * (1 + self.rounds * threads * grid::VERBS.len());
        let layers = self.rounds * layers::COUNT * 2;
        let overhead_and_expiry = overhead::LOADS.len() + 1 + self.rounds;
        (grid + layers + overhead_and_expiry) as u64
    }
}

fn threads_of_this_machine() -> Vec<u16> {
    let all = thread::available_parallelism().ok().and_then(|count| u16::try_from(count.get()).ok());
    rising(&[1, all.unwrap_or(1)])
}

fn rising<N: Ord + Copy>(numbers: &[N]) -> Vec<N> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
