//! [`CallTime`]: one reading of the clock that serves a whole call.

use std::cell::Cell;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::ttl::{self, End, NEVER};

/// The time of a call, read when it is first asked for.
#[derive(Debug)]
pub(crate) struct CallTime<'a> {
    clock: &'a Clock,
    read: Cell<Option<u64>>,
}

impl<'a> CallTime<'a> {
    #[inline(always)]
    pub(crate) fn new(clock: &'a Clock) -> CallTime<'a> {
        CallTime { clock, read: Cell::new(None) }
    }

    /// Has the clock read again when the time is next asked for: the call begins anew.
    pub(crate) fn restart(&self) {
        self.read.set(None);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.read.get().unwrap_or_else(|| {
            let now = self.clock.now();
            self.read.set(Some(now));
            now
        })
    }

    /// A time within the call, or shortly after, that is before `deadline` if the deadline is
    /// ahead, and is not if it has passed.
    #[inline]
    pub(crate) fn for_deadline(&self, deadline: u64) -> u64 {
        let bound = if self.read.get().is_none() { self.clock.before(deadline) } else { None };
        bound.unwrap_or_else(|| self.get())
    }

    /// The end of an entry that is written in this call; `None` is never.
    pub(crate) fn end_of(&self, ttl: Option<Duration>) -> End {
        match ttl::end_of(self.get(), ttl) {
            End::At(deadline) if deadline != NEVER => End::At(self.clock.whole(deadline)),
            end => end,
        }
    }
}
