//! The loads under way that a thread has polled. It may be the only thread that polls them, so it must
//! not block on a load: "Sleeping" in `docs/loading.md`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::sync::{AtomicBool, KeyHasher, Ordering};

super::sync::thread_local! {
    /// Keyed by the address of the part. The weak reference keeps that address from being reused.
    static POLLED: RefCell<HashMap<usize, Weak<Part>, KeyHasher>> = RefCell::default();
}

/// A waiter's part in a flight while the waiter lives, with the flight's `is_over`.
pub(super) struct Part(Arc<AtomicBool>);

impl Part {
    pub(super) fn new(is_over: &Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Part(Arc::clone(is_over)))
    }

    /// Records that this thread polls the waiter.
    pub(super) fn note(self: &Arc<Self>) {
        let address = Arc::as_ptr(self).addr();
        // A thread that ends has nothing to remember.
        let _ = POLLED.try_with(|polled| {
            let mut polled = polled.borrow_mut();
            if polled.contains_key(&address) {
                return;
            }
            // Pruned before it would grow: it never holds more than twice the loads under way.
            if polled.len() == polled.capacity() {
                polled.retain(|_, part| is_under_way(part));
            }
            polled.insert(address, Arc::downgrade(self));
        });
    }
}

/// Whether this thread has polled a load that is still under way and has a waiter.
pub(super) fn is_needed_here() -> bool {
    let found = POLLED.try_with(|polled| {
        let mut polled = polled.borrow_mut();
        polled.retain(|_, part| is_under_way(part));
        !polled.is_empty()
    });
    found.unwrap_or(false)
}

fn is_under_way(part: &Weak<Part>) -> bool {
    // Acquire: a thread that finds it over finds its outcome.
    part.upgrade().is_some_and(|part| !part.0.load(Ordering::Acquire))
}
