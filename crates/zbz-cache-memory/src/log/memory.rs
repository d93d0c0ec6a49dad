//! [`Log`]: the memory of all items, in segments, and the only way to their bytes.
//!
//! Plain memory that many threads read and write is kept sound by three facts:
//!
//! - *Reserved bytes are one writer's.* A reservation gives out each byte of an open segment once,
//!   and no thread reads bytes that no slot names.
//! - *Named bytes are immutable.* From publication on a slot names an item, and a chunk header its
//!   chunks. Their bytes are not written again before the segment was drained (then no slot names
//!   them) and released (then no reader protects it).
//! - *A view is held in place.* A thread that looks at an item or a chunk protects its segment and
//!   finds the slot unchanged, or holds the lock of the bucket whose slot names it, or drains the
//!   segment.
//!
//! Callers prove one of the three by the arguments they pass. The slots they pass are those of this
//! cache's index, which only ever has locations that [`Reservation::location`] gave.

#![expect(unsafe_code, reason = "owns the memory of the items")]

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::error::Error;
use crate::base::hazard::{HazardPointer, Reading};
use crate::base::system::{LARGE, Mapping};
use crate::base::words::{self, Words};
use crate::index::LockedBucket;
use crate::index::slot::{Location, Slot};
use crate::log::item::{self, CHUNK_PREFIX_BYTES, Content, HEADER_BYTES, Item, Layout, Plain, PlainItem};
use crate::log::segment::{self, ReserveError, Segment, SegmentRange, Span};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Log {
    memory: Mapping,
    /// The words of the segments.
    table: Words,
    /// A segment's addresses are two to this many bytes.
    pub(super) segment_bits: u32,
    /// The number of the cache, for hazard pointers.
    pub(super) cache: u64,
}

/// Room in an open segment; the segment is not drained before it is dropped. What is not
/// published is dead when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    log: &'a Log,
    segment: usize,
    location: Location,
    len: usize,
    written: bool,
    published: bool,
}

impl Log {
    /// Addresses for so many segments of two to `segment_bits` bytes, none with memory yet.
    /// `cache` tells caches of one process apart.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]: the system refuses the addresses, or they are more than slots can name.
    pub(crate) fn new(count: usize, segment_bits: u32, cache: u64) -> Result<Log, Error> {
        let most = Location::COUNT as usize;
        let bytes = count.checked_mul(1 << segment_bits).filter(|&bytes| bytes < most);
        let too_large = || Error::Config {
            option: "max_size",
            got: format!("{count} segments of {} bytes", 1_u64 << segment_bits),
            takes: format!("less than {most} bytes"),
        };
        let memory = Mapping::reserve(bytes.ok_or_else(too_large)?)?;
        let table = Words::reserve(count * segment::WORDS)?;
        Ok(Log { memory, table, segment_bits, cache })
    }

    /// How many segments there are addresses for.
    pub(crate) fn segments(&self) -> usize {
        self.memory.len() >> self.segment_bits
    }

    /// How many segments share a large page, if they do.
    pub(crate) fn segments_in_large(&self) -> Option<usize> {
        (self.segment_bytes() <= LARGE).then(|| LARGE >> self.segment_bits)
    }

    /// Allows a large page for this segment and those that share it: all of them have memory.
    pub(crate) fn allow_large(&self, segment: usize) {
        self.memory.allow_large((segment << self.segment_bits) / LARGE);
    }

    /// Forbids it again.
    pub(crate) fn forbid_large(&self, segment: usize) {
        self.memory.forbid_large((segment << self.segment_bits) / LARGE);
    }

    /// The bytes that a segment has addresses for.
    pub(crate) fn segment_bytes(&self) -> usize {
        1 << self.segment_bits
    }

    #[inline(always)]
    pub(crate) fn segment(&self, segment: usize) -> Segment<'_> {
        let start = segment * segment::WORDS;
        let words = &self.table.as_slice()[start..start + segment::WORDS];
        // The length is right by construction, and the check of it is folded away.
        Segment::new(words.try_into().unwrap_or_else(|_| unreachable!()))
    }

    /// The hazard pointer of a reader of this segment.
    #[inline(always)]
    pub(crate) fn hazard_pointer(&self, segment: usize) -> HazardPointer {
        HazardPointer::new(self.cache, segment as u64)
    }

    /// The number of the segment of an item.
    #[inline(always)]
    pub(crate) fn segment_of(&self, location: Location) -> usize {
        self.place(location).0
    }

    /// The segment of an item.
    #[inline(always)]
    pub(crate) fn segment_at(&self, location: Location) -> Segment<'_> {
        self.segment(self.segment_of(location))
    }

    /// The segment of an item and its offset in the log.
    #[inline(always)]
    fn place(&self, location: Location) -> (usize, usize) {
        let at = location.units() as usize - 1;
        (at >> self.segment_bits, at)
    }

    /// Room for so many bytes in an open segment.
    ///
    /// # Errors
    ///
    /// [`ReserveError`]: it has too little room left, or is not open.
    #[cfg(test)]
    pub(crate) fn reserve(&self, segment: usize, len: usize) -> Result<Reservation<'_>, ReserveError> {
        self.reserve_span(segment, Span::exactly(len))
    }

    /// Room in an open segment.
    ///
    /// # Errors
    ///
    /// [`ReserveError`]: less than the least is left, or the segment is not open.
    #[inline(always)]
    pub(crate) fn reserve_span(&self, segment: usize, span: Span) -> Result<Reservation<'_>, ReserveError> {
        let (offset, len) = self.segment(segment).reserve_part(span.least as u64, span.most as u64)?;
        let at = (segment << self.segment_bits) + offset as usize;
        // `new` has checked that there is one of every place.
        let location = Location::new(at as u64 + 1).unwrap_or_else(|| unreachable!());
        let len = len as usize;
        Ok(Reservation { log: self, segment, location, len, written: false, published: false })
    }

    /// Asks for the line that an item begins in.
    #[inline(always)]
    pub(crate) fn prefetch_key(&self, slot: Slot) {
        let (_, at) = self.place(slot.location());
        words::prefetch(self.memory.start().as_ptr().wrapping_add(at));
    }

    /// Asks for the first lines of an item, to be there when they are read.
    #[inline(always)]
    pub(crate) fn prefetch(&self, slot: Slot) {
        let (_, at) = self.place(slot.location());
        let start = self.memory.start().as_ptr().wrapping_add(at);
        words::prefetch(start);
        words::prefetch(start.wrapping_add(64));
    }

    /// The item that `slot`, loaded from `word`, names; held in place by the hazard pointer for as
    /// long as the answer lives. `None` if the slot names another item by now.
    #[inline(always)]
    pub(crate) fn read<'a>(
        &'a self,
        reading: &'a mut Reading<'_>,
        word: &AtomicU64,
        slot: Slot,
    ) -> Option<Item<'a>> {
        let (segment, at) = self.place(slot.location());
        self.protect(reading, segment, word, slot).then(|| self.item(segment, at))
    }

    /// [`read`](Log::read) for an item that is [`Plain`]; `None` also for any other.
    #[inline(always)]
    pub(crate) fn read_plain<'a>(
        &'a self,
        reading: &'a mut Reading<'_>,
        word: &AtomicU64,
        slot: Slot,
    ) -> Option<PlainItem<'a>> {
        let (segment, at) = self.place(slot.location());
        if !self.protect(reading, segment, word, slot) {
            return None;
        }
        let plain = Plain::of(self.first_bytes(at))?;
        let item = self.view(at, plain.len());
        let (front, value) = item.split_at(plain.key_at + plain.key_len);
        let (_, key) = front.split_at(plain.key_at);
        let segment = self.segment(segment);
        let deadline = plain.has_deadline().then(|| {
            let bytes = self.first_bytes(at + HEADER_BYTES);
            plain.deadline(bytes, segment.base())
        });
        Some(PlainItem { segment, key, value, deadline })
    }

    /// A chunk of the entry that `slot`, loaded from `word`, names; held in place by the
    /// hazard pointer. `None` if the slot names another item by now.
    pub(crate) fn read_chunk<'a>(
        &'a self,
        reading: &'a mut Reading<'_>,
        word: &AtomicU64,
        slot: Slot,
        chunk: Location,
    ) -> Option<&'a [u8]> {
        let (segment, at) = self.place(chunk);
        self.protect(reading, segment, word, slot).then(|| self.item(segment, at).chunk())
    }

    /// Whether the slot still names the item after the segment was protected.
    #[inline(always)]
    fn protect(&self, reading: &mut Reading<'_>, segment: usize, word: &AtomicU64, slot: Slot) -> bool {
        reading.protect(self.hazard_pointer(segment));
        // SeqCst: the moment at which the key has this value, in one order with all writes.
        Slot::from_word(word.load(Ordering::SeqCst)).is_same_item(slot)
    }

    /// The item that a slot of this bucket names; held in place by the bucket's lock.
    #[inline(always)]
    pub(crate) fn read_locked<'a>(&'a self, _locked: &'a LockedBucket<'_>, slot: Slot) -> Item<'a> {
        let (segment, at) = self.place(slot.location());
        self.item(segment, at)
    }

    /// A chunk of an entry that a slot of this bucket names; held in place by the bucket's lock.
    pub(crate) fn read_chunk_locked<'a>(
        &'a self,
        _locked: &'a LockedBucket<'_>,
        chunk: Location,
    ) -> &'a [u8] {
        let (segment, at) = self.place(chunk);
        self.item(segment, at).chunk()
    }

    /// The bytes of the log that such a chunk takes.
    pub(crate) fn chunk_len_locked(&self, locked: &LockedBucket<'_>, chunk: Location) -> usize {
        self.read_chunk_locked(locked, chunk).len() + CHUNK_PREFIX_BYTES
    }

    /// *A view is held in place* by the caller.
    #[inline(always)]
    pub(super) fn item(&self, segment: usize, at: usize) -> Item<'_> {
        let end = (segment + 1) << self.segment_bits;
        let layout = Layout::read(self.first_bytes(at), || self.first_bytes(at + HEADER_BYTES));
        // A header's lengths are trusted only up to the end of the segment.
        let len = layout.len().min(end.saturating_sub(at));
        Item::new(self.view(at, len), layout, self.segment(segment))
    }

    /// The first bytes of a named item, or those behind its header.
    #[inline(always)]
    fn first_bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.view(at, N).try_into().unwrap_or([0; N])
    }

    /// Bytes of a named item that is held in place.
    #[inline(always)]
    fn view(&self, at: usize, len: usize) -> &[u8] {
        assert!(at <= self.memory.len() && len <= self.memory.len() - at, "an item beyond the log");
        // SAFETY: *Mapped* (`system.rs`): it was checked to lie inside.
        let start = unsafe { self.memory.start().add(at) };
        // SAFETY: *Mapped*: the range was checked to lie inside. *Named bytes are immutable* and *A
        // view is held in place*: no thread writes them while the answer lives, and what was written
        // was seen: by the load of the slot, by taking the lock, or by the begin of the drain.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }
    }

    /// Gives the memory of a free segment back to the system. False if it is not free.
    pub(crate) fn give_back(&self, segment: usize) -> bool {
        let withdrawn = self.segment(segment).withdraw();
        if withdrawn {
            let start = segment << self.segment_bits;
            // SAFETY: the segment was free, so no slot named its items and no reader protected it;
            // and it is absent, so no thread opens it: there is no reference to its bytes.
            unsafe { self.memory.give_back(start..start + self.segment_bytes()) };
        }
        withdrawn
    }
}

impl Reservation<'_> {
    /// Where the item will be.
    #[inline]
    pub(crate) fn location(&self) -> Location {
        self.location
    }

    /// Notes the deadline of the item or chunk that is written here.
    #[inline]
    pub(crate) fn note_deadline(&self, deadline: Option<u64>) {
        if let Some(deadline) = deadline {
            self.log.segment(self.segment).note_deadline(deadline);
        }
    }

    /// The part of its segment that it is.
    #[inline(always)]
    pub(crate) fn range(&self) -> SegmentRange {
        SegmentRange { offset: self.at() - (self.segment << self.log.segment_bits), len: self.len }
    }

    /// The base of the deadlines in this segment.
    #[inline]
    pub(crate) fn base(&self) -> u64 {
        self.log.segment(self.segment).base()
    }

    /// Writes the item; `layout` is the content's in a segment of this base, and has the length that
    /// was reserved.
    ///
    /// # Panics
    ///
    /// If it has another length.
    #[inline(always)]
    pub(crate) fn write(&mut self, layout: &Layout, content: &Content<'_>) {
        assert_eq!(layout.len(), self.len, "an item of another length than its reservation");
        let base = if layout.is_from_base() { self.base() } else { 0 };
        layout.write(content, base, self.bytes());
        self.written = true;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Writes a chunk of an entry: what of the two parts begins at `from`, as far as there is room.
    ///
    /// # Panics
    ///
    /// If they are shorter than the room.
    pub(crate) fn write_chunk(&mut self, hash: u64, [first, second]: [&[u8]; 2], from: usize) {
        let room = item::begin_chunk(self.bytes(), hash);
        let skipped = from.saturating_sub(first.len());
        let first = &first[from.min(first.len())..(from + room.len()).min(first.len())];
        let (front, back) = room.split_at_mut(first.len());
        front.copy_from_slice(first);
        back.copy_from_slice(&second[skipped..skipped + back.len()]);
        self.written = true;
    }

    /// Ends the reservation: a slot names the item, or did.
    #[inline(always)]
    pub(crate) fn publish(mut self) {
        self.published = true;
    }

    /// Where in the log it begins.
    #[inline(always)]
    fn at(&self) -> usize {
        self.log.place(self.location).1
    }

    #[inline(always)]
    fn bytes(&mut self) -> &mut [u8] {
        let (memory, at) = (&self.log.memory, self.at());
        assert!(at <= memory.len() && self.len <= memory.len() - at, "room beyond the log");
        let start = memory.start().as_ptr().wrapping_add(at);
        // SAFETY: *Mapped* (`system.rs`): the range was checked to lie inside. *Reserved bytes are
        // one writer's*: the segment gave this range to this reservation alone, no slot names it
        // yet, and this borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(start, self.len) }
    }
}

impl Drop for Reservation<'_> {
    // With all else that a usual set does to it: it need not lie in memory then.
    #[inline(always)]
    fn drop(&mut self) {
        let segment = self.log.segment(self.segment);
        // The thread that drains the segment walks from item to item.
        if !self.written {
            item::fill(self.bytes());
        }
        if !self.published {
            segment.add_dead(self.len as u64);
        }
        segment.published();
    }
}

#[cfg(test)]
mod tests;
