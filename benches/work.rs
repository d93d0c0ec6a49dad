//! Keys, values that tell their key, random numbers, and the stopwatch.
//!
//! Invariants: keys are computed, not read from a list, which would take from the processor's
//! caches what the engine needs; a value has its key's number at both ends.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of every key.
pub const KEY_BYTES: usize = 16;

/// Keys of a batch.
pub const BATCH: usize = 32;

/// Calls of each thread before the clock starts: a thread's first call makes it known to the
/// engine, and a first value makes its buffer.
pub const UNTIMED_CALLS: u64 = 1;

/// The key of this number.
#[inline]
pub fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key[8..].copy_from_slice(&mix(number).to_le_bytes());
    key
}

/// A buffer of one size that becomes the value of one key after another.
pub struct Value(Vec<u8>);

impl Value {
    /// Of at least two numbers' length.
    pub fn of(bytes: usize) -> Value {
        assert!(bytes >= 16, "a value has its key's number at both ends");
        Value(vec![b'v'; bytes])
    }

    /// The value of the key of this number.
    #[inline]
    pub fn for_key(&mut self, number: u64) -> &[u8] {
        let last = self.0.len() - 8;
        self.0[..8].copy_from_slice(&number.to_le_bytes());
        self.0[last..].copy_from_slice(&number.to_le_bytes());
        &self.0
    }
}

/// Stops the run if a value is not that of this key.
#[inline]
pub fn check(number: u64, value: &[u8], bytes: usize) {
    let number_bytes = number.to_le_bytes();
    let right = value.len() == bytes && value.starts_with(&number_bytes) && value.ends_with(&number_bytes);
    assert!(right, "the key of number {number} has another's value");
}

/// Random numbers, the same for the same seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    /// Far from the dice of other seeds.
    pub fn of(seed: u64) -> Dice {
        Dice(mix(seed))
    }

    /// A number below `end`.
    #[inline]
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mix(self.0)) * u128::from(end)) >> 64) as u64
    }
}

/// The finisher of SplitMix64: one to one, and every bit depends on every other.
#[inline]
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// How long the slowest of `threads` takes for `calls` of the worker that `start` makes it, when
/// all begin together.
pub fn together<W: FnMut()>(threads: usize, calls: u64, start: impl Fn() -> W + Sync) -> Duration {
    let ready = Barrier::new(threads);
    let run = || {
        let mut call = start();
        // Before the first call that may panic: a thread that never came would be waited for.
        ready.wait();
        (0..UNTIMED_CALLS).for_each(|_| call());
        let begun = Instant::now();
        (0..calls).for_each(|_| call());
        begun.elapsed()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let times = running.into_iter().map(|thread| thread.join().expect("no answer is wrong"));
        times.max().unwrap_or_default()
    })
}
