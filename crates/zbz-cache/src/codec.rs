//! [`Codec`]: a value of `T` to bytes and back.
//!
//! A stored value comes back equal, or its set failed with [`ErrorKind::Codec`] and changed nothing. The
//! codecs of this module ensure that in three ways:
//!
//! - A value that no reader accepts is refused during encoding: nested deeper than 127, or with more than
//!   2^32 bytes or elements in one place.
//! - Some values come back into some types only. If one is seen during encoding, this value is decoded and
//!   compared: a `Some` of a value that is encoded as nil, a number of 128 bits, a map with one key twice;
//!   with `Json` a number that is not finite, or a map key that is not a string. So each set of a type that
//!   always holds one of these (a `u128`; with `Json` a `HashMap<u64, _>`) also costs a decoding.
//! - Everything else is sampled: the first 64 sets of each contract, and one in 256 after that, are decoded,
//!   encoded again and compared. After a set that the sample refused, so are the next 64.
//!
//! [`Codec`] lists the changes that none of these finds. A codec of your own is trusted: it is checked only
//! if it implements [`check`](Codec::check). Raw contracts and counters need no check.
//!
//! Bytes that do not decode are a miss, counted as `undecodable`. Each contract logs one warning about
//! them, with its type.

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
/// Runs under no lock of the cache; a panic inside harms only the call that ran it. It may have to decode
/// any bytes: it must refuse those that it did not write, without a panic, and without preallocating more
/// than 1 MiB ahead of its input.
///
/// # Changes that are not found
///
/// The elements of maps and lists are compared in any order, since hash tables are encoded in any order. If
/// a hash table is encoded into one text or one run of bytes (JSON in a string, a joined set), that text is
/// not compared once copies of the value show that it has no fixed order. If the order depends only on how
/// the table was filled, the copies do not show it, and a value whose order changed is refused.
///
/// So these changes are not found:
///
/// - a list that comes back in another order;
/// - a field that is left out of the encoding (`#[serde(skip)]`, or `skip_serializing_if` of a value other
///   than the one that is then read);
/// - a part that a type's own `Serialize` leaves out, such as the flow information of a `SocketAddrV6`;
/// - two variants of an untagged enum with one encoding;
/// - a key of a flattened map that has the name of a left-out field beside it, if the field's value is then
///   encoded as that entry was.
///
/// A type that is wrong only for some values, in another way than those listed [above](self), may have such
/// a value stored if the sample misses it. Examples are a flattened map with a key that is the name of a
/// left-out field, or the `alias` of any field.
///
/// # The header
///
/// Encoded values carry four bytes ahead of the codec's own:
///
/// ```text
///   byte 0   byte 1   bytes 2-3
///   magic    codec    schema number, little endian
/// ```
///
/// An entry that becomes stale before its deadline has another magic, and eight more bytes ahead of the
/// codec's: how many nanoseconds before its deadline it becomes stale, little endian. A known absence is
/// four bytes, a third magic and zeros, the same under every schema. Verbs without freshness skip the span,
/// and find no value in an absence.
///
/// A value with another magic, codec or schema is a miss, as is one that the codec refuses. A miss because
/// of another codec or schema number is by design, and not warned about. Raw contracts and counters have no
/// header: their bytes are the value.
pub trait Codec<T>: Send + Sync + 'static {
    /// The number of this codec in the header: 128 to 255 for your own, the others are this crate's.
    fn id(&self) -> u8;

    /// Appends the encoding of `value` to `bytes`.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Codec`]: the value has no encoding.
    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()>;

    /// Decodes `bytes`, all of them; `None` if they are not the encoding of a value.
    fn decode(&self, bytes: &[u8]) -> Option<T>;

    /// Checks that `bytes`, the encoding of `value`, decode to an equal value. Called for the first 64 sets
    /// of a contract and for one in 256 after that; after an error, for the next 64 again. The default
    /// checks nothing; the codecs of this crate do.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Codec`]: the values differ. The value is not stored.
    fn check(&self, value: &T, bytes: &[u8]) -> Result<()> {
        let _ = (value, bytes);
        Ok(())
    }
}

/// The default: MessagePack with field names, and with the human-readable form of types that have two,
/// such as addresses. It is self-describing, so fields may be added (with a serde default), removed and
/// reordered, and any provider reads what another one wrote.
///
/// The [module](self) says which values come back equal and which are refused.
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
        // The reader refuses the level at which its count reaches zero.
        deserializer.set_max_depth(MAX_DEPTH + 1);
        let value = T::deserialize(&mut deserializer).ok()?;
        // Reading a number takes one marker and nothing nested: it fails with this error only at the
        // end of the input.
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
/// are not finite are refused. If any crate of the program enables serde_json's feature
/// `arbitrary_precision`, numbers inside flattened, tagged and untagged types do not come back, and only
/// the sample finds that.
///
/// The [module](self) says which other values come back equal and which are refused.
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

/// Checks a value that may not come back equal.
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
        None => "has an encoding that does not decode again",
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
        "this {} {how}{why}; nothing was changed; correct the type's serde attributes, or use another codec",
        type_name::<T>()
    );
    Err(Error::new(ErrorKind::Codec, message))
}

/// Whether equal values have different encodings, as a hash table has that is written into one text. Two
/// elements have two orders, so the chance that all copies agree is 2^-32.
fn has_no_order<T: Serialize>(codec: &impl Codec<T>, returned: &T, bytes: &[u8]) -> bool {
    const COPIES: usize = 32;

    let Ok(first) = digest(returned, Texts::Read) else { return false };
    let is_another = |copy: T| digest(&copy, Texts::Read).is_ok_and(|copy| copy != first);
    (0..COPIES).any(|_| codec.decode(bytes).is_some_and(is_another))
}

#[cfg(test)]
mod tests;
