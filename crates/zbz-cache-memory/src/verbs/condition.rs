//! The conditions of writes, checked under the lock of the key's bucket.

use crate::entries::Entries;
use crate::entries::entry::EntryInfo;
use crate::entries::found::Version;
use crate::entries::removal::Call;
use crate::index::slot::Location;
use crate::verbs::options::Condition;

/// How a swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swap {
    Done,
    ConditionFailed,
    /// The entry is not the one that the write was made for.
    Changed,
}

/// The condition of a swap.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Precondition<'a> {
    Condition(&'a Condition<'a>),
    /// The key's live entry is still this one, or there is still none; and the condition. It is not told
    /// by the entry's place: another of the key may stand there meanwhile, the segment having been
    /// recycled.
    Unchanged(Option<Version>, &'a Condition<'a>),
}

#[inline(always)]
pub(crate) fn judge(
    entries: &Entries,
    precondition: Precondition<'_>,
    old: Option<&EntryInfo>,
    call: &Call<'_>,
) -> Swap {
    if let Precondition::Condition(Condition::Always) = precondition {
        return Swap::Done;
    }
    let live = old.filter(|old| old.is_live(&call.now)).map(|old| old.slot.location());
    match precondition {
        Precondition::Unchanged(expected, _) if live.map(|at| entries.version_at(at)) != expected => {
            Swap::Changed
        }
        Precondition::Condition(condition) | Precondition::Unchanged(_, condition) => {
            if holds(entries, condition, live) { Swap::Done } else { Swap::ConditionFailed }
        }
    }
}

fn holds(entries: &Entries, condition: &Condition<'_>, live: Option<Location>) -> bool {
    match condition {
        Condition::Always => true,
        Condition::Absent => live.is_none(),
        Condition::Present => live.is_some(),
        Condition::Version(version) => live.is_some_and(|live| entries.version_at(live) == *version),
        Condition::If(holds) => holds(),
    }
}
