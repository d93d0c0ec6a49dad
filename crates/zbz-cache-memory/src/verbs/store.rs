//! [`Store`]: what the verbs work with: the entries, the space and the limits.

use crate::entries::Entries;
use crate::entries::removal::Call;
use crate::space::Space;
use crate::verbs::limits::Limits;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) entries: Entries,
    pub(crate) space: Space,
    pub(crate) limits: Limits,
}

impl Store {
    /// Calls `verb`, and then does the last steps of every verb that writes: it reports removed entries to a
    /// listener, and gives back the memory that a concurrent close has missed.
    #[inline(always)]
    pub(crate) fn change<R>(&self, verb: impl FnOnce(&mut Call<'_>) -> R) -> R {
        let mut call = self.entries.begin_call();
        let answer = verb(&mut call);
        if self.limits.check_open().is_err() {
            // The call may have reserved room, or kept some from being given back.
            self.space.release_all(&self.entries, &mut call);
        }
        self.entries.tell_removals(&mut call);
        answer
    }
}
