//! [`Log`]: the memory of all items, in segments, and the only way to their bytes.
//!
//! Plain memory that many threads read and write is kept sound by three facts:
//!
//! - *Reserved bytes are one writer's.* A reservation gives out each byte of an open segment once,
//!   and nobody reads what no slot names.
//! - *Named bytes are immutable.* A slot names an item from its publication on, and its bytes are
//!   not written again before the segment was drained, so that no slot names them, and released,
//!   so that no reader announces it.
//! - *A view is held in place.* Who looks at an item does so by announcing its segment and finding
//!   the slot unchanged, by holding the bucket whose slot names it, or by draining the segment.
//!
//! Callers prove which by what they pass in; the slots they pass are those of this cache's index,
//! which only ever holds what [`Reservation::location`] gave.

#![expect(unsafe_code, reason = "owns the memory of the items")]

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::hazard::{Announcement, Reading};
use crate::index::Held;
use crate::item::{self, Content, HEADER_BYTES, Item, Layout};
use crate::segment::{NoRoom, Segment};
use crate::slot::{Location, Slot};
use crate::system::Mapping;

/// See the module's words.
#[derive(Debug)]
pub(crate) struct Log {
    memory: Mapping,
    segments: Box<[Segment]>,
    segment_bytes: usize,
    /// The number of the cache, for announcements.
    cache: u64,
}

/// Room for one item in an open segment; the segment is not drained before it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    log: &'a Log,
    segment: usize,
    offset: usize,
    len: usize,
    written: bool,
}

/// A segment whose items one thread unlinks; given to it by [`Log::begin_drain`].
#[derive(Debug)]
pub(crate) struct Draining<'a> {
    log: &'a Log,
    segment: usize,
    fill: usize,
}

impl Log {
    /// Addresses for so many segments of so many bytes, none with memory yet. `cache` tells caches
    /// of one process apart.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]: the system refuses the addresses, or they are more than slots can name.
    pub(crate) fn new(count: usize, segment_bytes: usize, cache: u64) -> Result<Log, Error> {
        let bytes = count.checked_mul(segment_bytes).filter(|&bytes| (bytes as u64) < Location::COUNT);
        let too_large = || Error::Config {
            option: "max_size",
            got: format!("{count} segments of {segment_bytes} bytes"),
            takes: format!("less than {} bytes", Location::COUNT),
        };
        let memory = Mapping::reserve(bytes.ok_or_else(too_large)?)?;
        let segments = (0..count).map(|_| Segment::absent()).collect();
        Ok(Log { memory, segments, segment_bytes, cache })
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What a reader of this segment announces.
    #[inline(always)]
    pub(crate) fn announcement(&self, segment: usize) -> Announcement {
        Announcement::new(self.cache, segment as u64)
    }

    /// The segment and the offset in the log of an item.
    #[inline(always)]
    fn place(&self, location: Location) -> (usize, usize) {
        let at = location.units() as usize - 1;
        (at / self.segment_bytes, at)
    }

    /// Room for an item of this length in an open segment.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]: it has too little room left, or is not open.
    pub(crate) fn reserve(&self, segment: usize, len: usize) -> Result<Reservation<'_>, NoRoom> {
        let offset = self.segments[segment].reserve(len as u64, self.segment_bytes as u64)?;
        Ok(Reservation {
            log: self,
            segment,
            offset: segment * self.segment_bytes + offset as usize,
            len,
            written: false,
        })
    }

    /// The item that `slot`, loaded from `word`, names; held in place by the announcement for as
    /// long as the answer lives. `None` if the slot names another item by now.
    #[inline(always)]
    pub(crate) fn read<'a>(
        &'a self,
        reading: &'a mut Reading<'_>,
        word: &AtomicU64,
        slot: Slot,
    ) -> Option<Item<'a>> {
        let (segment, at) = self.place(slot.location());
        reading.announce(self.announcement(segment));
        // SeqCst: the moment at which the key has this value, in one order with all writes.
        let unchanged = Slot::from_word(word.load(Ordering::SeqCst)).is_same_item(slot);
        unchanged.then(|| self.item(segment, at))
    }

    /// The item that a slot of this bucket names; held in place by the bucket's bit.
    pub(crate) fn read_held<'a>(&'a self, _held: &'a Held<'_>, slot: Slot) -> Item<'a> {
        let (segment, at) = self.place(slot.location());
        self.item(segment, at)
    }

    /// *A view is held in place* by the caller.
    #[inline(always)]
    fn item(&self, segment: usize, at: usize) -> Item<'_> {
        let end = (segment + 1) * self.segment_bytes;
        let layout = Layout::read(self.head(at), || self.head(at + HEADER_BYTES));
        // What a header says is believed only as far as the segment goes.
        let len = layout.len().min(end.saturating_sub(at));
        Item::new(self.view(at, len), layout)
    }

    /// The first bytes of a named item, or of what follows its header.
    #[inline(always)]
    fn head<const N: usize>(&self, at: usize) -> [u8; N] {
        self.view(at, N).try_into().unwrap_or([0; N])
    }

    /// Bytes of a named item that is held in place.
    #[inline(always)]
    fn view(&self, at: usize, len: usize) -> &[u8] {
        assert!(at <= self.memory.len() && len <= self.memory.len() - at, "an item beyond the log");
        let start = self.memory.start().as_ptr().wrapping_add(at);
        // SAFETY: *Mapped* (`system.rs`): the range was checked to lie inside. *Named bytes are
        // immutable* and *A view is held in place*: nobody writes them while the answer lives,
        // which whoever asked for an item proved by what it passed in; and it has acquired their
        // writing, by the load of the slot or the bit, or by the drain's begin.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// Begins to drain a sealed segment; `None` if it has writers, or is not sealed.
    pub(crate) fn begin_drain(&self, segment: usize) -> Option<Draining<'_>> {
        let begun = self.segments[segment].begin_drain();
        begun.then(|| Draining { log: self, segment, fill: self.segments[segment].fill() as usize })
    }

    /// Gives the memory of a free segment back to the system. False if it is not free.
    pub(crate) fn give_back(&self, segment: usize) -> bool {
        let withdrawn = self.segments[segment].withdraw();
        if withdrawn {
            let start = segment * self.segment_bytes;
            // SAFETY: the segment was free, so no slot named its items and no reader announced it;
            // and it is absent, so nobody opens it: there is no reference to its bytes.
            unsafe { self.memory.give_back(start..start + self.segment_bytes) };
        }
        withdrawn
    }
}

impl Reservation<'_> {
    /// Where the item will be.
    pub(crate) fn location(&self) -> Option<Location> {
        Location::new(self.offset as u64 + 1)
    }

    /// Writes the item; `layout` is the content's, and has the length that was reserved.
    ///
    /// # Panics
    ///
    /// If it has another length.
    pub(crate) fn write(&mut self, layout: &Layout, content: &Content<'_>) {
        assert_eq!(layout.len(), self.len, "an item of another length than its reservation");
        layout.write(content, self.bytes());
        self.written = true;
    }

    /// Writes a copy of an item that was published elsewhere, of the same length.
    pub(crate) fn copy(&mut self, item: &Item<'_>) {
        self.bytes().copy_from_slice(item.bytes());
        self.written = true;
    }

    fn bytes(&mut self) -> &mut [u8] {
        let memory = &self.log.memory;
        assert!(self.offset <= memory.len() && self.len <= memory.len() - self.offset, "room beyond the log");
        let start = memory.start().as_ptr().wrapping_add(self.offset);
        // SAFETY: *Mapped* (`system.rs`): the range was checked to lie inside. *Reserved bytes are
        // one writer's*: the segment gave this range to this reservation alone, no slot names it
        // yet, and this borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(start, self.len) }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        // Whoever drains the segment walks from item to item.
        if !self.written {
            item::fill(self.bytes());
        }
        self.log.segments[self.segment].published();
    }
}

impl<'a> Draining<'a> {
    /// The item that begins at `offset` in the segment, where it is, and where the next one begins.
    /// `None` at the end.
    pub(crate) fn item_at(&self, offset: usize) -> Option<(Item<'_>, Location, usize)> {
        if offset + HEADER_BYTES > self.fill {
            return None;
        }
        let at = self.segment * self.log.segment_bytes + offset;
        let item = self.log.item(self.segment, at);
        Some((item, Location::new(at as u64 + 1)?, offset + item.bytes().len()))
    }

    /// Ends the drain; no slot names an item of the segment any more.
    pub(crate) fn finish(self) -> usize {
        self.log.segments[self.segment].end_drain();
        self.segment
    }
}

#[cfg(test)]
mod tests;
