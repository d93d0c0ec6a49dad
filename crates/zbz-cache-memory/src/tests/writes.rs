//! Random writes, each compared with all that may come of it.

use std::fmt::Debug;
use std::time::Duration;

use super::expected::Entry;
use super::model::Run;
use crate::{BatchError, Condition, Error, SetOptions, SetOutcome, SetTtl, Version};

/// Whether a condition holds; an item that is moved has another version than was told.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Holds {
    Yes,
    No,
    Perhaps,
}

impl Run {
    /// Takes over what the key holds after an answer that may have come of several.
    fn settle<A: PartialEq + Debug>(&mut self, key: &[u8], actual: &A, possible: Vec<(A, Option<Entry>)>) {
        let mut after: Vec<_> = Vec::new();
        for (answer, state) in &possible {
            if answer == actual && !after.contains(state) {
                after.push(state.clone());
            }
        }
        assert!(!after.is_empty(), "{actual:?} is none of {possible:?}");
        if after.len() == 1 {
            self.expected.put(key, after.pop().flatten());
            return self.sometimes_look(key);
        }
        let read = self.cache.get_into_uncounted(key, &mut self.buffer).unwrap();
        let ttl = self.cache.ttl(key).unwrap();
        let is_it = |state: &Option<Entry>| match (state, read) {
            (Some(entry), Some(_)) => *entry.value == *self.buffer && self.expected.ttl(Some(entry)) == ttl,
            (None, Some(_)) => false,
            (_, None) => state.is_none() || self.expected.forgets,
        };
        let state = after.into_iter().find(is_it).unwrap_or_else(|| panic!("none of {possible:?}"));
        self.expected.put(key, state.filter(|_| read.is_some()));
    }

    fn sometimes_look(&mut self, key: &[u8]) {
        if self.random.below(4) == 0 {
            self.look(key);
        }
    }

    /// The answer for a key that is refused.
    fn check_bad_key<A: PartialEq + Debug>(&self, key: &[u8], answer: &Result<A, Error>) -> bool {
        let max = self.cache.max_key_bytes().max(8192);
        let is_bad = key.len() > max;
        assert_eq!(is_bad, matches!(answer, Err(Error::KeyTooLong { .. })), "{answer:?}");
        is_bad
    }

    pub fn set(&mut self) {
        let (key, value, ttl) = (self.key(), self.value(), self.ttl());
        let answer = self.cache.set(&key, &value, ttl);
        self.note("set", answer.is_ok());
        let possible = self.outcomes(&key, &value, &SetOptions::new(ttl));
        if !self.check_bad_key(&key, &answer) {
            self.settle(&key, &answer.map(|()| SetOutcome::Stored), possible);
            self.check_kept(&key, value.len());
        }
    }

    /// An entry that a cache with several segments has just been given is there.
    fn check_kept(&mut self, key: &[u8], len: usize) {
        let small = (key.len() + len) as u64 <= self.plan.segment_bytes() / 8;
        let roomy = self.plan.segments >= 64 && !self.plan.tight && self.plan.hash_mask == u64::MAX;
        if small && roomy && self.expected.forgets && self.expected.live(key).is_some() {
            assert!(self.cache.exists(key).unwrap(), "the newest entry is gone");
        }
    }

    pub fn set_opts(&mut self) {
        let (key, value, ttl) = (self.key(), self.value(), self.ttl());
        let told = self.expected.last_version(&key).unwrap_or(7);
        let (yes, no) = (|| true, || false);
        let (name, condition) = match self.random.below(6) {
            0 => ("set_opts always", Condition::Always),
            1 => ("set_opts absent", Condition::Absent),
            2 => ("set_opts present", Condition::Present),
            3 => ("set_opts if", Condition::If(&yes)),
            4 => ("set_opts if not", Condition::If(&no)),
            _ => ("set_opts version", Condition::Version(Version::from_u128(told))),
        };
        let mut options = SetOptions::new(ttl).when(condition);
        if self.random.below(2) == 0 {
            options = options.keep_deadline();
            self.note("set_opts keep", true);
        }
        let possible = match name {
            "set_opts if not" => self.failures(&key),
            _ => self.outcomes(&key, &value, &options),
        };
        let answer = self.cache.set_opts(&key, &value, &options);
        self.note(name, answer == Ok(SetOutcome::Stored));
        if !self.check_bad_key(&key, &answer) {
            self.settle(&key, &answer, possible);
        }
    }

    fn holds(&self, condition: &Condition<'_>, prior: Option<&Entry>) -> Holds {
        let holds = match (condition, prior) {
            (Condition::Absent, Some(_)) | (Condition::Present | Condition::Version(_), None) => false,
            (Condition::Version(version), Some(entry)) => {
                if self.expected.may_be_of(version.as_u128(), entry) {
                    return Holds::Perhaps;
                }
                false
            }
            _ => true,
        };
        if holds { Holds::Yes } else { Holds::No }
    }

    /// The possible results of a write whose condition does not hold.
    fn failures(&self, key: &[u8]) -> Vec<(Result<SetOutcome, Error>, Option<Entry>)> {
        let states = self.expected.states(key).into_iter();
        states.map(|state| (Ok(SetOutcome::ConditionFailed), state)).collect()
    }

    /// The possible results of a write.
    fn outcomes(
        &mut self,
        key: &[u8],
        value: &[u8],
        options: &SetOptions<'_>,
    ) -> Vec<(Result<SetOutcome, Error>, Option<Entry>)> {
        let max = self.cache.max_value_bytes();
        let mut possible = Vec::new();
        for prior in self.expected.states(key) {
            let holds = self.holds(&options.condition, prior.as_ref());
            if holds != Holds::Yes {
                possible.push((Ok(SetOutcome::ConditionFailed), prior.clone()));
            }
            if holds == Holds::No {
                continue;
            }
            if value.len() > max {
                possible.push((Err(Error::TooLarge { len: value.len(), max }), None));
                continue;
            }
            if !self.expected.forgets {
                possible.push((Err(Error::Full), prior.clone()));
            }
            let after = match (options.ttl, &prior) {
                (SetTtl::Keep { .. }, Some(old)) => {
                    let new = self.expected.written(value, None);
                    new.map(|new| Entry { deadline: old.deadline, ..new })
                }
                (SetTtl::Keep { otherwise }, None) => self.expected.written(value, otherwise),
                (SetTtl::After(ttl), _) => self.expected.written(value, Some(ttl)),
                (SetTtl::Never, _) => self.expected.written(value, None),
            };
            possible.push((Ok(SetOutcome::Stored), after));
        }
        possible
    }

    pub fn set_multi(&mut self) {
        let entries: Vec<_> = (0..self.random.below(40)).map(|_| (self.key(), self.value())).collect();
        let ttl = self.ttl();
        let answer = self.cache.set_multi(&entries, ttl);
        self.note("set_multi", answer.is_ok());
        let failed = answer.map_or_else(BatchError::into_failed, |()| Vec::new());
        let mut failed = failed.into_iter().peekable();
        for (index, (key, value)) in entries.iter().enumerate() {
            match failed.next_if(|(at, _)| *at == index).map(|(_, error)| error) {
                None => {
                    assert!(value.len() <= self.cache.max_value_bytes());
                    let entry = self.expected.written(value, ttl);
                    self.expected.put(key, entry);
                }
                Some(Error::TooLarge { len, max }) => {
                    assert_eq!((len, max), (value.len(), self.cache.max_value_bytes()));
                    self.expected.put(key, None);
                }
                Some(Error::Full) => assert!(!self.expected.forgets),
                Some(error) => assert!(self.check_bad_key(key, &Err::<(), _>(error))),
            }
        }
        assert_eq!(failed.next(), None);
        entries.iter().for_each(|(key, _)| self.sometimes_look(key));
    }

    pub fn add(&mut self) {
        let (key, ttl) = (self.key(), self.ttl());
        if self.random.below(2) == 0 {
            self.delete_key(&key);
        }
        let delta = self.random.pick(&[0, 1, 1, -7, 1000, i64::MAX, i64::MIN]);
        let answer = self.cache.add(&key, delta, ttl);
        let name = if matches!(answer, Err(Error::NotANumber)) { "add to no number" } else { "add" };
        self.note(name, answer.is_ok());
        if self.check_bad_key(&key, &answer) {
            return;
        }
        let mut possible = Vec::new();
        for prior in self.expected.states(&key) {
            if !self.expected.forgets {
                possible.push((Err(Error::Full), prior.clone()));
            }
            let Some(old) = prior else {
                possible.push((Ok(delta), self.expected.written(delta.to_string().as_bytes(), ttl)));
                continue;
            };
            let text = std::str::from_utf8(&old.value).unwrap_or("");
            let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
            possible.push(match number.map(|number| number.checked_add(delta)) {
                None => (Err(Error::NotANumber), Some(old)),
                Some(None) => (Err(Error::Overflow), Some(old)),
                Some(Some(sum)) => {
                    let new = self.expected.written(sum.to_string().as_bytes(), None);
                    (Ok(sum), new.map(|new| Entry { deadline: old.deadline, ..new }))
                }
            });
        }
        self.settle(&key, &answer, possible);
    }

    pub fn move_deadline(&mut self) {
        let (key, ttl) = (self.key(), self.ttl());
        let answer = match ttl {
            None => self.cache.persist(&key),
            Some(ttl) => self.cache.expire(&key, ttl),
        };
        self.note(if ttl.is_none() { "persist" } else { "expire" }, answer == Ok(true));
        let mut possible = Vec::new();
        for prior in self.expected.states(&key) {
            if !self.expected.forgets {
                possible.push((Err(Error::Full), prior.clone()));
            }
            let moved = prior.clone().and_then(|entry| self.expected.moved(entry, ttl));
            possible.push((Ok(prior.is_some()), moved));
        }
        self.settle(&key, &answer, possible);
    }

    pub fn delete(&mut self) {
        let key = self.key();
        self.delete_key(&key);
    }

    fn delete_key(&mut self, key: &[u8]) {
        let deleted = self.cache.delete(key).unwrap();
        self.note("delete", deleted);
        self.expected.check_presence(key, deleted);
        self.expected.put(key, None);
        self.sometimes_look(key);
    }

    pub fn delete_multi(&mut self) {
        let keys: Vec<_> = (0..self.random.below(6)).map(|_| self.key()).collect();
        let before = keys
            .iter()
            .filter(|key| self.cache.exists(key).unwrap())
            .collect::<std::collections::HashSet<_>>();
        let deleted = self.cache.delete_multi(&keys).unwrap();
        self.note("delete_multi", deleted > 0);
        assert_eq!(deleted, before.len() as u64);
        before.iter().for_each(|key| self.expected.check_presence(key, true));
        keys.iter().for_each(|key| self.expected.put(key, None));
    }

    pub fn take(&mut self) {
        let key = self.key();
        self.buffer = b"left over".to_vec();
        let found = self.cache.take_into(&key, &mut self.buffer).unwrap();
        self.note("take_into", found.is_some());
        assert!(found.is_some() || self.buffer.is_empty());
        self.expected.check_read(&key, found.map(|found| (&self.buffer[..], found)));
        self.expected.put(&key, None);
        self.sometimes_look(&key);
    }

    /// Times to live from none to longer than a clock can show.
    pub fn ttl(&mut self) -> Option<Duration> {
        let few = self.random.below(3);
        let some = self.random.below(5_000_000_000);
        let many = self.random.below(u64::MAX);
        let [few, some, many] = [few, some, many].map(|nanos| self.plan.whole(nanos));
        match self.random.below(12) {
            0..5 => None,
            5 => Some(Duration::from_nanos(few)),
            6..9 => Some(Duration::from_nanos(some)),
            9 => Some(Duration::from_secs(some / 100_000)),
            10 => Some(Duration::from_nanos(many)),
            _ => Some(Duration::MAX),
        }
    }
}
