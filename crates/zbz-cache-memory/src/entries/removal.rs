//! Causes of removals, and the report of removals to a listener.
//!
//! - *Reported without a lock*: the removed entry is copied under the bucket's lock, into the [`Removals`]
//!   of the call. The call passes them to the listener once it holds no lock; a call that removes many
//!   entries does so from time to time, so that it never gathers a copy of the whole cache.
//! - Without a listener nothing is copied.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::OnceLock;

use crate::base::call_time::CallTime;
use crate::index::slot::Location;

/// Why an entry is removed. One whose time has passed counts as expired whatever the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemovalCause {
    /// Its time has passed.
    Expired,
    /// There was no room for it.
    Evicted,
    /// Another entry of its key takes its place.
    Replaced,
    /// A caller removed its key.
    Deleted,
    /// A caller cleared what begins like its key.
    Cleared,
}

/// An entry that was removed, for a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) cause: RemovalCause,
}

/// The entries that one call has removed, until they are handed over.
#[derive(Debug)]
pub(crate) struct Removals {
    is_wanted: bool,
    list: Vec<Removal>,
}

/// The state of a call: its time, and the entries it has removed.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) now: CallTime<'a>,
    pub(crate) removals: Removals,
}

impl Removals {
    /// Whether there is a listener.
    #[inline(always)]
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    pub(crate) fn push(&mut self, removal: Removal) {
        self.list.push(removal);
    }
}

type Listen = dyn Fn(Removal) + Send + Sync + UnwindSafe + RefUnwindSafe;

/// The listener for removals, if there is one.
#[derive(Default)]
pub(crate) struct Listener(OnceLock<Box<Listen>>);

impl Listener {
    /// Attaches a listener, which stays for as long as the cache. False if there is one already.
    #[cfg_attr(not(test), expect(dead_code, reason = "no option attaches one yet"))]
    pub(crate) fn attach(&self, listen: Box<Listen>) -> bool {
        self.0.set(listen).is_ok()
    }

    /// Where a call gathers what it removes.
    #[inline(always)]
    pub(crate) fn removals(&self) -> Removals {
        Removals { is_wanted: self.0.get().is_some(), list: Vec::new() }
    }

    /// Tells the listener what was removed since it was last told. Only for a caller that holds no lock.
    #[inline(always)]
    pub(crate) fn hand_over(&self, removals: &mut Removals) {
        if !removals.list.is_empty() {
            self.tell(removals);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell(&self, removals: &mut Removals) {
        if let Some(listen) = self.0.get() {
            removals.list.drain(..).for_each(listen);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.get().is_some()).finish()
    }
}

/// An item whose time has passed, on the way to its bucket.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Due {
    pub(crate) hash: u64,
    pub(crate) location: Option<Location>,
    /// Of an entry that is one item: what it takes. Of a chunked entry nothing is known yet.
    pub(crate) whole: Option<WholeSize>,
}

/// The bytes of an entry that is a single item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WholeSize {
    /// The bytes of its item.
    pub(crate) item_bytes: u32,
    /// The bytes of its key and its value.
    pub(crate) payload_bytes: u32,
}

/// The result of a batch of removals.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expired {
    pub(crate) entries: u64,
    /// Dead bytes of their segment that were not yet charged to it.
    pub(crate) dead_bytes: u64,
}
