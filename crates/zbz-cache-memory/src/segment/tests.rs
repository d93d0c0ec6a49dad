use super::*;

fn open() -> Segment {
    let segment = Segment::absent();
    assert!(segment.provide() && segment.open());
    segment
}

#[cfg(not(loom))]
mod plain {
    use super::*;

    #[test]
    fn a_segment_goes_round_and_only_that_way() {
        type Change = (fn(&Segment) -> bool, Phase, Phase);
        const CHANGES: [Change; 7] = [
            (Segment::provide, Phase::Absent, Phase::Free),
            (Segment::open, Phase::Free, Phase::Open),
            (Segment::seal, Phase::Open, Phase::Sealed),
            (Segment::begin_drain, Phase::Sealed, Phase::Draining),
            (Segment::end_drain, Phase::Draining, Phase::Limbo),
            (Segment::release, Phase::Limbo, Phase::Free),
            (Segment::withdraw, Phase::Free, Phase::Absent),
        ];
        let segment = Segment::absent();
        for (change, from, to) in CHANGES {
            assert_eq!(segment.phase(), from);
            for (other, other_from, _) in CHANGES {
                assert!(other_from == from || !other(&segment), "{other_from:?} from {from:?}");
            }
            assert!(change(&segment));
            assert_eq!(segment.phase(), to);
        }
    }

    #[test]
    fn reservations_do_not_overlap_and_end_at_the_size() {
        let segment = open();
        assert_eq!(segment.reserve(10, 25), Ok(0));
        assert_eq!(segment.reserve(10, 25), Ok(10));
        assert_eq!(segment.reserve(6, 25), Err(NoRoom::Short));
        assert_eq!(segment.reserve(5, 25), Ok(20));
        assert_eq!(segment.reserve(0, 25), Ok(25));
        assert_eq!(segment.reserve(u64::from(u32::MAX), 25), Err(NoRoom::Short));
        assert_eq!(segment.fill(), 25);
        assert!(segment.seal() && !segment.seal());
        assert_eq!(segment.reserve(0, 25), Err(NoRoom::Shut));
    }

    #[test]
    fn a_segment_with_a_writer_is_not_drained() {
        let segment = open();
        segment.reserve(1, 8).unwrap();
        segment.reserve(1, 8).unwrap();
        assert!(segment.seal() && !segment.begin_drain());
        segment.published();
        assert!(!segment.begin_drain());
        segment.published();
        assert!(segment.begin_drain() && !segment.begin_drain());
        assert_eq!(segment.fill(), 2, "the drainer has to know how far to walk");
        assert!(segment.end_drain() && segment.release());
        assert_eq!(segment.fill(), 0);
    }
}

/// Draining a segment against a writer still filling it: section 5 of docs/engine.md.
#[cfg(loom)]
mod model {
    use std::sync::Arc;

    use loom::thread;

    use super::*;

    struct Shared {
        segment: Segment,
        /// The writer's item: 1 when it is written, 9 when the segment has another use.
        bytes: AtomicU64,
        /// Its slot in the index: 1 names the item.
        slot: AtomicU64,
    }

    /// `patient`: the drainer waits for the writers to be none.
    fn drain_against_writer(patient: bool) {
        loom::model(move || {
            let shared =
                Arc::new(Shared { segment: open(), bytes: AtomicU64::new(0), slot: AtomicU64::new(0) });
            let drainer = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.segment.seal();
                    let drains = if patient { shared.segment.begin_drain() } else { true };
                    if drains && shared.slot.load(Ordering::Relaxed) == 1 {
                        assert_eq!(shared.bytes.load(Ordering::Relaxed), 1, "an item half written");
                        shared.slot.store(0, Ordering::Release);
                    }
                    if drains {
                        shared.bytes.store(9, Ordering::Relaxed);
                    }
                    drains
                })
            };
            if shared.segment.reserve(8, 64).is_ok() {
                shared.bytes.store(1, Ordering::Relaxed);
                shared.slot.store(1, Ordering::Release);
                shared.segment.published();
            }
            let drained = drainer.join().unwrap();
            let named = shared.slot.load(Ordering::Acquire) == 1;
            assert!(!(drained && named), "a slot names what was drained");
        });
    }

    #[test]
    fn a_drained_segment_is_named_by_no_slot() {
        drain_against_writer(true);
    }

    #[test]
    #[should_panic]
    fn without_patience_for_its_writers_one_is() {
        drain_against_writer(false);
    }
}
