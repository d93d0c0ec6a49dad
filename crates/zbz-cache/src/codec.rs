//! [`Codec`]: a value of `T` to bytes and back.
//!
//! What was stored comes back equal, or the set said no with [`ErrorKind::Codec`] and changed nothing.
//! Three things see to it for the codecs of this module:
//!
//! - What no reader would take is refused as it is written: nesting deeper than 127, more than 2^32
//!   bytes or elements in one place.
//! - What only some types read back is noticed as it is written, and then this value is decoded and
//!   compared: a `Some` of a value that is encoded as nil, a number of 128 bits, a map with one key twice;
//!   with `Json` a number that is not finite, or a map key that is no string. So each set of a type that
//!   always holds one of these (a `u128`; with `Json` a `HashMap<u64, _>`) pays for a decoding besides.
//! - Of all else each contract looks at a sample: its first 64 sets, and one in 256 after that, are
//!   decoded, encoded again and compared. After a set that the sample refused, the next 64 are looked at.
//!
//! The elements of maps and lists are compared in any order, since hash tables give theirs so. Where a
//! hash table is encoded into one text or one run of bytes (JSON in a string, a joined set), that text is
//! not compared once copies of the value show that it has no fixed order; a table whose order depends
//! only on how it was filled shows none, and is refused where its order changed.
//!
//! So some changes cannot be seen: a list that comes back in another order; a field that is left out of
//! the encoding (`#[serde(skip)]`, or `skip_serializing_if` of a value other than the one that is then
//! read); what a type's own `Serialize` leaves out, as a `SocketAddrV6` does with its flow information; two
//! variants of an untagged enum that are encoded alike; a key of a flattened map that has the name of a
//! field beside it which is left out, if the field's value is then encoded as that entry was. And a type
//! that is wrong only for some values, in a way that is not listed above, may have such a value stored
//! where no sample looks: so does a flattened map with a key that is the name of a left-out field, or the
//! `alias` of any field.
//!
//! A codec of one's own is trusted: it is checked by what its [`check`](Codec::check) does, which is
//! nothing unless it says otherwise. Raw contracts and counters have nothing to check.
//!
//! Bytes that do not decode are a miss, counted as `undecodable`, and each contract warns of them once,
//! with its type.
//!
//! # The header
//!
//! Encoded values carry four bytes ahead of the codec's own:
//!
//! ```text
//!   byte 0   byte 1   bytes 2-3
//!   magic    codec    schema number, little endian
//! ```
//!
//! An entry that is fresh for less than its whole time has another magic, and eight bytes more
//! ahead of the codec's: how many nanoseconds before its deadline it becomes stale, little endian.
//! A known absence is four bytes, a third magic and zeros, the same under every schema. Verbs that
//! know nothing of freshness read over it, and find no value in an absence.
//!
//! A value with another magic, codec or schema is a miss, as is one that the codec refuses; one that
//! another codec or schema number wrote is a miss by design, which no contract warns of. Raw contracts
//! and counters have no header: their bytes are the value.

use std::any::type_name;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

mod depth;
mod digest;
mod framed;
mod raw;
mod sample;
mod watch;

pub(crate) use framed::{ABSENT, Framed};
pub use raw::Raw;
pub(crate) use raw::{Bare, Decimal};

use depth::is_too_deep;
use digest::{Texts, digest};
use watch::{Format, MAX_DEPTH, Suspicion, Watch};

/// Turns a value into bytes and back.
///
/// Runs under no lock of the cache; a panic inside harms only the call that ran it. What it
/// decodes may be anything: it must refuse what it did not write, without a panic and without
/// preallocating more than 1 MiB ahead of its input.
pub trait Codec<T>: Send + Sync + 'static {
    /// Which codec wrote a value: 128 to 255 for one's own, the others are this crate's.
    fn id(&self) -> u8;

    /// Appends the encoding of `value` to `bytes`.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Codec`]: the value has no encoding.
    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()>;

    /// The value whose encoding is the whole of `bytes`; `None` if there is none.
    fn decode(&self, bytes: &[u8]) -> Option<T>;

    /// Looks whether `value` comes back from `bytes`, into which it was just encoded. Called for the
    /// first 64 sets of a contract and one in 256 after that; after an error, for the next 64 again. It trusts the codec unless it is
    /// written otherwise; those of this crate are.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Codec`]: it does not. The value is not stored then.
    fn check(&self, value: &T, bytes: &[u8]) -> Result<()> {
        let _ = (value, bytes);
        Ok(())
    }
}

/// The default: MessagePack with field names, and with the human-readable forms of types that have
/// two, as addresses. Describes itself, so that fields may be added (with a serde default), removed and
/// reordered, and any provider reads what another wrote.
///
/// What comes back equal and what is refused is said [above](self).
#[derive(Debug, Clone, Copy, Default)]
pub struct MessagePack;

impl<T: Serialize + DeserializeOwned> Codec<T> for MessagePack {
    fn id(&self) -> u8 {
        5
    }

    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()> {
        let start = bytes.len();
        let watch = Watch::new(Format::MessagePack);
        let mut serializer = rmp_serde::Serializer::new(&mut *bytes).with_struct_map().with_human_readable();
        value.serialize(watch.over(&mut serializer)).map_err(refused::<T, _>)?;
        check_suspect(self, value, &bytes[start..], watch.suspicion())
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        use rmp_serde::decode::Error::InvalidMarkerRead;

        if is_too_deep(bytes) {
            return None;
        }
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
        // The reader refuses the level that uses up the last.
        deserializer.set_max_depth(MAX_DEPTH + 1);
        let value = T::deserialize(&mut deserializer).ok()?;
        // A number is asked for because it reads one marker and nothing nested: only at the end
        // of the input does it fail for want of that.
        match u8::deserialize(&mut deserializer) {
            Err(InvalidMarkerRead(_)) => Some(value),
            Ok(_) | Err(_) => None,
        }
    }

    fn check(&self, value: &T, bytes: &[u8]) -> Result<()> {
        comes_back(self, value, bytes, None)
    }
}

/// JSON: larger and slower, readable everywhere. Feature `json`. Numbers come back exactly; those that
/// are not finite are refused. Where any crate of the program turns on serde_json's feature
/// `arbitrary_precision`, numbers do not come back from inside flattened, tagged and untagged types, and
/// are refused by the sample alone.
///
/// What else comes back equal and what is refused is said [above](self).
#[cfg(feature = "json")]
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

#[cfg(feature = "json")]
impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn id(&self) -> u8 {
        2
    }

    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()> {
        let start = bytes.len();
        let watch = Watch::new(Format::Json);
        let mut serializer = serde_json::Serializer::new(&mut *bytes);
        value.serialize(watch.over(&mut serializer)).map_err(refused::<T, _>)?;
        check_suspect(self, value, &bytes[start..], watch.suspicion())
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        serde_json::from_slice(bytes).ok()
    }

    fn check(&self, value: &T, bytes: &[u8]) -> Result<()> {
        comes_back(self, value, bytes, None)
    }
}

fn refused<T, E: std::error::Error + Send + Sync + 'static>(source: E) -> Error {
    let message = format!("the codec cannot encode this {}: {source}", type_name::<T>());
    Error::new(ErrorKind::Codec, message).with_source(source)
}

/// Looks at a value that may not come back.
#[inline]
fn check_suspect<T: Serialize>(
    codec: &impl Codec<T>,
    value: &T,
    bytes: &[u8],
    suspicion: Option<Suspicion>,
) -> Result<()> {
    match suspicion {
        None => Ok(()),
        Some(_) => comes_back(codec, value, bytes, suspicion),
    }
}

#[cold]
fn comes_back<T: Serialize>(
    codec: &impl Codec<T>,
    value: &T,
    bytes: &[u8],
    suspicion: Option<Suspicion>,
) -> Result<()> {
    let returned = codec.decode(bytes);
    let how = match &returned {
        None => "is encoded into bytes that do not decode again",
        Some(returned) => {
            let is_alike = |texts| -> Result<bool> {
                let stored = digest(value, texts).map_err(refused::<T, _>)?;
                Ok(digest(returned, texts).is_ok_and(|returned| returned == stored))
            };
            if is_alike(Texts::Read)? || (is_alike(Texts::Passed)? && has_no_order(codec, returned, bytes)) {
                return Ok(());
            }
            "would come back as another value"
        }
    };
    let why = suspicion.map_or(String::new(), |suspicion| format!(": {suspicion}"));
    let message = format!(
        "this {} {how}{why}; nothing was changed; mend the type's serde attributes, or take another codec",
        type_name::<T>()
    );
    Err(Error::new(ErrorKind::Codec, message))
}

/// Whether one value is encoded now this way, now that, as a hash table is that is written into one text.
/// Two elements have two orders, so this many copies are in the same one once in 2^32 times.
fn has_no_order<T: Serialize>(codec: &impl Codec<T>, returned: &T, bytes: &[u8]) -> bool {
    const COPIES: usize = 32;

    let Ok(first) = digest(returned, Texts::Read) else { return false };
    let is_another = |copy: T| digest(&copy, Texts::Read).is_ok_and(|copy| copy != first);
    (0..COPIES).any(|_| codec.decode(bytes).is_some_and(is_another))
}

#[cfg(test)]
mod tests;
