//! The parts of lists, tuples, structs and maps, observed on their way to the format.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::keys::{Keys, TAGS};
use super::{Position, Suspicion, Watch, Watched};

/// The elements of a list or a tuple.
pub(in crate::codec) struct Elements<'w, C> {
    pub(super) inner: C,
    pub(super) watch: &'w Watch,
    pub(super) levels: usize,
    pub(super) said: Option<usize>,
    pub(super) met: usize,
}

impl<C> Elements<'_, C> {
    #[inline]
    fn close(&self) {
        if self.said.is_some_and(|said| said != self.met) {
            self.watch.suspect(Suspicion::Miscounted);
        }
        self.watch.leave(self.levels);
    }
}

macro_rules! elements {
    ($($which:ident: $method:ident),+) => { $(
        impl<C: $which> $which for Elements<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.met += 1;
                self.inner.$method(&self.watch.over(value))
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.close();
                self.inner.end()
            }
        }
    )+ };
}

elements! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
}

/// The fields of a struct.
pub(in crate::codec) struct Fields<'w, C> {
    inner: C,
    watch: &'w Watch,
    levels: usize,
    said: usize,
    met: usize,
    /// The names of the first fields, which include the tags, if any.
    first: [&'static str; TAGS],
}

impl<'w, C> Fields<'w, C> {
    #[inline]
    pub(super) fn new(inner: C, watch: &'w Watch, levels: usize, said: usize) -> Self {
        Fields { inner, watch, levels, said, met: 0, first: [""; TAGS] }
    }

    #[inline]
    fn meet(&mut self, name: &'static str) {
        if self.first.contains(&name) {
            self.watch.suspect(Suspicion::TwoAlike);
        }
        if let Some(free) = self.first.get_mut(self.met) {
            *free = name;
        }
        self.met += 1;
    }

    #[inline]
    fn close(&self) {
        if self.said != self.met {
            self.watch.suspect(Suspicion::Miscounted);
        }
        self.watch.leave(self.levels);
    }
}

macro_rules! fields {
    ($($which:ident),+) => { $(
        impl<C: $which> $which for Fields<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.meet(name);
                self.inner.serialize_field(name, &self.watch.over(value))
            }

            #[inline]
            fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(name)
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.close();
                self.inner.end()
            }
        }
    )+ };
}

fields! { SerializeStruct, SerializeStructVariant }

/// The entries of a map.
pub(in crate::codec) struct Entries<'w, C> {
    pub(super) inner: C,
    pub(super) watch: &'w Watch,
    pub(super) levels: usize,
    pub(super) said: Option<usize>,
    pub(super) met: usize,
    pub(super) keys: Keys,
}

impl<C: SerializeMap> SerializeMap for Entries<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.met += 1;
        let place = Position { keys: Some(&self.keys), ..Position::default() };
        self.inner.serialize_key(&Watched { inner: key, watch: self.watch, place })
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&self.watch.over(value))
    }

    #[inline]
    fn end(self) -> Result<C::Ok, C::Error> {
        if self.said.is_some_and(|said| said != self.met) {
            self.watch.suspect(Suspicion::Miscounted);
        }
        self.keys.close(self.watch);
        self.watch.leave(self.levels);
        self.inner.end()
    }
}
