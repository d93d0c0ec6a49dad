//! The timed laps: for every round each contestant runs once in turn.
//!
//! One turn builds a contestant, fills it (which is the fill measurement), runs the laps on it, checks what is left
//! byte by byte, and drops it before the next one starts. A second instance, full from the start, serves the sets that
//! evict. The order of contestants rotates from round to round.

use crate::contestant::{Capacity, Card};
use crate::data::KEY_BYTES;
use crate::failure::Failure;
use crate::picks;
use crate::progress::Progress;
use crate::racer::{Lap, Racer, Tally};
use crate::results::{Speed, Work};
use std::sync::Barrier;
use std::time::Duration;

/// What is raced, how often and how long.
pub struct Plan<'cards> {
    /// The contestants.
    pub cards: &'cards [&'static Card],
    /// Which laps.
    pub work: &'cards [Work],
    /// Numbers of keys.
    pub keys: &'cards [u32],
    /// Numbers of threads.
    pub threads: &'cards [u32],
    /// Rounds of each.
    pub rounds: u32,
    /// Length of a timed lap.
    pub slice: Duration,
    /// Bytes of every value.
    pub value_bytes: usize,
}

/// The smallest number of keys whose filling takes long enough to be timed.
pub const MIN_FILL_KEYS: u32 = 50_000;

const SEED: u64 = 0x5EED;
const MAX_COUNTED_KEYS: u32 = 200_000;
/// Each thread writes fresh keys in a range of its own, this many bits wide.
const FRESH_BITS: u32 = 40;
/// Room for twice the keys, so that nothing need be evicted.
const ROOMY: u64 = 2;
/// Longer than any lap: what is measured is the price of the deadline, not of its passing.
const TTL: Duration = Duration::from_secs(3600);

impl Plan<'_> {
    /// How many turns there are.
    pub fn turns(&self) -> u64 {
        let turns = self.cards.len() * self.keys.len() * self.threads.len();
        turns as u64 * u64::from(self.rounds)
    }

    /// Runs everything.
    ///
    /// # Errors
    ///
    /// When a contestant cannot be built or answers wrongly.
    pub fn run(&self, bar: &Progress) -> Result<Vec<Speed>, Failure> {
        let mut speeds = Vec::new();
        for &keys in self.keys {
            let order = picks::shuffled(SEED, keys);
            let mixed = picks::mixed(SEED, keys).map_err(Failure::Race)?;
            for &threads in self.threads {
                let heat = Heat { plan: self, keys, threads, order: &order, mixed: &mixed };
                speeds.extend(heat.run(bar)?);
            }
        }
        Ok(speeds)
    }
}

type TimedLap = fn(&dyn Racer, &Lap<'_>) -> Tally;

/// All rounds at one number of keys and threads.
struct Heat<'plan> {
    plan: &'plan Plan<'plan>,
    keys: u32,
    threads: u32,
    order: &'plan [u32],
    mixed: &'plan [u32],
}

impl Heat<'_> {
    fn run(&self, bar: &Progress) -> Result<Vec<Speed>, Failure> {
        let mut speeds: Vec<Speed> = Vec::new();
        let cards = self.plan.cards;
        for round in 0..self.plan.rounds {
            for place in 0..cards.len() {
                let card = cards[(place + round as usize) % cards.len()];
                bar.set_message(format!(
                    "{} keys, {} threads, round {} of {}: {}",
                    self.keys,
                    self.threads,
                    round + 1,
                    self.plan.rounds,
                    card.name
                ));
                for (work, tally) in self.turn(card, u64::from(round))? {
                    self.add(&mut speeds, card.name, work, tally)?;
                }
                bar.inc(1);
            }
        }
        Ok(speeds)
    }

    fn add(
        &self,
        speeds: &mut Vec<Speed>,
        contestant: &'static str,
        work: Work,
        tally: Rated,
    ) -> Result<(), Failure> {
        if tally.sum.wrong > 0 {
            return Err(Failure::wrong_answers(contestant, work.short(), tally.sum.wrong));
        }
        let known = speeds.iter().position(|speed| speed.contestant == contestant && speed.work == work);
        let place = known.unwrap_or_else(|| {
            speeds.push(Speed {
                work,
                keys: self.keys,
                threads: self.threads,
                contestant,
                rates: Vec::new(),
                hit_share: 1.0,
                refused: 0,
            });
            speeds.len() - 1
        });
        let speed = &mut speeds[place];
        speed.rates.push(tally.rate);
        speed.hit_share = speed.hit_share.min(tally.sum.hit_share());
        speed.refused += tally.sum.refused;
        Ok(())
    }

    fn turn(&self, card: &Card, round: u64) -> Result<Vec<(Work, Rated)>, Failure> {
        let mut done = Vec::new();
        let apart = [Work::SetFull, Work::Ttl];
        if self.plan.work.iter().any(|work| Work::SPEED.contains(work) && !apart.contains(work)) {
            self.roomy_turn(card, round, &mut done)?;
        }
        if self.plan.work.contains(&Work::SetFull) && card.evicts() {
            done.push((Work::SetFull, self.full_turn(card)?));
        }
        if self.plan.work.contains(&Work::Ttl) && card.ttl.is_some() {
            done.push((Work::Ttl, self.ttl_turn(card, round)?));
        }
        Ok(done)
    }

    /// The laps of a contestant with twice the room its keys need.
    fn roomy_turn(&self, card: &Card, round: u64, done: &mut Vec<(Work, Rated)>) -> Result<(), Failure> {
        let racer = self.build(card, ROOMY * u64::from(self.keys), None)?;
        let racer = racer.as_ref();
        let filled = self.fill(racer, self.order);
        if self.keys >= MIN_FILL_KEYS && self.plan.work.contains(&Work::Fill) {
            done.push((Work::Fill, filled));
        }
        // Reads before writes: a log fills with holes as keys are overwritten.
        let laps: [(Work, TimedLap); 5] = [
            (Work::Get, |racer, lap| racer.get(lap)),
            (Work::BatchGet, |racer, lap| racer.get_batch(lap)),
            (Work::Mixed, |racer, lap| racer.mixed(lap)),
            (Work::Set, |racer, lap| racer.overwrite(lap)),
            (Work::BatchSet, |racer, lap| racer.overwrite_batch(lap)),
        ];
        for (work, run) in laps {
            if !self.plan.work.contains(&work) {
                continue;
            }
            done.push((work, self.warm_lap(racer, run, round)));
        }
        self.check_what_is_left(card, racer, "the count after the laps")
    }

    /// A lap after a quarter of one to warm up, on other keys than the lap's own.
    fn warm_lap(&self, racer: &dyn Racer, run: TimedLap, round: u64) -> Rated {
        let (warm, seed) = (self.plan.slice / 4, SEED + round);
        self.together(|thread| run(racer, &Lap { slice: warm, ..self.lap(thread, !seed) }));
        self.together(|thread| run(racer, &self.lap(thread, seed)))
    }

    /// Nine gets and a set in ten where every entry has a deadline.
    fn ttl_turn(&self, card: &Card, round: u64) -> Result<Rated, Failure> {
        let racer = self.build(card, ROOMY * u64::from(self.keys), Some(TTL))?;
        let racer = racer.as_ref();
        self.fill(racer, self.order);
        let rated = self.warm_lap(racer, |racer, lap| racer.mixed(lap), round);
        self.check_what_is_left(card, racer, "the count after the laps with a TTL")?;
        Ok(rated)
    }

    /// Fresh keys into a cache that is full of others.
    fn full_turn(&self, card: &Card) -> Result<Rated, Failure> {
        let racer = self.build(card, u64::from(self.keys), None)?;
        let racer = racer.as_ref();
        self.fill(racer, self.order);
        // A cache limited in bytes may hold more than was asked for: with a quarter more it surely evicts.
        let surplus: Vec<u32> = (self.keys..self.keys + self.keys.div_ceil(4)).collect();
        self.fill(racer, &surplus);
        drop(surplus);
        let lap =
            |thread| Lap { fresh_from: (2 * thread as u64 + 1) << FRESH_BITS, ..self.lap(thread, SEED) };
        let warm_lap = |thread| Lap {
            fresh_from: (2 * thread as u64 + 2) << FRESH_BITS,
            slice: self.plan.slice / 4,
            ..self.lap(thread, SEED)
        };
        self.together(|thread| racer.store_fresh(&warm_lap(thread)));
        let rated = self.together(|thread| racer.store_fresh(&lap(thread)));
        self.check_what_is_left(card, racer, "the count after evictions")?;
        Ok(rated)
    }

    /// Reads what is left once more, every byte of it; of many keys the first ones.
    fn check_what_is_left(&self, card: &Card, racer: &dyn Racer, when: &str) -> Result<(), Failure> {
        let left = racer.count(0..u64::from(self.keys.min(MAX_COUNTED_KEYS)), self.plan.value_bytes);
        if left.wrong > 0 {
            return Err(Failure::wrong_answers(card.name, when, left.wrong));
        }
        Ok(())
    }

    fn build(&self, card: &Card, entries: u64, ttl: Option<Duration>) -> Result<Box<dyn Racer>, Failure> {
        let entry_bytes = (KEY_BYTES + self.plan.value_bytes) as u64;
        (card.build)(Capacity { ttl, ..card.capacity_for(entries, entry_bytes) })
            .map_err(|reason| Failure::Race(format!("{} could not be built: {reason}", card.name)))
    }

    /// Every thread writes its share of the keys with these numbers.
    fn fill(&self, racer: &dyn Racer, numbers: &[u32]) -> Rated {
        let share = numbers.len().div_ceil(self.threads as usize);
        self.together(|thread| {
            let first = (thread * share).min(numbers.len());
            let last = (first + share).min(numbers.len());
            racer.store(&numbers[first..last], self.plan.value_bytes)
        })
    }

    fn lap(&self, thread: usize, seed: u64) -> Lap<'_> {
        // Each thread starts at its own place of the list.
        let start = self.mixed.len() * thread / self.threads as usize;
        Lap {
            keys: self.keys,
            value_bytes: self.plan.value_bytes,
            slice: self.plan.slice,
            seed: seed.wrapping_add((thread as u64) << 32),
            mixed: &self.mixed[start..],
            fresh_from: 0,
        }
    }

    /// Runs `one` on every thread at once; rates add up, since each thread times itself.
    fn together(&self, one: impl Fn(usize) -> Tally + Sync) -> Rated {
        let start = Barrier::new(self.threads as usize);
        let tallies: Vec<Tally> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads as usize)
                .map(|thread| {
                    let (start, one) = (&start, &one);
                    scope.spawn(move || {
                        start.wait();
                        one(thread)
                    })
                })
                .collect();
            let joined = workers.into_iter().map(|worker| worker.join());
            joined.map(|tally| tally.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let mut rated = Rated { sum: Tally::default(), rate: 0.0 };
        for tally in tallies {
            rated.rate += tally.rate();
            rated.sum += tally;
        }
        rated
    }
}

/// What all threads did together.
#[derive(Clone, Copy)]
struct Rated {
    sum: Tally,
    rate: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::Contestant;
    use crate::contestants;
    use crate::data::{key_of, write_value};

    /// Answers every get with the value of one key.
    struct Liar(Vec<u8>);

    impl Contestant for Liar {
        type Scratch = ();

        fn get<R>(&self, (): &mut (), _: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
            Some(see(&self.0))
        }

        fn set(&self, _: &[u8], _: &[u8]) -> bool {
            true
        }
    }

    static LIAR: Card = Card {
        name: "liar",
        build: |_| {
            let mut value = vec![0; 64];
            write_value(&key_of(3), &mut value);
            Ok(Box::new(Liar(value)))
        },
        ..Card::MAP
    };

    fn run(card: &'static Card, work: Work, rounds: u32) -> Result<Vec<Speed>, Failure> {
        let plan = Plan {
            cards: &[card],
            work: &[work],
            keys: &[200],
            threads: &[2],
            rounds,
            slice: Duration::from_millis(1),
            value_bytes: 64,
        };
        plan.run(&Progress::hidden())
    }

    #[test]
    fn a_wrong_answer_fails_the_race_in_every_kind_of_read() {
        for work in [Work::Get, Work::BatchGet, Work::Mixed, Work::Set, Work::BatchSet] {
            let failure = run(&LIAR, work, 1).expect_err("a liar");
            assert!(matches!(&failure, Failure::Race(reason) if reason.contains("liar gave")), "{failure}");
        }
    }

    #[test]
    fn every_round_gives_one_rate() {
        let card = contestants::find("quick_cache").expect("quick_cache");
        for work in [Work::Get, Work::BatchSet, Work::SetFull] {
            let speeds = run(card, work, 3).expect("a race");
            assert_eq!((speeds.len(), speeds[0].rates.len(), speeds[0].work), (1, 3, work));
            assert!(speeds[0].rates.iter().all(|rate| *rate > 0.0));
        }
    }

    #[test]
    fn a_map_is_left_out_of_the_full_cache() {
        let card = contestants::find("dashmap").expect("dashmap");
        assert!(run(card, Work::SetFull, 1).expect("a race").is_empty());
    }

    #[test]
    fn who_knows_no_ttl_is_left_out_of_the_laps_with_one() {
        let [moka, quick] = ["moka", "quick_cache"].map(|name| contestants::find(name).expect("a card"));
        assert_eq!(run(moka, Work::Ttl, 1).expect("a race").len(), 1);
        assert!(run(quick, Work::Ttl, 1).expect("a race").is_empty());
    }
}
