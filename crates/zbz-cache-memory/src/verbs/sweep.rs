//! Sweeping expired entries, and clearing.
//!
//! May remove entries, and sends segments that are dead then to limbo.
//!
//! - *The cost follows what expired*: a segment whose first deadline is ahead is not looked into.
//! - *One bucket's lock at a time*: a segment that is walked is claimed by `begin_drain`.

use crate::base::error::Error;
use crate::base::ttl::NEVER;
use crate::entries::removal::{Call, Due, WholeSize};
use crate::index::LockedBucket;
use crate::log::drain::Draining;
use crate::log::item::{Item, Kind};
use crate::space::streams::queue_of;
use crate::space::walk::AHEAD;
use crate::verbs::store::Store;

/// The result of a walk of one segment.
#[derive(Debug, Default)]
struct Swept {
    entries: u64,
    /// The first deadline that is ahead.
    next: Option<u64>,
}

/// Removes the entries that have expired and answers how many they were.
pub(crate) fn sweep(store: &Store) -> Result<u64, Error> {
    store.limits.check_open()?;
    store.change(|call| sweep_telling(store, call, |call| store.entries.tell_removals(call)))
}

/// [`sweep`] inside a call that does more and may hold a lock: the listener is called at its end.
pub(crate) fn sweep_within(store: &Store, call: &mut Call<'_>) -> Result<u64, Error> {
    sweep_telling(store, call, |_| ())
}

/// Removes the entries that have expired; `tell` is called after each segment.
fn sweep_telling(store: &Store, call: &mut Call<'_>, tell: impl Fn(&mut Call<'_>)) -> Result<u64, Error> {
    store.limits.check_open()?;
    let Store { entries, space, .. } = store;
    let now = entries.clock.now();
    let is_due = |segment| entries.log.segment(segment).first_deadline() <= now;
    // An open segment cannot be walked.
    space.room.streams.close_streams(&entries.log, is_due);
    let mut swept = 0;
    for segment in 0..space.room.streams.reached() {
        if is_due(segment) {
            swept += sweep_segment(store, segment, now, call);
            tell(call);
        }
    }
    // Evictors have not walked all of their segments yet.
    space.evictors.visit(|walk| {
        swept += sweep_items(store, &walk.draining, walk.offset, now, call).entries;
    });
    space.room.release(entries);
    store.limits.check_open()?;
    Ok(swept)
}

fn sweep_segment(store: &Store, segment: usize, now: u64, call: &mut Call<'_>) -> u64 {
    let (log, streams) = (&store.entries.log, &store.space.room.streams);
    // While it is walked it stays where it is in its queue.
    let Some(draining) = log.begin_drain(segment) else { return 0 };
    let swept = sweep_items(store, &draining, 0, now, call);
    log.segment(segment).set_first_deadline(swept.next.unwrap_or(NEVER));
    log.leave_drain(draining);
    // One that held nothing else is free at once.
    if log.segment(segment).is_dead()
        && let Some(draining) = streams.pick_dead(log, segment)
    {
        let queue = queue_of(log.segment(segment).place());
        streams.drained(log, draining, queue);
    }
    swept.entries
}

/// Removes the items from an offset on whose time has passed.
fn sweep_items(
    store: &Store,
    draining: &Draining,
    mut offset: usize,
    now: u64,
    call: &mut Call<'_>,
) -> Swept {
    let Store { entries, space, .. } = store;
    let (mut swept, mut dead_bytes) = (Swept::default(), 0);
    let mut due = [Due::default(); AHEAD];
    loop {
        let mut count = 0;
        while count < due.len()
            && let Some((item, location, next)) = entries.log.item_at(draining, offset)
        {
            offset = next;
            match item.deadline() {
                Some(deadline) if deadline <= now => {
                    let hash = entries.hash_of(&item);
                    entries.index.prefetch_bucket(hash);
                    due[count] = Due { hash, location: Some(location), whole: whole_size(&item) };
                    count += 1;
                }
                Some(deadline) => {
                    swept.next = Some(swept.next.map_or(deadline, |next: u64| next.min(deadline)));
                }
                None => {}
            }
        }
        let expired = entries.remove_due(&due[..count], call);
        swept.entries += expired.entries;
        dead_bytes += expired.dead_bytes;
        if count < due.len() {
            break;
        }
    }
    entries.log.segment(draining.segment()).add_dead(dead_bytes);
    space.fit_index(entries, call);
    swept
}

fn whole_size(item: &Item<'_>) -> Option<WholeSize> {
    let payload = item.key().len() + item.value().len();
    let size = WholeSize { item_bytes: item.bytes().len() as u32, payload_bytes: payload as u32 };
    (item.kind() == Kind::Whole).then_some(size)
}

/// Removes everything that begins with `prefix` and answers how many entries were live.
pub(crate) fn clear_prefix(store: &Store, prefix: &[u8]) -> Result<u64, Error> {
    store.limits.check_open()?;
    store.change(|call| {
        let live = unlink_prefix(store, prefix, call);
        if prefix.is_empty() {
            let Store { entries, space, .. } = store;
            space.release_all(entries, call);
            space.room.policy.forget();
            if let Some(rejecting) = space.room.full.rejecting() {
                rejecting.forget_items();
            }
        }
        store.limits.check_open()?;
        Ok(live)
    })
}

fn unlink_prefix(store: &Store, prefix: &[u8], call: &mut Call<'_>) -> u64 {
    let entries = &store.entries;
    let (mut live, mut next) = (0, Some(0));
    while let Some(point) = next {
        call.now.restart();
        let clear = |bucket: &LockedBucket<'_>| live += entries.clear_bucket(bucket, prefix, call);
        next = entries.index.visit_group(point, || (), clear);
        entries.tell_removals(call);
    }
    live
}

/// Removes everything from a closed cache, and gives back the memory without readers.
pub(crate) fn empty(store: &Store) {
    let mut call = store.entries.begin_call();
    unlink_prefix(store, b"", &mut call);
    store.space.release_all(&store.entries, &mut call);
    store.entries.tell_removals(&mut call);
}
