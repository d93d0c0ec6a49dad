//! How a write is done: judged, given room, and put in place.
//!
//! A write judges its key under the lock and takes the bytes it lacks from the budget. When there
//! are too few it lets go of the key, makes room, and starts again with the bytes it gained in
//! hand, so every round brings it closer: nobody else can take them.

use crate::budget::Held;
use crate::engine::{Engine, Exit};
use crate::shard::{Entry, Shard, cost};
use crate::ttl::{End, NEVER, end_of};
use crate::{Condition, Error, SetOptions, SetOutcome, SetTtl, WhenFull};
use std::sync::Arc;
use std::time::Duration;

/// What a write wants done, judged from the live entry it met.
enum Draft {
    /// Nothing: the condition did not hold.
    Leave,
    /// The value is larger than can ever be held.
    TooLarge { len: usize, max: usize },
    /// Stored and ended at once.
    Absent,
    /// This value until this deadline.
    Put { value: Arc<[u8]>, deadline: u64 },
}

/// How far a write that found no room has come.
#[derive(Clone, Copy, PartialEq)]
enum Round {
    First,
    /// Expired entries were swept and there was no room still.
    Swept,
    /// Nothing could be evicted.
    NothingEvictable,
}

/// How one look at the key ended.
enum Look {
    Done(SetOutcome),
    /// This many bytes must be in hand.
    NoRoom {
        target: u64,
    },
}

/// One write under way.
struct Write<'a> {
    engine: &'a Engine,
    key: &'a [u8],
    held: Held<'a>,
    round: Round,
}

impl Engine {
    pub(crate) fn set(
        &self,
        key: &[u8],
        value: &[u8],
        options: &SetOptions<'_>,
    ) -> Result<SetOutcome, Error> {
        self.check_new_key(key)?;
        let (len, max) = (value.len(), self.max_value_len());
        let bytes: Option<Arc<[u8]>> = (len <= max).then(|| value.into());
        self.store(key, |old, now| {
            if !self.holds(&options.condition, old) {
                return Ok(Draft::Leave);
            }
            let Some(value) = bytes.clone() else {
                return Ok(Draft::TooLarge { len, max });
            };
            let end = match (options.ttl, old) {
                (SetTtl::Keep { .. }, Some(old)) => End::At(old.deadline),
                (SetTtl::Keep { otherwise }, None) => end_of(now, otherwise),
                (SetTtl::After(ttl), _) => end_of(now, Some(ttl)),
                (SetTtl::Never, _) => End::At(NEVER),
            };
            Ok(draft(value, end))
        })
    }

    pub(crate) fn add(&self, key: &[u8], delta: i64, ttl_if_new: Option<Duration>) -> Result<i64, Error> {
        self.check_new_key(key)?;
        let mut sum = 0;
        self.store(key, |old, now| {
            let before = old.map_or(Some(0), |old| parse_decimal(&old.value));
            sum = before.ok_or(Error::NotANumber)?.checked_add(delta).ok_or(Error::Overflow)?;
            let end = old.map_or_else(|| end_of(now, ttl_if_new), |old| End::At(old.deadline));
            Ok(draft(sum.to_string().into_bytes().into(), end))
        })?;
        Ok(sum)
    }

    fn holds(&self, condition: &Condition<'_>, old: Option<&Entry>) -> bool {
        match condition {
            Condition::Always => true,
            Condition::Absent => old.is_none(),
            Condition::Present => old.is_some(),
            Condition::Version(version) => old.is_some_and(|old| self.version_of(old) == *version),
            Condition::If(holds) => holds(),
        }
    }

    /// Does what `plan` drafts from the live entry and the time. It may be asked once a round.
    fn store(
        &self,
        key: &[u8],
        mut plan: impl FnMut(Option<&Entry>, u64) -> Result<Draft, Error>,
    ) -> Result<SetOutcome, Error> {
        let held = Held::nothing(&self.budget);
        let mut write = Write { engine: self, key, held, round: Round::First };
        loop {
            let look = {
                let mut shard = self.lock(key)?;
                let now = self.clock.now();
                self.drop_expired(&mut shard, key, now);
                let draft = plan(shard.get(key), now)?;
                write.carry_out(&mut shard, draft, now)?
            };
            match look {
                Look::Done(outcome) => return Ok(outcome),
                Look::NoRoom { target } => write.make_room(target)?,
            }
        }
    }
}

impl Write<'_> {
    /// Does what was drafted, if there is room. The shard holds no expired entry of the key.
    fn carry_out(&mut self, shard: &mut Shard, draft: Draft, now: u64) -> Result<Look, Error> {
        let (value, deadline) = match draft {
            Draft::Leave => return Ok(Look::Done(SetOutcome::ConditionFailed)),
            Draft::TooLarge { len, max } => {
                self.engine.counters.rejections.add(1);
                self.engine.remove(shard, self.key, now);
                return Err(Error::TooLarge { len, max });
            }
            Draft::Absent => return Ok(self.count_unkept(shard, now, Exit::Deleted)),
            Draft::Put { value, deadline } => (value, deadline),
        };
        let old_cost = shard.get(self.key).map_or(0, |old| cost(self.key.len(), old.value.len()));
        let target = cost(self.key.len(), value.len()).saturating_sub(old_cost);
        let room = match self.engine.when_full {
            WhenFull::Evict => self.held.fill(target),
            WhenFull::Reject => self.held.fill_or_leave(target),
        };
        match self.round {
            _ if room => {
                let version = self.engine.next_version();
                Ok(self.put(shard, Entry { value, deadline, version }))
            }
            Round::First => Ok(Look::NoRoom { target }),
            Round::Swept => {
                self.engine.counters.rejections.add(1);
                Err(Error::Full)
            }
            Round::NothingEvictable => Ok(self.count_unkept(shard, now, Exit::Evicted)),
        }
    }

    /// Gains bytes towards `target`, or finds that there are none to be had.
    fn make_room(&mut self, target: u64) -> Result<(), Error> {
        match self.engine.when_full {
            WhenFull::Evict => {
                if !self.engine.evict_into(&mut self.held, target, Some(self.key))? {
                    self.round = Round::NothingEvictable;
                }
            }
            WhenFull::Reject => {
                self.engine.sweep()?;
                self.round = Round::Swept;
            }
        }
        Ok(())
    }

    /// Puts an entry for which the difference to the old one is in hand.
    fn put(&mut self, shard: &mut Shard, entry: Entry) -> Look {
        let counters = &self.engine.counters;
        let new_cost = cost(self.key.len(), entry.value.len());
        counters.sets.add(1);
        counters.payload_bytes.add((self.key.len() + entry.value.len()) as u64);
        match shard.put(self.key, entry) {
            None => counters.keys.add(1),
            Some(old) => {
                counters.replaced.add(1);
                counters.payload_bytes.subtract(old.payload());
                self.held.receive(old.cost());
            }
        }
        self.held.hand_over(new_cost);
        Look::Done(SetOutcome::Stored)
    }

    /// Counts a write whose entry is gone as soon as it is stored, and the old one with it.
    fn count_unkept(&self, shard: &mut Shard, now: u64, exit: Exit) -> Look {
        let counters = &self.engine.counters;
        counters.sets.add(1);
        if let Some(old) = shard.remove(self.key) {
            counters.replaced.add(1);
            self.engine.budget.release(self.engine.count_out(&old, now, exit));
        } else {
            match exit {
                Exit::Deleted => counters.deletes.add(1),
                Exit::Evicted => counters.evictions.add(1),
            }
        }
        Look::Done(SetOutcome::Stored)
    }
}

fn draft(value: Arc<[u8]>, end: End) -> Draft {
    match end {
        End::AtOnce => Draft::Absent,
        End::At(deadline) => Draft::Put { value, deadline },
    }
}

/// A decimal as `i64` prints it: no sign but a minus, no leading zero, nothing around it.
fn parse_decimal(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::parse_decimal;

    #[test]
    fn only_decimals_as_they_are_printed_are_numbers() {
        assert_eq!(parse_decimal(b"0"), Some(0));
        assert_eq!(parse_decimal(b"-9223372036854775808"), Some(i64::MIN));
        for bad in ["", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "0x1", "9223372036854775808"] {
            assert_eq!(parse_decimal(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse_decimal(&[0xff]), None);
    }
}
