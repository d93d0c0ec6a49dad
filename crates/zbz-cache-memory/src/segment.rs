//! [`Segment`]: who may do what with one segment of the log, in one word.
//!
//! ```text
//!   63   61 60        56 55               32 31                              0
//!   | phase | (unused)  | writers: 24 bits  | fill: bytes that were reserved  |
//!
//!   absent -> free -> open -> sealed -> draining -> limbo -> free
//!              ^                                      |
//!              +-- absent (given back to the system) <-+
//! ```
//!
//! - *Exact writers*: a reservation and the seal change the same word, so a sealed segment takes
//!   no further writer, and when its writers are none, all of them have published.
//! - *One drainer*: draining begins with a compare-exchange that one thread wins.

use crate::sync::{AtomicU64, Ordering};

const FILL_MASK: u64 = (1 << 32) - 1;
const WRITER: u64 = 1 << 32;
const WRITERS_MASK: u64 = ((1 << 24) - 1) << 32;
const PHASE_SHIFT: u32 = 61;

/// What a segment is at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has no memory.
    Absent,
    /// Its bytes may be written by whoever opens it.
    Free,
    /// Writers reserve room in it.
    Open,
    /// It is full, or as good as.
    Sealed,
    /// One thread unlinks its items.
    Draining,
    /// Nothing names its items; readers may still be reading them.
    Limbo,
}

const PHASES: [Phase; 6] =
    [Phase::Absent, Phase::Free, Phase::Open, Phase::Sealed, Phase::Draining, Phase::Limbo];

/// Why a reservation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// What is left is too small.
    Short,
    /// It is not open.
    Shut,
}

/// See the module's words.
#[derive(Debug)]
pub(crate) struct Segment {
    word: AtomicU64,
}

/// The state of a segment, as it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State(u64);

impl State {
    fn phase(self) -> Phase {
        PHASES[(self.0 >> PHASE_SHIFT) as usize % PHASES.len()]
    }

    fn fill(self) -> u64 {
        self.0 & FILL_MASK
    }

    fn writers(self) -> u64 {
        (self.0 & WRITERS_MASK) / WRITER
    }

    fn in_phase(self, phase: Phase) -> State {
        let rest = self.0 & (FILL_MASK | WRITERS_MASK);
        State(rest | (phase as u64) << PHASE_SHIFT)
    }
}

impl Segment {
    /// One without memory.
    pub(crate) fn absent() -> Segment {
        Segment { word: AtomicU64::new(0) }
    }

    fn state(&self) -> State {
        State(self.word.load(Ordering::Acquire))
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase()
    }

    /// The bytes that were reserved since it was opened.
    pub(crate) fn fill(&self) -> u64 {
        self.state().fill()
    }

    /// Reserves `len` bytes of `size` and answers where they begin. The segment cannot be drained
    /// until [`published`](Segment::published) is called as often.
    pub(crate) fn reserve(&self, len: u64, size: u64) -> Result<u64, NoRoom> {
        let mut state = State(self.word.load(Ordering::Relaxed));
        loop {
            if state.phase() != Phase::Open {
                return Err(NoRoom::Shut);
            }
            if state.fill() + len > size || state.writers() == WRITERS_MASK / WRITER {
                return Err(NoRoom::Short);
            }
            // Acquire: pairs with the Release that opened it, so that these bytes are written
            // after all that was done with the segment before.
            let next = state.0 + WRITER + len;
            match self.word.compare_exchange_weak(state.0, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Ok(state.fill()),
                Err(now) => state = State(now),
            }
        }
    }

    /// Ends a reservation: its item is published, or will never be.
    pub(crate) fn published(&self) {
        // Release: pairs with the Acquire of `begin_drain`, which then sees item and slot.
        self.word.fetch_sub(WRITER, Ordering::Release);
    }

    /// Gives an absent segment its memory.
    pub(crate) fn provide(&self) -> bool {
        self.advance(Phase::Absent, Phase::Free)
    }

    /// Takes a free segment's memory away.
    pub(crate) fn withdraw(&self) -> bool {
        self.advance(Phase::Free, Phase::Absent)
    }

    /// Opens a free segment, empty.
    pub(crate) fn open(&self) -> bool {
        self.advance(Phase::Free, Phase::Open)
    }

    /// Ends reservations. False if it was not open.
    pub(crate) fn seal(&self) -> bool {
        let mut state = self.state();
        while state.phase() == Phase::Open {
            let next = state.in_phase(Phase::Sealed);
            match self.word.compare_exchange_weak(state.0, next.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => state = State(now),
            }
        }
        false
    }

    /// Begins to drain a sealed segment; false if it has writers still, is in another phase, or
    /// another thread was first.
    pub(crate) fn begin_drain(&self) -> bool {
        let state = self.state();
        state.writers() == 0
            && state.phase() == Phase::Sealed
            && self.change(state, state.in_phase(Phase::Draining))
    }

    /// Ends the drain: no slot names an item of it any more.
    pub(crate) fn end_drain(&self) -> bool {
        self.advance(Phase::Draining, Phase::Limbo)
    }

    /// Frees a segment of which no reader announced that it reads it.
    pub(crate) fn release(&self) -> bool {
        self.advance(Phase::Limbo, Phase::Free)
    }

    /// From one phase without writers to another; a segment that is not drained forgets its fill.
    fn advance(&self, from: Phase, to: Phase) -> bool {
        let state = self.state();
        let next = if to == Phase::Limbo { state } else { State(0) };
        state.phase() == from && self.change(state, next.in_phase(to))
    }

    fn change(&self, from: State, to: State) -> bool {
        self.word.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests;
