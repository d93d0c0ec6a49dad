//! Enums in all representations, among them those that serde reads from a buffer of its own.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::Value;

use super::Shape;
use super::values::{shape, try_shapes};

shape! { struct Point { x: f64, y: Option<i64> } }

shape! { struct Empty { #[serde(default, skip_serializing_if = "Option::is_none")] all: Option<u8> } }

shape! { enum External { Unit, Newtype(u64), Option(Option<u8>), Struct { a: String, b: f32 }, Pair((u8, i8)) } }

shape! {
    #[serde(tag = "kind")]
    enum Internal { Unit, Point(Point), Struct { a: String, b: f64 }, Empty(Empty) }
}

shape! {
    #[serde(tag = "t", content = "c")]
    enum Adjacent { Unit, Newtype(u64), Struct { a: String, b: f32 }, Nil(()), Maybe(Option<u8>) }
}

shape! {
    #[serde(untagged)]
    enum Untagged { Number(i64), Float(f64), Text(String), List(Vec<u8>), Struct { a: u8 } }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum HostName {
    Ip(IpAddr),
    Name(String),
}

impl Shape for HostName {
    fn values() -> BoxedStrategy<Self> {
        // A name such as "::" is written like the address and read as one: nothing can tell the two apart.
        let is_name = |name: &String| name.parse::<IpAddr>().is_err();
        let names = String::values().prop_filter("it is written like an address", is_name);
        prop_oneof![IpAddr::values().prop_map(HostName::Ip), names.prop_map(HostName::Name)].boxed()
    }
}

shape! { #[serde(tag = "kind")] enum Endpoint { Tcp { at: SocketAddr }, Unix { path: String } } }

shape! { #[serde(tag = "kind")] enum TaggedMap { Map(BTreeMap<String, u8>), Other(BTreeMap<String, Value>) } }

shape! { #[serde(tag = "k")] enum ShortTag { Map(BTreeMap<char, u8>) } }

shape! { #[serde(tag = "kind")] enum TaggedNumbers { Map(BTreeMap<u16, u8>) } }

shape! { #[serde(tag = "kind")] enum TaggedWide { Wide { wide: u128 }, Narrow { narrow: u8 } } }

shape! { struct HasKind { kind: u8 } }

shape! { #[serde(tag = "kind")] enum TaggedTwice { Twice(HasKind), Once { a: u8 } } }

shape! { #[serde(tag = "type")] enum TaggedTag { Map(TaggedMap), Twice(TaggedTwice), Leaf(HasKind) } }

shape! { #[serde(tag = "a rather long tag")] enum TaggedTags { Tags(TaggedTag), Internal(Internal) } }

shape! { #[serde(untagged)] enum UntaggedNumbers { Map(BTreeMap<i64, u8>), Text(String) } }

shape! { #[serde(untagged)] enum UntaggedWide { Wide(i128), Text(String) } }

shape! { #[serde(untagged)] enum UntaggedUnit { Nothing, Number(u32) } }

shape! { #[serde(untagged)] enum UntaggedBytes { Bytes(ByteBuf), Number(u32) } }

shape! { #[serde(untagged)] enum UntaggedSingle { Single(f32), Text(String) } }

shape! { #[serde(untagged)] enum UntaggedOption { Maybe(Option<u8>), Text(String) } }

shape! { #[serde(tag = "t", content = "c")] enum AdjacentAddress { Ip(IpAddr), Wide(u128), Map(BTreeMap<u8, u8>) } }

shape! { #[serde(untagged)] enum FloatFirst { Float(f64), Number(i64) } }

shape! { #[serde(untagged)] enum SignedFirst { Signed(i64), Unsigned(u64) } }

shape! { #[serde(untagged)] enum NarrowFirst { Narrow(u8), Wide(u64), Text(String), Char(char) } }

shape! { #[serde(untagged)] enum LooseFirst { Loose(Empty), Point(Point) } }

shape! { #[serde(untagged)] enum ListFirst { List(Vec<u8>), Bytes(ByteBuf), Pair((u8, u8)) } }

/// A chain of variants that hold the next one, in the three ways they may.
#[derive(Debug, Serialize, Deserialize)]
enum Chain {
    End,
    Newtype(Box<Chain>),
    Tuple(u8, Box<Chain>),
    Struct { next: Box<Chain> },
}

impl Shape for Chain {
    fn values() -> BoxedStrategy<Self> {
        let link = |next: Chain, which: u8| match which {
            0 => Chain::Newtype(Box::new(next)),
            1 => Chain::Tuple(7, Box::new(next)),
            _ => Chain::Struct { next: Box::new(next) },
        };
        let lengths = prop_oneof![0..10_usize, 60..70_usize, 120..135_usize];
        (lengths, 0_u8..3)
            .prop_map(move |(len, which)| (0..len).fold(Chain::End, |next, _| link(next, which)))
            .boxed()
    }
}

/// The same, read from serde's buffer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Tree {
    Leaf(u8),
    Branch { next: Box<Tree> },
}

impl Shape for Tree {
    fn values() -> BoxedStrategy<Self> {
        let grow = |depth| (0..depth).fold(Tree::Leaf(1), |next, _| Tree::Branch { next: Box::new(next) });
        // Each level buffers the rest anew.
        prop_oneof![3 => 0..6_usize, 1 => 126..130_usize].prop_map(grow).boxed()
    }
}

try_shapes! { Always:
    external = External,
    internal = Internal,
    adjacent = Adjacent,
    untagged = Untagged,
    options_of_external = Option<External>,
    a_list_of_internal = Vec<Internal>,
    keyed_by_text = HashMap<String, Adjacent>,
    an_untagged_address = HostName,
    a_tagged_address = Endpoint,
    an_adjacent_address = AdjacentAddress,
    a_tagged_map = TaggedMap,
    a_tagged_map_with_keys_of_chars = ShortTag,
    a_tagged_map_with_keys_of_numbers = TaggedNumbers,
    a_tagged_wide_number = TaggedWide,
    a_tagged_struct_with_the_tag_as_a_field = TaggedTwice,
    a_tag_in_a_tag = TaggedTag,
    tags_in_a_tag = TaggedTags,
    an_untagged_map_with_keys_of_numbers = UntaggedNumbers,
    an_untagged_wide_number = UntaggedWide,
    an_option_of_an_untagged_unit = Option<UntaggedUnit>,
    untagged_bytes = UntaggedBytes,
    an_untagged_f32 = UntaggedSingle,
    an_untagged_option = UntaggedOption,
    an_option_of_an_untagged_option = Option<UntaggedOption>,
    variants_in_variants = Chain,
    untagged_in_untagged = Tree,
}

try_shapes! { BySample:
    an_untagged_float_ahead_of_an_integer = FloatFirst,
    an_untagged_i64_ahead_of_a_u64 = SignedFirst,
    an_untagged_narrow_number_ahead_of_a_wide_one = NarrowFirst,
    an_untagged_struct_without_fields_it_needs_ahead_of_another = LooseFirst,
    an_untagged_list_ahead_of_bytes = ListFirst,
}
