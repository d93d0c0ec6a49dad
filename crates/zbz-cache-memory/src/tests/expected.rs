//! The plain map: what the cache should hold, and until when.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crate::{Found, TTL_HORIZON, TtlState};

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub value: Rc<[u8]>,
    pub deadline: Option<u64>,
    /// Which write it came from.
    pub write: u64,
}

/// See the module's documentation. A cache that evicts may forget any entry at any time, and then has none
/// of the key until it is set.
pub struct Expected {
    pub now: u64,
    pub forgets: bool,
    entries: HashMap<Vec<u8>, Entry>,
    /// Every version ever told, and which write it was of.
    versions: HashMap<u128, u64>,
    /// The last version that was told of each key.
    last_versions: HashMap<Vec<u8>, u128>,
    writes: u64,
}

/// When an entry with this time to live ends: `Some(None)` is never, `None` is at once.
fn end(now: u64, ttl: Option<Duration>) -> Option<Option<u64>> {
    match ttl {
        Some(Duration::ZERO) => None,
        Some(ttl) if ttl <= TTL_HORIZON => {
            let deadline = now.saturating_add((ttl.as_nanos() as u64).max(1_000_000));
            Some(Some(deadline).filter(|&deadline| deadline < u64::MAX))
        }
        _ => Some(None),
    }
}

impl Expected {
    pub fn new(forgets: bool) -> Expected {
        Expected {
            now: 0,
            forgets,
            entries: HashMap::new(),
            versions: HashMap::new(),
            last_versions: HashMap::new(),
            writes: 0,
        }
    }

    pub fn live(&self, key: &[u8]) -> Option<Entry> {
        let entry = self.entries.get(key)?;
        entry.deadline.is_none_or(|deadline| self.now < deadline).then(|| entry.clone())
    }

    /// The entries that the cache may hold for a key.
    pub fn states(&self, key: &[u8]) -> Vec<Option<Entry>> {
        match self.live(key) {
            Some(entry) if self.forgets => vec![Some(entry), None],
            state => vec![state],
        }
    }

    pub fn live_keys(&self) -> Vec<Vec<u8>> {
        self.entries.keys().filter(|key| self.live(key).is_some()).cloned().collect()
    }

    pub fn put(&mut self, key: &[u8], state: Option<Entry>) {
        match state {
            Some(entry) => drop(self.entries.insert(key.to_vec(), entry)),
            None => drop(self.entries.remove(key)),
        }
    }

    pub fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        self.entries.retain(|key, _| keep(key));
    }

    /// A new entry; `None` if it ends at once.
    pub fn written(&mut self, value: &[u8], ttl: Option<Duration>) -> Option<Entry> {
        self.writes += 1;
        let deadline = end(self.now, ttl)?;
        Some(Entry { value: value.into(), deadline, write: self.writes })
    }

    /// The same entry with another deadline; `None` if it ends at once.
    pub fn moved(&self, entry: Entry, ttl: Option<Duration>) -> Option<Entry> {
        end(self.now, ttl).map(|deadline| Entry { deadline, ..entry })
    }

    pub fn ttl(&self, entry: Option<&Entry>) -> TtlState {
        match entry.map(|entry| entry.deadline) {
            None => TtlState::Missing,
            Some(None) => TtlState::Never,
            Some(Some(at)) => TtlState::Remaining(Duration::from_nanos(at - self.now)),
        }
    }

    /// Compares a read with what may be there, and learns from it.
    pub fn check_read(&mut self, key: &[u8], read: Option<(&[u8], Found)>) {
        let live = self.live(key);
        let Some((value, found)) = read else {
            assert!(live.is_none() || self.forgets, "an entry is lost: {live:?}");
            return drop(self.entries.remove(key));
        };
        let Some(entry) = live else { panic!("{} bytes where nothing should be", value.len()) };
        assert!(*value == *entry.value, "another value: {} bytes of {}", value.len(), entry.value.len());
        let left = entry.deadline.map(|deadline| Duration::from_nanos(deadline - self.now));
        assert_eq!(found.remaining(), left);
        self.check_version(key, found.version().as_u128(), entry.write);
    }

    fn check_version(&mut self, key: &[u8], version: u128, write: u64) {
        let of = *self.versions.entry(version).or_insert(write);
        assert_eq!(of, write, "one version for two writes");
        self.last_versions.insert(key.to_vec(), version);
    }

    pub fn check_presence(&mut self, key: &[u8], present: bool) {
        let live = self.live(key).is_some();
        assert!(live || !present, "something where nothing should be");
        assert!(present || !live || self.forgets, "an entry is lost");
        if !present {
            self.entries.remove(key);
        }
    }

    pub fn last_version(&self, key: &[u8]) -> Option<u128> {
        self.last_versions.get(key).copied()
    }

    /// Whether this version may be that of an entry.
    pub fn may_be_of(&self, version: u128, entry: &Entry) -> bool {
        self.versions.get(&version) == Some(&entry.write)
    }

    pub fn keys_and_payload(&self) -> (u64, u64) {
        let live = self.entries.iter().filter(|(key, _)| self.live(key).is_some());
        live.fold((0, 0), |(keys, payload), (key, entry)| {
            (keys + 1, payload + (key.len() + entry.value.len()) as u64)
        })
    }

    /// The deadlines that are ahead.
    pub fn deadlines(&self) -> Vec<u64> {
        let ahead = self.entries.values().filter_map(|entry| entry.deadline);
        let mut ahead: Vec<u64> = ahead.filter(|&at| at > self.now).collect();
        ahead.sort_unstable();
        ahead
    }
}
