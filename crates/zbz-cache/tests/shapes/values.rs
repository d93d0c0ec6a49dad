//! Values at the edges, and what is made of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::hash::Hash;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Shape;

/// Lengths on both sides of where MessagePack's lengths become wider.
const LENGTHS: [usize; 10] = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536];

pub(super) fn lengths(most: usize) -> BoxedStrategy<usize> {
    let few: Vec<usize> = LENGTHS.into_iter().filter(|&len| len <= most).collect();
    prop_oneof![6 => 0_usize..6, 1 => proptest::sample::select(few)].boxed()
}

macro_rules! integers {
    ($($number:ty),+) => { $(
        impl Shape for $number {
            fn values() -> BoxedStrategy<Self> {
                let borders = (0..<$number>::BITS).prop_flat_map(|bit| {
                    let border = (1 as $number) << bit;
                    prop_oneof![
                        Just(border), Just(border.wrapping_sub(1)),
                        Just(<$number>::MIN.wrapping_add(border)), Just((0 as $number).wrapping_sub(border)),
                    ]
                });
                prop_oneof![
                    1 => Just(<$number>::MIN), 1 => Just(<$number>::MAX), 3 => borders, 2 => any::<$number>()
                ].boxed()
            }
        }
    )+ };
}

integers!(i8, i16, i32, i64, i128, u8, u16, u32, u64, u128);

macro_rules! floats {
    ($($number:ident),+) => { $(
        impl Shape for $number {
            fn values() -> BoxedStrategy<Self> {
                prop_oneof![
                    1 => proptest::sample::select(vec![
                        0.0, -0.0, 1.0, -1.0, $number::MIN, $number::MAX, $number::MIN_POSITIVE,
                        $number::EPSILON, $number::INFINITY, $number::NEG_INFINITY, $number::NAN,
                        117.633_311_394_000_17_f64 as $number, 7.038_531e-26, 1e20, 16_777_217.0,
                    ]),
                    1 => 0.0..1.0 as $number,
                    1 => proptest::num::$number::ANY,
                ].boxed()
            }
        }
    )+ };
}

floats!(f32, f64);

macro_rules! any {
    ($($type:ty),+) => { $(
        impl Shape for $type {
            fn values() -> BoxedStrategy<Self> {
                any::<$type>().boxed()
            }
        }
    )+ };
}

any!(bool, (), std::time::Duration, std::net::IpAddr, std::net::Ipv4Addr, std::net::Ipv6Addr);

/// Names that the shapes have for fields, tags and variants.
const NAMES: [&str; 12] =
    ["id", "kind", "name", "type", "t", "c", "a", "b", "at", "first-name", "a rather long tag", "Newtype"];

impl Shape for char {
    fn values() -> BoxedStrategy<Self> {
        prop_oneof![6 => any::<char>(), 1 => proptest::sample::select(vec!['k', 't', 'c', 'a'])].boxed()
    }
}

impl Shape for String {
    fn values() -> BoxedStrategy<Self> {
        let long = (lengths(65_536), any::<char>())
            .prop_map(|(len, char)| std::iter::repeat_n('x', len.saturating_sub(1)).chain([char]).collect());
        let name = proptest::sample::select(NAMES.map(str::to_owned).to_vec());
        prop_oneof![16 => any::<String>(), 4 => "[0-9a-z:./-]{0,12}", 3 => name, 1 => long].boxed()
    }
}

impl<T: Shape> Shape for Option<T> {
    fn values() -> BoxedStrategy<Self> {
        proptest::option::of(T::values()).boxed()
    }

    fn show(&self) -> String {
        self.as_ref().map_or("None".into(), |value| format!("Some({})", value.show()))
    }
}

impl<T: Shape> Shape for Box<T> {
    fn values() -> BoxedStrategy<Self> {
        T::values().prop_map(Box::new).boxed()
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn values() -> BoxedStrategy<Self> {
        proptest::collection::vec(T::values(), 0..5).boxed()
    }
}

macro_rules! tuples {
    ($(($($part:ident),+)),+) => { $(
        impl<$($part: Shape),+> Shape for ($($part,)+) {
            fn values() -> BoxedStrategy<Self> {
                ($($part::values(),)+).boxed()
            }
        }
    )+ };
}

tuples!((A), (A, B), (A, B, C), (A, B, C, D));

impl<T: Shape, const N: usize> Shape for [T; N]
where
    [T; N]: Debug + Serialize + DeserializeOwned,
{
    fn values() -> BoxedStrategy<Self> {
        proptest::collection::vec(T::values(), N)
            .prop_map(|all| all.try_into().expect("as many as were asked for"))
            .boxed()
    }
}

impl<K: Shape + Ord, V: Shape> Shape for BTreeMap<K, V> {
    fn values() -> BoxedStrategy<Self> {
        proptest::collection::btree_map(K::values(), V::values(), 0..5).boxed()
    }
}

impl<K: Shape + Ord> Shape for BTreeSet<K> {
    fn values() -> BoxedStrategy<Self> {
        proptest::collection::btree_set(K::values(), 0..5).boxed()
    }
}

impl<K: Shape + Hash + Eq, V: Shape> Shape for HashMap<K, V> {
    fn values() -> BoxedStrategy<Self> {
        proptest::collection::hash_map(K::values(), V::values(), 0..12).boxed()
    }

    fn show(&self) -> String {
        sorted(self.iter().map(|(key, value)| format!("{}: {}", key.show(), value.show())))
    }
}

impl<K: Shape + Hash + Eq> Shape for HashSet<K> {
    fn values() -> BoxedStrategy<Self> {
        proptest::collection::hash_set(K::values(), 0..20).boxed()
    }

    fn show(&self) -> String {
        sorted(self.iter().map(Shape::show))
    }
}

fn sorted(elements: impl Iterator<Item = String>) -> String {
    let mut elements: Vec<String> = elements.collect();
    elements.sort();
    elements.join(", ")
}

impl Shape for serde_json::Value {
    fn values() -> BoxedStrategy<Self> {
        use serde_json::Value;

        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            i64::values().prop_map(Value::from),
            u64::values().prop_map(Value::from),
            f64::values().prop_map(Value::from),
            String::values().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
        .boxed()
    }
}

/// A struct whose fields are shapes.
macro_rules! shape {
    ($(#[$on:meta])* struct $name:ident { $($(#[$of:meta])* $field:ident: $type:ty),+ $(,)? }) => {
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        $(#[$on])*
        struct $name { $($(#[$of])* $field: $type),+ }

        impl Shape for $name {
            fn values() -> BoxedStrategy<Self> {
                ($(<$type as Shape>::values(),)+).prop_map(|($($field,)+)| $name { $($field),+ }).boxed()
            }
        }
    };
    ($(#[$on:meta])* struct $name:ident($type:ty);) => {
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        $(#[$on])*
        struct $name($type);

        impl Shape for $name {
            fn values() -> BoxedStrategy<Self> {
                <$type as Shape>::values().prop_map($name).boxed()
            }
        }
    };
    ($(#[$on:meta])* enum $name:ident { $($(#[$of:meta])* $variant:ident $(($type:ty))? $({ $($field:ident: $of_field:ty),+ })?),+ $(,)? }) => {
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        $(#[$on])*
        enum $name { $($(#[$of])* $variant $(($type))? $({ $($field: $of_field),+ })?),+ }

        impl Shape for $name {
            fn values() -> BoxedStrategy<Self> {
                proptest::strategy::Union::new([$(
                    shape!(@variant $name $variant $(($type))? $({ $($field: $of_field),+ })?)
                ),+]).boxed()
            }
        }
    };
    (@variant $name:ident $variant:ident) => { Just(()).prop_map(|()| $name::$variant).boxed() };
    (@variant $name:ident $variant:ident ($type:ty)) => {
        <$type as Shape>::values().prop_map($name::$variant).boxed()
    };
    (@variant $name:ident $variant:ident { $($field:ident: $type:ty),+ }) => {
        ($(<$type as Shape>::values(),)+).prop_map(|($($field,)+)| $name::$variant { $($field),+ }).boxed()
    };
}

pub(super) use shape;

/// One test for each shape, named by it.
macro_rules! try_shapes {
    ($found:ident: $($name:ident = $type:ty),+ $(,)?) => { $(
        #[test]
        fn $name() {
            crate::try_values::<$type>(crate::Found::$found);
        }
    )+ };
}

pub(super) use try_shapes;
