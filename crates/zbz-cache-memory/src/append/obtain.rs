//! Where a segment comes from that is written next, and how much is left alone for others.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::Need;
use crate::WhenFull;
use crate::counters::Count;
use crate::engine::Engine;
use crate::item::{HEADER_BYTES, Layout};
use crate::lanes::Lanes;

/// Segments that one write drains before it gives up.
const MOST_DRAINED: usize = 64;

/// What is known of the writes that were refused room.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// The most bytes of segments that were alive then, since the last resize.
    most_alive: u64,
    /// The bytes that had come and gone at the last one, and how many more it wanted.
    last: Option<(u64, u64)>,
}

impl Engine {
    /// Whether the budget has room for one more segment, and for the index to grow beside it.
    pub(crate) fn has_room_for_segment(&self) -> bool {
        self.budget.left() >= Lanes::cost(self.segment_size() as u64) + self.index_allowance()
    }

    /// Bytes of the budget that segments leave to the index.
    pub(crate) fn index_allowance(&self) -> u64 {
        (self.budget.limit() / 512).max(1024)
    }

    /// Free segments that only survivors take.
    pub(super) fn kept_back(&self) -> usize {
        match self.lanes.present() {
            0..4 => 0,
            4..32 => 1,
            _ => self.evictors.len(),
        }
    }

    /// Segments that are free, or about to be, while writes pay as they go.
    pub(super) fn ahead(&self) -> u64 {
        self.kept_back() as u64 + self.lanes.shape().stripes as u64 + self.lanes.batch()
    }

    /// Free segments that are left alone by whoever has this need.
    pub(super) fn left_for_others(&self, need: Need) -> usize {
        match (need, self.when_full) {
            (Need::Survivor, _) => 0,
            (_, WhenFull::Evict) => self.kept_back(),
            (Need::Overwrite, WhenFull::Reject) => match self.lanes.present() {
                0..8 => 0,
                8..48 => 1,
                _ => 2,
            },
            (Need::New, WhenFull::Reject) => self.kept_for_overwrites(),
        }
    }

    /// Where nothing is evicted: the largest entry, and so much more that a segment has to be moved
    /// elsewhere for about a sixteenth of it at the most, and for what its items leave at the end.
    fn kept_for_overwrites(&self) -> usize {
        let present = self.lanes.present();
        let ends = present * self.longest.load(Ordering::Relaxed) / (8 * self.segment_size() as u64);
        let kept = 4 + self.largest.segments() + present / 16 + ends;
        if present < 8 { 0 } else { kept.min(present / 2) as usize }
    }

    /// Remembers the longest item that is not cut, where nothing is evicted.
    pub(super) fn note_uncut(&self, layout: &Layout) {
        let len = layout.len() as u64;
        // Looked at first: other writers need not wait for the line each time.
        if self.when_full == WhenFull::Reject
            && len > self.longest.load(Ordering::Relaxed)
            && self.is_uncut(layout)
        {
            self.longest.fetch_max(len, Ordering::Relaxed);
        }
    }

    /// A segment with memory that is in no list; `Some(None)` if there may be room in the lane
    /// now. `drained` is how many segments went for it so far.
    pub(super) fn obtain(&self, need: Need, drained: &mut usize) -> Option<Option<usize>> {
        loop {
            if let Some(segment) = self.lanes.take_free(self.left_for_others(need)) {
                return Some(Some(segment));
            }
            // What is dead already is used again before memory that was not touched yet.
            self.lanes.collect_dead(&self.log, 4);
            // Emptying more while another thread is about to free some would empty all there is. One
            // that is full empties as much again soon.
            let waits = || self.when_full == WhenFull::Reject || !self.is_dense();
            if self.lanes.release_or_wait(&self.log, &self.budget, || self.is_short_of_bytes(), waits) {
                continue;
            }
            let size = self.segment_size() as u64;
            let provided = self.lanes.provide(&self.log, &self.budget, size, self.index_allowance());
            if let Some(segment) = provided {
                if self.when_full == WhenFull::Evict || need != Need::New {
                    return Some(Some(segment));
                }
                // What is kept back has to be there.
                self.lanes.put_back(segment);
                continue;
            }
            match (self.when_full, need) {
                (_, Need::Survivor) => return None,
                (WhenFull::Evict, _) if *drained > MOST_DRAINED => return None,
                (WhenFull::Evict, _) => *drained += self.evict_for_segment(*drained)?,
                (WhenFull::Reject, Need::New) => return None,
                (WhenFull::Reject, Need::Overwrite) => {
                    if *drained as u64 > self.lanes.present() {
                        return None;
                    }
                    // Whatever it comes to: others may use what it gains.
                    *drained += self.reclaim_for_segment()?.max(1);
                    return Some(None);
                }
            }
        }
    }

    /// Whether most of what segments hold is alive, about.
    pub(crate) fn is_dense(&self) -> bool {
        let alive = self.counters.payload() + self.counters.keys_about() * HEADER_BYTES as u64;
        alive / 5 >= self.lanes.present() * self.segment_size() as u64 / 8
    }

    /// Whether so many bytes more would leave, once entries are moved together, what is kept back
    /// from new keys.
    pub(crate) fn leaves_what_is_kept(&self, more: u64) -> bool {
        self.leaves(self.left_for_others(Need::New) as u64, more)
    }

    fn leaves(&self, segments: u64, more: u64) -> bool {
        let most = self.lanes.present().saturating_sub(segments) * self.segment_size() as u64;
        self.lanes.occupied(&self.log) + more <= most
    }

    /// The same for a write that was refused room: also if as much was alive before and went. What
    /// moving adds to the ends of segments may then take a part of what is kept back.
    pub(crate) fn fits_for_what_went(&self, more: u64) -> bool {
        let written = self.counters.sum(Count::PayloadIn) + self.counters.sum(Count::PayloadOut);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.last.is_some_and(|(then, wanted)| then == written && more >= wanted) {
            // Looking at all segments again would come to the same.
            return false;
        }
        let alive = self.lanes.alive(&self.log);
        refused.most_alive = refused.most_alive.max(alive);
        let kept = self.left_for_others(Need::New) as u64;
        let part = self.lanes.present() / 32 + 2;
        let as_before = alive + more <= refused.most_alive;
        let fits = self.leaves(kept, more) || (as_before && self.leaves(kept.saturating_sub(part), more));
        if !fits {
            refused.last = Some((written, more));
        }
        fits
    }

    /// Has segments make room for an index that cannot grow, where nothing is evicted: what is
    /// evicted does that by itself.
    #[cold]
    pub(crate) fn give_to_index(&self) {
        let is_short = || self.budget.left() < self.index_allowance() / 2;
        if self.when_full == WhenFull::Evict || !is_short() {
            return;
        }
        self.lanes.collect_dead(&self.log, 4);
        if self.leaves_what_is_kept(self.segment_size() as u64) {
            self.reclaim_if_idle();
        }
        self.lanes.release(&self.log, &self.budget, is_short);
        if is_short() && self.lanes.spare() > self.left_for_others(Need::New) as u64 {
            self.lanes.withdraw_one(&self.log, &self.budget);
        }
    }

    /// Frees what nobody reads any more; while bytes are wanted for the index, or the cache
    /// shrinks, they go to the budget. Answers how many segments are free now.
    pub(crate) fn release(&self) -> usize {
        self.lanes.release(&self.log, &self.budget, || self.is_short_of_bytes())
    }

    fn is_short_of_bytes(&self) -> bool {
        let few = self.index_allowance() / 2;
        self.budget.used() > self.budget.limit() || (self.budget.left() < few && self.index_wants_bytes())
    }
}
