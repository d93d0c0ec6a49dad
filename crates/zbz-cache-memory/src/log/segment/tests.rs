use super::*;

/// The words of an absent segment.
fn absent() -> [AtomicU64; WORDS] {
    std::array::from_fn(|_| AtomicU64::new(0))
}

const OPENING: Opening = Opening { place: 7, start: 1, opened: 2, generation: 3, base: 8 };

fn open(words: &[AtomicU64; WORDS], size: u32) -> Segment<'_> {
    let segment = Segment::new(words);
    assert!(segment.provide(size) && segment.open(OPENING));
    segment
}

#[cfg(not(loom))]
mod plain {
    use super::*;

    #[test]
    fn a_segment_goes_round_and_only_that_way() {
        type Change = (fn(Segment<'_>) -> bool, Phase, Phase);
        const CHANGES: [Change; 9] = [
            (|segment| segment.provide(64), Phase::Absent, Phase::Free),
            (|segment| segment.open(OPENING), Phase::Free, Phase::Open),
            (|segment| segment.seal(), Phase::Open, Phase::Sealed),
            (|segment| segment.begin_drain(), Phase::Sealed, Phase::Draining),
            (|segment| segment.leave_drain(), Phase::Draining, Phase::Sealed),
            (|segment| segment.begin_drain(), Phase::Sealed, Phase::Draining),
            (|segment| segment.end_drain(), Phase::Draining, Phase::Limbo),
            (|segment| segment.release(), Phase::Limbo, Phase::Free),
            (|segment| segment.withdraw(), Phase::Free, Phase::Absent),
        ];
        let words = absent();
        let segment = Segment::new(&words);
        for (change, from, to) in CHANGES {
            assert_eq!(segment.phase(), from);
            for (other, other_from, _) in CHANGES {
                assert!(other_from == from || !other(segment), "{other_from:?} from {from:?}");
            }
            assert!(change(segment));
            assert_eq!(segment.phase(), to);
        }
    }

    #[test]
    fn reservations_do_not_overlap_and_end_at_the_size() {
        let words = absent();
        let segment = open(&words, 25);
        assert_eq!(segment.reserve(10), Ok(0));
        assert_eq!(segment.reserve(10), Ok(10));
        assert_eq!(segment.reserve(6), Err(ReserveError::Short));
        assert_eq!(segment.reserve_part(1, 4), Ok((20, 4)));
        assert_eq!(segment.reserve(u64::from(u32::MAX)), Err(ReserveError::Short));
        assert_eq!(segment.reserve_part(2, 9), Err(ReserveError::Short));
        assert_eq!((segment.fill(), segment.dead()), (24, 0));
        assert!(segment.seal() && !segment.seal());
        assert_eq!((segment.dead(), segment.alive()), (1, 24));
        assert_eq!(segment.reserve(0), Err(ReserveError::Shut));
        segment.add_dead(24);
        assert!(segment.is_dead());
    }

    #[test]
    fn a_segment_with_a_writer_is_not_drained() {
        let words = absent();
        let segment = open(&words, 8);
        segment.reserve(1).unwrap();
        segment.reserve(1).unwrap();
        assert!(segment.seal() && !segment.begin_drain());
        segment.published();
        assert!(!segment.begin_drain());
        segment.published();
        assert!(segment.begin_drain() && !segment.begin_drain());
        assert_eq!(segment.fill(), 2, "the drainer has to know how far to walk");
        assert!(segment.end_drain() && segment.release());
        assert_eq!(segment.fill(), 0);
    }

    #[test]
    fn an_opening_is_told_and_forgets_the_one_before() {
        let words = absent();
        let segment = open(&words, 8);
        segment.note_deadline(5);
        segment.note_deadline(3);
        segment.note_deadline(NEVER);
        assert_eq!(segment.first_deadline(), 3);
        assert!(segment.seal() && segment.begin_drain() && segment.end_drain() && segment.release());
        assert!(segment.open(Opening { place: 1, start: 4, opened: 5, generation: 6, base: 7 }));
        assert_eq!(segment.first_deadline(), NEVER);
        assert_eq!((segment.place(), segment.size(), segment.start()), (1, 8, 4));
        assert_eq!((segment.opened(), segment.generation(), segment.dead()), (5, 6, 0));
    }
}

/// Draining a segment against a writer still filling it: section 5 of docs/engine.md.
#[cfg(loom)]
mod model {
    use std::sync::Arc;

    use loom::thread;

    use super::*;

    struct Shared {
        words: [AtomicU64; WORDS],
        /// The writer's item: 1 when it is written, 9 when the segment has another use.
        bytes: AtomicU64,
        /// Its slot in the index: 1 names the item.
        slot: AtomicU64,
    }

    /// `patient`: the drainer waits for the writers to be none.
    fn drain_against_writer(patient: bool) {
        loom::model(move || {
            let shared =
                Arc::new(Shared { words: absent(), bytes: AtomicU64::new(0), slot: AtomicU64::new(0) });
            open(&shared.words, 64);
            let drainer = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let segment = Segment::new(&shared.words);
                    segment.seal();
                    let drains = if patient { segment.begin_drain() } else { true };
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
            let segment = Segment::new(&shared.words);
            if segment.reserve(8).is_ok() {
                shared.bytes.store(1, Ordering::Relaxed);
                shared.slot.store(1, Ordering::Release);
                segment.published();
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
