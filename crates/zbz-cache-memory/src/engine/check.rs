//! The invariants of a cache that no thread is using.

use std::collections::{HashMap, HashSet};

use crate::base::ttl::NEVER;
use crate::index::LockedBucket;
use crate::index::slot::{Location, Slot};
use crate::log::chunked::ChunkHeader;
use crate::log::item::{Item, Kind};
use crate::log::segment::Phase;
use crate::verbs::store::Store;

/// The entries that the index names, as they are found.
#[derive(Default)]
struct Survey {
    keys: HashSet<Vec<u8>>,
    payload: u64,
    chunked: u64,
    /// The bytes named in each segment: where they begin and how many they are.
    named: HashMap<usize, Vec<(u64, u64)>>,
}

/// The inspection of a store.
pub(super) struct Inspection<'a>(pub(super) &'a Store);

impl Inspection<'_> {
    /// Panics if an entry cannot be read or stands in a bucket that is not its, if two entries have
    /// bytes in common, if a segment's dead bytes are not those that nothing names, if a segment is
    /// in no list or in two, or if the budget or the counters say something else than what is
    /// there. For when no other thread uses the cache.
    pub(super) fn check(&self) {
        self.0.entries.index.check();
        let mut survey = Survey::default();
        let mut next = Some(0);
        while let Some(point) = next {
            let each = |locked: &LockedBucket<'_>| {
                locked.items().for_each(|(_, slot)| self.survey_entry(locked, slot, &mut survey));
            };
            next = self.0.entries.index.visit_group(point, || (), each);
        }
        assert_eq!(self.0.entries.counters.keys(), survey.keys.len() as u64, "keys counted");
        assert_eq!(self.0.entries.counters.payload(), survey.payload, "payload counted");
        if let Some(headroom) = &self.0.entries.headroom {
            assert_eq!(headroom.live(), survey.chunked, "chunked entries counted");
        }
        for segment in 0..self.0.space.room.streams.reached() {
            self.check_segment(segment, survey.named.remove(&segment).unwrap_or_default());
        }
        assert!(survey.named.is_empty(), "items in segments that never had memory");
        self.check_lists_and_budget();
    }

    fn survey_entry(&self, locked: &LockedBucket<'_>, slot: Slot, survey: &mut Survey) {
        let item = self.0.entries.log.read_locked(locked, slot);
        let mut key = item.key().to_vec();
        self.survey_item(&item, slot.location(), survey);
        match item.kind() {
            Kind::Whole => survey.payload += (item.key().len() + item.value().len()) as u64,
            Kind::ChunkHeader => {
                let header = ChunkHeader::parse(item.value()).expect("a chunk header that is none");
                survey.payload += (item.key().len() + header.key_len + header.value_len) as u64;
                survey.chunked += 1;
                let mut rest = Vec::new();
                let whole = header.gather(&mut rest, |location, rest| {
                    let chunk = self.0.entries.log.read_locked(locked, slot.moved_to(location, 0));
                    assert_eq!((chunk.kind(), chunk.chunk_hash()), (Kind::Chunk, header.hash), "of another");
                    self.survey_item(&chunk, location, survey);
                    rest.extend_from_slice(chunk.chunk());
                    true
                });
                assert!(whole, "a chunk header whose chunks are not what it says");
                key.extend_from_slice(&rest[..header.key_len]);
                assert_eq!(header.hash, self.0.entries.hash(&key), "a chunk header with another key's hash");
            }
            Kind::Chunk | Kind::Filler => panic!("a slot that names no entry"),
        }
        self.survey_deadline(&item, slot.location());
        let hash = self.0.entries.hash(&key);
        assert!(self.0.entries.index.is_bucket_of(locked, hash), "a key in a bucket that is not its");
        assert!(
            self.0.entries.index.slot(hash, slot.location()).is_same_item(slot),
            "a slot with another tag"
        );
        assert!(survey.keys.insert(key), "a key is there twice");
    }

    fn survey_item(&self, item: &Item<'_>, location: Location, survey: &mut Survey) {
        let segment = self.0.entries.log.segment_of(location);
        let begin = location.units() - 1 - (segment * self.0.entries.log.segment_bytes()) as u64;
        survey.named.entry(segment).or_default().push((begin, item.bytes().len() as u64));
    }

    /// A sweep looks into a segment only when its first deadline has passed.
    fn survey_deadline(&self, item: &Item<'_>, location: Location) {
        let first = self.0.entries.log.segment_at(location).first_deadline();
        let deadline = item.deadline().unwrap_or(NEVER);
        assert!(first <= deadline, "{deadline} is before {first}");
    }

    fn check_segment(&self, number: usize, mut named: Vec<(u64, u64)>) {
        let segment = self.0.entries.log.segment(number);
        named.sort_unstable();
        let mut end = 0;
        for &(begin, len) in &named {
            assert!(begin >= end, "two items of segment {number} have bytes in common");
            end = begin + len;
        }
        assert!(end <= segment.fill(), "an item beyond the fill of segment {number}");
        let alive: u64 = named.iter().map(|&(_, len)| len).sum();
        let size = match segment.phase() {
            Phase::Absent | Phase::Free | Phase::Limbo => {
                return assert!(
                    named.is_empty(),
                    "items in segment {number}, which is {:?}",
                    segment.phase()
                );
            }
            Phase::Open => segment.fill(),
            Phase::Sealed | Phase::Draining => segment.size().max(segment.fill()),
        };
        let (phase, dead) = (segment.phase(), segment.dead());
        assert_eq!(dead, size - alive, "dead bytes of segment {number}, {phase:?}, {alive} of {size} named");
        if phase == Phase::Sealed {
            self.walk_segment(number, &named);
        }
    }

    /// A thread that drains a segment goes from item to item.
    fn walk_segment(&self, number: usize, named: &[(u64, u64)]) {
        let Some(draining) = self.0.entries.log.begin_drain(number) else {
            panic!("segment {number} has writers, but no thread is using the cache")
        };
        let (mut at, mut begins) = (0, HashSet::new());
        while let Some((_, _, next)) = self.0.entries.log.item_at(&draining, at) {
            begins.insert(at as u64);
            assert!(next > at, "an item without bytes");
            at = next;
        }
        assert_eq!(
            at as u64,
            self.0.entries.log.segment(number).fill(),
            "items of segment {number} end elsewhere"
        );
        assert!(named.iter().all(|(begin, _)| begins.contains(begin)), "an item that no walk meets");
        self.0.entries.log.leave_drain(draining);
    }

    fn check_lists_and_budget(&self) {
        let mut walked = Vec::new();
        self.0.space.evictors.visit(|walk| walked.push(walk.draining.segment()));
        let paid = self.0.space.room.streams.check(&self.0.entries.log, &walked);
        assert_eq!(
            self.0.space.room.budget.used(),
            self.0.space.room.fixed_bytes + self.0.entries.index.bytes() + paid,
            "the budget"
        );
        let (used, told) = self.0.space.room.budget.used_and_told();
        assert!(used <= told && told == self.0.limits.max_size(), "{used} bytes of {told} are used");
    }
}
