//! The object-safe face of a contestant: whole laps, counted, timed and checked.
//!
//! Every [`Contestant`] is a [`Racer`]. The loops are compiled once per contestant, so its own calls are inlined.
//! Each timed get is checked at both ends of the value, one in 64 wholly; each counting lap checks every byte.

use crate::contestant::Contestant;
use crate::data::{self, Key, key_of, write_value};
use crate::picks::{Uniform, WRITE_BIT};
use std::ops::{AddAssign, Range};
use std::time::{Duration, Instant};

/// Keys handed over at once in a batch get.
pub const BATCH_KEYS: usize = 32;

const STEPS_BETWEEN_CLOCKS: u32 = 1024;
const WHOLE_CHECK_EVERY: u64 = 64;

/// What one thread is asked to do in a timed lap.
#[derive(Clone, Copy)]
pub struct Lap<'list> {
    /// Keys present: numbers from 0 up to this.
    pub keys: u32,
    /// Bytes of every value.
    pub value_bytes: usize,
    /// How long to run.
    pub slice: Duration,
    /// Where the uniform numbers start.
    pub seed: u64,
    /// The list of a mixed lap.
    pub mixed: &'list [u32],
    /// The first number of a lap that writes fresh keys.
    pub fresh_from: u64,
}

/// What came of a lap.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Keys asked for or written.
    pub operations: u64,
    /// Gets among them.
    pub gets: u64,
    /// Gets that were answered.
    pub hits: u64,
    /// Answers that did not belong to their key.
    pub wrong: u64,
    /// Writes that returned an error.
    pub refused: u64,
    /// Time taken.
    pub elapsed: Duration,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.operations += other.operations;
        self.gets += other.gets;
        self.hits += other.hits;
        self.wrong += other.wrong;
        self.refused += other.refused;
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

impl Tally {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Hits per get; 1 when there were no gets.
    pub fn hit_share(&self) -> f64 {
        if self.gets == 0 { 1.0 } else { self.hits as f64 / self.gets as f64 }
    }
}

/// Requests of a trace, laid side by side with themselves in several copies of disjoint keys.
#[derive(Clone, Copy)]
pub struct Requests<'ids> {
    /// Object numbers below `distinct`.
    pub ids: &'ids [u32],
    /// Copies of the trace.
    pub copies: u32,
    /// Distinct objects of one copy.
    pub distinct: u32,
    /// Bytes of every value.
    pub value_bytes: usize,
}

/// A contestant in a race.
pub trait Racer: Send + Sync {
    /// Writes the keys with these numbers, once each.
    fn store(&self, numbers: &[u32], value_bytes: usize) -> Tally;
    /// Reads uniform keys, one by one.
    fn get(&self, lap: &Lap<'_>) -> Tally;
    /// Reads uniform keys, [`BATCH_KEYS`] at once.
    fn get_batch(&self, lap: &Lap<'_>) -> Tally;
    /// Reads and writes by the lap's list.
    fn mixed(&self, lap: &Lap<'_>) -> Tally;
    /// Writes uniform keys that are present.
    fn overwrite(&self, lap: &Lap<'_>) -> Tally;
    /// Writes uniform keys that are present, [`BATCH_KEYS`] at once.
    fn overwrite_batch(&self, lap: &Lap<'_>) -> Tally;
    /// Writes keys never seen before.
    fn store_fresh(&self, lap: &Lap<'_>) -> Tally;
    /// Counts which keys are present, checking every byte.
    fn count(&self, numbers: Range<u64>, value_bytes: usize) -> Tally;
    /// Asks for every request in turn and stores what is missing.
    fn replay(&self, requests: Requests<'_>) -> Tally;
}

impl<C: Contestant> Racer for C {
    fn store(&self, numbers: &[u32], value_bytes: usize) -> Tally {
        let start = Instant::now();
        let mut tally = Tally::default();
        let mut value = vec![0; value_bytes];
        for number in numbers {
            write(self, u64::from(*number), &mut value, &mut tally);
        }
        tally.elapsed = start.elapsed();
        tally
    }

    fn get(&self, lap: &Lap<'_>) -> Tally {
        let mut uniform = Uniform::new(lap.seed, lap.keys);
        let mut scratch = C::Scratch::default();
        timed(lap.slice, STEPS_BETWEEN_CLOCKS, |tally| {
            read(self, &mut scratch, uniform.draw(), lap.value_bytes, tally);
        })
    }

    fn get_batch(&self, lap: &Lap<'_>) -> Tally {
        let mut uniform = Uniform::new(lap.seed, lap.keys);
        let mut scratch = C::Scratch::default();
        let mut keys: [Key; BATCH_KEYS] = [key_of(0); BATCH_KEYS];
        timed(lap.slice, STEPS_BETWEEN_CLOCKS / BATCH_KEYS as u32, |tally| {
            for key in &mut keys {
                *key = key_of(u64::from(uniform.draw()));
            }
            self.get_batch(&mut scratch, &keys, |place, value| {
                tally.hits += 1;
                let check = Check::for_answer(tally.hits);
                tally.wrong += u64::from(!check.passes(&keys[place], value, lap.value_bytes));
            });
            tally.operations += BATCH_KEYS as u64;
            tally.gets += BATCH_KEYS as u64;
        })
    }

    fn mixed(&self, lap: &Lap<'_>) -> Tally {
        let mut list = lap.mixed.iter().cycle();
        let mut scratch = C::Scratch::default();
        let mut value = vec![0; lap.value_bytes];
        timed(lap.slice, STEPS_BETWEEN_CLOCKS, |tally| {
            let pick = list.next().copied().unwrap_or(0);
            if pick & WRITE_BIT == 0 {
                read(self, &mut scratch, pick, lap.value_bytes, tally);
            } else {
                write(self, u64::from(pick & !WRITE_BIT), &mut value, tally);
            }
        })
    }

    fn overwrite(&self, lap: &Lap<'_>) -> Tally {
        let mut uniform = Uniform::new(lap.seed, lap.keys);
        let mut value = vec![0; lap.value_bytes];
        timed(lap.slice, STEPS_BETWEEN_CLOCKS, |tally| {
            write(self, u64::from(uniform.draw()), &mut value, tally);
        })
    }

    fn overwrite_batch(&self, lap: &Lap<'_>) -> Tally {
        let mut uniform = Uniform::new(lap.seed, lap.keys);
        let mut values = vec![0; lap.value_bytes * BATCH_KEYS];
        timed(lap.slice, STEPS_BETWEEN_CLOCKS / BATCH_KEYS as u32, |tally| {
            let keys: [Key; BATCH_KEYS] = std::array::from_fn(|_| key_of(u64::from(uniform.draw())));
            for (key, value) in keys.iter().zip(values.chunks_exact_mut(lap.value_bytes)) {
                write_value(key, value);
            }
            let entries: [(Key, &[u8]); BATCH_KEYS] = std::array::from_fn(|place| {
                (keys[place], &values[place * lap.value_bytes..][..lap.value_bytes])
            });
            tally.refused += self.set_batch(&entries);
            tally.operations += BATCH_KEYS as u64;
        })
    }

    fn store_fresh(&self, lap: &Lap<'_>) -> Tally {
        let mut numbers = lap.fresh_from..;
        let mut value = vec![0; lap.value_bytes];
        timed(lap.slice, STEPS_BETWEEN_CLOCKS, |tally| {
            write(self, numbers.next().unwrap_or(0), &mut value, tally);
        })
    }

    fn count(&self, numbers: Range<u64>, value_bytes: usize) -> Tally {
        let start = Instant::now();
        let mut tally = Tally::default();
        let mut scratch = C::Scratch::default();
        for number in numbers {
            let key = key_of(number);
            tally.operations += 1;
            tally.gets += 1;
            let answer = self.get(&mut scratch, &key, |value| Check::Whole.passes(&key, value, value_bytes));
            if let Some(right) = answer {
                tally.hits += 1;
                tally.wrong += u64::from(!right);
            }
        }
        tally.elapsed = start.elapsed();
        tally
    }

    fn replay(&self, requests: Requests<'_>) -> Tally {
        let start = Instant::now();
        let mut tally = Tally::default();
        let mut scratch = C::Scratch::default();
        let mut value = vec![0; requests.value_bytes];
        for id in requests.ids {
            for copy in 0..u64::from(requests.copies) {
                let number = u64::from(*id) + copy * u64::from(requests.distinct);
                let key = key_of(number);
                tally.operations += 1;
                tally.gets += 1;
                let answer = self
                    .get(&mut scratch, &key, |value| Check::Ends.passes(&key, value, requests.value_bytes));
                if let Some(right) = answer {
                    tally.hits += 1;
                    tally.wrong += u64::from(!right);
                } else {
                    write_value(&key, &mut value);
                    tally.refused += u64::from(!self.set(&key, &value));
                }
            }
        }
        tally.elapsed = start.elapsed();
        tally
    }
}

/// Repeats `step` until the slice is over; looks at the clock every `steps` only, since that costs as much as a get.
#[inline]
fn timed(slice: Duration, steps: u32, mut step: impl FnMut(&mut Tally)) -> Tally {
    let mut tally = Tally::default();
    let start = Instant::now();
    loop {
        for _ in 0..steps {
            step(&mut tally);
        }
        tally.elapsed = start.elapsed();
        if tally.elapsed >= slice {
            return tally;
        }
    }
}

#[inline]
fn read<C: Contestant>(
    racer: &C,
    scratch: &mut C::Scratch,
    number: u32,
    value_bytes: usize,
    tally: &mut Tally,
) {
    let key = key_of(u64::from(number));
    let check = Check::for_answer(tally.operations);
    tally.operations += 1;
    tally.gets += 1;
    if let Some(right) = racer.get(scratch, &key, |value| check.passes(&key, value, value_bytes)) {
        tally.hits += 1;
        tally.wrong += u64::from(!right);
    }
}

#[inline]
fn write<C: Contestant>(racer: &C, number: u64, value: &mut [u8], tally: &mut Tally) {
    let key = key_of(number);
    write_value(&key, value);
    tally.operations += 1;
    tally.refused += u64::from(!racer.set(&key, value));
}

/// How much of a value is compared.
#[derive(Clone, Copy)]
enum Check {
    Ends,
    Whole,
}

impl Check {
    #[inline]
    fn for_answer(number: u64) -> Self {
        if number.is_multiple_of(WHOLE_CHECK_EVERY) { Self::Whole } else { Self::Ends }
    }

    #[inline]
    fn passes(self, key: &Key, value: &[u8], value_bytes: usize) -> bool {
        match self {
            Self::Ends => data::ends_match(key, value, value_bytes),
            Self::Whole => data::matches_wholly(key, value, value_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Plain(Mutex<HashMap<Vec<u8>, Vec<u8>>>);

    impl Contestant for Plain {
        type Scratch = ();
        fn get<R>(&self, (): &mut (), key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
            self.0.lock().unwrap().get(key).map(|value| see(value))
        }
        fn set(&self, key: &[u8], value: &[u8]) -> bool {
            self.0.lock().unwrap().insert(key.to_vec(), value.to_vec());
            true
        }
    }

    fn lap(mixed: &[u32]) -> Lap<'_> {
        Lap { keys: 10, value_bytes: 64, slice: Duration::from_millis(1), seed: 1, mixed, fresh_from: 100 }
    }

    fn full() -> Plain {
        let plain = Plain::default();
        plain.store(&(0..10).collect::<Vec<_>>(), 64);
        plain
    }

    #[test]
    fn every_lap_of_a_full_map_hits_and_finds_nothing_wrong() {
        let plain = full();
        let mixed = [3, 4 | WRITE_BIT];
        for tally in [
            Racer::get(&plain, &lap(&mixed)),
            Racer::get_batch(&plain, &lap(&mixed)),
            plain.mixed(&lap(&mixed)),
        ] {
            assert!(tally.gets > 0 && tally.hits == tally.gets && tally.wrong == 0, "{tally:?}");
        }
        assert_eq!(plain.count(0..20, 64).hits, 10);
    }

    #[test]
    fn a_swapped_value_is_counted_as_wrong() {
        let plain = full();
        let mut value = vec![0; 64];
        write_value(&key_of(1), &mut value);
        plain.set(&key_of(2), &value);
        assert!(Racer::get(&plain, &lap(&[])).wrong > 0);
        assert!(Racer::get_batch(&plain, &lap(&[])).wrong > 0);
        assert_eq!(plain.count(0..10, 64).wrong, 1);
    }

    #[test]
    fn a_batch_of_writes_leaves_every_key_its_own_value() {
        let plain = full();
        assert_eq!(plain.overwrite_batch(&lap(&[])).refused, 0);
        let left = plain.count(0..10, 64);
        assert_eq!((left.hits, left.wrong), (10, 0));
    }

    #[test]
    fn fresh_keys_are_new_keys() {
        let plain = full();
        let written = plain.store_fresh(&lap(&[])).operations;
        assert_eq!(plain.count(100..100 + written, 64).hits, written);
    }

    #[test]
    fn a_replay_misses_each_object_once_per_copy() {
        let plain = Plain::default();
        let requests = Requests { ids: &[0, 1, 0, 1, 1], copies: 3, distinct: 2, value_bytes: 64 };
        let tally = plain.replay(requests);
        assert_eq!((tally.gets, tally.hits), (15, 9));
    }
}
