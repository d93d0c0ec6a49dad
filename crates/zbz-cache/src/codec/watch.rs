//! [`Watch`]: observes everything that a value passes to a format's serializer.
//!
//! A value that no reader accepts is refused. A value that comes back into some types only raises a
//! [`Suspicion`]; whether it comes back into its own type is then found out by decoding it.

use std::cell::Cell;
use std::fmt::Display;

use serde::Serialize;
use serde::ser::{Error, Serializer};

mod keys;
mod parts;
mod suspicion;

use keys::Keys;
use parts::{Elements, Entries, Fields};
pub(super) use suspicion::Suspicion;
use suspicion::{too_deep, too_long};

/// The deepest nesting of lists, maps and enum variants that is written. In MessagePack a variant and the
/// list or map directly inside it count as one level, unless that map has one entry or an unknown number:
/// it could be a chain of variants, whose levels the reader does not count.
pub(super) const MAX_DEPTH: usize = 127;

/// The only `f32` whose shortest decimal form, read as an `f64`, is nearest to another `f32`.
const READ_TWICE: f32 = 7.038_531e-26;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    MessagePack,
    #[cfg(feature = "json")]
    Json,
}

impl Format {
    fn is_json(self) -> bool {
        self != Format::MessagePack
    }
}

/// The observations about one value.
pub(super) struct Watch {
    format: Format,
    depth: Cell<usize>,
    suspicion: Cell<Option<Suspicion>>,
}

impl Watch {
    pub(super) fn new(format: Format) -> Self {
        Watch { format, depth: Cell::new(0), suspicion: Cell::new(None) }
    }

    /// A serializer that passes everything on to `inner`.
    pub(super) fn over<S>(&self, inner: S) -> Watched<'_, S> {
        Watched { inner, watch: self, place: Position::default() }
    }

    /// The first suspicion.
    pub(super) fn suspicion(&self) -> Option<Suspicion> {
        self.suspicion.get()
    }

    fn suspect(&self, suspicion: Suspicion) {
        if self.suspicion.get().is_none() {
            self.suspicion.set(Some(suspicion));
        }
    }

    #[inline]
    fn enter<E: Error>(&self, levels: usize) -> Result<(), E> {
        let depth = self.depth.get() + levels;
        self.depth.set(depth);
        if depth > MAX_DEPTH { Err(too_deep()) } else { Ok(()) }
    }

    #[inline]
    fn leave(&self, levels: usize) {
        self.depth.set(self.depth.get() - levels);
    }

    /// Refuses lengths above 32 bits, which MessagePack cannot express.
    #[inline]
    fn fits<E: Error>(&self, len: usize) -> Result<(), E> {
        if self.format == Format::MessagePack && u32::try_from(len).is_err() {
            Err(too_long())
        } else {
            Ok(())
        }
    }
}

/// The position of a part within the value.
#[derive(Clone, Copy, Default)]
struct Position<'w> {
    /// Directly inside a `Some`.
    in_some: bool,
    /// Directly inside a variant.
    in_variant: bool,
    /// For a key of a map: the keys of that map so far.
    keys: Option<&'w Keys>,
}

/// A serializer, or a value that is passed to one.
pub(super) struct Watched<'w, X> {
    inner: X,
    watch: &'w Watch,
    place: Position<'w>,
}

impl<X> Watched<'_, X> {
    /// Notes a value that is encoded as nil.
    #[inline]
    fn nil(&self) {
        if self.place.in_some {
            self.watch.suspect(Suspicion::SomeOfNil);
        }
    }

    /// Notes a map key that is not a string.
    #[inline]
    fn no_string(&self) {
        if self.place.keys.is_some() && self.watch.format.is_json() {
            self.watch.suspect(Suspicion::WrittenKey);
        }
    }

    /// The levels that a list counts for here.
    #[inline]
    fn levels_of_list(&self) -> usize {
        usize::from(self.watch.format.is_json() || !self.place.in_variant)
    }

    /// The levels that a map counts for here; `len` is its number of entries, if known.
    #[inline]
    fn levels_of_map(&self, len: Option<usize>) -> usize {
        if matches!(len, None | Some(1)) { 1 } else { self.levels_of_list() }
    }

    #[inline]
    fn string(&self, text: &str) {
        if let Some(keys) = self.place.keys {
            keys.meet(text, self.watch);
        }
    }
}

impl<T: Serialize + ?Sized> Serialize for Watched<'_, &T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(Watched { inner: serializer, watch: self.watch, place: self.place })
    }
}

macro_rules! integers {
    ($($method:ident: $number:ty),+) => { $(
        #[inline]
        fn $method(self, number: $number) -> Result<S::Ok, S::Error> {
            self.no_string();
            self.inner.$method(number)
        }
    )+ };
}

impl<'w, S: Serializer> Serializer for Watched<'w, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Elements<'w, S::SerializeSeq>;
    type SerializeTuple = Elements<'w, S::SerializeTuple>;
    type SerializeTupleStruct = Elements<'w, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Elements<'w, S::SerializeTupleVariant>;
    type SerializeMap = Entries<'w, S::SerializeMap>;
    type SerializeStruct = Fields<'w, S::SerializeStruct>;
    type SerializeStructVariant = Fields<'w, S::SerializeStructVariant>;

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    integers! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }

    #[inline]
    fn serialize_i128(self, number: i128) -> Result<S::Ok, S::Error> {
        self.watch.suspect(Suspicion::Wide);
        self.inner.serialize_i128(number)
    }

    #[inline]
    fn serialize_u128(self, number: u128) -> Result<S::Ok, S::Error> {
        self.watch.suspect(Suspicion::Wide);
        self.inner.serialize_u128(number)
    }

    #[inline]
    fn serialize_f32(self, number: f32) -> Result<S::Ok, S::Error> {
        self.no_string();
        if self.watch.format.is_json() {
            if !number.is_finite() {
                self.watch.suspect(Suspicion::NotFinite);
            } else if number.abs() == READ_TWICE {
                self.watch.suspect(Suspicion::Single);
            }
        }
        self.inner.serialize_f32(number)
    }

    #[inline]
    fn serialize_f64(self, number: f64) -> Result<S::Ok, S::Error> {
        self.no_string();
        if self.watch.format.is_json() && !number.is_finite() {
            self.watch.suspect(Suspicion::NotFinite);
        }
        self.inner.serialize_f64(number)
    }

    #[inline]
    fn serialize_char(self, char: char) -> Result<S::Ok, S::Error> {
        self.string(char.encode_utf8(&mut [0; 4]));
        self.inner.serialize_char(char)
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<S::Ok, S::Error> {
        self.watch.fits(text.len())?;
        self.string(text);
        self.inner.serialize_str(text)
    }

    fn collect_str<T: Display + ?Sized>(self, text: &T) -> Result<S::Ok, S::Error> {
        match self.place.keys {
            // Keys are compared, so this has to become a text first.
            Some(_) => self.serialize_str(&text.to_string()),
            None => self.inner.collect_str(text),
        }
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Result<S::Ok, S::Error> {
        self.watch.fits(bytes.len())?;
        self.inner.serialize_bytes(bytes)
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.nil();
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let place = Position { in_some: true, ..self.place };
        self.inner.serialize_some(&Watched { inner: value, watch: self.watch, place })
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.nil();
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        if self.watch.format.is_json() {
            self.nil();
        } else {
            // It is encoded as an empty list.
            let levels = self.levels_of_list();
            self.watch.enter(levels)?;
            self.watch.leave(levels);
        }
        self.inner.serialize_unit_struct(name)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.string(variant);
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = Watched { inner: value, watch: self.watch, place: self.place };
        self.inner.serialize_newtype_struct(name, &value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let watch = self.watch;
        watch.enter(1)?;
        let place = Position { in_variant: true, ..Position::default() };
        let value = Watched { inner: value, watch, place };
        let written = self.inner.serialize_newtype_variant(name, index, variant, &value)?;
        watch.leave(1);
        Ok(written)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let (watch, levels) = (self.watch, self.levels_of_list());
        watch.enter(levels)?;
        watch.fits(len.unwrap_or(0))?;
        Ok(Elements { inner: self.inner.serialize_seq(len)?, watch, levels, said: len, met: 0 })
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        let (watch, levels) = (self.watch, self.levels_of_list());
        watch.enter(levels)?;
        Ok(Elements { inner: self.inner.serialize_tuple(len)?, watch, levels, said: Some(len), met: 0 })
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        let (watch, levels) = (self.watch, self.levels_of_list());
        watch.enter(levels)?;
        let inner = self.inner.serialize_tuple_struct(name, len)?;
        Ok(Elements { inner, watch, levels, said: Some(len), met: 0 })
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let watch = self.watch;
        let levels = if watch.format.is_json() { 2 } else { 1 };
        watch.enter(levels)?;
        let inner = self.inner.serialize_tuple_variant(name, index, variant, len)?;
        Ok(Elements { inner, watch, levels, said: Some(len), met: 0 })
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let (watch, levels) = (self.watch, self.levels_of_map(len));
        watch.enter(levels)?;
        watch.fits(len.unwrap_or(0))?;
        let keys = Keys::new(len.is_none());
        Ok(Entries { inner: self.inner.serialize_map(len)?, watch, levels, said: len, met: 0, keys })
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        let (watch, levels) = (self.watch, self.levels_of_map(Some(len)));
        watch.enter(levels)?;
        // This text is JSON already, and may be `null`.
        if self.place.in_some && name == "$serde_json::private::RawValue" {
            self.nil();
        }
        Ok(Fields::new(self.inner.serialize_struct(name, len)?, watch, levels, len))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let watch = self.watch;
        let levels = if watch.format.is_json() || len == 1 { 2 } else { 1 };
        watch.enter(levels)?;
        let inner = self.inner.serialize_struct_variant(name, index, variant, len)?;
        Ok(Fields::new(inner, watch, levels, len))
    }
}
