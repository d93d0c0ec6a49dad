use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::framed::HEADER_BYTES;
use super::*;

mod tables_in_texts;
mod tags;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Box { width: u32, tags: Vec<String> },
}

fn framed<T: Serialize + DeserializeOwned + 'static>(schema: u16) -> Framed<T> {
    let mut framed = Framed::with_header("tests", MessagePack);
    framed.set_schema(schema);
    framed
}

fn round_trip<T: 'static>(codec: impl Codec<T>, value: &T) -> Option<T> {
    let framed = Framed::with_header("tests", codec);
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
    let bare = Framed::<Vec<u8>>::bare("tests", Bare);
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
fn bytes_of_other_codecs_are_misses() {
    let mut bytes = Vec::new();
    framed::<u32>(0).encode(&5, None, &mut bytes).unwrap();
    for other in (0..=u8::MAX).filter(|&other| other != bytes[1]) {
        let foreign = [&[bytes[0], other], &bytes[2..]].concat();
        assert_eq!(framed::<u32>(0).decode(&foreign), None, "codec {other}");
    }
    // The numbers 1 and 3 belong to encodings that are not human-readable.
    assert!(![1, 3].contains(&bytes[1]));
}

#[test]
fn numbers_come_back_with_all_their_bits() {
    let bits = [0x7ff8_0000_0000_0001_u64, 0xfff0_0000_0000_1234, 0x8000_0000_0000_0000, 1];
    for number in bits.map(f64::from_bits) {
        let returned = round_trip(MessagePack, &vec![number]).unwrap();
        assert_eq!(returned[0].to_bits(), number.to_bits());
    }
    for number in [0x7fc0_0001_u32, 0xffa0_0001, 0x8000_0000, 1].map(f32::from_bits) {
        let returned = round_trip(MessagePack, &vec![number]).unwrap();
        assert_eq!(returned[0].to_bits(), number.to_bits());
    }
}

fn read<T: Serialize + ?Sized>(value: &T) -> std::result::Result<u64, serde::de::value::Error> {
    digest(value, Texts::Read)
}

#[test]
fn a_digest_tells_values_apart_and_not_orders_of_maps_and_sets() {
    use std::collections::{HashMap, HashSet};

    let map = |from: u32| (0..40).map(|key| ((key + from) % 40, key)).collect::<Vec<(u32, u32)>>();
    let (one, two): (HashMap<u32, u32>, HashMap<u32, u32>) =
        (map(0).into_iter().collect(), map(0).into_iter().rev().collect());
    assert_eq!(read(&one).unwrap(), read(&two).unwrap());
    let other: HashMap<u32, u32> = map(1).into_iter().collect();
    assert_ne!(read(&one).unwrap(), read(&other).unwrap(), "the same keys and values, paired otherwise");
    let (one, two): (HashSet<u32>, HashSet<u32>) = ((0..40).collect(), (0..40).rev().collect());
    assert_eq!(read(&one).unwrap(), read(&two).unwrap());
    let all = [
        read(&(1, 2)).unwrap(),
        read(&(2, 1)).unwrap(),
        read(&[1, 2]).unwrap(),
        read(&vec![1, 2]).unwrap(),
        read(&vec![1, 1, 2]).unwrap(),
        read(&vec![1, 2, 2]).unwrap(),
        read(&1_u8).unwrap(),
        read(&1_u16).unwrap(),
        read(&Some(1_u8)).unwrap(),
        read(&Some(Some(1_u8))).unwrap(),
        read(&None::<u8>).unwrap(),
        read(&()).unwrap(),
        read(&0.0_f64).unwrap(),
        read(&-0.0_f64).unwrap(),
        read(&Shape::Point).unwrap(),
        read("Point").unwrap(),
    ];
    let apart: HashSet<u64> = all.into_iter().collect();
    assert_eq!(apart.len(), all.len() - 1, "an array of two equals a tuple of two; the others all differ");
}

#[test]
fn a_digest_that_passes_over_texts_tells_all_else_apart() {
    let passed = |value: &(&str, ByteBuf, Option<u8>)| digest(value, Texts::Passed).unwrap();
    let bytes = |bytes: &[u8]| ByteBuf::from(bytes);
    let one = passed(&("one", bytes(&[1]), None));
    assert_eq!(one, passed(&("other", bytes(&[2, 3]), None)));
    assert_ne!(one, passed(&("one", bytes(&[1]), Some(1))));
}
#[cfg(feature = "tracing")]
mod warnings {
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Records the text of each event.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    struct Words(String);

    impl Visit for Words {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0 += &format!("{field}={value:?} ");
        }
    }

    impl Subscriber for Log {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut words = Words(String::new());
            event.record(&mut words);
            self.0.lock().unwrap().push(words.0);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    fn told(run: impl FnOnce()) -> Vec<String> {
        let log = Log::default();
        tracing::subscriber::with_default(log.clone(), run);
        let told = log.0.lock().unwrap();
        told.clone()
    }

    #[test]
    fn bytes_that_do_not_decode_are_told_of_once_with_the_type() {
        let codec = framed::<Vec<u32>>(0);
        let mut text = Vec::new();
        framed::<String>(0).encode(&"secret".to_owned(), None, &mut text).unwrap();
        let words = told(|| {
            for foreign in [text.as_slice(), b"secret", &[], &text] {
                assert_eq!(codec.decode(foreign), None);
            }
        });
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(words[0].contains("Vec<u32>") && words[0].contains("tests"), "{words:?}");
        assert!(!words[0].contains("secret"), "{words:?}");
        let bare = Framed::<String>::bare("texts", Bare);
        let words = told(|| assert_eq!(bare.decode(&[0xff]), None));
        assert_eq!(words.len(), 1, "raw contracts warn too: {words:?}");
    }

    #[test]
    fn what_is_a_miss_by_design_is_not_told_of() {
        let (old, new) = (framed::<u32>(1), framed::<u32>(2));
        let (mut plain, mut with_span) = (Vec::new(), Vec::new());
        old.encode(&5, None, &mut plain).unwrap();
        old.encode(&5, Some(Duration::from_secs(1)), &mut with_span).unwrap();
        let mut other = plain.clone();
        other[1] = 200;
        let words = told(|| {
            for bytes in [plain.as_slice(), &with_span, &other, &ABSENT] {
                assert_eq!(new.decode(bytes), None);
            }
        });
        assert!(words.is_empty(), "{words:?}");
    }
}
