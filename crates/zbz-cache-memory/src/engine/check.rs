//! What must be true of a cache whenever nobody is at it.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;

use super::*;
use crate::item::{Item, Kind};
use crate::large::Head;
use crate::segment::Phase;

/// What the index names, as it is found.
#[derive(Default)]
struct Survey {
    keys: HashSet<Vec<u8>>,
    payload: u64,
    cut: u64,
    /// The bytes named in each segment: where they begin and how many they are.
    named: HashMap<usize, Vec<(u64, u64)>>,
}

impl Engine {
    /// Panics if an entry cannot be read or stands in a bucket that is not its, if two entries have
    /// bytes in common, if a segment's dead bytes are not those that nothing names, if a segment is
    /// in no list or in two, or if the budget or the counters say something else than what is
    /// there. For when no other thread uses the cache.
    pub(crate) fn check(&self) {
        self.index.check();
        let mut survey = Survey::default();
        let mut next = Some(0);
        while let Some(point) = next {
            let each = |held: &Held<'_>| {
                held.items().for_each(|(_, slot)| self.survey_entry(held, slot, &mut survey));
            };
            next = self.index.visit_group(point, || (), each);
        }
        assert_eq!(self.counters.keys(), survey.keys.len() as u64, "keys counted");
        assert_eq!(self.counters.payload(), survey.payload, "payload counted");
        let cut = if self.when_full == WhenFull::Reject { survey.cut } else { 0 };
        assert_eq!(self.largest.live(), cut, "cut entries counted");
        for segment in 0..self.lanes.reached() {
            self.check_segment(segment, survey.named.remove(&segment).unwrap_or_default());
        }
        assert!(survey.named.is_empty(), "items in segments that never had memory");
        self.check_lists_and_budget();
    }

    fn survey_entry(&self, held: &Held<'_>, slot: Slot, survey: &mut Survey) {
        let item = self.log.read_held(held, slot);
        let mut key = item.key().to_vec();
        self.survey_item(&item, slot.location(), survey);
        match item.kind() {
            Kind::Whole => survey.payload += (item.key().len() + item.value().len()) as u64,
            Kind::Head => {
                let head = Head::parse(item.value()).expect("a head that is none");
                survey.payload += (item.key().len() + head.key_len + head.value_len) as u64;
                survey.cut += 1;
                let mut rest = Vec::new();
                let whole = head.gather(&mut rest, |location, rest| {
                    let piece = self.log.read_held(held, slot.moved_to(location, 0));
                    assert_eq!((piece.kind(), piece.piece_hash()), (Kind::Piece, head.hash), "of another");
                    self.survey_item(&piece, location, survey);
                    rest.extend_from_slice(piece.piece());
                    true
                });
                assert!(whole, "a head whose pieces are not what it says");
                key.extend_from_slice(&rest[..head.key_len]);
                assert_eq!(head.hash, self.hash(&key), "a head with another key's hash");
            }
            Kind::Piece | Kind::Filler => panic!("a slot that names no entry"),
        }
        self.survey_deadline(&item, slot.location());
        let hash = self.hash(&key);
        assert!(held.is_of(hash), "a key in a bucket that is not its");
        assert!(self.index.slot(hash, slot.location()).is_same_item(slot), "a slot with another tag");
        assert!(survey.keys.insert(key), "a key is there twice");
    }

    fn survey_item(&self, item: &Item<'_>, location: Location, survey: &mut Survey) {
        let segment = self.log.segment_of(location);
        let begin = location.units() - 1 - (segment * self.log.segment_bytes()) as u64;
        survey.named.entry(segment).or_default().push((begin, item.bytes().len() as u64));
    }

    /// A sweep looks into a segment only when its first deadline has passed.
    fn survey_deadline(&self, item: &Item<'_>, location: Location) {
        let first = self.log.segment_at(location).first_deadline();
        let deadline = item.deadline().unwrap_or(NEVER);
        assert!(first <= deadline, "{deadline} is before {first}");
    }

    fn check_segment(&self, number: usize, mut named: Vec<(u64, u64)>) {
        let segment = self.log.segment(number);
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

    /// Whoever drains a segment goes from item to item.
    fn walk_segment(&self, number: usize, named: &[(u64, u64)]) {
        let Some(draining) = self.log.begin_drain(number) else {
            panic!("segment {number} has writers, and nobody is at it")
        };
        let (mut at, mut begins) = (0, HashSet::new());
        while let Some((_, _, next)) = self.log.item_at(&draining, at) {
            begins.insert(at as u64);
            assert!(next > at, "an item without bytes");
            at = next;
        }
        assert_eq!(at as u64, self.log.segment(number).fill(), "items of segment {number} end elsewhere");
        assert!(named.iter().all(|(begin, _)| begins.contains(begin)), "an item that no walk meets");
        self.log.leave_drain(draining);
    }

    fn check_lists_and_budget(&self) {
        let evictors = self.evictors.iter().map(|evictor| evictor.lock());
        let evictors = evictors.map(|evictor| evictor.unwrap_or_else(PoisonError::into_inner));
        let walked: Vec<_> = evictors.filter_map(|it| Some(it.work.as_ref()?.draining.segment())).collect();
        let paid = self.lanes.check(&self.log, &walked);
        assert_eq!(self.budget.used(), self.base + self.index.bytes() + paid, "the budget");
        let (used, told) = self.budget.used_and_told();
        assert!(used <= told && told == self.max_size(), "{used} bytes of {told} are used");
    }
}
