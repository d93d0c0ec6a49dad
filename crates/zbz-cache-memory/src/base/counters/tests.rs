use super::*;

#[cfg(not(loom))]
mod real {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    const ALL: [Count; COUNTS] = [
        Count::Hits,
        Count::Misses,
        Count::Absences,
        Count::Undecodable,
        Count::Sets,
        Count::Adds,
        Count::Replaced,
        Count::Deletes,
        Count::Evictions,
        Count::Expirations,
        Count::Rejections,
        Count::KeysIn,
        Count::KeysOut,
        Count::PayloadIn,
        Count::PayloadOut,
    ];

    #[test]
    fn counters_add_exactly_what_is_given_and_never_wrap() {
        for counters in [Counters::new(1, 1), Counters::new(200, 1)] {
            let read = || {
                [Count::Hits, Count::Misses, Count::Absences, Count::Undecodable]
                    .map(|what| counters.sum(what))
            };
            counters.record(Lookups { hits: 2, misses: 3, absences: 4, undecodable: 1 });
            assert_eq!(read(), [2, 3, 4, 1]);
            for _ in 0..3 {
                counters.record(Lookups { hits: u64::MAX, ..Lookups::default() });
                counters.add(Count::Hits, 1);
                assert_eq!(read(), [u64::MAX, 3, 4, 1]);
            }
        }
    }

    #[test]
    fn every_count_has_a_word_of_its_own_in_every_stripe() {
        let counters = Counters::new(4, 1);
        // Three of one thread each, one that is shared, the count of about, and where they are.
        assert_eq!(counters.bytes(), 6 * 128);
        for (at, what) in ALL.into_iter().enumerate() {
            for thread in [0, 1, 2, 3, 70, threads::NONE] {
                counters.stripe_of(thread).add(what, at as u64 + 1);
            }
        }
        assert!(ALL.into_iter().enumerate().all(|(at, what)| counters.sum(what) == 6 * (at as u64 + 1)));
    }

    #[test]
    fn what_is_held_is_what_came_and_did_not_go_and_never_less_than_nothing() {
        let counters = Counters::new(2, 1);
        counters.add(Count::PayloadIn, 30);
        counters.add(Count::PayloadOut, 10);
        counters.stripe().key_in();
        assert_eq!((counters.keys(), counters.payload(), counters.keys_about()), (1, 20, 1));
        counters.add(Count::PayloadOut, 21);
        counters.stripe().key_out();
        counters.stripe().key_out();
        assert_eq!((counters.keys(), counters.payload(), counters.keys_about()), (0, 0, 0));
    }

    #[test]
    fn many_short_threads_lose_no_addition() {
        let counters = Counters::new(4, 32);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        thread::scope(|scope| {
                            scope.spawn(|| {
                                for _ in 0..1_000 {
                                    counters.add(Count::Hits, 1);
                                    counters.stripe().key_in();
                                }
                            });
                        });
                    }
                });
            }
        });
        assert_eq!((counters.sum(Count::Hits), counters.keys()), (200_000, 200_000));
        assert!(counters.keys_about().abs_diff(200_000) <= 3 * 31);
    }

    #[test]
    fn sums_never_go_backwards_and_what_is_held_stays_plausible() {
        let (counters, stop) = (Counters::new(3, 8), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        counters.stripe().key_in();
                        counters.stripe().key_out();
                    }
                });
            }
            let mut before = (0, 0);
            for _ in 0..20_000 {
                let now = (counters.sum(Count::KeysIn), counters.sum(Count::KeysOut));
                assert!(before.0 <= now.0 && before.1 <= now.1);
                assert!(counters.keys() <= counters.sum(Count::KeysIn) && counters.keys_about() < 64);
                before = now;
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(counters.keys(), 0);
    }

    #[test]
    fn the_count_of_about_is_exact_without_a_remainder_and_off_by_less_than_one_with() {
        for (flush_every, low, high) in [(0, 100, 100), (1, 100, 100), (32, 69, 100)] {
            let counters = Counters::new(2, flush_every);
            for _ in 0..100 {
                counters.stripe_of(0).key_in();
                let (about, keys) = (counters.keys_about(), counters.keys());
                assert!(about <= keys && keys - about < flush_every.max(1));
            }
            assert!((low..=high).contains(&counters.keys_about()));
            for _ in 0..100 {
                counters.stripe_of(0).key_out();
            }
            assert!(counters.keys_about() < flush_every.max(1));
        }
    }
}

/// *One writer*: a number passes from one thread to the next.
#[cfg(loom)]
mod model {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::base::threads::ThreadNumbers;

    /// When a thread gives its number back: after its last addition, or, the guard taken out,
    /// before.
    #[derive(Clone, Copy, PartialEq)]
    enum Back {
        After,
        Before,
    }

    fn numbers_pass_on(back: Back) {
        loom::model(move || {
            let shared = Arc::new((Counters::new(3, 2), ThreadNumbers::new()));
            let run = move |shared: Arc<(Counters, ThreadNumbers)>| {
                let (counters, numbers) = &*shared;
                let number = numbers.take();
                if back == Back::Before {
                    numbers.give_back(number);
                }
                counters.stripe_of(number).key_in();
                if back == Back::After {
                    numbers.give_back(number);
                }
            };
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || run(shared))
            };
            run(Arc::clone(&shared));
            other.join().unwrap();
            assert_eq!(shared.0.keys(), 2, "an addition was lost");
        });
    }

    #[test]
    fn no_addition_is_lost_when_a_number_passes_on() {
        numbers_pass_on(Back::After);
    }

    #[test]
    #[should_panic(expected = "an addition was lost")]
    fn without_the_number_being_held_to_the_end_one_is() {
        numbers_pass_on(Back::Before);
    }
}
