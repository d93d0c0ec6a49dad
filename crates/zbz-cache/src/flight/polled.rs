//! Which loads under way a thread has polled. It may be the only one that polls them, so it may not
//! sleep until a load has ended: "Sleeping" in `docs/loading.md`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::sync::{AtomicBool, KeyHasher, Ordering};

super::sync::thread_local! {
    /// By the address of the part, which nothing else has as long as the weak reference is here.
    static POLLED: RefCell<HashMap<usize, Weak<Part>, KeyHasher>> = RefCell::default();
}

/// A waiter's part in a work, as long as the waiter is there; with the work's word for being over.
pub(super) struct Part(Arc<AtomicBool>);

impl Part {
    pub(super) fn new(is_over: &Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Part(Arc::clone(is_over)))
    }

    /// This thread polls the waiter.
    pub(super) fn note(self: &Arc<Self>) {
        let address = Arc::as_ptr(self).addr();
        // A thread that ends has nothing to remember.
        let _ = POLLED.try_with(|polled| {
            let mut polled = polled.borrow_mut();
            if polled.contains_key(&address) {
                return;
            }
            // Before it would grow, so that it never holds more than twice what is under way.
            if polled.len() == polled.capacity() {
                polled.retain(|_, part| is_under_way(part));
            }
            polled.insert(address, Arc::downgrade(self));
        });
    }
}

/// Whether this thread has polled a load that is still under way and still waited for.
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
