//! Measures how deeply some MessagePack is nested.
//!
//! The reader counts the levels of lists and maps, but not those of enum variants: a long chain of
//! variants, in bytes that no contract wrote, would overflow its thread's stack. Such bytes are found
//! here, before they are read.

use super::watch::MAX_DEPTH;

/// Whether these bytes are nested deeper than any encoded value.
#[inline]
pub(super) fn is_too_deep(bytes: &[u8]) -> bool {
    // A level takes at least two bytes, a marker and a name.
    bytes.len() > 2 * MAX_DEPTH && is_long_one_too_deep(bytes)
}

fn is_long_one_too_deep(bytes: &[u8]) -> bool {
    /// If elements are longer than this on average, walking over them is faster than counting bytes.
    const LONG: usize = 256;

    walk(bytes, bytes.len() / LONG)
        .or_else(|| if may_be_variants(bytes) > MAX_DEPTH { walk(bytes, usize::MAX) } else { Some(false) })
        .unwrap_or(false)
}

/// An upper bound on the number of variants with contents. Such a variant is a map of one entry, which
/// begins with 0x81, 0xde 0x00 0x01 or 0xdf 0x00 0x00 0x00 0x01.
fn may_be_variants(bytes: &[u8]) -> usize {
    let Some((_, followers)) = bytes.split_first() else { return 0 };
    // Counted in a byte, so that 16 and more are compared at once; a run is as long as a byte can count.
    const RUN: usize = 7 * 32;
    let count = |(run, followers): (&[u8], &[u8])| -> usize {
        let may_be = |(&byte, &follower): (&u8, &u8)| {
            u8::from(byte == 0x81) | (u8::from(byte | 1 == 0xdf) & u8::from(follower == 0))
        };
        usize::from(run.iter().zip(followers).map(may_be).sum::<u8>())
    };
    bytes.chunks(RUN).zip(followers.chunks(RUN)).map(count).sum()
}

/// The beginning of a list or a map.
#[derive(Default)]
struct Level {
    /// How many of its values are to come.
    left: usize,
    is_variant: bool,
}

/// Whether there are too many levels; `None` if that takes more than `steps` steps to know. As for the
/// writer, a list, or a map with more than one entry, is no level of its own directly inside a variant.
/// Truncated and invalid bytes are left to the reader.
fn walk(mut bytes: &[u8], steps: usize) -> Option<bool> {
    // For each open level, how many values are to come.
    let mut open = [0_usize; MAX_DEPTH];
    // For each open level one bit: whether it is a variant.
    let mut variants = 0_u128;
    let mut depth = 0;
    for _ in 0..steps {
        let Some(level) = step(&mut bytes) else { return Some(false) };
        if level.left > 0 {
            let is_held = depth > 0 && open[depth - 1] == 1 && variants >> (depth - 1) & 1 == 1;
            if !is_held || level.is_variant {
                if depth == MAX_DEPTH {
                    return Some(true);
                }
                depth += 1;
            }
            open[depth - 1] = level.left;
            variants &= !(1 << (depth - 1));
            variants |= u128::from(level.is_variant) << (depth - 1);
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
            return Some(false);
        }
    }
    None
}

/// Skips the next marker and its own data. Returns the level that it opens, or one without values if it
/// opens none.
fn step(bytes: &mut &[u8]) -> Option<Level> {
    let marker = *bytes.split_off_first()?;
    let own = match marker {
        0x80..=0x8f => return Some(map_of(usize::from(marker & 0x0f))),
        0xde => return number(bytes, 2).map(map_of),
        0xdf => return number(bytes, 4).map(map_of),
        0x90..=0x9f => return Some(list_of(usize::from(marker & 0x0f))),
        0xdc => return number(bytes, 2).map(list_of),
        0xdd => return number(bytes, 4).map(list_of),
        0xa0..=0xbf => usize::from(marker & 0x1f),
        0xc4 | 0xd9 => number(bytes, 1)?,
        0xc5 | 0xda => number(bytes, 2)?,
        0xc6 | 0xdb => number(bytes, 4)?,
        // Extensions have one more byte, for their type.
        0xc7 => number(bytes, 1)?.saturating_add(1),
        0xc8 => number(bytes, 2)?.saturating_add(1),
        0xc9 => number(bytes, 4)?.saturating_add(1),
        0xd4..=0xd8 => (1 << (marker - 0xd4)) + 1,
        0xcc | 0xd0 => 1,
        0xcd | 0xd1 => 2,
        0xca | 0xce | 0xd2 => 4,
        0xcb | 0xcf | 0xd3 => 8,
        // Small numbers, nil, true and false.
        _ => 0,
    };
    *bytes = bytes.get(own..)?;
    Some(Level::default())
}

fn list_of(left: usize) -> Level {
    Level { left, is_variant: false }
}

fn map_of(entries: usize) -> Level {
    Level { left: entries.saturating_mul(2), is_variant: entries == 1 }
}

/// A big-endian number of `width` bytes.
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
        Single { next: Box<Chain> },
        Many(Vec<Chain>),
    }

    /// A chain of `levels` nested variants, each made by `make`.
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
            // A chain that never ends.
            assert_eq!(Codec::<Chain>::decode(&MessagePack, &opening.repeat(300_000)), None);
        }
    }

    #[test]
    fn what_may_be_written_is_never_too_deep() {
        let next = |inner| Chain::Next(Box::new(inner));
        let pair = |inner| Chain::Pair(0xde, Box::new(inner));
        let named = |inner| Chain::Named { bytes: vec![0x81; 40], next: Box::new(inner) };
        let single = |inner| Chain::Single { next: Box::new(inner) };
        let many = |inner| Chain::Many(vec![Chain::End, inner, Chain::End]);
        let deepest = [
            chain(MAX_DEPTH, next),
            chain(MAX_DEPTH, pair),
            // The innermost also holds a list.
            chain(MAX_DEPTH - 1, named),
            chain(MAX_DEPTH, many),
            chain(MAX_DEPTH / 2, single),
            chain(MAX_DEPTH / 2, |inner| next(pair(inner))),
            Chain::Many((0..1_000).map(|_| chain(MAX_DEPTH - 1, next)).collect()),
        ];
        for value in deepest {
            let bytes = encoded(&value);
            assert_eq!(walk(&bytes, usize::MAX), Some(false));
            assert_eq!(MessagePack.decode(&bytes), Some(value));
        }
        for deeper in [
            chain(MAX_DEPTH + 1, next),
            chain(MAX_DEPTH + 1, pair),
            chain(MAX_DEPTH + 1, named),
            chain(MAX_DEPTH + 1, many),
            chain(MAX_DEPTH / 2 + 1, single),
        ] {
            assert!(MessagePack.encode(&deeper, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn what_stands_in_numbers_and_texts_is_seldom_taken_for_variants() {
        let numbers = |number: u32| [&[0xce][..], &number.to_be_bytes()].concat().repeat(10_000);
        assert_eq!(may_be_variants(&numbers(0xdede_dfdf)), 0);
        assert_eq!(may_be_variants(&numbers(0x0102_de05)), 0);
        assert_eq!(may_be_variants(&numbers(0x81)), 10_000 - 1, "all except the last byte");
        assert_eq!(may_be_variants(b"\x81\xa1x\xde\x00\x01\xa1x\xdf\x00\x00\x00\x01\xa1x\xc0"), 3);
        for len in 0..3 {
            assert_eq!(may_be_variants(&b"\xde\x00\x01"[..len]), usize::from(len == 2));
        }
        // A long text is skipped in one step.
        let text = [&[0xdb, 0, 0, 0x40, 0][..], &[0x81; 0x4000]].concat();
        assert_eq!(walk(&text, 1), Some(false));
        assert!(!is_too_deep(&text));
    }

    #[test]
    fn a_chain_between_long_texts_and_many_numbers_is_found() {
        let text = [&[0xda, 0x40, 0][..], &[b'x'; 0x4000]].concat();
        let numbers = [&[0xdc, 0x27, 0x10][..], &[0x05; 10_000]].concat();
        for beside in [text, numbers] {
            let opening = [&b"\x81\xa5Named\x82\xa5bytes"[..], &beside, b"\xa4next"].concat();
            assert!(!is_too_deep(&opening.repeat(MAX_DEPTH)));
            assert!(is_too_deep(&[opening.repeat(MAX_DEPTH + 1), b"\xa3End".to_vec()].concat()));
        }
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
            left = left - 1 + step(&mut rest).unwrap().left;
        }
        assert!(rest.is_empty(), "{rest:?}");
    }
}
