//! [`Segment`]: the phase of one segment of the log, and the numbers that are known of it without
//! looking at its items: two cache lines of words.
//!
//! ```text
//!   0 state     | phase: 3 | (unused): 5 | writers: 24 bits | fill: 32 bits, bytes reserved |
//!   1 info      | place: queue and class of deadlines, 32 bits | size: 32 bits, bytes |
//!   2 start     which opening of a segment of the small queue this is, counted from 1; 0 in main
//!   3 opened    the eviction clock when it was opened
//!   4 generation  which opening of a segment of this cache this is, counted from 1
//!   5 first     no item expires earlier; NEVER if none does
//!   6 base      what deadlines of its items are counted from (`deadline.rs`)
//!   8 dead      bytes that no slot names: removed items, room not used; on a cache line of its own,
//!               since other threads add to it while writers of the segment move its state
//!
//!   absent -> free -> open -> sealed -> draining -> limbo -> free
//!              ^                ^          |          |
//!              |                +----------+          |
//!              +-- absent (given back to the system) <-+
//! ```
//!
//! - *Exact writers*: a reservation and the seal change the same word, so a sealed segment takes
//!   no further writer, and when its writers are none, all of them have published.
//! - *One drainer*: draining begins with a compare-exchange that one thread wins.
//! - *Dead is counted once*: each reserved byte is added to `dead` after no slot names it any
//!   more, and what was not reserved when it is sealed. A sealed segment without writers whose
//!   dead bytes are its size is named by no slot.
//! - *Words 1 to 4, and 6* change only while it is free or absent, before it is opened.

use crate::base::sync::{AtomicU64, Ordering};
use crate::base::words::prefetch;

const FILL_MASK: u64 = (1 << 32) - 1;
const WRITER: u64 = 1 << 32;
const WRITERS_MASK: u64 = ((1 << 24) - 1) << 32;
const PHASE_SHIFT: u32 = 61;

/// Words of a segment.
pub(crate) const WORDS: usize = 16;

const STATE: usize = 0;
const INFO: usize = 1;
const START: usize = 2;
const OPENED: usize = 3;
const GENERATION: usize = 4;
const FIRST: usize = 5;
const BASE: usize = 6;
const DEAD: usize = 8;

/// Deadlines of items that have none.
pub(crate) const NEVER: u64 = u64::MAX;

/// The phase of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has no memory.
    Absent,
    /// Its bytes may be written by the thread that opens it.
    Free,
    /// Writers reserve room in it.
    Open,
    /// It is full, or nearly.
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
pub(crate) enum ReserveError {
    /// Too little room is left.
    Short,
    /// It is not open.
    Shut,
}

/// How many bytes are wanted: as many as there are up to `most`, but not less than `least`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) least: usize,
    pub(crate) most: usize,
}

/// A part of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentRange {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

impl Span {
    #[inline(always)]
    pub(crate) fn exactly(len: usize) -> Span {
        Span { least: len, most: len }
    }
}

/// See the module's documentation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    words: &'a [AtomicU64; WORDS],
}

/// The properties that a segment is opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    /// Queue and class of deadlines; what the numbers mean is not known here.
    pub(crate) place: u32,
    pub(crate) start: u64,
    pub(crate) opened: u64,
    pub(crate) generation: u64,
    pub(crate) base: u64,
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

impl<'a> Segment<'a> {
    /// A view of its words. Zero is an absent segment.
    #[inline(always)]
    pub(crate) fn new(words: &'a [AtomicU64; WORDS]) -> Segment<'a> {
        Segment { words }
    }

    fn state(self) -> State {
        State(self.words[STATE].load(Ordering::Acquire))
    }

    pub(crate) fn phase(self) -> Phase {
        self.state().phase()
    }

    /// Whether it waits to be drained, and has no writers any more.
    pub(crate) fn may_be_drained(self) -> bool {
        self.state().0 & !FILL_MASK == State(0).in_phase(Phase::Sealed).0
    }

    /// The bytes that were reserved since it was opened.
    pub(crate) fn fill(self) -> u64 {
        self.state().fill()
    }

    /// Reserves `len` bytes and answers where they begin. The segment cannot be drained until
    /// [`published`](Segment::published) is called as often.
    #[cfg(test)]
    pub(crate) fn reserve(self, len: u64) -> Result<u64, ReserveError> {
        self.reserve_part(len, len).map(|(offset, _)| offset)
    }

    /// Reserves as many of `most` bytes as there are, but not less than `least`. Answers where they
    /// begin and how many they are.
    #[inline(always)]
    pub(crate) fn reserve_part(self, least: u64, most: u64) -> Result<(u64, u64), ReserveError> {
        let mut state = State(self.words[STATE].load(Ordering::Relaxed));
        loop {
            if state.phase() != Phase::Open {
                return Err(ReserveError::Shut);
            }
            // The size may be that of an earlier opening, if the state is equal by chance. No size is
            // larger than the addresses of a segment.
            let len = self.size().saturating_sub(state.fill()).min(most);
            if len < least || state.writers() == WRITERS_MASK / WRITER {
                return Err(ReserveError::Short);
            }
            // Acquire: pairs with the Release that opened it, so that these bytes are written
            // after all that was done with the segment before.
            let next = state.0 + WRITER + len;
            let word = &self.words[STATE];
            match word.compare_exchange_weak(state.0, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok((state.fill(), len)),
                Err(now) => state = State(now),
            }
        }
    }

    /// Ends a reservation: its item is published, or will never be.
    #[inline]
    pub(crate) fn published(self) {
        // Release: pairs with the Acquire of `begin_drain`, which then sees item and slot.
        self.words[STATE].fetch_sub(WRITER, Ordering::Release);
    }

    /// Adds bytes that no slot names any more.
    #[inline]
    pub(crate) fn add_dead(self, bytes: u64) {
        // AcqRel: pairs with the Acquire of `is_dead`; what unlinked the bytes comes before.
        self.words[DEAD].fetch_add(bytes, Ordering::AcqRel);
    }

    /// Asks for the line of its dead bytes.
    #[inline(always)]
    pub(crate) fn prefetch_dead(self) {
        prefetch((&raw const self.words[DEAD]).cast());
    }

    pub(crate) fn dead(self) -> u64 {
        self.words[DEAD].load(Ordering::Acquire)
    }

    /// The bytes that are not dead; of an open one those not reserved yet are not dead either.
    pub(crate) fn alive(self) -> u64 {
        self.size().max(self.fill()).saturating_sub(self.dead())
    }

    /// Whether no slot names any of it, if it is sealed and has no writers.
    pub(crate) fn is_dead(self) -> bool {
        self.dead() == self.size().max(self.fill())
    }

    #[inline(always)]
    pub(crate) fn size(self) -> u64 {
        self.words[INFO].load(Ordering::Relaxed) & u64::from(u32::MAX)
    }

    /// The properties it was opened with.
    #[inline(always)]
    pub(crate) fn place(self) -> u32 {
        (self.words[INFO].load(Ordering::Relaxed) >> 32) as u32
    }

    #[inline(always)]
    pub(crate) fn start(self) -> u64 {
        self.words[START].load(Ordering::Relaxed)
    }

    pub(crate) fn opened(self) -> u64 {
        self.words[OPENED].load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn generation(self) -> u64 {
        self.words[GENERATION].load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn base(self) -> u64 {
        self.words[BASE].load(Ordering::Relaxed)
    }

    /// No item of it expires before this.
    pub(crate) fn first_deadline(self) -> u64 {
        self.words[FIRST].load(Ordering::Relaxed)
    }

    /// Notes the deadline of an item, before it is published.
    #[inline]
    pub(crate) fn note_deadline(self, deadline: u64) {
        // Relaxed: a thread that judges by it has seen the writer's `published` first.
        if self.words[FIRST].load(Ordering::Relaxed) > deadline {
            self.words[FIRST].fetch_min(deadline, Ordering::Relaxed);
        }
    }

    /// Sets the first deadline of a segment that is being drained.
    pub(crate) fn set_first_deadline(self, deadline: u64) {
        self.words[FIRST].store(deadline, Ordering::Relaxed);
    }

    /// Gives an absent segment its memory, of so many bytes. Only one thread may be about to.
    pub(crate) fn provide(self, size: u32) -> bool {
        if self.phase() != Phase::Absent {
            return false;
        }
        self.words[INFO].store(u64::from(size), Ordering::Relaxed);
        self.advance(Phase::Absent, Phase::Free)
    }

    /// Takes a free segment's memory away.
    pub(crate) fn withdraw(self) -> bool {
        self.advance(Phase::Free, Phase::Absent)
    }

    /// Opens a free segment, empty. Only one thread may be about to open it.
    pub(crate) fn open(self, opening: Opening) -> bool {
        if self.phase() != Phase::Free {
            return false;
        }
        // Relaxed: the state's Release publishes them.
        self.words[DEAD].store(0, Ordering::Relaxed);
        self.words[INFO].store(u64::from(opening.place) << 32 | self.size(), Ordering::Relaxed);
        self.words[START].store(opening.start, Ordering::Relaxed);
        self.words[OPENED].store(opening.opened, Ordering::Relaxed);
        self.words[GENERATION].store(opening.generation, Ordering::Relaxed);
        self.words[FIRST].store(NEVER, Ordering::Relaxed);
        self.words[BASE].store(opening.base, Ordering::Relaxed);
        self.advance(Phase::Free, Phase::Open)
    }

    /// Ends reservations; what is left of it is dead. False if it was not open.
    pub(crate) fn seal(self) -> bool {
        let mut state = self.state();
        while state.phase() == Phase::Open {
            let next = state.in_phase(Phase::Sealed);
            let word = &self.words[STATE];
            match word.compare_exchange_weak(state.0, next.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.add_dead(self.size().saturating_sub(state.fill()));
                    return true;
                }
                Err(now) => state = State(now),
            }
        }
        false
    }

    /// Begins to drain a sealed segment; false if it has writers still, is in another phase, or
    /// another thread was first.
    pub(crate) fn begin_drain(self) -> bool {
        let state = self.state();
        state.writers() == 0
            && state.phase() == Phase::Sealed
            && self.change(state, state.in_phase(Phase::Draining))
    }

    /// Leaves a segment that was being drained as it is, for another to begin again.
    pub(crate) fn leave_drain(self) -> bool {
        self.advance(Phase::Draining, Phase::Sealed)
    }

    /// Ends the drain: no slot names an item of it any more.
    pub(crate) fn end_drain(self) -> bool {
        self.advance(Phase::Draining, Phase::Limbo)
    }

    /// Frees a segment of which no reader protected that it reads it.
    pub(crate) fn release(self) -> bool {
        self.advance(Phase::Limbo, Phase::Free)
    }

    /// From one phase without writers to another; what is not drained forgets its fill.
    fn advance(self, from: Phase, to: Phase) -> bool {
        let state = self.state();
        let keeps_fill = matches!(to, Phase::Limbo | Phase::Sealed);
        let next = if keeps_fill { state } else { State(0) };
        state.phase() == from && self.change(state, next.in_phase(to))
    }

    fn change(self, from: State, to: State) -> bool {
        self.words[STATE].compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests;
