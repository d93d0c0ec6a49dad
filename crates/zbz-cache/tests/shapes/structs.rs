//! Structs, with the attributes of serde that change how they are encoded.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::Value;

use super::Shape;
use super::values::{shape, try_shapes};

shape! { struct Named { id: u64, name: String, score: f64, parent: Option<Box<Inner>> } }

shape! { struct Inner { a: Option<u32>, b: Option<u32> } }

shape! {
    struct Skipping {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        a: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        b: Option<u32>,
    }
}

shape! {
    #[derive(Default)]
    #[serde(rename_all = "kebab-case", default)]
    struct Renamed {
        first_name: String,
        #[serde(rename = "type", alias = "kind")]
        kind: u8,
    }
}

shape! {
    struct Bytes {
        #[serde(with = "serde_bytes")]
        short: Vec<u8>,
        long: ByteBuf,
    }
}

shape! {
    struct FlattenedAddress { name: String, #[serde(flatten)] host: Host }
}

shape! { struct Host { ip: IpAddr, since: Duration } }

shape! { struct FlattenedStrings { id: u8, #[serde(flatten)] rest: BTreeMap<String, i64> } }

shape! { struct FlattenedValues { id: u8, #[serde(flatten)] rest: BTreeMap<String, Value> } }

shape! { struct FlattenedNumbers { id: u8, #[serde(flatten)] rest: BTreeMap<u64, String> } }

shape! { struct OnlyFlattened { #[serde(flatten)] rest: BTreeMap<i32, u8> } }

shape! { struct FlattenedBools { #[serde(flatten)] rest: BTreeMap<bool, u8> } }

shape! { struct FlattenedChars { #[serde(flatten)] rest: BTreeMap<char, u8> } }

shape! { struct FlattenedWide { id: u8, #[serde(flatten)] wide: Wide } }

shape! { struct Wide { wide: u128, narrow: i128 } }

shape! { struct FlattenedSingle { #[serde(flatten)] single: Single } }

shape! { struct Single { single: f32, double: f64 } }

shape! { struct FlattenedTwice { #[serde(flatten)] one: Inner, #[serde(flatten)] two: Single } }

shape! { struct FlattenedOption { id: u8, #[serde(flatten)] inner: Option<Host> } }

shape! { struct FlattenedEnum { id: u8, #[serde(flatten)] how: How } }

shape! { enum How { Fast(u8), Slow { hours: u64, why: Option<String> } } }

shape! { struct FlattenedBytes { id: u8, #[serde(flatten)] bytes: Bytes } }

// A field that is there and nil is another than one that is not there.
shape! {
    struct Patch {
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        name: Option<Option<String>>,
    }
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

// Nil is read as a NaN, as which JSON has it.
shape! {
    struct Measured {
        #[serde(deserialize_with = "nil_is_nan")]
        value: f64,
    }
}

fn nil_is_nan<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Hash tables in one text each, whose order is another one each time.
#[derive(Debug, Serialize, Deserialize)]
struct Texts {
    #[serde(with = "json")]
    map: HashMap<String, u64>,
    #[serde(with = "json")]
    set: HashSet<u16>,
    wide: u128,
}

impl Shape for Texts {
    fn values() -> BoxedStrategy<Self> {
        let parts = <(HashMap<String, u64>, HashSet<u16>, u128) as Shape>::values();
        parts.prop_map(|(map, set, wide)| Texts { map, set, wide }).boxed()
    }

    fn show(&self) -> String {
        format!("{} and {} and {}", self.map.show(), self.set.show(), self.wide)
    }
}

mod json {
    use serde::de::{DeserializeOwned, Error};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(value).unwrap())
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Lists in lists.
#[derive(Debug, Serialize, Deserialize)]
struct Nested(Vec<Nested>);

impl Shape for Nested {
    fn values() -> BoxedStrategy<Self> {
        let nest = |depth| (1..depth).fold(Nested(vec![]), |inner, _| Nested(vec![inner]));
        prop_oneof![0..10, 120..135].prop_map(nest).boxed()
    }
}

/// Structs in structs, one field each and one of them flattened.
#[derive(Debug, Serialize, Deserialize)]
struct Chained {
    id: u8,
    #[serde(flatten)]
    next: BTreeMap<String, Chained>,
}

impl Shape for Chained {
    fn values() -> BoxedStrategy<Self> {
        let end = || Chained { id: 0, next: BTreeMap::new() };
        let chain = move |depth| {
            (1..depth).fold(end(), |next, _| Chained { id: 1, next: BTreeMap::from([("n".into(), next)]) })
        };
        prop_oneof![0..10, 120..135].prop_map(chain).boxed()
    }
}

/// Says another length than it has.
#[derive(Debug)]
struct Miscounted(u8, u8);

impl Serialize for Miscounted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;

        let mut list = serializer.serialize_seq(Some(usize::from(self.0)))?;
        (0..self.1).try_for_each(|element| list.serialize_element(&element))?;
        list.end()
    }
}

impl<'de> Deserialize<'de> for Miscounted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = <Vec<u8>>::deserialize(deserializer)?;
        Ok(Miscounted(list.len() as u8, list.len() as u8))
    }
}

impl Shape for Miscounted {
    fn values() -> BoxedStrategy<Self> {
        (0_u8..3, 0_u8..3).prop_map(|(said, had)| Miscounted(said, had)).boxed()
    }

    fn show(&self) -> String {
        self.1.to_string()
    }
}

try_shapes! { Always:
    a_struct = Named,
    a_struct_of_options = Inner,
    a_struct_that_skips = Skipping,
    a_list_of_structs_that_skip = Vec<Skipping>,
    a_struct_with_names_and_defaults = Renamed,
    a_struct_of_bytes = Bytes,
    a_flattened_address = FlattenedAddress,
    a_flattened_map = FlattenedStrings,
    a_flattened_map_of_values = FlattenedValues,
    a_flattened_map_with_keys_of_numbers = FlattenedNumbers,
    a_flattened_map_alone = OnlyFlattened,
    a_flattened_map_with_keys_of_bools = FlattenedBools,
    a_flattened_map_with_keys_of_chars = FlattenedChars,
    a_flattened_f32 = FlattenedSingle,
    two_flattened_structs = FlattenedTwice,
    a_flattened_option = FlattenedOption,
    a_flattened_enum = FlattenedEnum,
    flattened_bytes = FlattenedBytes,
    a_patch = Patch,
    tables_in_texts = Texts,
    a_float_that_may_be_nil = Measured,
    lists_in_lists = Nested,
    flattened_structs_in_structs = Chained,
    a_list_of_another_length = Miscounted,
}

try_shapes! { Refused: flattened_wide_numbers = FlattenedWide }
