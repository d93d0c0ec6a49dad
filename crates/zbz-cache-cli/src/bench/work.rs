//! The work that is timed: keys, values that tell their key, filled caches, and the stopwatch.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::MemoryCache;
use zbz_cache_memory::Builder;

use crate::dice;
use crate::failure::Failure;

/// Bytes of every key.
pub(super) const KEY_BYTES: usize = 16;

/// Bytes of every value, unless said otherwise.
pub(super) const VALUE_BYTES: usize = 64;

/// Keys of a batch.
pub(super) const BATCH: usize = 32;

/// Operations between two looks at the clock.
pub(super) const CHUNK: u64 = 1024;

/// The key of this number.
pub(super) fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&number.to_le_bytes());
    key[8..].copy_from_slice(&dice::mix(number).to_le_bytes());
    key
}

/// A value that begins with the number of its key.
pub(super) fn value<const BYTES: usize>(number: u64) -> [u8; BYTES] {
    let mut value = [b'v'; BYTES];
    for (place, byte) in value.iter_mut().zip(number.to_le_bytes()) {
        *place = byte;
    }
    value
}

/// Checks that a value is the one of this key.
///
/// # Errors
///
/// It is the value of another key, or of none.
pub(super) fn check(number: u64, value: &[u8]) -> Result<(), Failure> {
    if value.len() == VALUE_BYTES && value.starts_with(&number.to_le_bytes()) {
        return Ok(());
    }
    Err(wrong(number))
}

/// The failure of an answer that is not what was stored for this key.
#[cold]
pub(super) fn wrong(number: u64) -> Failure {
    Failure::Work(format!("the cache gave a wrong answer for the key of number {number}"))
}

/// The failure of a key that was stored with room to spare and is not there.
#[cold]
pub(super) fn lost(number: u64) -> Failure {
    Failure::Work(format!("the cache lost the key of number {number}, although it had room"))
}

/// A cache that holds the keys below `keys` and has room for more.
///
/// # Errors
///
/// The cache cannot be built or refuses a key.
pub(super) fn filled(builder: Builder, keys: u64) -> Result<MemoryCache, Failure> {
    // A limit, not a use: more than any layout of such entries takes.
    const ROOM_PER_KEY: u64 = 512;

    let cache = builder.max_size((1 << 20) + keys * ROOM_PER_KEY).build()?;
    for number in 0..keys {
        cache.set(&key(number), &value::<VALUE_BYTES>(number), None)?;
    }
    Ok(cache)
}

/// Operations a second that so many threads do together within a time.
///
/// `start` makes each thread's worker, which does some operations and answers how many.
///
/// # Errors
///
/// A worker failed.
pub(super) fn rate<W>(threads: u16, time: Duration, start: impl Fn(u64) -> W + Sync) -> Result<f64, Failure>
where
    W: FnMut() -> Result<u64, Failure>,
{
    let ready = Barrier::new(usize::from(threads));
    let run = |thread: u64| -> Result<f64, Failure> {
        let mut work = start(thread);
        ready.wait();
        let begun = Instant::now();
        let mut operations = 0;
        loop {
            operations += work()?;
            let elapsed = begun.elapsed();
            if elapsed >= time {
                return Ok(operations as f64 / elapsed.as_secs_f64());
            }
        }
    };
    thread::scope(|scope| {
        let run = &run;
        let handles: Vec<_> =
            (0..u64::from(threads)).map(|thread| scope.spawn(move || run(thread))).collect();
        handles.into_iter().try_fold(0.0, |sum, handle| match handle.join() {
            Ok(rate) => Ok(sum + rate?),
            Err(_) => Err(Failure::Work("a measuring thread panicked".to_owned())),
        })
    })
}

/// The middle one of some figures; of an even number the upper of the two.
pub(super) fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_another_key_is_wrong() {
        assert!(check(7, &value::<VALUE_BYTES>(7)).is_ok());
        assert!(check(8, &value::<VALUE_BYTES>(7)).is_err());
        assert!(check(7, &value::<8>(7)).is_err());
        assert_ne!(key(7), key(8));
    }

    #[test]
    fn the_threads_rates_are_added_and_a_failure_ends_the_measuring() {
        let time = Duration::from_millis(5);
        let each = |_| || Ok(1000);
        assert!(rate(2, time, each).unwrap() > 0.0);
        assert!(rate(2, time, |thread| move || if thread == 1 { Err(wrong(0)) } else { Ok(1) }).is_err());
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [2.0, 1.0]), 2.0);
        assert!(median(&mut []).is_nan());
    }
}
