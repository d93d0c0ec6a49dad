//! Random calls that read, list, clear, resize and move the clock.

use std::collections::HashSet;
use std::time::Duration;

use super::model::Run;
use crate::{Cursor, Error, Found, Lookups, MIN_MAX_SIZE, TtlState};

impl Run {
    pub fn look(&mut self, key: &[u8]) {
        let found = self.cache.get_into_uncounted(key, &mut self.buffer).unwrap();
        self.note("get_into_uncounted", found.is_some());
        self.expected.check_read(key, found.map(|found| (&self.buffer[..], found)));
    }

    pub fn get(&mut self) {
        let key = self.key();
        self.buffer = b"left over".to_vec();
        let hit = match self.random.below(4) {
            0 => {
                let found = self.cache.get_into(&key, &mut self.buffer).unwrap();
                assert!(found.is_some() || self.buffer.is_empty());
                self.note("get_into", found.is_some());
                self.expected.check_read(&key, found.map(|found| (&self.buffer[..], found)));
                found.is_some()
            }
            1 => self.get_with_writes(&key),
            _ => {
                let value = self.cache.get(&key).unwrap();
                self.note("get", value.is_some());
                self.expected.check_presence(&key, value.is_some());
                let expected = self.expected.live(&key);
                assert_eq!(value.as_deref(), expected.as_ref().map(|entry| &*entry.value));
                value.is_some()
            }
        };
        self.count(hit);
    }

    fn count(&mut self, hit: bool) {
        if hit {
            self.hits += 1;
        } else {
            self.misses += 1;
        }
    }

    /// Reads a value in place, with writes meanwhile that would take its room if they could.
    fn get_with_writes(&mut self, key: &[u8]) -> bool {
        let writes: Vec<_> = (0..self.random.below(6)).map(|_| (self.key(), self.value())).collect();
        let mut results = Vec::new();
        let read = self.cache.get_with(key, |bytes, found| {
            let before = bytes.to_vec();
            for (key, value) in &writes {
                results.push(self.cache.set(key, value, None));
            }
            assert!(*before == *bytes, "bytes changed while they were read");
            (before, found)
        });
        let read = read.unwrap();
        self.note("get_with", read.is_some());
        self.expected.check_read(key, read.as_ref().map(|(bytes, found)| (&bytes[..], *found)));
        for ((key, value), result) in writes.iter().zip(results) {
            match result {
                Ok(()) => {
                    let entry = self.expected.written(value, None);
                    self.expected.put(key, entry);
                }
                Err(Error::TooLarge { .. }) => self.expected.put(key, None),
                Err(Error::KeyTooLong { .. }) => {}
                Err(error) => assert_eq!((error, self.expected.forgets), (Error::Full, false)),
            }
        }
        read.is_some()
    }

    pub fn get_multi(&mut self) {
        let keys: Vec<_> = (0..self.random.below(70)).map(|_| self.key()).collect();
        let mut read: Vec<Option<(Vec<u8>, Found)>> = vec![None; keys.len()];
        let visit = |index: usize, value: &[u8], found| read[index] = Some((value.to_vec(), found));
        let counted = self.random.below(2) == 0;
        if counted {
            self.cache.get_multi(&keys, visit).unwrap();
        } else {
            self.cache.get_multi_uncounted(&keys, visit).unwrap();
            self.cache.record_lookups(Lookups { hits: 3, misses: 2, absences: 4, undecodable: 1 });
            (self.hits, self.misses) = (self.hits + 3, self.misses + 2);
        }
        for (key, read) in keys.iter().zip(&read) {
            self.note(if counted { "get_multi" } else { "get_multi_uncounted" }, read.is_some());
            self.expected.check_read(key, read.as_ref().map(|(value, found)| (&value[..], *found)));
            if counted {
                self.count(read.is_some());
            }
        }
    }

    pub fn ask(&mut self) {
        let key = self.key();
        let ttl = self.cache.ttl(&key).unwrap();
        self.note("ttl", ttl != TtlState::Missing);
        self.expected.check_presence(&key, ttl != TtlState::Missing);
        assert_eq!(ttl, self.expected.ttl(self.expected.live(&key).as_ref()));
        let exists = self.cache.exists(&key).unwrap();
        self.note("exists", exists);
        assert_eq!(exists, ttl != TtlState::Missing);
    }

    /// Keys that no cache takes.
    pub fn bad_key(&mut self) {
        let long = vec![b'a'; 32 * 1024 + 1];
        let max = self.cache.max_key_bytes();
        self.note("a bad key", false);
        assert_eq!(self.cache.set(b"", b"", None), Err(Error::KeyEmpty));
        assert_eq!(self.cache.set(&long, b"", None), Err(Error::KeyTooLong { len: long.len(), max }));
        assert_eq!(self.cache.delete_multi(&[&b"a"[..], b""]), Err(Error::KeyEmpty));
        assert!(matches!(self.cache.get(&long), Err(Error::KeyTooLong { .. })));
    }

    /// All keys with a prefix, page by page.
    fn list(&mut self, prefix: &[u8]) -> HashSet<Vec<u8>> {
        let mut keys = HashSet::new();
        let mut cursor = Some(Cursor::START);
        while let Some(from) = cursor {
            let limit = self.random.below(5) as usize;
            let page = self.cache.scan(prefix, from, limit, |_| true).unwrap();
            for key in page.keys {
                assert!(keys.insert(key), "a key is listed twice");
            }
            cursor = page.next;
        }
        keys
    }

    pub fn scan(&mut self) {
        let prefix = self.prefix();
        let listed = self.list(prefix);
        self.note("scan", !listed.is_empty());
        for key in self.expected.live_keys().iter().filter(|key| key.starts_with(prefix)) {
            self.expected.check_presence(key, listed.contains(key));
        }
        let are_live = listed.iter().all(|key| self.expected.live(key).is_some());
        assert!(are_live, "a key is listed that should not be there");
    }

    pub fn clear(&mut self) {
        let prefix = self.prefix();
        let live = self.expected.live_keys().iter().filter(|key| key.starts_with(prefix)).count() as u64;
        let whole = self.random.below(3) == 0;
        let (cleared, most) = match whole {
            true => (self.cache.clear().unwrap(), self.expected.live_keys().len() as u64),
            false => (self.cache.clear_prefix(prefix).unwrap(), live),
        };
        self.note(if whole { "clear" } else { "clear_prefix" }, cleared > 0);
        assert!(cleared == most || (self.expected.forgets && cleared < most), "{cleared} of {most}");
        self.expected.retain(|key| !(whole || key.starts_with(prefix)));
        if whole {
            assert_eq!(self.cache.stats().keys, 0);
            assert_eq!(self.engine.store.space.room.streams.present(), 0, "segments after a whole clear");
        }
    }

    pub fn resize(&mut self) {
        let before = self.cache.max_size();
        let (least, most) = (self.cache.min_resize(), self.cache.max_resize());
        let size = match self.random.below(8) {
            0 => self.random.pick(&[0, 1, MIN_MAX_SIZE - 1, least - 1, most + 1, u64::MAX]),
            1 => self.random.pick(&[least, most]),
            _ => least + self.random.below(most.saturating_sub(least).max(1)).min(before),
        };
        let answer = self.cache.resize(size);
        self.note("resize", answer.is_ok());
        match answer {
            Ok(()) => {
                assert!((least..=most).contains(&size));
                assert_eq!(self.cache.max_size(), size);
            }
            Err(Error::Full) => assert!(!self.expected.forgets && size < before, "{before} to {size}"),
            Err(error) => assert!(!(least..=most).contains(&size), "{error}"),
        }
        assert_eq!(self.engine.store.space.room.budget.limit(), self.cache.max_size());
    }

    pub fn maintain(&mut self) {
        self.cache.run_maintenance().unwrap();
        self.note("run_maintenance", true);
        let (stats, (keys, payload)) = (self.cache.stats(), self.expected.keys_and_payload());
        match self.expected.forgets {
            false => assert_eq!((stats.keys, stats.payload_bytes), (keys, payload)),
            true => assert!(stats.keys <= keys && stats.payload_bytes <= payload, "{stats:?}"),
        }
    }

    pub fn advance(&mut self) {
        let deadlines = self.expected.deadlines();
        let step = match self.random.below(40) {
            0..10 => self.plan.grain,
            10..20 => self.random.below(2_000_000),
            20..24 => self.random.below(3_000_000_000),
            24 => 3 * 365 * 24 * 3_600_000_000_000,
            25 => self.random.below(u64::MAX),
            // To a deadline, or to the moment before it.
            _ if deadlines.is_empty() => 0,
            _ => {
                let left = self.random.pick(&deadlines) - self.expected.now;
                left.saturating_sub(self.random.below(2) * self.plan.grain)
            }
        };
        let step = self.plan.whole(step);
        self.hand.advance(Duration::from_nanos(step));
        self.expected.now = self.expected.now.saturating_add(step).min(u64::MAX - 1);
    }

    pub fn close(&mut self) {
        self.cache.close();
        self.note("close", true);
        let key = self.key();
        assert_eq!(self.cache.get(&key), Err(Error::Closed));
        assert_eq!(self.cache.set(&key, b"", None), Err(Error::Closed));
        assert_eq!(self.cache.expire(&key, Duration::from_secs(1)), Err(Error::Closed));
        assert_eq!((self.cache.stats().keys, self.cache.stats().payload_bytes), (0, 0));
        assert_eq!(self.engine.store.space.room.streams.present(), 0, "segments after the close");
    }
}
