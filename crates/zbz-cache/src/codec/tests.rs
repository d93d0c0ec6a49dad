use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Box { width: u32, tags: Vec<String> },
}

fn framed<T: Serialize + DeserializeOwned + 'static>(schema: u16) -> Framed<T> {
    Framed::with_header(MessagePack, schema)
}

fn round_trip<T: 'static>(codec: impl Codec<T>, value: &T) -> Option<T> {
    let framed = Framed::with_header(codec, 0);
    let mut bytes = Vec::new();
    framed.encode(value, None, &mut bytes).unwrap();
    framed.decode(&bytes)
}

#[test]
fn values_come_back_from_every_codec() {
    let shapes = vec![Shape::Point, Shape::Circle(-0.5), Shape::Box { width: 7, tags: vec!["x".into()] }];
    let value = BTreeMap::from([(u64::MAX, shapes), (0, vec![])]);
    assert_eq!(round_trip(MessagePack, &value), Some(value.clone()));
    #[cfg(feature = "json")]
    assert_eq!(round_trip(Json, &value), Some(value.clone()));
    assert_eq!(round_trip(Positional, &value), Some(value.clone()));
    assert_eq!(round_trip(MessagePack, &None::<u8>), Some(None));
    assert_eq!(round_trip(MessagePack, &()), Some(()));
}

#[test]
fn another_magic_codec_or_schema_is_refused() {
    let mut bytes = Vec::new();
    framed::<u32>(7).encode(&5, None, &mut bytes).unwrap();
    assert_eq!(framed::<u32>(7).decode(&bytes), Some(5));
    assert_eq!(framed::<u32>(8).decode(&bytes), None);
    for at in 0..HEADER_BYTES {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert_eq!(framed::<u32>(7).decode(&other), None, "byte {at}");
    }
}

#[test]
fn a_value_with_a_span_reads_like_any_other_and_tells_its_span() {
    let codec = framed::<u32>(7);
    for span in [Duration::from_nanos(1), Duration::from_secs(3_155_760_000)] {
        let mut bytes = Vec::new();
        codec.encode(&5, Some(span), &mut bytes).unwrap();
        assert_eq!((codec.decode(&bytes), codec.span(&bytes)), (Some(5), Some(span)));
        assert!(codec.is_own(&bytes) && !codec.is_absence(&bytes));
        let other = framed::<u32>(8);
        assert_eq!((other.decode(&bytes), other.span(&bytes)), (None, None));
        assert!(!other.is_own(&bytes));
        for len in 0..bytes.len() {
            assert_eq!(codec.decode(&bytes[..len]), None, "{len} bytes");
        }
        for at in 0..HEADER_BYTES {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                assert_eq!(codec.decode(&other), None, "byte {at}, bit {bit}");
            }
        }
    }
    let mut plain = Vec::new();
    codec.encode(&5, None, &mut plain).unwrap();
    assert_eq!(codec.span(&plain), None);
}

#[test]
fn an_absence_is_no_value_under_any_schema_and_no_none() {
    for schema in [0, 7] {
        let codec = framed::<Option<u32>>(schema);
        assert!(codec.is_absence(&ABSENT));
        assert_eq!(codec.decode(&ABSENT), None);
        let mut none = Vec::new();
        codec.encode(&None, None, &mut none).unwrap();
        assert!(!codec.is_absence(&none));
        assert_eq!(codec.decode(&none), Some(None));
    }
    let bare = Framed::<Vec<u8>>::bare(Bare);
    assert!(!bare.is_absence(&ABSENT), "without a header the bytes are the value");
    assert_eq!(bare.decode(&ABSENT), Some(ABSENT.to_vec()));
}

#[test]
fn truncated_and_trailing_bytes_are_refused() {
    let codec = framed::<(u64, String, Vec<u8>)>(0);
    let mut bytes = Vec::new();
    codec.encode(&(1 << 40, "text".into(), vec![1, 2, 3]), None, &mut bytes).unwrap();
    for len in 0..bytes.len() {
        assert_eq!(codec.decode(&bytes[..len]), None, "{len} bytes");
    }
    for extra in 0..=255 {
        let longer = [bytes.as_slice(), &[extra]].concat();
        assert_eq!(codec.decode(&longer), None, "trailing {extra:#x}");
    }
}

#[test]
fn a_huge_declared_length_and_a_deep_nesting_are_refused_quickly() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nested(Vec<Nested>);

    let codec = MessagePack;
    for bytes in [
        &[0xdd, 0xff, 0xff, 0xff, 0xff][..],
        &[0xc6, 0xff, 0xff, 0xff, 0xff],
        &[0xdf, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert_eq!(Codec::<Vec<u64>>::decode(&codec, bytes), None);
        assert_eq!(Codec::<String>::decode(&codec, bytes), None);
        assert_eq!(Codec::<BTreeMap<u64, u64>>::decode(&codec, bytes), None);
    }
    assert_eq!(Codec::<Nested>::decode(&codec, &[0x91; 1 << 20]), None);
    assert_eq!(Codec::<serde_json::Value>::decode(&codec, &[0x91; 1 << 20]), None);
}

#[test]
fn random_bytes_never_panic() {
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..state % 40).map(|i| (state.rotate_left(i as u32 * 7) ^ i) as u8).collect();
        let _ = Codec::<Vec<Shape>>::decode(&MessagePack, &bytes);
        let _ = Codec::<i64>::decode(&Decimal, &bytes);
        let _ = Codec::<String>::decode(&Bare, &bytes);
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    }
}

#[test]
fn counters_are_canonical_decimals() {
    for (text, number) in [("0", Some(0)), ("-12", Some(-12)), ("9223372036854775807", Some(i64::MAX))] {
        assert_eq!(Codec::<i64>::decode(&Decimal, text.as_bytes()), number);
    }
    for text in ["", "-", "+1", "01", "-0", " 1", "1.0", "9223372036854775808", "x"] {
        assert_eq!(Codec::<i64>::decode(&Decimal, text.as_bytes()), None, "{text}");
    }
}

#[test]
#[cfg(debug_assertions)]
fn debug_builds_refuse_a_value_that_would_not_decode() {
    #[derive(Debug)]
    struct Odd;
    impl Serialize for Odd {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str("odd")
        }
    }
    impl<'de> Deserialize<'de> for Odd {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Odd, D::Error> {
            u8::deserialize(deserializer).map(|_| Odd)
        }
    }
    let error = framed::<Odd>(0).encode(&Odd, None, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Codec);
}
