#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use super::*;
use crate::base::sync::AtomicU64;
use crate::base::ttl::GRAIN_BITS;
use crate::log::segment;

/// The words of a segment that has a base.
fn words(base: u64) -> [AtomicU64; segment::WORDS] {
    let words = std::array::from_fn(|_| AtomicU64::new(0));
    let segment = Segment::new(&words);
    assert!(segment.provide(1024));
    assert!(segment.open(segment::Opening { place: 0, start: 0, opened: 0, generation: 1, base }));
    words
}

fn round_trip(content: &Content<'_>, base: u64) -> usize {
    let layout = Layout::of(content, Some(base)).unwrap();
    let mut bytes = vec![0xee; layout.len()];
    layout.write(content, base, &mut bytes);
    let read = Layout::read(bytes[..4].try_into().unwrap(), || bytes[4..6].try_into().unwrap());
    assert_eq!(read, layout);
    check_plain(content, base, &bytes);
    let words = words(base);
    let item = Item::new(&bytes, read, Segment::new(&words));
    assert_eq!(
        (item.key(), item.value(), item.deadline(), item.is_chunk_header()),
        (content.key, content.value, content.deadline, content.is_chunk_header)
    );
    bytes.len() - content.key.len() - content.value.len()
}

/// A plain item is read like any other.
fn check_plain(content: &Content<'_>, base: u64, bytes: &[u8]) {
    let Some(plain) = Plain::of(bytes[..4].try_into().unwrap()) else {
        let in_full = content.deadline.is_some_and(|at| !Form::of(at, base).is_from_base());
        return assert!(in_full || content.is_chunk_header || content.key.len() >= 256);
    };
    let Plain { key_at, key_len, value_len } = plain;
    assert_eq!(&bytes[key_at..key_at + key_len], content.key);
    assert_eq!(&bytes[key_at + key_len..][..value_len], content.value);
    let told = || bytes[4..9].try_into().unwrap();
    let deadline = plain.has_deadline().then(|| plain.deadline(told(), base));
    assert_eq!((deadline, content.is_chunk_header), (content.deadline, false));
}

#[test]
fn every_layout_comes_back_and_costs_what_is_drawn() {
    const BASE: u64 = 1 << 40;
    let bytes = vec![7; MOST_VALUE_BYTES];
    let at = |units: u64| Some(units << GRAIN_BITS);
    let deadlines = [
        (None, 0),
        (at(BASE), 4),
        (at(BASE + (1 << 32) - 1), 4),
        (at(BASE + (1 << 32)), 5),
        (at(BASE - 1), 5),
        (Some(0), 7),
        (Some((BASE << GRAIN_BITS) + 1), 7),
        (Some(u64::MAX), 8),
    ];
    for key_len in [1, 16, 255, 256, MOST_KEY_BYTES] {
        for value_len in [0, 1, 4095, MOST_VALUE_BYTES] {
            for (deadline, cost) in deadlines {
                let content = Content {
                    key: &bytes[..key_len],
                    value: &bytes[..value_len],
                    deadline,
                    is_chunk_header: false,
                };
                let header = if key_len < 256 { 4 } else { 6 };
                assert_eq!(round_trip(&content, BASE), header + cost);
                assert_eq!(round_trip(&Content { is_chunk_header: true, ..content }, BASE), header + cost);
            }
        }
    }
}

#[test]
fn without_a_base_a_deadline_is_written_in_full() {
    let content = Content { key: b"k", value: b"", deadline: Some(64), is_chunk_header: false };
    let layout = Layout::of(&content, None).unwrap();
    assert!(!layout.is_from_base() && layout.len() == 4 + 7 + 1);
}

#[test]
fn what_does_not_fit_an_item_has_no_layout() {
    let bytes = vec![0; MOST_VALUE_BYTES + 1];
    for (key_len, value_len) in [(0, 0), (MOST_KEY_BYTES + 1, 0), (1, MOST_VALUE_BYTES + 1)] {
        let content = Content {
            key: &bytes[..key_len],
            value: &bytes[..value_len],
            deadline: None,
            is_chunk_header: true,
        };
        assert_eq!(Layout::of(&content, Some(0)), None);
    }
}

#[test]
fn a_filler_is_as_long_as_the_room_it_fills() {
    for len in [5, 4096, MOST_VALUE_BYTES + HEADER_BYTES] {
        let mut bytes = vec![0xee; len];
        fill(&mut bytes);
        let layout = Layout::read(bytes[..4].try_into().unwrap(), || unreachable!());
        assert_eq!(layout.len(), len);
        let words = words(0);
        assert_eq!(Item::new(&bytes, layout, Segment::new(&words)).kind(), Kind::Filler);
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
    begin_chunk(&mut bytes, 77).fill(5);
    let layout = Layout::read(bytes[..4].try_into().unwrap(), || unreachable!());
    let words = words(0);
    let item = Item::new(&bytes, layout, Segment::new(&words));
    assert_eq!((layout.len(), item.kind(), item.chunk_hash()), (40, Kind::Chunk, 77));
    assert_eq!(item.chunk(), [5; 28]);
}

#[test]
fn bytes_that_are_no_item_are_read_without_harm() {
    for header in [[0; 4], [0xff; 4], [1, 2, 3, 0xc4]] {
        let layout = Layout::read(header, || [0xff, 0xff]);
        let words = words(0);
        let item = Item::new(&[1, 2, 3, 4, 5, 6, 7], layout, Segment::new(&words));
        let _ = (item.key(), item.value(), item.deadline());
    }
}
