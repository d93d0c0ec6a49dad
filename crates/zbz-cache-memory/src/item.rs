//! [`Item`]: one entry as it lies in the log.
//!
//! ```text
//!   | header: 4 bytes | key length: 2, if long | deadline: 0, 7 or 8 | key | value |
//!
//!   header   31 30        29 28                21 20      19                     0
//!            | deadline's | key length, or      | whole,  | value length          |
//!            |  form      | 0 for a long one    | or head |                       |
//! ```
//!
//! All numbers are little endian. Nothing is aligned. An item is immutable once it is published.
//! Deadlines are nanoseconds of the cache's clock; those of the first two years take 7 bytes.
//!
//! What stands in a segment is one of four [`Kind`]s. An entry that does not fit where it is
//! appended is cut (`large.rs`): a *head* has what the index names, *pieces* the rest. Room that
//! was reserved and not used holds a *filler*. Those two have the fourth form of a deadline, and
//! only a length; a piece begins with the hash of its entry's key.

/// The longest value of one item; a segment holds no more.
pub(crate) const MOST_VALUE_BYTES: usize = (1 << 20) - 1;

/// The longest key.
pub(crate) const MOST_KEY_BYTES: usize = 32 * 1024;

/// The bytes that tell how long an item is.
pub(crate) const HEADER_BYTES: usize = 4;
pub(crate) const LONG_HEADER_BYTES: usize = 6;

const VALUE_BITS: u32 = 21;
const HEAD: u32 = 1 << 20;
const KEY_BITS: u32 = 8;
const FORM_SHIFT: u32 = VALUE_BITS + KEY_BITS;

/// What the header says of the deadline; the last is for what is no item.
const NONE: u32 = 0;
const SHORT: u32 = 1;
const LONG: u32 = 2;
const OTHER: u32 = 3;

/// The key length of a piece; that of a filler is zero.
const PIECE: u32 = 1;

/// What stands before the bytes of a piece.
pub(crate) const PIECE_HEADER_BYTES: usize = HEADER_BYTES + 8;

/// What stands in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An entry in one.
    Whole,
    /// The part of a cut entry that the index names.
    Head,
    /// Another part.
    Piece,
    /// Nothing.
    Filler,
}

/// Deadlines below this take 7 bytes.
const LONG_DEADLINE: u64 = 1 << (8 * SHORT_DEADLINE_BYTES);
const SHORT_DEADLINE_BYTES: usize = 7;

/// What is to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// In nanoseconds of the cache's clock; `None` for none.
    pub(crate) deadline: Option<u64>,
    /// Whether key and value are those of a head.
    pub(crate) head: bool,
}

/// How an item is laid out, as its header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    key_at: usize,
    key_len: usize,
    value_len: usize,
    deadline_len: usize,
    kind: Kind,
}

impl Layout {
    /// `None` if the key is empty or too long, or the value is too long for one item.
    #[inline]
    pub(crate) fn of(content: &Content<'_>) -> Option<Layout> {
        let (key_len, value_len) = (content.key.len(), content.value.len());
        let fits = (1..=MOST_KEY_BYTES).contains(&key_len) && value_len <= MOST_VALUE_BYTES;
        let deadline_len = match content.deadline {
            None => 0,
            Some(at) if at < LONG_DEADLINE => SHORT_DEADLINE_BYTES,
            Some(_) => 8,
        };
        let header = if key_len < 1 << KEY_BITS { HEADER_BYTES } else { LONG_HEADER_BYTES };
        let key_at = header + deadline_len;
        let kind = if content.head { Kind::Head } else { Kind::Whole };
        fits.then_some(Layout { key_at, key_len, value_len, deadline_len, kind })
    }

    /// From the first bytes of an item; `long` is called for the two that follow them, if the key
    /// is long.
    #[inline(always)]
    pub(crate) fn read(header: [u8; HEADER_BYTES], long: impl FnOnce() -> [u8; 2]) -> Layout {
        let header = u32::from_le_bytes(header);
        let value_len = header as usize & MOST_VALUE_BYTES;
        let key_len = (header >> VALUE_BITS) as usize & ((1 << KEY_BITS) - 1);
        // By far the most have no deadline and a short key.
        if header >> FORM_SHIFT == NONE && header & HEAD == 0 && key_len != 0 {
            return Layout { key_at: HEADER_BYTES, key_len, value_len, deadline_len: 0, kind: Kind::Whole };
        }
        Layout::read_other(header, long)
    }

    #[inline]
    fn read_other(header: u32, long: impl FnOnce() -> [u8; 2]) -> Layout {
        let value_len = header as usize & MOST_VALUE_BYTES;
        let key_field = (header >> VALUE_BITS) as usize & ((1 << KEY_BITS) - 1);
        let deadline_len = match header >> FORM_SHIFT & 3 {
            NONE => 0,
            SHORT => SHORT_DEADLINE_BYTES,
            LONG => 8,
            _ => {
                let kind = if key_field == 0 { Kind::Filler } else { Kind::Piece };
                return Layout { key_at: HEADER_BYTES, key_len: 0, value_len, deadline_len: 0, kind };
            }
        };
        let kind = if header & HEAD == 0 { Kind::Whole } else { Kind::Head };
        let (key_at, key_len) = match key_field {
            0 => (LONG_HEADER_BYTES, usize::from(u16::from_le_bytes(long()))),
            key_len => (HEADER_BYTES, key_len),
        };
        Layout { key_at: key_at + deadline_len, key_len, value_len, deadline_len, kind }
    }

    /// The bytes of the whole item.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.key_at + self.key_len + self.value_len
    }

    /// Writes the item into `bytes`, which are as long as it.
    #[inline]
    pub(crate) fn write(&self, content: &Content<'_>, bytes: &mut [u8]) {
        let long = self.key_len >= 1 << KEY_BITS;
        let key_field = if long { 0 } else { self.key_len as u32 };
        let form = match self.deadline_len {
            0 => NONE,
            SHORT_DEADLINE_BYTES => SHORT,
            _ => LONG,
        };
        let head = if self.kind == Kind::Head { HEAD } else { 0 };
        let header = form << FORM_SHIFT | key_field << VALUE_BITS | head | self.value_len as u32;
        let (front, rest) = bytes.split_at_mut(self.key_at);
        front[..HEADER_BYTES].copy_from_slice(&header.to_le_bytes());
        if long {
            front[HEADER_BYTES..LONG_HEADER_BYTES].copy_from_slice(&(self.key_len as u16).to_le_bytes());
        }
        if let Some(deadline) = content.deadline {
            let at = self.key_at - self.deadline_len;
            front[at..].copy_from_slice(&deadline.to_le_bytes()[..self.deadline_len]);
        }
        let (key, value) = rest.split_at_mut(self.key_len);
        key.copy_from_slice(content.key);
        value.copy_from_slice(content.value);
    }
}

/// The layout of by far the most items: an entry in one, with a short key, and a deadline of the
/// first two years or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) key_at: usize,
    pub(crate) key_len: usize,
    pub(crate) value_len: usize,
}

impl Plain {
    /// From the first bytes of an item; `None` for any other layout.
    #[inline(always)]
    pub(crate) fn of(header: [u8; HEADER_BYTES]) -> Option<Plain> {
        let header = u32::from_le_bytes(header);
        let (form, key_len) = (header >> FORM_SHIFT, (header >> VALUE_BITS) as usize & ((1 << KEY_BITS) - 1));
        let key_at = HEADER_BYTES + form as usize * SHORT_DEADLINE_BYTES;
        let value_len = header as usize & MOST_VALUE_BYTES;
        let is_plain = form <= SHORT && header & HEAD == 0 && key_len != 0;
        is_plain.then_some(Plain { key_at, key_len, value_len })
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
    pub(crate) fn deadline(bytes: [u8; 8]) -> u64 {
        // The last byte is the key's.
        u64::from_le_bytes(bytes) & (LONG_DEADLINE - 1)
    }
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

/// Writes the header of a piece into `bytes`, which are as long as it, and answers the room for
/// what the piece holds.
pub(crate) fn begin_piece(bytes: &mut [u8], hash: u64) -> &mut [u8] {
    let len = bytes.len() - HEADER_BYTES;
    let (head, rest) = bytes.split_at_mut(PIECE_HEADER_BYTES);
    let header = OTHER << FORM_SHIFT | PIECE << VALUE_BITS | len as u32;
    head[..HEADER_BYTES].copy_from_slice(&header.to_le_bytes());
    head[HEADER_BYTES..].copy_from_slice(&hash.to_le_bytes());
    rest
}

/// A published item, in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    bytes: &'a [u8],
    layout: Layout,
}

impl<'a> Item<'a> {
    /// An item of this layout; `bytes` are as long as it.
    #[inline(always)]
    pub(crate) fn new(bytes: &'a [u8], layout: Layout) -> Item<'a> {
        Item { bytes, layout }
    }

    /// All its bytes, to be copied elsewhere.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline(always)]
    pub(crate) fn kind(&self) -> Kind {
        self.layout.kind
    }

    #[inline(always)]
    pub(crate) fn is_head(&self) -> bool {
        self.layout.kind == Kind::Head
    }

    /// The hash of the key of the entry that a piece belongs to.
    pub(crate) fn piece_hash(&self) -> u64 {
        self.value().first_chunk().map_or(0, |&hash| u64::from_le_bytes(hash))
    }

    /// What a piece holds.
    pub(crate) fn piece(&self) -> &'a [u8] {
        self.bytes.get(PIECE_HEADER_BYTES..).unwrap_or_default()
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
        let Layout { key_at, deadline_len, .. } = self.layout;
        if deadline_len == 0 {
            return None;
        }
        if deadline_len == SHORT_DEADLINE_BYTES
            && let Some(&bytes) = self.bytes.get(key_at - deadline_len..)?.first_chunk()
        {
            return Some(Plain::deadline(bytes));
        }
        let mut deadline = [0; 8];
        let stored = self.bytes.get(key_at - deadline_len..key_at)?;
        deadline[..deadline_len].copy_from_slice(stored);
        Some(u64::from_le_bytes(deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(content: &Content<'_>) -> usize {
        let layout = Layout::of(content).unwrap();
        let mut bytes = vec![0xee; layout.len()];
        layout.write(content, &mut bytes);
        let read = Layout::read(bytes[..4].try_into().unwrap(), || bytes[4..6].try_into().unwrap());
        assert_eq!(read, layout);
        check_plain(content, &bytes);
        let item = Item::new(&bytes, read);
        assert_eq!(
            (item.key(), item.value(), item.deadline(), item.is_head()),
            (content.key, content.value, content.deadline, content.head)
        );
        bytes.len() - content.key.len() - content.value.len()
    }

    /// What is plain is read the same as any other.
    fn check_plain(content: &Content<'_>, bytes: &[u8]) {
        let Some(plain) = Plain::of(bytes[..4].try_into().unwrap()) else {
            let long = content.deadline.is_some_and(|deadline| deadline >= LONG_DEADLINE);
            return assert!(long || content.head || content.key.len() >= 256);
        };
        let Plain { key_at, key_len, value_len } = plain;
        assert_eq!(&bytes[key_at..key_at + key_len], content.key);
        assert_eq!(&bytes[key_at + key_len..][..value_len], content.value);
        let told = || bytes[4..].iter().copied().chain([0xee; 8]).take(8).collect::<Vec<_>>();
        let deadline = plain.has_deadline().then(|| Plain::deadline(told().try_into().unwrap()));
        assert_eq!((deadline, content.head), (content.deadline, false));
    }

    #[test]
    fn every_layout_comes_back_and_costs_what_is_drawn() {
        let bytes = vec![7; MOST_VALUE_BYTES];
        for key_len in [1, 16, 255, 256, MOST_KEY_BYTES] {
            for value_len in [0, 1, 4095, MOST_VALUE_BYTES] {
                for (deadline, cost) in
                    [(None, 0), (Some(0), 7), (Some(LONG_DEADLINE - 1), 7), (Some(u64::MAX), 8)]
                {
                    let content =
                        Content { key: &bytes[..key_len], value: &bytes[..value_len], deadline, head: false };
                    let header = if key_len < 256 { 4 } else { 6 };
                    assert_eq!(round_trip(&content), header + cost);
                    assert_eq!(round_trip(&Content { head: true, ..content }), header + cost);
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_an_item_has_no_layout() {
        let bytes = vec![0; MOST_VALUE_BYTES + 1];
        for (key_len, value_len) in [(0, 0), (MOST_KEY_BYTES + 1, 0), (1, MOST_VALUE_BYTES + 1)] {
            let content =
                Content { key: &bytes[..key_len], value: &bytes[..value_len], deadline: None, head: true };
            assert_eq!(Layout::of(&content), None);
        }
    }

    #[test]
    fn a_filler_is_as_long_as_the_room_it_fills() {
        for len in [5, 4096, MOST_VALUE_BYTES + HEADER_BYTES] {
            let mut bytes = vec![0xee; len];
            fill(&mut bytes);
            let layout = Layout::read(bytes[..4].try_into().unwrap(), || unreachable!());
            assert_eq!(layout.len(), len);
            assert_eq!(Item::new(&bytes, layout).kind(), Kind::Filler);
        }
    }

    #[test]
    fn strings_are_the_same_if_all_their_bytes_are() {
        for len in 0..40_usize {
            let bytes: Vec<u8> = (0..len as u8).collect();
            assert!(same(&bytes, &bytes.clone()) && !same(&bytes, &[&bytes[..], b"x"].concat()));
            for at in 0..len {
                let mut other = bytes.clone();
                other[at] ^= 0x80;
                assert!(!same(&bytes, &other), "{len} {at}");
            }
        }
    }

    #[test]
    fn a_piece_tells_whose_it_is() {
        let mut bytes = vec![0xee; 40];
        begin_piece(&mut bytes, 77).fill(5);
        let layout = Layout::read(bytes[..4].try_into().unwrap(), || unreachable!());
        let item = Item::new(&bytes, layout);
        assert_eq!((layout.len(), item.kind(), item.piece_hash()), (40, Kind::Piece, 77));
        assert_eq!(item.piece(), [5; 28]);
    }

    #[test]
    fn bytes_that_are_no_item_are_read_without_harm() {
        for header in [[0; 4], [0xff; 4], [1, 2, 3, 0xc4]] {
            let layout = Layout::read(header, || [0xff, 0xff]);
            let item = Item::new(&[1, 2, 3, 4, 5, 6, 7], layout);
            let _ = (item.key(), item.value(), item.deadline());
        }
    }
}
