//! How deep the lists and maps of some MessagePack stand in each other.
//!
//! The reader counts the levels of lists and maps, but not those of enum variants, so a long chain of
//! variants in bytes that no contract wrote would use up its thread's stack. Such bytes are found
//! here, before they are read.

use super::watch::MAX_DEPTH;

/// Whether these bytes are nested deeper than anything that is written.
#[inline]
pub(super) fn is_too_deep(bytes: &[u8]) -> bool {
    // A variant that holds something is a map of one entry, which begins with one of these bytes.
    let variants = bytes.iter().filter(|&&byte| matches!(byte, 0x81 | 0xde | 0xdf)).count();
    variants > MAX_DEPTH && walks_too_deep(bytes)
}

/// Bytes that end too early, or stand for nothing, are left to the reader.
#[cold]
fn walks_too_deep(mut bytes: &[u8]) -> bool {
    // Of each level that is open, how many values are to come.
    let mut open = [0_usize; MAX_DEPTH];
    let mut depth = 0;
    while let Some(inside) = step(&mut bytes) {
        if inside > 0 {
            if depth == MAX_DEPTH {
                return true;
            }
            open[depth] = inside;
            depth += 1;
            continue;
        }
        while depth > 0 {
            open[depth - 1] -= 1;
            if open[depth - 1] > 0 {
                break;
            }
            depth -= 1;
        }
        if depth == 0 {
            break;
        }
    }
    false
}

/// Passes over the next marker and what belongs to it alone; how many values stand in it.
fn step(bytes: &mut &[u8]) -> Option<usize> {
    let marker = *bytes.split_off_first()?;
    let (own, inside) = match marker {
        0x80..=0x8f => (0, 2 * usize::from(marker & 0x0f)),
        0x90..=0x9f => (0, usize::from(marker & 0x0f)),
        0xa0..=0xbf => (usize::from(marker & 0x1f), 0),
        0xc4 | 0xd9 => (number(bytes, 1)?, 0),
        0xc5 | 0xda => (number(bytes, 2)?, 0),
        0xc6 | 0xdb => (number(bytes, 4)?, 0),
        // Extensions have a byte for their type besides.
        0xc7 => (number(bytes, 1)? + 1, 0),
        0xc8 => (number(bytes, 2)? + 1, 0),
        0xc9 => (number(bytes, 4)? + 1, 0),
        0xd4..=0xd8 => ((1 << (marker - 0xd4)) + 1, 0),
        0xcc | 0xd0 => (1, 0),
        0xcd | 0xd1 => (2, 0),
        0xca | 0xce | 0xd2 => (4, 0),
        0xcb | 0xcf | 0xd3 => (8, 0),
        0xdc => (0, number(bytes, 2)?),
        0xdd => (0, number(bytes, 4)?),
        0xde => (0, 2 * number(bytes, 2)?),
        0xdf => (0, 2 * number(bytes, 4)?),
        // Small numbers, nil, true and false.
        _ => (0, 0),
    };
    *bytes = bytes.get(own..)?;
    Some(inside)
}

/// A number of so many bytes, the highest first.
fn number(bytes: &mut &[u8], width: usize) -> Option<usize> {
    let (digits, rest) = bytes.split_at_checked(width)?;
    *bytes = rest;
    Some(digits.iter().fold(0, |number, &digit| number << 8 | usize::from(digit)))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::codec::{Codec, MessagePack};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Chain {
        End,
        Next(Box<Chain>),
        Pair(u8, Box<Chain>),
        Named { bytes: Vec<u8>, next: Box<Chain> },
        Many(Vec<Chain>),
    }

    /// `levels` variants in each other, of the kinds that `make` makes.
    fn chain(levels: usize, make: impl Fn(Chain) -> Chain) -> Chain {
        (0..levels).fold(Chain::End, |inner, _| make(inner))
    }

    fn encoded(value: &Chain) -> Vec<u8> {
        let mut bytes = Vec::new();
        MessagePack.encode(value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_long_chain_of_variants_in_foreign_bytes_is_no_value_and_ends_no_process() {
        for opening in [&b"\x81\xa4Next"[..], b"\xde\x00\x01\xa4Next", b"\xdf\x00\x00\x00\x01\xa4Next"] {
            for levels in [MAX_DEPTH + 1, 1_000, 300_000] {
                let bytes = [opening.repeat(levels), b"\xa3End".to_vec()].concat();
                assert_eq!(Codec::<Chain>::decode(&MessagePack, &bytes), None, "{levels} levels");
            }
            // One that never ends.
            assert_eq!(Codec::<Chain>::decode(&MessagePack, &opening.repeat(300_000)), None);
        }
    }

    #[test]
    fn what_may_be_written_is_never_too_deep() {
        let next = |inner| Chain::Next(Box::new(inner));
        let pair = |inner| Chain::Pair(0xde, Box::new(inner));
        let named = |inner| Chain::Named { bytes: vec![0x81; 40], next: Box::new(inner) };
        let many = |inner| Chain::Many(vec![Chain::End, inner, Chain::End]);
        let deepest = [
            chain(MAX_DEPTH, next),
            chain(MAX_DEPTH / 2, pair),
            chain(MAX_DEPTH / 3, named),
            chain(MAX_DEPTH / 2, many),
            Chain::Many((0..1_000).map(|_| chain(MAX_DEPTH - 2, next)).collect()),
        ];
        for value in deepest {
            let bytes = encoded(&value);
            assert!(!walks_too_deep(&bytes));
            assert_eq!(MessagePack.decode(&bytes), Some(value));
        }
        assert!(MessagePack.encode(&chain(MAX_DEPTH + 1, next), &mut Vec::new()).is_err());
    }

    #[test]
    fn every_marker_is_passed_over_with_what_belongs_to_it() {
        let mut bytes = vec![0xdc, 0x00, 22];
        let long = |marker: u8, length: &[u8], own: usize| [&[marker], length, &vec![0x81; own]].concat();
        for part in [
            long(0xc4, &[3], 3),
            long(0xc5, &[0, 3], 3),
            long(0xc6, &[0, 0, 0, 3], 3),
            long(0xc7, &[3], 4),
            long(0xc8, &[0, 3], 4),
            long(0xc9, &[0, 0, 0, 3], 4),
            long(0xca, &[], 4),
            long(0xcb, &[], 8),
            long(0xcc, &[], 1),
            long(0xcd, &[], 2),
            long(0xce, &[], 4),
            long(0xcf, &[], 8),
            long(0xd3, &[], 8),
            long(0xd4, &[], 2),
            long(0xd5, &[], 3),
            long(0xd6, &[], 5),
            long(0xd7, &[], 9),
            long(0xd8, &[], 17),
            long(0xd9, &[3], 3),
            long(0xda, &[0, 3], 3),
            long(0xdb, &[0, 0, 0, 3], 3),
            long(0xa3, &[], 3),
        ] {
            bytes.extend(part);
        }
        let mut rest = bytes.as_slice();
        let mut left = 1;
        while left > 0 {
            left = left - 1 + step(&mut rest).unwrap();
        }
        assert!(rest.is_empty(), "{rest:?}");
    }
}
