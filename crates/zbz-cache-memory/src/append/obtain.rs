//! Where a segment comes from that is written next, and how much is left alone for others.

use std::sync::atomic::Ordering;

use super::{MOST_DRAINED, Need};
use crate::WhenFull;
use crate::engine::Engine;
use crate::lanes::Lanes;

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
        let largest = self.largest_item.load(Ordering::Relaxed) as usize;
        match (need, self.when_full) {
            (Need::Survivor, _) => 0,
            (_, WhenFull::Evict) => self.kept_back(),
            (Need::Overwrite, WhenFull::Reject) => usize::from(self.lanes.present() >= 8),
            (Need::New, WhenFull::Reject) => match self.lanes.present() {
                0..8 => 0,
                present => 2 + largest.min(present as usize / 4),
            },
        }
    }

    /// A segment with memory that is in no list; `Some(None)` if there may be room in the lane
    /// now. `drained` is how many segments went for it so far.
    pub(super) fn obtain(&self, need: Need, len: usize, drained: &mut usize) -> Option<Option<usize>> {
        loop {
            if let Some(segment) = self.lanes.take_free(self.left_for_others(need)) {
                return Some(Some(segment));
            }
            // What is dead already is used again before memory that was not touched yet.
            self.lanes.collect_dead(&self.log, 4);
            // Emptying more while another thread is about to free some would empty all there is.
            if self.lanes.release_or_wait(&self.log, &self.budget, || self.is_short_of_bytes()) {
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
            if need == Need::Survivor || *drained > MOST_DRAINED {
                return None;
            }
            match self.when_full {
                WhenFull::Evict => *drained += self.evict_for_segment(*drained)?,
                WhenFull::Reject => {
                    if self.lanes.holes(&self.log) < len as u64 {
                        return None;
                    }
                    *drained += self.reclaim_for_segment()?;
                    return Some(None);
                }
            }
        }
    }

    /// Whether an entry fits once the one that it replaces is discounted.
    pub(crate) fn fits_in_place_of(&self, old: u64, new: u64) -> bool {
        let kept = self.left_for_others(Need::New) as u64;
        let most = self.lanes.present().saturating_sub(kept) * self.segment_size() as u64;
        new <= old || self.lanes.alive(&self.log) + new - old <= most
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
