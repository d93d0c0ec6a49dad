//! Writing an entry into the log: as one item, or chunked so that the room at the end of a segment is
//! used.
//!
//! Where the room comes from, the caller says ([`Reserve`]): a writer may have some freed, a thread
//! that moves entries may not.

use crate::base::ttl::NEVER;
use crate::entries::Entries;
use crate::entries::entry::Entry;
use crate::entries::headroom::CountedIn;
use crate::index::slot::Location;
use crate::log::chunked::{ChunkHeader, HeaderFields};
use crate::log::item::{CHUNK_PREFIX_BYTES, Content, Layout};
use crate::log::{Reservation, Span};
use crate::space::room::Room;
use crate::space::streams::Stream;

/// The smallest chunk: more than the chunk header, which is written anew when a chunk is moved.
const LEAST_CHUNK_BYTES: usize = 256;

/// Where room comes from.
pub(crate) trait Reserve<'a> {
    fn room(&self) -> &'a Room;

    fn entries(&self) -> &'a Entries;

    /// Room in a stream. `None` if there is none to be had.
    fn reserve(&mut self, stream: Stream, span: Span) -> Option<Reservation<'a>>;
}

/// An entry in the log that no slot names yet. Its room is dead again when it is dropped; its
/// segments are not drained before.
#[derive(Debug)]
pub(crate) struct Appended<'a> {
    item: Reservation<'a>,
    chunks: Vec<Reservation<'a>>,
    counted: Option<CountedIn<'a>>,
}

impl<'a> Appended<'a> {
    pub(crate) fn whole(item: Reservation<'a>) -> Appended<'a> {
        Appended { item, chunks: Vec::new(), counted: None }
    }

    pub(crate) fn location(&self) -> Location {
        self.item.location()
    }

    /// A slot names the entry, or did.
    pub(crate) fn publish(self) {
        self.item.publish();
        self.chunks.into_iter().for_each(Reservation::publish);
        self.counted.into_iter().for_each(CountedIn::keep);
    }
}

/// Appends an entry, whole or chunked. `None` if there is no room to be had.
pub(crate) fn append_entry<'a>(
    space: &mut impl Reserve<'a>,
    stream: Stream,
    entry: &Entry<'_>,
) -> Option<Appended<'a>> {
    let content = entry.content();
    let room = space.room();
    if let Some(layout) = Layout::of(&content, None).filter(|layout| layout.len() <= room.segment_bytes())
        && (room.is_never_chunked(&layout) || room.left_in(space.entries(), stream) >= layout.len())
    {
        room.note_whole(&layout);
        return write_item(space, stream, &content).map(Appended::whole);
    }
    append_chunked(space, stream, entry)
}

/// Appends one item. `None` if there is no room to be had, or it is too large for a segment.
pub(crate) fn append_item<'a>(
    space: &mut impl Reserve<'a>,
    stream: Stream,
    content: &Content<'_>,
) -> Option<Reservation<'a>> {
    Layout::of(content, None).filter(|layout| layout.len() <= space.room().segment_bytes())?;
    write_item(space, stream, content)
}

/// [`write_item`], out of the usual path.
#[cold]
#[inline(never)]
pub(crate) fn append_to_next<'a>(
    mut space: impl Reserve<'a>,
    stream: Stream,
    content: &Content<'_>,
) -> Option<Reservation<'a>> {
    write_item(&mut space, stream, content)
}

/// Writes an item into a segment, in the form that its deadline has there.
pub(crate) fn write_item<'a>(
    space: &mut impl Reserve<'a>,
    stream: Stream,
    content: &Content<'_>,
) -> Option<Reservation<'a>> {
    if content.deadline.is_some() {
        return write_item_with_deadline(space, stream, content);
    }
    let layout = Layout::of(content, None)?;
    let mut room = space.reserve(stream, Span::exactly(layout.len()))?;
    room.write(&layout, content);
    Some(room)
}

fn write_item_with_deadline<'a>(
    space: &mut impl Reserve<'a>,
    stream: Stream,
    content: &Content<'_>,
) -> Option<Reservation<'a>> {
    let mut base = Some(space.room().streams.base(&space.entries().log, stream));
    loop {
        let layout = Layout::of(content, base)?;
        let mut room = space.reserve(stream, Span::exactly(layout.len()))?;
        if !layout.is_from_base() || base == Some(room.base()) {
            room.note_deadline(content.deadline);
            room.write(&layout, content);
            return Some(room);
        }
        // The stream has gone on to a segment of another base. The deadline is written in full then,
        // which every segment takes.
        base = None;
    }
}

/// Appends an entry in chunks, so that the room at the end of a segment is used.
#[cold]
fn append_chunked<'a>(
    space: &mut impl Reserve<'a>,
    stream: Stream,
    entry: &Entry<'_>,
) -> Option<Appended<'a>> {
    let (room, entries) = (space.room(), space.entries());
    let whole = entry.content();
    let (key, key_rest) = entry.key.bytes.split_at(entry.key.bytes.len().min(room.segment_bytes() / 4));
    let counted = entries.headroom.as_ref().map(|headroom| headroom.count_in(entry.payload()));
    let least = least_chunk(room);
    if room.left_in(entries, stream) < least
        && key_rest.is_empty()
        && let Some(item) = append_item(space, stream, &whole)
    {
        // It begins a new segment, and fits it.
        return Some(Appended::whole(item));
    }
    let rest = Rest { hash: entry.key.hash, parts: [key_rest, entry.value], deadline: whole.deadline };
    let chunks = write_chunks(space, stream, &rest, least)?;
    let locations: Vec<_> = chunks.iter().map(Reservation::location).collect();
    let fields = HeaderFields { hash: entry.key.hash, key_len: key_rest.len(), value_len: entry.value.len() };
    let value = ChunkHeader::write(fields, &locations);
    let item = append_item(space, stream, &Content { key, value: &value, is_chunk_header: true, ..whole })?;
    Some(Appended { item, chunks, counted })
}

/// The contents that are written into chunks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest<'a> {
    /// Of the entry's key.
    pub(crate) hash: u64,
    /// One after the other.
    pub(crate) parts: [&'a [u8]; 2],
    pub(crate) deadline: Option<u64>,
}

/// Writes chunks of at least `least` bytes with their prefix, as far as there is so much to write. `None`
/// if there is no room to be had.
pub(crate) fn write_chunks<'a>(
    space: &mut impl Reserve<'a>,
    stream: Stream,
    rest: &Rest<'_>,
    least: usize,
) -> Option<Vec<Reservation<'a>>> {
    let len = rest.parts.iter().map(|part| part.len()).sum();
    let (mut chunks, mut at) = (Vec::new(), 0);
    while at < len {
        let most = len - at + CHUNK_PREFIX_BYTES;
        let mut chunk = space.reserve(stream, Span { least: least.min(most), most })?;
        chunk.note_deadline(rest.deadline);
        chunk.write_chunk(rest.hash, rest.parts, at);
        at += chunk.len() - CHUNK_PREFIX_BYTES;
        chunks.push(chunk);
    }
    Some(chunks)
}

/// The bytes of the smallest chunk with its prefix, unless there is less to write.
pub(crate) fn least_chunk(room: &Room) -> usize {
    let size = room.segment_bytes();
    CHUNK_PREFIX_BYTES + (size / 64).max(LEAST_CHUNK_BYTES).min(size / 4)
}

/// The deadline of an item, `NEVER` for none.
pub(crate) fn deadline_of(content: &Content<'_>) -> u64 {
    content.deadline.unwrap_or(NEVER)
}
