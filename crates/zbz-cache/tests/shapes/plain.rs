//! Numbers, texts, options, lists and maps, and what the standard library makes of them.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{CString, OsString};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::num::{NonZeroI128, NonZeroU64, Wrapping};
use std::ops::{Bound, Range, RangeInclusive};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::Value;

use super::Shape;
use super::values::{lengths, shape, try_shapes};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Color {
    Red,
    #[serde(rename = "grün")]
    Green,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Id(u32);

/// A map's key that is encoded as a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Bits(u64);

impl Serialize for Bits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from_bits(self.0))
    }
}

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(|number| Bits(number.to_bits()))
    }
}

/// A thousand elements and more, where MessagePack's lengths become wider.
#[derive(Debug, Serialize, Deserialize)]
struct Long(Vec<bool>, BTreeMap<u32, ()>);

macro_rules! made {
    ($($type:ty: $values:expr),+ $(,)?) => { $(
        impl Shape for $type {
            fn values() -> BoxedStrategy<Self> {
                $values.boxed()
            }
        }
    )+ };
}

made! {
    Unit: Just(Unit),
    Color: prop_oneof![Just(Color::Red), Just(Color::Green)],
    Id: u32::values().prop_map(Id),
    Bits: f64::values().prop_map(|number| Bits(number.to_bits())),
    Long: (lengths(65_536), lengths(256)).prop_map(|(list, map)| {
        Long(vec![true; list], (0..map as u32).map(|key| (key, ())).collect())
    }),
    ByteBuf: lengths(65_536).prop_flat_map(|len| {
        any::<u8>().prop_map(move |byte| ByteBuf::from(vec![byte; len]))
    }),
    PhantomData<u8>: Just(PhantomData),
    SocketAddr: any::<SocketAddr>(),
    SocketAddrV4: any::<SocketAddrV4>(),
    SystemTime: any::<(bool, u32, u32)>().prop_map(|(is_later, seconds, nanos)| {
        let span = Duration::new(u64::from(seconds), nanos % 1_000_000_000);
        if is_later { SystemTime::UNIX_EPOCH + span } else { SystemTime::UNIX_EPOCH - span }
    }),
    PathBuf: prop_oneof![
        String::values().prop_map(PathBuf::from),
        any::<Vec<u8>>().prop_map(|bytes| PathBuf::from(os_string(bytes))),
    ],
    OsString: any::<Vec<u8>>().prop_map(os_string),
    NonZeroU64: u64::values().prop_map(|number| NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN)),
    NonZeroI128: i128::values().prop_map(|number| NonZeroI128::new(number).unwrap_or(NonZeroI128::MIN)),
    Wrapping<i16>: i16::values().prop_map(Wrapping),
    Range<f64>: <(f64, f64)>::values().prop_map(|(from, to)| from..to),
    RangeInclusive<u8>: <(u8, u8)>::values().prop_map(|(from, to)| from..=to),
    Bound<i64>: (0..3, i64::values()).prop_map(|(which, at)| match which {
        0 => Bound::Unbounded,
        1 => Bound::Included(at),
        _ => Bound::Excluded(at),
    }),
    Cell<u16>: u16::values().prop_map(Cell::new),
    RefCell<String>: String::values().prop_map(RefCell::new),
    Mutex<i32>: i32::values().prop_map(Mutex::new),
    AtomicU64: u64::values().prop_map(AtomicU64::new),
    Reverse<i8>: i8::values().prop_map(Reverse),
    Cow<'static, str>: String::values().prop_map(Cow::Owned),
    Box<str>: String::values().prop_map(String::into_boxed_str),
    VecDeque<u16>: <Vec<u16>>::values().prop_map(VecDeque::from),
    LinkedList<i64>: <Vec<i64>>::values().prop_map(LinkedList::from_iter),
    CString: any::<Vec<u8>>().prop_map(|mut bytes| {
        bytes.retain(|&byte| byte != 0);
        CString::new(bytes).expect("the zeros are gone")
    }),
}

impl Shape for BinaryHeap<u8> {
    fn values() -> BoxedStrategy<Self> {
        <Vec<u8>>::values().prop_map(BinaryHeap::from).boxed()
    }

    fn show(&self) -> String {
        format!("{:?}", self.clone().into_sorted_vec())
    }
}

impl Shape for Result<u8, String> {
    fn values() -> BoxedStrategy<Self> {
        prop_oneof![u8::values().prop_map(Ok), String::values().prop_map(Err)].boxed()
    }
}

#[cfg(unix)]
fn os_string(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

shape! {
    /// Nothing but an option, which is encoded as that.
    struct Maybe(Option<u8>);
}

try_shapes! { Always:
    a_bool = bool,
    an_i8 = i8,
    an_i16 = i16,
    an_i32 = i32,
    an_i64 = i64,
    an_i128 = i128,
    a_u8 = u8,
    a_u16 = u16,
    a_u32 = u32,
    a_u64 = u64,
    a_u128 = u128,
    an_f32 = f32,
    an_f64 = f64,
    a_char = char,
    a_string = String,
    a_unit = (),
    a_unit_struct = Unit,
    a_newtype = Id,
    a_phantom = PhantomData<u8>,
    a_tuple = (u8, String, f64),
    an_array = [i16; 4],
    an_array_of_bytes = [u8; 16],
    an_option = Option<u32>,
    an_option_of_an_option = Option<Option<u32>>,
    an_option_of_options = Option<Option<Option<bool>>>,
    an_option_of_a_unit = Option<()>,
    an_option_of_a_unit_struct = Option<Unit>,
    an_option_of_a_phantom = Option<PhantomData<u8>>,
    an_option_of_a_float = Option<f64>,
    an_option_of_an_f32 = Option<f32>,
    an_option_of_a_value = Option<Value>,
    an_option_of_a_newtype = Option<Maybe>,
    an_option_of_a_box = Option<Box<Option<u8>>>,
    an_option_of_an_enum = Option<Color>,
    an_option_of_a_wide_number = Option<u128>,
    units_in_a_list = Vec<Option<()>>,
    options_in_a_map = BTreeMap<String, Option<Option<i8>>>,
    floats_in_a_list = Vec<f64>,
    bytes_as_a_list = Vec<u8>,
    bytes = ByteBuf,
    an_option_of_bytes = Option<ByteBuf>,
    long_lists_and_maps = Long,
    a_value = Value,
    keys_of_strings = BTreeMap<String, u8>,
    keys_of_chars = BTreeMap<char, u8>,
    keys_of_i8 = BTreeMap<i8, u8>,
    keys_of_i64 = BTreeMap<i64, u8>,
    keys_of_i128 = BTreeMap<i128, u8>,
    keys_of_u8 = BTreeMap<u8, u8>,
    keys_of_u64 = BTreeMap<u64, Option<u64>>,
    keys_of_u128 = BTreeMap<u128, u8>,
    keys_of_bools = BTreeMap<bool, String>,
    keys_of_floats = BTreeMap<Bits, u8>,
    keys_of_enums = BTreeMap<Color, u8>,
    keys_of_newtypes = BTreeMap<Id, u8>,
    keys_of_options = BTreeMap<Option<u8>, u8>,
    keys_of_options_of_options = BTreeMap<Option<Option<u8>>, u8>,
    keys_of_tuples = BTreeMap<(u8, i8), u8>,
    keys_of_lists = BTreeMap<Vec<u8>, u8>,
    keys_of_units = BTreeMap<(), u8>,
    keys_of_addresses = BTreeMap<IpAddr, u8>,
    a_hash_map = HashMap<String, i64>,
    a_hash_map_of_hash_maps = HashMap<u16, HashMap<char, bool>>,
    a_hash_set = HashSet<u16>,
    a_tree_set = BTreeSet<String>,
    a_heap = BinaryHeap<u8>,
    a_deque = VecDeque<u16>,
    a_linked_list = LinkedList<i64>,
    an_address = IpAddr,
    an_address_v4 = Ipv4Addr,
    an_address_v6 = Ipv6Addr,
    an_address_with_a_port = SocketAddr,
    an_address_v4_with_a_port = SocketAddrV4,
    a_duration = Duration,
    a_time = SystemTime,
    a_path = PathBuf,
    a_string_of_the_system = OsString,
    a_string_of_c = CString,
    a_number_but_zero = NonZeroU64,
    a_wide_number_but_zero = NonZeroI128,
    a_wrapping_number = Wrapping<i16>,
    a_range = Range<f64>,
    an_inclusive_range = RangeInclusive<u8>,
    a_bound = Bound<i64>,
    a_cell = Cell<u16>,
    a_ref_cell = RefCell<String>,
    a_mutex = Mutex<i32>,
    an_atomic = AtomicU64,
    a_reversed = Reverse<i8>,
    a_cow = Cow<'static, str>,
    a_boxed_str = Box<str>,
    a_result = Result<u8, String>,
}
