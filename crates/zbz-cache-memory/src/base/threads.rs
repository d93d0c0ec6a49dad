//! [`number`]: a small number for every thread that uses a cache of this process.
//!
//! Invariants:
//! - *Unique*: no two live threads have the same number, so what belongs to a number has one
//!   writer at a time.
//! - *In turn*: a number passes from the thread that ended to the next one through a mutex, so all
//!   that the first did under it happens before all that the second does.
//! - The smallest free number is given out first: numbers stay as small as the threads are few.
//!
//! A thread takes its number when it is first asked for, and gives it back when it ends. A module that keeps
//! something under the number can be called ahead of that ([`number_until`]).

use crate::base::sync::Mutex;

/// The number of a thread that is about to end: none.
pub(crate) const NONE: usize = usize::MAX;

/// The numbers in use, a bit each. There is one for the process; models make their own.
#[derive(Debug)]
pub(crate) struct ThreadNumbers {
    taken: Mutex<Vec<u64>>,
}

impl ThreadNumbers {
    #[cfg(not(loom))]
    const fn new() -> ThreadNumbers {
        ThreadNumbers { taken: Mutex::new(Vec::new()) }
    }

    #[cfg(all(test, loom))]
    pub(crate) fn new() -> ThreadNumbers {
        ThreadNumbers { taken: Mutex::new(Vec::new()) }
    }

    /// The smallest free number.
    pub(crate) fn take(&self) -> usize {
        let mut taken = self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let word = taken.iter().position(|&word| word != u64::MAX).unwrap_or(taken.len());
        if word == taken.len() {
            taken.push(0);
        }
        let bit = taken[word].trailing_ones();
        taken[word] |= 1 << bit;
        word * 64 + bit as usize
    }

    /// Frees a number.
    pub(crate) fn give_back(&self, number: usize) {
        let mut taken = self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        taken[number / 64] &= !(1 << (number % 64));
    }
}

/// Under loom threads have no numbers but those that a model gives them.
#[cfg(loom)]
pub(crate) fn number() -> usize {
    NONE
}

#[cfg(not(loom))]
pub(crate) use own::{number, number_until};

#[cfg(not(loom))]
mod own {
    use std::cell::Cell;

    use super::{NONE, ThreadNumbers};

    /// Not asked for yet.
    const UNKNOWN: usize = NONE - 1;

    static PROCESS: ThreadNumbers = ThreadNumbers::new();

    thread_local! {
        /// Constant and without a destructor: read by one instruction, at any time.
        static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
        static REGISTRATION: Registration = Registration::new();
    }

    /// Holds the thread's number until its locals are destroyed.
    struct Registration {
        number: usize,
        /// Called before the number is given back.
        end: Cell<Option<fn()>>,
    }

    impl Registration {
        fn new() -> Registration {
            let number = PROCESS.take();
            NUMBER.set(number);
            Registration { number, end: Cell::new(None) }
        }
    }

    impl Drop for Registration {
        fn drop(&mut self) {
            NUMBER.set(NONE);
            if let Some(end) = self.end.get() {
                end();
            }
            PROCESS.give_back(self.number);
        }
    }

    /// The number of the calling thread; [`NONE`] once the thread's locals are being destroyed.
    #[inline(always)]
    pub(crate) fn number() -> usize {
        match NUMBER.get() {
            UNKNOWN => first_number(),
            number => number,
        }
    }

    /// The number of the calling thread, and a function that is called in it before the number is given
    /// back. `None` once the thread's locals are being destroyed. There is one such function: the last.
    pub(crate) fn number_until(end: fn()) -> Option<usize> {
        let register = |registration: &Registration| {
            registration.end.set(Some(end));
            registration.number
        };
        REGISTRATION.try_with(register).ok()
    }

    #[cold]
    #[inline(never)]
    fn first_number() -> usize {
        REGISTRATION.try_with(|registration| registration.number).unwrap_or(NONE)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::{Barrier, Mutex};

    use super::*;

    #[test]
    fn the_smallest_free_number_is_given_first() {
        let numbers = ThreadNumbers::new();
        assert!((0..130).all(|expected| numbers.take() == expected));
        for free in [129, 64, 3] {
            numbers.give_back(free);
        }
        assert_eq!([(); 4].map(|()| numbers.take()), [3, 64, 129, 130]);
    }

    #[test]
    fn live_threads_have_different_numbers_that_stay_the_same() {
        let (barrier, seen) = (Barrier::new(20), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    seen.lock().unwrap().push(number());
                    let before = number();
                    barrier.wait();
                    assert_eq!(number(), before);
                });
            }
        });
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 20);
    }

    #[test]
    fn a_number_goes_back_when_its_thread_ends() {
        let largest = (0..500).map(|_| std::thread::spawn(number).join().unwrap()).max();
        // Other tests' threads hold some meanwhile.
        assert!(largest.is_some_and(|largest| largest < 200), "{largest:?}");
    }

    #[test]
    fn a_thread_has_its_number_or_none_while_its_locals_are_destroyed() {
        static LATE_NUMBERS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
        struct Late(usize);
        impl Drop for Late {
            fn drop(&mut self) {
                LATE_NUMBERS.lock().unwrap().push((self.0, number()));
            }
        }
        thread_local! {
            static EARLY: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
            static AFTER: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
        }
        std::thread::spawn(|| {
            // Registered before and after the number: one is destroyed on either side of it.
            EARLY.with(|early| assert!(early.borrow().is_none()));
            let own = number();
            EARLY.set(Some(Late(own)));
            AFTER.set(Some(Late(own)));
        })
        .join()
        .unwrap();
        let late = LATE_NUMBERS.lock().unwrap();
        assert!(late.len() == 2 && late.iter().all(|&(own, late)| late == own || late == NONE));
        assert!(late.iter().any(|&(_, late)| late == NONE));
    }
}
