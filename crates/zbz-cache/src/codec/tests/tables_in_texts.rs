//! Hash tables that are encoded into one text, each copy in another order.

use std::collections::{HashMap, HashSet};

use serde::de::Error;
use serde::{Deserializer, Serializer};

use super::*;

mod joined {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        set: &HashSet<u8>,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        let all: Vec<String> = set.iter().map(u8::to_string).collect();
        serializer.serialize_str(&all.join(","))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<HashSet<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.split(',').map(|number| number.parse().map_err(D::Error::custom)).collect()
    }
}

mod packed {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        map: &HashMap<u8, u8>,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&map.iter().flat_map(|(&key, &value)| [key, value]).collect::<Vec<_>>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<HashMap<u8, u8>, D::Error> {
        let bytes = ByteBuf::deserialize(deserializer)?;
        Ok(bytes.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tables {
    #[serde(with = "joined")]
    set: HashSet<u8>,
    #[serde(with = "packed")]
    map: HashMap<u8, u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Measure {
    Float(f64),
    Count(i64),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Beside<T> {
    tables: Tables,
    other: T,
}

fn beside<T>(len: u8, other: T) -> Beside<T> {
    let tables = Tables { set: (0..len).collect(), map: (0..len).map(|key| (key, key)).collect() };
    Beside { tables, other }
}

fn checked<T: Serialize + DeserializeOwned>(codec: &impl Codec<T>, value: &T) -> Result<()> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes)?;
    codec.check(value, &bytes)
}

#[test]
fn they_are_taken_in_whatever_order_they_come_back() {
    for _ in 0..50 {
        for len in [1, 2, 3, 50] {
            checked(&MessagePack, &beside(len, 5_u8)).unwrap();
            // A number of 128 bits is checked in every set.
            checked(&MessagePack, &beside(len, 5_u128)).unwrap();
            #[cfg(feature = "json")]
            checked(&Json, &beside(len, 5_u128)).unwrap();
        }
    }
}

#[test]
fn what_does_not_come_back_beside_them_is_refused() {
    for _ in 0..20 {
        checked(&MessagePack, &beside(50, Measure::Float(0.5))).unwrap();
        assert!(checked(&MessagePack, &beside(50, Measure::Count(5))).is_err());
        assert!(checked(&MessagePack, &beside(50, Some(()))).is_err());
        #[cfg(feature = "json")]
        assert!(checked(&Json, &beside(50, Some(f64::INFINITY))).is_err());
    }
}
