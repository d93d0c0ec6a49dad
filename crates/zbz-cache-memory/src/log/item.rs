//! [`Item`]: one entry as it lies in the log.
//!
//! ```text
//!   | header: 4 bytes | key length: 2, if long | deadline: 0, 4, 5, 7 or 8 | key | value |
//!
//!   header   31        29 28                21 20      19                     0
//!            | deadline's | key length, or      | whole,  | value length          |
//!            |  form      | 0 for a long one    | header  |                       |
//! ```
//!
//! All numbers are little endian. Nothing is aligned. An item is immutable once it is published.
//! The forms of deadlines are those of `deadline.rs`.
//!
//! An item is one of four [`Kind`]s. An entry that does not fit where it is appended is *chunked*
//! (`chunked.rs`): the index names its *chunk header*, which names the *chunks*. Room that was
//! reserved and not used holds a *filler*. Chunks and fillers have the last form of a deadline, and
//! only a length; a chunk begins with the hash of its entry's key.

use crate::log::chunked::ChunkHeader;
use crate::log::deadline::Form;
use crate::log::segment::Segment;

/// The longest value of one item; a segment holds no more.
pub(crate) const MOST_VALUE_BYTES: usize = (1 << 20) - 1;

/// The longest key.
pub(crate) const MOST_KEY_BYTES: usize = 32 * 1024;

/// The bytes that tell how long an item is.
pub(crate) const HEADER_BYTES: usize = 4;
pub(crate) const LONG_HEADER_BYTES: usize = 6;

const VALUE_BITS: u32 = 21;
const CHUNK_HEADER: u32 = 1 << 20;
const KEY_BITS: u32 = 8;
const FORM_SHIFT: u32 = VALUE_BITS + KEY_BITS;

/// The forms of deadlines in the header, by number; a number without a form marks bytes that are not an item.
const FORMS: [Form; 5] = [Form::None, Form::Near, Form::Far, Form::Early, Form::Late];
const OTHER: u32 = 7;

/// The key length of a chunk; that of a filler is zero.
const CHUNK: u32 = 1;

/// The bytes ahead of the contents of a chunk.
pub(crate) const CHUNK_PREFIX_BYTES: usize = HEADER_BYTES + 8;

/// The kind of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An entry in one item.
    Whole,
    /// The part of a chunked entry that the index names.
    ChunkHeader,
    /// Another part.
    Chunk,
    /// Nothing.
    Filler,
}

/// The contents to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// In nanoseconds of the cache's clock; `None` for none.
    pub(crate) deadline: Option<u64>,
    /// Whether key and value are those of a chunk header.
    pub(crate) is_chunk_header: bool,
}

/// How an item is laid out, as its header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    key_at: usize,
    key_len: usize,
    value_len: usize,
    form: Form,
    kind: Kind,
}

impl Layout {
    /// In a segment of this base; without one, in any, where it may be longer than it must. `None`
    /// if the key is empty or too long, or the value is too long for one item.
    #[inline(always)]
    pub(crate) fn of(content: &Content<'_>, base: Option<u64>) -> Option<Layout> {
        let (key_len, value_len) = (content.key.len(), content.value.len());
        let fits = (1..=MOST_KEY_BYTES).contains(&key_len) && value_len <= MOST_VALUE_BYTES;
        let form = match (content.deadline, base) {
            (None, _) => Form::None,
            (Some(deadline), Some(base)) => Form::of(deadline, base),
            (Some(deadline), None) => Form::in_full(deadline),
        };
        let header = if key_len < 1 << KEY_BITS { HEADER_BYTES } else { LONG_HEADER_BYTES };
        let key_at = header + form.len();
        let kind = if content.is_chunk_header { Kind::ChunkHeader } else { Kind::Whole };
        fits.then_some(Layout { key_at, key_len, value_len, form, kind })
    }

    /// Whether equal bytes are another deadline in a segment of another base.
    #[inline(always)]
    pub(crate) fn is_from_base(&self) -> bool {
        self.form.is_from_base()
    }

    /// From the first bytes of an item; `long` is called for the two that follow them, if the key
    /// is long.
    #[inline(always)]
    pub(crate) fn read(header: [u8; HEADER_BYTES], long: impl FnOnce() -> [u8; 2]) -> Layout {
        let header = u32::from_le_bytes(header);
        let value_len = header as usize & MOST_VALUE_BYTES;
        let key_len = (header >> VALUE_BITS) as usize & ((1 << KEY_BITS) - 1);
        // By far the most have no deadline and a short key.
        if header >> FORM_SHIFT == Form::None as u32 && header & CHUNK_HEADER == 0 && key_len != 0 {
            let (key_at, form, kind) = (HEADER_BYTES, Form::None, Kind::Whole);
            return Layout { key_at, key_len, value_len, form, kind };
        }
        Layout::read_other(header, long)
    }

    #[inline]
    fn read_other(header: u32, long: impl FnOnce() -> [u8; 2]) -> Layout {
        let value_len = header as usize & MOST_VALUE_BYTES;
        let key_field = (header >> VALUE_BITS) as usize & ((1 << KEY_BITS) - 1);
        let Some(&form) = FORMS.get((header >> FORM_SHIFT) as usize) else {
            let kind = if key_field == 0 { Kind::Filler } else { Kind::Chunk };
            return Layout { key_at: HEADER_BYTES, key_len: 0, value_len, form: Form::None, kind };
        };
        let kind = if header & CHUNK_HEADER == 0 { Kind::Whole } else { Kind::ChunkHeader };
        let (key_at, key_len) = match key_field {
            0 => (LONG_HEADER_BYTES, usize::from(u16::from_le_bytes(long()))),
            key_len => (HEADER_BYTES, key_len),
        };
        Layout { key_at: key_at + form.len(), key_len, value_len, form, kind }
    }

    /// The bytes of the whole item.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.key_at + self.key_len + self.value_len
    }

    /// Writes the item into `bytes`, which are as long as it, of a segment of this base.
    #[inline(always)]
    pub(crate) fn write(&self, content: &Content<'_>, base: u64, bytes: &mut [u8]) {
        let long = self.key_len >= 1 << KEY_BITS;
        let key_field = if long { 0 } else { self.key_len as u32 };
        let form = self.form as u32;
        let chunk_header = if self.kind == Kind::ChunkHeader { CHUNK_HEADER } else { 0 };
        let header = form << FORM_SHIFT | key_field << VALUE_BITS | chunk_header | self.value_len as u32;
        let (front, rest) = bytes.split_at_mut(self.key_at);
        front[..HEADER_BYTES].copy_from_slice(&header.to_le_bytes());
        if long {
            front[HEADER_BYTES..LONG_HEADER_BYTES].copy_from_slice(&(self.key_len as u16).to_le_bytes());
        }
        if let Some(deadline) = content.deadline {
            let number = self.form.number(deadline, base).to_le_bytes();
            let len = self.form.len();
            front[self.key_at - len..].copy_from_slice(&number[..len]);
        }
        let (key, value) = rest.split_at_mut(self.key_len);
        key.copy_from_slice(content.key);
        value.copy_from_slice(content.value);
    }
}

/// The layout of by far the most items: an entry in one, with a short key, and a deadline that is
/// counted from its segment's base, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) key_at: usize,
    pub(crate) key_len: usize,
    pub(crate) value_len: usize,
}

/// Where the key of a plain item with a near deadline begins; with a far one, a byte later.
const KEY_AFTER_NEAR: usize = HEADER_BYTES + 4;

impl Plain {
    /// From the first bytes of an item; `None` for any other layout.
    #[inline(always)]
    pub(crate) fn of(header: [u8; HEADER_BYTES]) -> Option<Plain> {
        let header = u32::from_le_bytes(header);
        let (form, key_len) = (header >> FORM_SHIFT, (header >> VALUE_BITS) as usize & ((1 << KEY_BITS) - 1));
        let deadline_len = if form == Form::None as u32 { 0 } else { 3 + form as usize };
        let value_len = header as usize & MOST_VALUE_BYTES;
        let is_plain = form <= Form::Far as u32 && header & CHUNK_HEADER == 0 && key_len != 0;
        is_plain.then_some(Plain { key_at: HEADER_BYTES + deadline_len, key_len, value_len })
    }

    /// The bytes of the whole item.
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        self.key_at + self.key_len + self.value_len
    }

    #[inline(always)]
    pub(crate) fn has_deadline(self) -> bool {
        self.key_at != HEADER_BYTES
    }

    /// The deadline of one that has it, from the bytes that follow the header.
    #[inline(always)]
    pub(crate) fn deadline(self, [a, b, c, d, last]: [u8; 5], base: u64) -> u64 {
        let near = u64::from(u32::from_le_bytes([a, b, c, d]));
        // The last byte of a near one is the key's.
        match self.key_at == KEY_AFTER_NEAR {
            true => Form::Near.deadline(near, base),
            false => Form::Far.deadline(near | u64::from(last) << 32, base),
        }
    }
}

/// A published item of the layout that most have, in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainItem<'a> {
    pub(crate) segment: Segment<'a>,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) deadline: Option<u64>,
}

/// Whether two byte strings are equal.
#[inline(always)]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let len = a.len();
    if len != b.len() {
        return false;
    }
    let words = (a.first_chunk::<8>(), b.first_chunk::<8>(), a.last_chunk::<8>(), b.last_chunk::<8>());
    match words {
        // Two words that overlap are all of it.
        (Some(first), Some(other_first), Some(last), Some(other_last)) if len <= 16 => {
            let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
            (word(first) ^ word(other_first)) | (word(last) ^ word(other_last)) == 0
        }
        _ => a == b,
    }
}

/// Makes a filler of room for an item that was not written.
pub(crate) fn fill(bytes: &mut [u8]) {
    if let Some((header, rest)) = bytes.split_first_chunk_mut() {
        *header = (OTHER << FORM_SHIFT | rest.len() as u32).to_le_bytes();
    }
}

/// Writes the header of a chunk into `bytes`, which are as long as it, and answers the room for
/// what the chunk holds.
pub(crate) fn begin_chunk(bytes: &mut [u8], hash: u64) -> &mut [u8] {
    let len = bytes.len() - HEADER_BYTES;
    let (prefix, rest) = bytes.split_at_mut(CHUNK_PREFIX_BYTES);
    let header = OTHER << FORM_SHIFT | CHUNK << VALUE_BITS | len as u32;
    prefix[..HEADER_BYTES].copy_from_slice(&header.to_le_bytes());
    prefix[HEADER_BYTES..].copy_from_slice(&hash.to_le_bytes());
    rest
}

/// A published item, in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    bytes: &'a [u8],
    layout: Layout,
    segment: Segment<'a>,
}

impl<'a> Item<'a> {
    /// An item of this layout in this segment; `bytes` are as long as it.
    #[inline(always)]
    pub(crate) fn new(bytes: &'a [u8], layout: Layout, segment: Segment<'a>) -> Item<'a> {
        Item { bytes, layout, segment }
    }

    /// All its bytes: those of a chunk are the same wherever they are.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its contents, to be written elsewhere; not for chunks and fillers.
    pub(crate) fn content(&self) -> Content<'a> {
        Content {
            key: self.key(),
            value: self.value(),
            deadline: self.deadline(),
            is_chunk_header: self.is_chunk_header(),
        }
    }

    #[inline(always)]
    pub(crate) fn kind(&self) -> Kind {
        self.layout.kind
    }

    #[inline(always)]
    pub(crate) fn is_chunk_header(&self) -> bool {
        self.layout.kind == Kind::ChunkHeader
    }

    /// The hash of the key that it belongs to; of a filler, any. Of a whole entry `hash` computes it.
    pub(crate) fn key_hash(&self, hash: impl FnOnce(&[u8]) -> u64) -> u64 {
        match self.kind() {
            Kind::Whole => hash(self.key()),
            Kind::ChunkHeader => ChunkHeader::parse(self.value()).map_or(0, |header| header.hash),
            Kind::Chunk => self.chunk_hash(),
            Kind::Filler => 0,
        }
    }

    /// The hash of the key of the entry that a chunk belongs to.
    pub(crate) fn chunk_hash(&self) -> u64 {
        self.value().first_chunk().map_or(0, |&hash| u64::from_le_bytes(hash))
    }

    /// The contents of a chunk.
    pub(crate) fn chunk(&self) -> &'a [u8] {
        self.bytes.get(CHUNK_PREFIX_BYTES..).unwrap_or_default()
    }

    #[inline(always)]
    pub(crate) fn key(&self) -> &'a [u8] {
        let Layout { key_at, key_len, .. } = self.layout;
        self.bytes.get(key_at..key_at + key_len).unwrap_or_default()
    }

    /// Whether it is this key; for what most keys are, without a call.
    #[inline(always)]
    pub(crate) fn has_key(&self, key: &[u8]) -> bool {
        same(self.key(), key)
    }

    #[inline(always)]
    pub(crate) fn value(&self) -> &'a [u8] {
        self.bytes.get(self.layout.key_at + self.layout.key_len..).unwrap_or_default()
    }

    /// In nanoseconds of the cache's clock; `None` for none.
    #[inline(always)]
    pub(crate) fn deadline(&self) -> Option<u64> {
        let Layout { key_at, form, .. } = self.layout;
        let written = self.bytes.get(key_at - form.len()..key_at)?;
        let number = match form {
            Form::None => return None,
            Form::Near => u64::from(u32::from_le_bytes(*written.first_chunk()?)),
            Form::Far | Form::Early | Form::Late => {
                let mut bytes = [0; 8];
                bytes[..written.len()].copy_from_slice(written);
                u64::from_le_bytes(bytes)
            }
        };
        Some(form.deadline(number, self.segment.base()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
