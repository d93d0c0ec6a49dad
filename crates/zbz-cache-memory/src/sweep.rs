//! Sweeping what has expired, and clearing.
//!
//! - *The cost follows what expired*: a segment whose first deadline is ahead is not looked into.
//! - *No lock*: a segment that is walked is claimed by `begin_drain`; one bucket is held at a time.

use std::sync::atomic::Ordering;

use crate::counters::Count;
use crate::engine::Engine;
use crate::entry::{Exit, Old};
use crate::evict::AHEAD;
use crate::item::{Item, Kind};
use crate::log::Draining;
use crate::slot::Location;
use crate::ttl::NEVER;
use crate::{Error, lanes};

/// What is counted of one walk.
#[derive(Debug, Default)]
struct Swept {
    entries: u64,
    /// Bytes of the segment that are dead now.
    dead: u64,
    /// The first deadline that is ahead.
    next: Option<u64>,
}

/// An item whose time has passed, until its bucket is there.
#[derive(Debug, Clone, Copy, Default)]
struct Due {
    hash: u64,
    location: Option<Location>,
    whole: Option<(u32, u32)>,
}

/// The bytes of an entry in one, and of its key and value.
fn whole(item: &Item<'_>) -> Option<(u32, u32)> {
    let payload = item.key().len() + item.value().len();
    (item.kind() == Kind::Whole).then_some((item.bytes().len() as u32, payload as u32))
}

impl Engine {
    /// Removes what has expired and answers how many entries that were.
    pub(crate) fn sweep(&self) -> Result<u64, Error> {
        self.check_open()?;
        let now = self.clock.now();
        let is_due = |segment| self.log.segment(segment).first_deadline() <= now;
        // An open segment cannot be walked.
        self.lanes.close_lanes(&self.log, is_due);
        let mut swept = 0;
        for segment in 0..self.lanes.reached() {
            if is_due(segment) {
                swept += self.sweep_segment(segment, now);
            }
        }
        swept += self.sweep_evictors(now);
        self.release();
        self.check_open()?;
        Ok(swept)
    }

    fn sweep_segment(&self, segment: usize, now: u64) -> u64 {
        // While it is walked it stays where it is in its queue.
        let Some(draining) = self.log.begin_drain(segment) else { return 0 };
        let swept = self.sweep_items(&draining, 0, now);
        self.log.segment(segment).set_first_deadline(swept.next.unwrap_or(NEVER));
        self.log.leave_drain(draining);
        // One that held nothing else is free at once.
        if self.log.segment(segment).is_dead()
            && let Some(draining) = self.lanes.pick_dead(&self.log, segment)
        {
            let side = lanes::side_of(self.log.segment(segment).place());
            self.lanes.drained(&self.log, draining, side);
        }
        swept.entries
    }

    /// The same for what evictors have not walked yet of their segments.
    fn sweep_evictors(&self, now: u64) -> u64 {
        let mut swept = 0;
        for evictor in &self.evictors {
            let evictor = evictor.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(work) = &evictor.work {
                swept += self.sweep_items(&work.draining, work.offset, now).entries;
            }
        }
        swept
    }

    /// Unlinks the items from `offset` on whose time has passed.
    fn sweep_items(&self, draining: &Draining, mut offset: usize, now: u64) -> Swept {
        let mut swept = Swept::default();
        let mut due = [Due::default(); AHEAD];
        loop {
            let mut count = 0;
            while count < due.len()
                && let Some((item, location, next)) = self.log.item_at(draining, offset)
            {
                offset = next;
                match item.deadline() {
                    Some(deadline) if deadline <= now => {
                        let hash = self.hash_of(&item);
                        self.index.prefetch_bucket(hash);
                        due[count] = Due { hash, location: Some(location), whole: whole(&item) };
                        count += 1;
                    }
                    Some(deadline) => {
                        swept.next = Some(swept.next.map_or(deadline, |next: u64| next.min(deadline)));
                    }
                    None => {}
                }
            }
            due[..count].iter().for_each(|due| self.sweep_item(due, &mut swept));
            if count < due.len() {
                break;
            }
        }
        self.log.segment(draining.segment()).add_dead(swept.dead);
        self.counters.add(Count::Expirations, swept.entries);
        self.fit_index();
        swept
    }

    #[inline]
    fn sweep_item(&self, due: &Due, swept: &mut Swept) {
        let held = self.index.hold(due.hash);
        let place = due.location.and_then(|location| held.find_location(due.hash, location));
        let Some(place) = place else { return };
        swept.entries += 1;
        let payload = if let Some((len, payload)) = due.whole {
            held.drop_item(place);
            // The segment is drained: its dead bytes may be added later.
            swept.dead += u64::from(len);
            payload.into()
        } else {
            let old = self.describe(&held, place.slot());
            held.drop_item(place);
            self.free(&held, &old);
            old.payload
        };
        // *Gone under the bit* (`entry.rs`).
        let stripe = self.counters.stripe();
        stripe.key_out();
        stripe.add(Count::PayloadOut, payload);
    }

    /// Removes everything that begins with `prefix` and answers how many entries were live.
    pub(crate) fn clear_prefix(&self, prefix: &[u8]) -> Result<u64, Error> {
        self.check_open()?;
        let live = self.unlink_prefix(prefix);
        if prefix.is_empty() {
            self.reclaim_all();
            self.tide.forget();
            self.longest.store(0, Ordering::Relaxed);
        }
        self.check_open()?;
        Ok(live)
    }

    fn unlink_prefix(&self, prefix: &[u8]) -> u64 {
        let mut live = 0;
        let mut next = Some(0);
        let mut gone: Vec<Old> = Vec::new();
        while let Some(point) = next {
            next = self.index.visit_group(
                point,
                || (),
                |held| {
                    held.retain(|slot| {
                        let goes = self.begins_with(held, slot, prefix);
                        if goes {
                            gone.push(self.describe(held, slot));
                        }
                        !goes
                    });
                    let now = self.moment();
                    gone.drain(..).for_each(|old| {
                        live += u64::from(old.is_live(&now));
                        self.let_go(held, &old, Exit::Deleted, &now);
                    });
                },
            );
        }
        live
    }

    /// Empties a closed cache, and gives back what nobody reads.
    pub(crate) fn empty(&self) {
        self.unlink_prefix(b"");
        self.reclaim_all();
    }

    /// Gives the memory back of all segments that are dead, and of the index that is not needed.
    pub(crate) fn reclaim_all(&self) {
        self.lanes.close_lanes(&self.log, |_| true);
        self.finish_dead_evictors();
        self.lanes.collect_dead(&self.log, usize::MAX);
        self.lanes.release_all(&self.log, &self.budget);
        while self.lanes.withdraw_one(&self.log, &self.budget) {}
        self.lanes.forget_absent();
        self.shrink_index();
    }
}
