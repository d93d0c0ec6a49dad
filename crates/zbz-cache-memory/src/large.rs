//! [`Head`]: an entry that was cut because it did not fit where it was appended.
//!
//! A head is an item whose key is the beginning of the key, and whose value is this; numbers are
//! little endian. The *rest* is what the head's key lacks and then the value: it is what the pieces
//! hold, in their order.
//!
//! ```text
//!   | hash: 8 | key bytes in the rest: 2 | value length: 6 | location of a piece: 5, for each |
//! ```
//!
//! - *Hash tells whose*: a piece knows the hash of its entry's key. Whoever walks a segment looks
//!   under the bucket's bit whether a head names the piece; so pieces need no account of their own.

use crate::slot::Location;

const NUMBERS: usize = 16;
const LOCATION: usize = 5;

const _: () = assert!(Location::COUNT <= 1 << (8 * LOCATION as u64));

/// The parsed value of a head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) hash: u64,
    /// Bytes of the key that stand in the rest.
    pub(crate) key_len: usize,
    pub(crate) value_len: usize,
    list: &'a [u8],
}

impl<'a> Head<'a> {
    /// `None` if the bytes are no head's.
    pub(crate) fn parse(value: &'a [u8]) -> Option<Head<'a>> {
        let (numbers, list) = value.split_first_chunk::<NUMBERS>()?;
        let number = |at: usize, len: usize| little_endian(&numbers[at..at + len]);
        let (key_len, value_len) = (number(8, 2) as usize, number(10, 6) as usize);
        Some(Head { hash: number(0, 8), key_len, value_len, list })
    }

    /// The bytes of a head's value.
    pub(crate) fn write(hash: u64, (key_len, value_len): (usize, usize), pieces: &[Location]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(NUMBERS + LOCATION * pieces.len());
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&(key_len as u16).to_le_bytes());
        bytes.extend_from_slice(&(value_len as u64).to_le_bytes()[..6]);
        for piece in pieces {
            bytes.extend_from_slice(&piece.units().to_le_bytes()[..LOCATION]);
        }
        bytes
    }

    /// The bytes of the same head but for one piece, which is in other places.
    pub(crate) fn with_moved(self, from: Location, to: &[Location]) -> Vec<u8> {
        let mut pieces: Vec<_> = self.pieces().collect();
        if let Some(at) = pieces.iter().position(|&piece| piece == from) {
            pieces.splice(at..=at, to.iter().copied());
        }
        Head::write(self.hash, (self.key_len, self.value_len), &pieces)
    }

    pub(crate) fn pieces(self) -> impl Iterator<Item = Location> + use<'a> {
        let (list, _) = self.list.as_chunks::<LOCATION>();
        list.iter().filter_map(|units| Location::new(little_endian(units)))
    }

    /// Puts the rest together; `fetch` appends a piece. False as soon as it cannot.
    pub(crate) fn gather(
        self,
        rest: &mut Vec<u8>,
        mut fetch: impl FnMut(Location, &mut Vec<u8>) -> bool,
    ) -> bool {
        rest.clear();
        rest.reserve(self.key_len + self.value_len);
        self.pieces().all(|piece| fetch(piece, rest)) && rest.len() == self.key_len + self.value_len
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
        let pieces = [Location::new(7).unwrap(), Location::new(Location::COUNT - 1).unwrap()];
        let bytes = Head::write(77, (300, 5000), &pieces);
        let head = Head::parse(&bytes).unwrap();
        assert_eq!((head.hash, head.key_len, head.value_len), (77, 300, 5000));
        assert!(head.pieces().eq(pieces));
        let mut rest = Vec::new();
        let fetch = |piece: Location, rest: &mut Vec<u8>| {
            rest.extend(vec![1; if piece == pieces[0] { 5000 } else { 300 }]);
            true
        };
        assert!(head.gather(&mut rest, fetch));
        assert_eq!(rest.len(), 5300);
        assert!(!head.gather(&mut rest, |_, _| false) && !head.gather(&mut rest, |_, _| true));
        let elsewhere = Location::new(9).unwrap();
        let moved = head.with_moved(pieces[1], &[elsewhere]);
        assert!(Head::parse(&moved).unwrap().pieces().eq([pieces[0], elsewhere]));
        let split = head.with_moved(pieces[0], &[elsewhere, pieces[0]]);
        assert!(Head::parse(&split).unwrap().pieces().eq([elsewhere, pieces[0], pieces[1]]));
    }

    #[test]
    fn bytes_that_are_no_head_are_none() {
        assert!(Head::parse(&[1; 15]).is_none());
    }
}
