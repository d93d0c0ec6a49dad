//! The invariants of lists that no thread is using.

use super::*;

impl Streams {
    /// Panics if a segment is in no list or in two, in one that its phase does not belong to, or if
    /// the numbers are not those of the lists. `walked` is what evictors have. Answers what the
    /// segments that are not absent cost. For when no other thread changes the lists.
    pub(crate) fn check(&self, log: &Log, walked: &[usize]) -> u64 {
        let lists = self.lock();
        let open = self.open.iter().filter_map(|cell| cell.load(Ordering::Acquire).checked_sub(1));
        let lists_of = |list: &[u32]| list.iter().map(|&segment| segment as usize).collect::<Vec<_>>();
        let queues =
            QUEUES.map(|queue| lists.queue(queue).map(|segment| segment as usize).collect::<Vec<_>>());
        let [small, main] = &queues;
        let places = [
            (Phase::Open, open.map(|segment| segment as usize).collect()),
            (Phase::Sealed, [&small[..], &main[..]].concat()),
            (Phase::Draining, walked.to_vec()),
            (Phase::Free, lists_of(&lists.free)),
            (Phase::Limbo, lists_of(&lists.limbo)),
            (Phase::Absent, lists_of(&lists.absent)),
        ];
        let mut seen = vec![false; lists.links.len()];
        for (phase, segments) in &places {
            for &segment in segments {
                assert_eq!(log.segment(segment).phase(), *phase, "segment {segment}");
                assert!(!std::mem::replace(&mut seen[segment], true), "segment {segment} is there twice");
            }
        }
        assert!(seen.iter().all(|&seen| seen), "a segment is lost: {seen:?}");
        self.check_queues(&lists, log, &queues);
        let spare = lists.free.len() + lists.limbo.len();
        assert_eq!(self.spare(), spare as u64, "spare segments");
        assert_eq!(self.present(), (lists.links.len() - lists.absent.len()) as u64, "present segments");
        let present = (0..lists.links.len()).map(|segment| log.segment(segment));
        let present = present.filter(|segment| segment.phase() != Phase::Absent);
        present.map(|segment| Streams::cost(segment.size())).sum()
    }

    fn check_queues(&self, lists: &Lists, log: &Log, queues: &[Vec<usize>; 2]) {
        let in_use = |segment: &Phase| matches!(segment, Phase::Open | Phase::Sealed | Phase::Draining);
        for (queue, waiting) in QUEUES.into_iter().zip(queues) {
            let is_its = |segment: usize| queue_of(log.segment(segment).place()) == queue;
            assert!(waiting.iter().all(|&segment| is_its(segment)), "a segment in the other's queue");
            let some = |segment: u32| (segment != NOWHERE).then_some(segment as usize);
            let newest = some(lists.queues[queue as usize].newest);
            let back = std::iter::successors(newest, |&segment| some(lists.links[segment].before));
            assert!(back.eq(waiting.iter().rev().copied()), "a queue that is another backwards");
            let opened = waiting.first().map_or(u64::MAX, |&oldest| log.segment(oldest).opened());
            assert_eq!(self.tail_opened()[queue as usize], opened, "the tail's age");
            let taken = (0..lists.links.len()).filter(|&segment| is_its(segment));
            let taken = taken.map(|segment| log.segment(segment));
            let taken = taken.filter(|segment| in_use(&segment.phase())).map(|segment| segment.size());
            assert_eq!(self.taken()[queue as usize], taken.sum(), "bytes of a queue");
        }
    }
}
