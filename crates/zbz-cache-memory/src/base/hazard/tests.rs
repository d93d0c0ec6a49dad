use super::*;

#[cfg(not(loom))]
mod real {
    use super::*;

    fn protected(segment: HazardPointer) -> bool {
        let mut all = Vec::new();
        PROCESS.protected(&mut all);
        assert!(all.is_sorted());
        all.binary_search(&segment).is_ok()
    }

    #[test]
    fn a_segment_is_announced_while_it_is_read_and_no_longer() {
        let segment = HazardPointer::new(1 << 30, 5);
        reading(|reading| {
            reading.protect(segment);
            assert!(protected(segment));
            let other = HazardPointer::new(1 << 30, 6);
            reading.protect(other);
            assert!(!protected(segment) && protected(other));
            reading.protect(segment);
        });
        assert!(!protected(segment));
    }

    #[test]
    fn reads_inside_reads_are_all_announced_however_deep() {
        fn nest(depth: u64) {
            let segment = HazardPointer::new((1 << 30) + 1, depth);
            reading(|reading| {
                reading.protect(segment);
                if depth < 2 * PLACES as u64 {
                    nest(depth + 1);
                } else {
                    let all = (0..=depth).map(|depth| HazardPointer::new((1 << 30) + 1, depth));
                    assert!(all.into_iter().all(protected));
                }
                assert!(protected(segment));
            });
        }
        nest(0);
        assert!((0..9).all(|depth| !protected(HazardPointer::new((1 << 30) + 1, depth))));
    }

    #[test]
    fn a_thread_reads_in_two_places_at_once_without_a_lock() {
        reading(|outer| {
            outer.protect(HazardPointer::new((1 << 30) + 3, 1));
            reading(|inner| {
                inner.protect(HazardPointer::new((1 << 30) + 3, 2));
                reading(|third| {
                    third.protect(HazardPointer::new((1 << 30) + 3, 3));
                    let places = [&*outer, &*inner, &*third].map(|reading| reading.place);
                    let words = places.map(|place| place.protected.load(Ordering::Relaxed) & 0xFF);
                    assert_eq!(words, [1, 2, 3]);
                    assert!(places.iter().all(|place| !place.lent));
                });
            });
        });
    }

    #[test]
    fn a_panic_inside_a_read_withdraws() {
        let segment = HazardPointer::new((1 << 30) + 2, 1);
        reading(|_| ());
        let before = FREE.get().map(std::ptr::from_ref);
        let panicked = std::panic::catch_unwind(|| {
            reading(|reading| {
                reading.protect(segment);
                panic!("inside");
            })
        });
        assert!(panicked.is_err() && !protected(segment));
        assert!(before.is_some() && FREE.get().map(std::ptr::from_ref) == before);
    }

    #[test]
    fn threads_that_went_leave_nothing() {
        for _ in 0..50 {
            std::thread::spawn(|| reading(|reading| reading.protect(HazardPointer::new(1, 1))))
                .join()
                .unwrap();
        }
        // Other tests' threads have some.
        let (records, lent) = PROCESS.with(|places| (places.own.len(), places.lent.len()));
        assert!(records < 200 && lent < 200, "{records} records, {lent} places lent");
    }

    #[test]
    fn a_read_works_while_a_threads_locals_are_destroyed() {
        struct Late;
        impl Drop for Late {
            fn drop(&mut self) {
                reading(|reading| reading.protect(HazardPointer::new(1, 2)));
            }
        }
        thread_local!(static LATE: Late = const { Late });
        std::thread::spawn(|| LATE.with(|_| reading(|_| ()))).join().unwrap();
    }
}

/// Read against recycle: section 5 of docs/engine.md.
#[cfg(loom)]
mod model {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    /// The three guards of the protocol, each of which a model takes out.
    #[derive(Clone, Copy)]
    struct Guards {
        /// The reader's fence.
        fence: bool,
        /// The reader's second look at the slot.
        second_look: bool,
        /// The recycler's look at the hazard pointers.
        question: bool,
    }

    const ALL: Guards = Guards { fence: true, second_look: true, question: true };

    /// One slot names one segment, whose bytes are 1 until it is written again.
    fn read_against_recycle(guards: Guards) {
        loom::model(move || {
            let domain = Arc::new(Domain { places: Mutex::new(Cells::NONE) });
            let (slot, bytes) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(1)));
            let segment = HazardPointer::new(1, 1);
            let place = domain.of_thread(0);
            let reader = {
                let (slot, bytes) = (Arc::clone(&slot), Arc::clone(&bytes));
                thread::spawn(move || {
                    let mut reading = Reading { place };
                    let before = slot.load(Ordering::Acquire);
                    if guards.fence {
                        reading.protect(segment);
                    } else {
                        reading.place.protected.store(segment.0, Ordering::Release);
                    }
                    if before == 1 && (!guards.second_look || slot.load(Ordering::Acquire) == before) {
                        assert_eq!(bytes.load(Ordering::Relaxed), 1, "read while it was written");
                    }
                })
            };
            slot.store(0, Ordering::Release);
            let mut protected = Vec::new();
            domain.protected(&mut protected);
            if !guards.question || !protected.contains(&segment) {
                bytes.store(2, Ordering::Relaxed);
            }
            reader.join().unwrap();
        });
    }

    #[test]
    fn nobody_reads_what_is_written_again() {
        read_against_recycle(ALL);
    }

    #[test]
    #[should_panic(expected = "read while it was written")]
    fn without_the_second_look_at_the_slot_somebody_does() {
        read_against_recycle(Guards { second_look: false, ..ALL });
    }

    #[test]
    #[should_panic(expected = "read while it was written")]
    fn without_a_look_at_the_announcements_somebody_does() {
        read_against_recycle(Guards { question: false, ..ALL });
    }

    #[test]
    #[should_panic(expected = "read while it was written")]
    fn without_the_readers_fence_somebody_does() {
        read_against_recycle(Guards { fence: false, ..ALL });
    }
}
