//! One random call at a time, made on the cache and on the map.

use crate::Run;
use crate::expected::Loss;
use std::time::Duration;
use zbz_cache_memory::{
    Condition, Cursor, Error, Lookups, MIN_MAX_SIZE, SetOptions, SetOutcome, SetTtl, Version,
};

impl Run {
    pub fn call(&mut self) {
        let key = self.key();
        match self.random.below(32) {
            0..=5 => self.call_set(&key),
            6..=9 => self.call_set_opts(&key),
            10 => self.call_set_multi(),
            11..=13 => self.call_get(&key),
            14 => self.call_multi_read(),
            15..=16 => self.call_lookup(&key),
            17..=18 => self.call_delete(&key),
            19 => self.call_delete_multi(),
            20 => self.call_take(&key),
            21..=22 => self.call_add(&key),
            23..=24 => self.call_deadline(&key),
            25 => self.call_scan(),
            26 => self.call_clear(),
            27 => self.call_resize(),
            28 => {
                self.cache.run_maintenance().unwrap();
            }
            _ => self.advance(),
        }
    }

    /// A key; in an evicting cache it is first seen whether it is still there.
    fn key(&mut self) -> Vec<u8> {
        let name = self.random.below(60);
        let long = if name.is_multiple_of(13) { 4000 } else { 0 };
        let key = [format!("{}:{name}:", name % 3).into_bytes(), vec![b'k'; long]].concat();
        self.notice_eviction(&key);
        key
    }

    fn notice_eviction(&mut self, key: &[u8]) {
        if self.model.loss == Loss::Eviction && !self.cache.exists(key).unwrap() {
            self.model.remove(key);
        }
    }

    /// Making room for a write that keeps a deadline may evict the very entry whose deadline it
    /// is; the write is then one of a new entry.
    fn notice_eviction_first(&mut self, key: &[u8], value: &[u8], otherwise: Option<Duration>) {
        let told = self.cache.ttl(key).unwrap();
        if self.model.loss == Loss::Eviction && told != self.model.ttl(key) {
            self.model.set(key, value, otherwise);
        }
    }

    fn keys(&mut self) -> Vec<Vec<u8>> {
        (0..self.random.below(6)).map(|_| self.key()).collect()
    }

    fn value(&mut self) -> Vec<u8> {
        let most = self.random.pick(&[1, 40, self.largest_value]) as u64;
        let len = self.random.below(most) as usize;
        let mut value = self.random.next().to_le_bytes().repeat(len / 8 + 1);
        value.truncate(len);
        value
    }

    fn ttl(&mut self) -> Option<Duration> {
        let some = Duration::from_nanos(self.random.below(5_000_000_000));
        let few = Duration::from_nanos(self.random.below(3));
        self.random.pick(&[None, Some(some), Some(some), Some(few), Some(Duration::MAX)])
    }

    /// What a write that failed should have left behind.
    fn check_refusal(&mut self, key: &[u8], len: usize, error: &Error) {
        match error {
            Error::TooLarge { max, .. } => {
                assert!(len > *max && *max == self.cache.max_value_bytes());
                self.model.remove(key);
            }
            Error::Full => {
                assert_eq!(self.model.loss, Loss::Refusal);
                let stats = self.cache.stats();
                assert_eq!(stats.keys, self.model.keys_and_payload().0, "expired ones are reclaimed");
                // What is kept for overwrites: the largest entry, and some segments of the smallest size.
                let kept = 2 * (key.len() + len) + 2 * self.largest_value + 9 * 2048;
                let needed = kept as u64 + stats.max_bytes / 8;
                assert!(stats.payload_bytes + needed > stats.max_bytes, "{stats:?}");
            }
            other => panic!("{other}"),
        }
        self.call_lookup(key);
    }

    fn call_set(&mut self, key: &[u8]) {
        let (value, ttl) = (self.value(), self.ttl());
        match self.cache.set(key, &value, ttl) {
            Ok(()) => self.model.set(key, &value, ttl),
            Err(error) => self.check_refusal(key, value.len(), &error),
        }
    }

    fn call_set_opts(&mut self, key: &[u8]) {
        let (value, ttl) = (self.value(), self.ttl());
        let live = self.model.live(key).is_some();
        let known = self.model.live(key).and_then(|entry| entry.version);
        let old = self.model.versions.iter().next().copied().unwrap_or(7);
        let (yes, no) = (|| true, || false);
        let (condition, holds) = match self.random.below(7) {
            0 => (Condition::Always, true),
            1 => (Condition::Absent, !live),
            2 => (Condition::Present, live),
            3 => (Condition::If(&yes), true),
            4 => (Condition::If(&no), false),
            5 if known.is_none() && live => return self.call_lookup(key),
            5 => (Condition::Version(Version::from_u128(known.unwrap_or(old))), live),
            _ => (Condition::Version(Version::from_u128(old)), known == Some(old)),
        };
        let mut options = SetOptions::new(ttl).when(condition);
        if self.random.below(2) == 0 {
            options = options.keep_deadline();
        }
        match self.cache.set_opts(key, &value, &options) {
            Ok(SetOutcome::Stored) => {
                assert!(holds);
                match options.ttl {
                    SetTtl::Keep { otherwise } => {
                        self.model.set_keeping(key, &value, otherwise);
                        self.notice_eviction_first(key, &value, otherwise);
                    }
                    _ => self.model.set(key, &value, ttl),
                }
            }
            Ok(outcome) => {
                // Making room may evict the very entry that the condition asks for, or move it,
                // which changes its version.
                self.notice_eviction(key);
                let moved = matches!(condition, Condition::Version(_)) && self.model.loss != Loss::Never;
                assert!(!holds || moved || self.model.live(key).is_none(), "{outcome:?}");
                self.call_lookup(key);
            }
            Err(error) => {
                assert!(holds);
                self.check_refusal(key, value.len(), &error);
            }
        }
    }

    fn call_set_multi(&mut self) {
        let keys = self.keys();
        let entries: Vec<_> = keys.into_iter().map(|key| (key, self.value())).collect();
        let ttl = self.ttl();
        let result = self.cache.set_multi(&entries, ttl);
        let failed = result.map_or_else(|error| error.into_failed(), |()| Vec::new());
        let mut failed = failed.into_iter().peekable();
        for (index, (key, value)) in entries.iter().enumerate() {
            match failed.next_if(|(at, _)| *at == index) {
                Some((_, Error::TooLarge { .. })) => drop(self.model.remove(key)),
                Some((_, error)) => assert_eq!(error, Error::Full),
                None => self.model.set(key, value, ttl),
            }
        }
        for (key, _) in &entries {
            self.notice_eviction(key);
            self.call_lookup(key);
        }
    }

    fn count(&mut self, key: &[u8]) {
        match self.model.live(key) {
            Some(_) => self.hits += 1,
            None => self.misses += 1,
        }
    }

    fn call_get(&mut self, key: &[u8]) {
        self.count(key);
        let mut buffer = b"left over".to_vec();
        match self.random.below(3) {
            0 => {
                let found = self.cache.get_into(key, &mut buffer).unwrap();
                assert!(found.is_some() || buffer.is_empty());
                self.model.check_read(key, found.map(|found| (&buffer[..], found)));
            }
            1 => {
                let read = self.cache.get_with(key, |value, found| (value.to_vec(), found));
                let read = read.unwrap();
                self.model.check_read(key, read.as_ref().map(|(value, found)| (&value[..], *found)));
            }
            _ => {
                let value = self.cache.get(key).unwrap();
                assert_eq!(value.as_ref(), self.model.live(key).map(|entry| &entry.value));
            }
        }
    }

    fn call_multi_read(&mut self) {
        let keys = self.keys();
        for key in &keys {
            self.notice_eviction(key);
        }
        let mut read = vec![None; keys.len()];
        let visit = |index: usize, value: &[u8], found| read[index] = Some((value.to_vec(), found));
        if self.random.below(2) == 0 {
            self.cache.get_multi(&keys, visit).unwrap();
            keys.iter().for_each(|key| self.count(key));
        } else {
            self.cache.get_multi_uncounted(&keys, visit).unwrap();
            self.cache.record_lookups(Lookups { hits: 3, misses: 2, absences: 4, undecodable: 1 });
            (self.hits, self.misses) = (self.hits + 3, self.misses + 2);
        }
        for (key, read) in keys.iter().zip(&read) {
            let read = read.as_ref().map(|(value, found)| (&value[..], *found));
            self.model.check_read(key, read);
        }
    }

    pub fn call_lookup(&mut self, key: &[u8]) {
        let mut buffer = Vec::new();
        let found = self.cache.get_into_uncounted(key, &mut buffer).unwrap();
        self.model.check_read(key, found.map(|found| (&buffer[..], found)));
        assert_eq!(self.cache.exists(key).unwrap(), found.is_some());
        assert_eq!(self.cache.ttl(key).unwrap(), self.model.ttl(key));
    }

    fn call_delete(&mut self, key: &[u8]) {
        assert_eq!(self.cache.delete(key).unwrap(), self.model.remove(key).is_some());
    }

    fn call_delete_multi(&mut self) {
        let keys = self.keys();
        let live = keys.iter().filter(|key| self.model.remove(key).is_some()).count();
        assert_eq!(self.cache.delete_multi(&keys).unwrap(), live as u64);
    }

    fn call_take(&mut self, key: &[u8]) {
        let mut buffer = b"left over".to_vec();
        let found = self.cache.take_into(key, &mut buffer).unwrap();
        assert!(found.is_some() || buffer.is_empty());
        self.model.check_read(key, found.map(|found| (&buffer[..], found)));
        self.model.remove(key);
    }

    fn call_add(&mut self, key: &[u8]) {
        if self.random.below(2) == 0 && self.model.live(key).is_some() {
            self.call_delete(key);
        }
        let delta = self.random.pick(&[0, 1, -7, i64::MAX, i64::MIN]);
        let ttl = self.ttl();
        let before = match self.model.live(key) {
            None => Some(0),
            Some(entry) => String::from_utf8(entry.value.clone())
                .ok()
                .and_then(|text| text.parse::<i64>().ok().filter(|number| number.to_string() == text)),
        };
        let sum = before.and_then(|before| before.checked_add(delta));
        match self.cache.add(key, delta, ttl) {
            Ok(answer) => {
                let from_zero = self.model.loss == Loss::Eviction && answer == delta;
                assert!(Some(answer) == sum || from_zero, "{answer} {sum:?}");
                self.model.set_keeping(key, answer.to_string().as_bytes(), ttl);
                self.notice_eviction_first(key, answer.to_string().as_bytes(), ttl);
            }
            Err(Error::NotANumber) => assert_eq!(before, None),
            Err(Error::Overflow) => assert!(before.is_some() && sum.is_none()),
            Err(error) => self.check_refusal(key, 20, &error),
        }
        self.notice_eviction(key);
        self.call_lookup(key);
    }

    fn call_deadline(&mut self, key: &[u8]) {
        let ttl = self.ttl();
        let answer = match ttl {
            None => self.cache.persist(key),
            Some(ttl) => self.cache.expire(key, ttl),
        };
        if answer == Err(Error::Full) {
            assert_eq!(self.model.loss, Loss::Refusal);
            return self.call_lookup(key);
        }
        let changed = (answer, self.model.expire(key, ttl));
        // The entry is written anew, and making room for it may evict it.
        let evicted = self.model.loss == Loss::Eviction && !self.cache.exists(key).unwrap();
        let agreed = changed.0 == Ok(changed.1) || (changed == (Ok(false), true) && evicted);
        assert!(agreed, "{changed:?}");
        self.notice_eviction(key);
        self.call_lookup(key);
    }

    pub fn list(&mut self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let mut cursor = Some(Cursor::START);
        while let Some(from) = cursor {
            let limit = self.random.below(20) as usize;
            let page = self.cache.scan(prefix, from, limit, |_| true).unwrap();
            keys.extend(page.keys);
            cursor = page.next;
        }
        keys
    }

    fn call_scan(&mut self) {
        let listed = self.list(b"1:");
        let mut once = listed.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), listed.len());
        for key in self.model.live_keys().iter().filter(|key| key.starts_with(b"1:")) {
            self.notice_eviction(key);
            assert_eq!(listed.contains(key), self.model.live(key).is_some());
        }
        assert!(listed.iter().all(|key| self.model.live(key).is_some()));
    }

    fn call_clear(&mut self) {
        if self.random.below(3) > 0 {
            return;
        }
        self.model.live_keys().iter().for_each(|key| self.notice_eviction(key));
        let cleared = match self.random.below(4) {
            0 => (self.cache.clear(), self.model.clear(b"")),
            1 => (self.cache.clear_prefix(b""), self.model.clear(b"")),
            _ => (self.cache.clear_prefix(b"2:"), self.model.clear(b"2:")),
        };
        assert_eq!(cleared.0, Ok(cleared.1 as u64));
    }

    fn call_resize(&mut self) {
        if self.model.loss == Loss::Never {
            return;
        }
        let before = self.cache.max_size();
        let size = MIN_MAX_SIZE + self.random.below(MIN_MAX_SIZE);
        match self.cache.resize(size) {
            Ok(()) => assert_eq!(self.cache.max_size(), size),
            Err(error) => {
                assert_eq!((error, self.model.loss), (Error::Full, Loss::Refusal));
                assert!(size < before && self.cache.max_size() == before);
                assert!(self.cache.stats().memory_bytes > size);
            }
        }
    }
}
