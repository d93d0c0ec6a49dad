//! Changing the budget of a cache in use.
//!
//! - *Nothing is taken beyond the new limit*: a lower limit holds for what is taken from the moment
//!   it is set; what is in use above it is given back step by step. The old budget is reported until
//!   then.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::error::Error;
use crate::entries::removal::Call;
use crate::space::layout::check_max_size;
use crate::verbs::store::Store;
use crate::verbs::sweep::sweep_within;

/// How long a shrinking cache waits for readers of entries that were evicted.
const PATIENCE: Duration = Duration::from_secs(2);

/// Changes the budget; `resizing` is the lock of the one resize that is under way.
pub(crate) fn resize(store: &Store, max_size: u64, resizing: &Mutex<()>) -> Result<(), Error> {
    check_max_size(max_size)?;
    store.limits.check_open()?;
    let (floor, ceiling) = (store.space.room.least_budget, store.space.room.layout.ceiling);
    if !(floor..=ceiling).contains(&max_size) {
        let got = format!("{max_size} bytes");
        let takes = format!("{floor} to {ceiling} bytes in a cache built for what this one was");
        return Err(Error::Config { option: "max_size", got, takes });
    }
    store.change(|call| {
        let _resizing = resizing.lock().unwrap_or_else(PoisonError::into_inner);
        store.limits.check_open()?;
        resize_within(store, max_size, call)
    })
}

fn resize_within(store: &Store, max_size: u64, call: &mut Call<'_>) -> Result<(), Error> {
    let room = &store.space.room;
    let before = store.limits.max_size();
    room.budget.set_limit(max_size);
    room.fit_segment_bytes(max_size);
    if max_size < before && !shrink_to(store, max_size, call) {
        room.budget.set_limit(before);
        room.fit_segment_bytes(before);
        store.limits.check_open()?;
        return Err(Error::Full);
    }
    room.budget.tell_limit();
    store.limits.set_max_size(max_size);
    if let Some(rejecting) = room.full.rejecting() {
        rejecting.forget_refusals();
    }
    Ok(())
}

/// Gives back what is above the limit; false if it cannot.
fn shrink_to(store: &Store, limit: u64, call: &mut Call<'_>) -> bool {
    let (entries, space, room) = (&store.entries, &store.space, &store.space.room);
    let log = &entries.log;
    let begun = Instant::now();
    let evicts = room.full.evicts();
    let mut drained = 0;
    if !evicts && (sweep_within(store, call).is_err() || !may_fit(store, limit)) {
        return false;
    }
    while room.budget.used() > limit {
        call.now.restart();
        room.streams.collect_dead(log, usize::MAX);
        // Segments that are freed while the budget is exceeded go back at once.
        room.release(entries);
        if room.streams.withdraw_one(log, &room.budget) {
            continue;
        }
        space.shrink_index(entries, call);
        if room.budget.used() <= limit {
            break;
        }
        let went_on = if evicts {
            space.evict_for_segment(entries, drained, call).map(|more| drained += more).is_some()
        } else {
            space.evictors.compact_for_segment(space.walker(entries), call).is_some()
                || room.streams.close_streams(log, |segment| log.segment(segment).fill() > 0)
        };
        if !went_on {
            if !evicts || store.limits.check_open().is_err() || begun.elapsed() > PATIENCE {
                return false;
            }
            std::thread::yield_now();
        }
    }
    true
}

/// Whether the live entries may fit a smaller budget.
fn may_fit(store: &Store, limit: u64) -> bool {
    let Store { entries, space, .. } = store;
    space.room.streams.alive(&entries.log) + space.room.fixed_bytes + entries.index.bytes() <= limit
}
