//! [`digest`]: one number for everything that a value passes to a serializer.
//!
//! Two values with one digest were encoded alike. The elements of maps and lists may come in any order,
//! since hash tables are encoded in any order and a list looks like a set. The order of everything else
//! counts, the fields of tuples included. A `Some` differs from its contents, and a number from the same
//! number of another type; numbers that are not finite are compared by their bits.

use std::hash::{BuildHasher, Hash};

use serde::Serialize;
use serde::de::value::Error;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

type Result<T> = std::result::Result<T, Error>;

/// Whether texts and bytes enter the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    Read,
    /// All texts and bytes count as equal.
    Passed,
}

/// The digest of `value`, as a human-readable format would see it.
///
/// # Errors
///
/// Errors of the value's own code.
pub(super) fn digest<T: Serialize + ?Sized>(value: &T, texts: Texts) -> Result<u64> {
    value.serialize(Digest { texts })
}

#[inline]
pub(super) fn hash_of<T: Hash + ?Sized>(value: &T) -> u64 {
    foldhash::quality::FixedState::default().hash_one(value)
}

/// Distinguishes values with equal bits.
#[derive(Hash)]
enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Str,
    Bytes,
    None,
    Some,
    Unit,
    UnitStruct,
    Variant,
    NewtypeStruct,
    NewtypeVariant,
    List,
    Tuple,
    Map,
    Entry,
    Field,
}

#[derive(Clone, Copy)]
struct Digest {
    texts: Texts,
}

impl Digest {
    fn of<T: Serialize + ?Sized>(self, value: &T) -> Result<u64> {
        value.serialize(self)
    }

    fn of_text(self, kind: Kind, text: &[u8]) -> u64 {
        match self.texts {
            Texts::Read => hash_of(&(kind, text)),
            Texts::Passed => hash_of(&kind),
        }
    }

    fn bag(self, kind: Kind) -> Bag {
        Bag { digest: self, kind, sum: 0, count: 0, key: 0 }
    }

    fn row(self, name: &str) -> Row {
        Row { digest: self, chain: hash_of(&(Kind::Tuple, name)) }
    }
}

macro_rules! scalars {
    ($($method:ident: $scalar:ty => $kind:ident),+) => { $(
        fn $method(self, scalar: $scalar) -> Result<u64> {
            Ok(hash_of(&(Kind::$kind, scalar)))
        }
    )+ };
}

impl Serializer for Digest {
    type Ok = u64;
    type Error = Error;
    type SerializeSeq = Bag;
    type SerializeTuple = Row;
    type SerializeTupleStruct = Row;
    type SerializeTupleVariant = Row;
    type SerializeMap = Bag;
    type SerializeStruct = Row;
    type SerializeStructVariant = Row;

    fn is_human_readable(&self) -> bool {
        true
    }

    scalars! {
        serialize_bool: bool => Bool, serialize_char: char => Char,
        serialize_unit_struct: &'static str => UnitStruct,
        serialize_i8: i8 => I8, serialize_i16: i16 => I16, serialize_i32: i32 => I32, serialize_i64: i64 => I64,
        serialize_u8: u8 => U8, serialize_u16: u16 => U16, serialize_u32: u32 => U32, serialize_u64: u64 => U64,
        serialize_i128: i128 => I128, serialize_u128: u128 => U128
    }

    fn serialize_str(self, text: &str) -> Result<u64> {
        Ok(self.of_text(Kind::Str, text.as_bytes()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<u64> {
        Ok(self.of_text(Kind::Bytes, bytes))
    }

    fn serialize_f32(self, number: f32) -> Result<u64> {
        Ok(hash_of(&(Kind::F32, number.to_bits())))
    }

    fn serialize_f64(self, number: f64) -> Result<u64> {
        Ok(hash_of(&(Kind::F64, number.to_bits())))
    }

    fn serialize_none(self) -> Result<u64> {
        Ok(hash_of(&Kind::None))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<u64> {
        Ok(hash_of(&(Kind::Some, self.of(value)?)))
    }

    fn serialize_unit(self) -> Result<u64> {
        Ok(hash_of(&Kind::Unit))
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, variant: &'static str) -> Result<u64> {
        Ok(hash_of(&(Kind::Variant, index, variant)))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<u64> {
        Ok(hash_of(&(Kind::NewtypeStruct, name, self.of(value)?)))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<u64> {
        Ok(hash_of(&(Kind::NewtypeVariant, index, variant, self.of(value)?)))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Bag> {
        Ok(self.bag(Kind::List))
    }

    fn serialize_tuple(self, _: usize) -> Result<Row> {
        Ok(self.row(""))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Row> {
        Ok(self.row(name))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Row> {
        Ok(self.row(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Bag> {
        Ok(self.bag(Kind::Map))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Row> {
        Ok(self.row(name))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Row> {
        Ok(self.row(variant))
    }
}

/// An unordered collection: the sum of its elements.
struct Bag {
    digest: Digest,
    kind: Kind,
    sum: u64,
    count: u64,
    /// The key whose value comes next.
    key: u64,
}

impl Bag {
    fn add(&mut self, element: u64) {
        self.sum = self.sum.wrapping_add(element);
        self.count += 1;
    }

    fn close(self) -> u64 {
        hash_of(&(self.kind, self.count, self.sum))
    }
}

impl SerializeSeq for Bag {
    type Ok = u64;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.add(self.digest.of(value)?);
        Ok(())
    }

    fn end(self) -> Result<u64> {
        Ok(self.close())
    }
}

impl SerializeMap for Bag {
    type Ok = u64;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = self.digest.of(key)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.add(hash_of(&(Kind::Entry, self.key, self.digest.of(value)?)));
        Ok(())
    }

    fn end(self) -> Result<u64> {
        Ok(self.close())
    }
}

/// An ordered sequence.
struct Row {
    digest: Digest,
    chain: u64,
}

impl Row {
    fn add<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        self.chain = hash_of(&(Kind::Field, self.chain, name, self.digest.of(value)?));
        Ok(())
    }
}

macro_rules! rows {
    ($($which:ident: $method:ident),+) => { $(
        impl $which for Row {
            type Ok = u64;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.add("", value)
            }

            fn end(self) -> Result<u64> {
                Ok(self.chain)
            }
        }
    )+ };
}

rows! {
    SerializeTuple: serialize_element, SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
}

macro_rules! structs {
    ($($which:ident),+) => { $(
        impl $which for Row {
            type Ok = u64;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                self.add(name, value)
            }

            fn end(self) -> Result<u64> {
                Ok(self.chain)
            }
        }
    )+ };
}

structs! { SerializeStruct, SerializeStructVariant }
