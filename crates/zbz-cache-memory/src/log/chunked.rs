//! [`ChunkHeader`]: an entry that was chunked because it did not fit where it was appended.
//!
//! A chunk header is an item whose key is the beginning of the key, and whose value is drawn below;
//! numbers are little endian. The *rest* is the end of the key, if it did not fit, and then the value.
//! The chunks hold the rest, in their order.
//!
//! ```text
//!   | hash: 8 | key bytes in the rest: 2 | value length: 6 | location of a chunk: 5, for each |
//! ```
//!
//! - *The hash says whose*: a chunk has the hash of its entry's key. A thread that walks a segment
//!   looks under that bucket's lock whether a chunk header names the chunk. So chunks need no account
//!   of their own.

use crate::index::slot::Location;

const NUMBERS: usize = 16;
const LOCATION: usize = 5;

const _: () = assert!(Location::COUNT <= 1 << (8 * LOCATION as u64));

/// The parsed value of a chunk header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkHeader<'a> {
    pub(crate) hash: u64,
    /// Bytes of the key that stand in the rest.
    pub(crate) key_len: usize,
    pub(crate) value_len: usize,
    list: &'a [u8],
}

/// The numbers of a chunk header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderFields {
    pub(crate) hash: u64,
    /// Bytes of the key that stand in the chunks.
    pub(crate) key_len: usize,
    pub(crate) value_len: usize,
}

impl<'a> ChunkHeader<'a> {
    /// `None` if the bytes are not those of a chunk header.
    pub(crate) fn parse(value: &'a [u8]) -> Option<ChunkHeader<'a>> {
        let (numbers, list) = value.split_first_chunk::<NUMBERS>()?;
        let number = |at: usize, len: usize| little_endian(&numbers[at..at + len]);
        let (key_len, value_len) = (number(8, 2) as usize, number(10, 6) as usize);
        Some(ChunkHeader { hash: number(0, 8), key_len, value_len, list })
    }

    /// The bytes of a chunk header's value.
    pub(crate) fn write(fields: HeaderFields, chunks: &[Location]) -> Vec<u8> {
        let HeaderFields { hash, key_len, value_len } = fields;
        let mut bytes = Vec::with_capacity(NUMBERS + LOCATION * chunks.len());
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&(key_len as u16).to_le_bytes());
        bytes.extend_from_slice(&(value_len as u64).to_le_bytes()[..6]);
        for chunk in chunks {
            bytes.extend_from_slice(&chunk.units().to_le_bytes()[..LOCATION]);
        }
        bytes
    }

    /// The bytes of this header once one of its chunks is in other places.
    pub(crate) fn with_moved(self, from: Location, to: &[Location]) -> Vec<u8> {
        let mut chunks: Vec<_> = self.chunks().collect();
        if let Some(at) = chunks.iter().position(|&chunk| chunk == from) {
            chunks.splice(at..=at, to.iter().copied());
        }
        let fields = HeaderFields { hash: self.hash, key_len: self.key_len, value_len: self.value_len };
        ChunkHeader::write(fields, &chunks)
    }

    pub(crate) fn chunks(self) -> impl Iterator<Item = Location> + use<'a> {
        let (list, _) = self.list.as_chunks::<LOCATION>();
        list.iter().filter_map(|units| Location::new(little_endian(units)))
    }

    /// Puts the rest together; `fetch` appends a chunk. False as soon as it cannot.
    pub(crate) fn gather(
        self,
        rest: &mut Vec<u8>,
        mut fetch: impl FnMut(Location, &mut Vec<u8>) -> bool,
    ) -> bool {
        rest.clear();
        rest.reserve(self.key_len + self.value_len);
        self.chunks().all(|chunk| fetch(chunk, rest)) && rest.len() == self.key_len + self.value_len
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_its_rest_is_put_together() {
        let chunks = [Location::new(7).unwrap(), Location::new(Location::COUNT - 1).unwrap()];
        let bytes = ChunkHeader::write(HeaderFields { hash: 77, key_len: 300, value_len: 5000 }, &chunks);
        let header = ChunkHeader::parse(&bytes).unwrap();
        assert_eq!((header.hash, header.key_len, header.value_len), (77, 300, 5000));
        assert!(header.chunks().eq(chunks));
        let mut rest = Vec::new();
        let fetch = |chunk: Location, rest: &mut Vec<u8>| {
            rest.extend(vec![1; if chunk == chunks[0] { 5000 } else { 300 }]);
            true
        };
        assert!(header.gather(&mut rest, fetch));
        assert_eq!(rest.len(), 5300);
        assert!(!header.gather(&mut rest, |_, _| false) && !header.gather(&mut rest, |_, _| true));
        let elsewhere = Location::new(9).unwrap();
        let moved = header.with_moved(chunks[1], &[elsewhere]);
        assert!(ChunkHeader::parse(&moved).unwrap().chunks().eq([chunks[0], elsewhere]));
        let split = header.with_moved(chunks[0], &[elsewhere, chunks[0]]);
        assert!(ChunkHeader::parse(&split).unwrap().chunks().eq([elsewhere, chunks[0], chunks[1]]));
    }

    #[test]
    fn bytes_that_are_no_head_are_none() {
        assert!(ChunkHeader::parse(&[1; 15]).is_none());
    }
}
