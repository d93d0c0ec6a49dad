//! [`Codec`]: a value of `T` to bytes and back.
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
//! A value with another magic, codec or schema is a miss, as is one that the codec refuses. Raw
//! contracts and counters have no header: their bytes are the value.

use std::any::type_name;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// The deepest nesting that is decoded.
const MAX_DEPTH: usize = 128;

/// Marks a value encoded by a contract; not valid UTF-8, so no text begins with it.
const MAGIC: u8 = 0xB2;

/// Marks a value that is stale for some time before its deadline. Three bits from [`MAGIC`], so
/// that no single flip makes one of the other.
const MAGIC_WITH_SPAN: u8 = 0xB5;

/// A known absence, whole.
pub(crate) const ABSENT: [u8; HEADER_BYTES] = [0xBC, 0, 0, 0];

pub(crate) const HEADER_BYTES: usize = 4;

const SPAN_BYTES: usize = 8;

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
}

/// The default: MessagePack with field names. Describes itself, so that fields may be added (with
/// a serde default), removed and reordered, and any provider reads what another wrote.
///
/// MessagePack has one nil: `Some(None)` of an `Option<Option<_>>` comes back as `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessagePack;

impl<T: Serialize + DeserializeOwned> Codec<T> for MessagePack {
    fn id(&self) -> u8 {
        1
    }

    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()> {
        let mut serializer = rmp_serde::Serializer::new(bytes).with_struct_map();
        value.serialize(&mut serializer).map_err(refused::<T, _>)
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        use rmp_serde::decode::Error::InvalidMarkerRead;

        let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
        deserializer.set_max_depth(MAX_DEPTH);
        let value = T::deserialize(&mut deserializer).ok()?;
        // A number is asked for because it reads one marker and nothing nested: only at the end
        // of the input does it fail for want of that.
        match u8::deserialize(&mut deserializer) {
            Err(InvalidMarkerRead(_)) => Some(value),
            Ok(_) | Err(_) => None,
        }
    }
}

/// JSON: larger and slower, readable everywhere. Feature `json`.
#[cfg(feature = "json")]
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

#[cfg(feature = "json")]
impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn id(&self) -> u8 {
        2
    }

    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()> {
        serde_json::to_writer(bytes, value).map_err(refused::<T, _>)
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        serde_json::from_slice(bytes).ok()
    }
}

/// MessagePack without field names: smaller and faster, and brittle: after any change of the type
/// raise the contract's schema number, or old values may decode into wrong ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct Positional;

impl<T: Serialize + DeserializeOwned> Codec<T> for Positional {
    fn id(&self) -> u8 {
        3
    }

    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()> {
        value.serialize(&mut rmp_serde::Serializer::new(bytes)).map_err(refused::<T, _>)
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        MessagePack.decode(bytes)
    }
}

fn refused<T, E: std::error::Error + Send + Sync + 'static>(source: E) -> Error {
    let message = format!("the codec cannot encode this {}: {source}", type_name::<T>());
    Error::new(ErrorKind::Codec, message).with_source(source)
}

/// A codec with the header around it, or a bare one: what a cache calls.
pub(crate) struct Framed<T> {
    codec: Box<dyn Codec<T>>,
    header: Option<[u8; HEADER_BYTES]>,
}

impl<T: 'static> Framed<T> {
    pub(crate) fn with_header(codec: impl Codec<T>, schema: u16) -> Self {
        let [low, high] = schema.to_le_bytes();
        let header = Some([MAGIC, codec.id(), low, high]);
        Framed { codec: Box::new(codec), header }
    }

    pub(crate) fn bare(codec: impl Codec<T>) -> Self {
        Framed { codec: Box::new(codec), header: None }
    }

    pub(crate) fn set_schema(&mut self, schema: u16) -> Result<()> {
        let Some(header) = &mut self.header else {
            return Err(Error::config("a raw contract has no header to hold a schema number"));
        };
        header[2..].copy_from_slice(&schema.to_le_bytes());
        Ok(())
    }

    /// Whether values have a header, and with it room for more than the value.
    pub(crate) fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// Appends header and encoding; with a span, of an entry that is stale from then before its
    /// deadline. Debug builds check that it decodes again.
    pub(crate) fn encode(&self, value: &T, span: Option<Duration>, bytes: &mut Vec<u8>) -> Result<()> {
        let start = bytes.len();
        match (&self.header, span) {
            (None, _) => {}
            (Some(header), None) => bytes.extend_from_slice(header),
            (Some(header), Some(span)) => {
                bytes.push(MAGIC_WITH_SPAN);
                bytes.extend_from_slice(&header[1..]);
                // The longest deadline, a hundred years, fits.
                let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
                bytes.extend_from_slice(&span.to_le_bytes());
            }
        }
        self.codec.encode(value, bytes)?;
        if cfg!(debug_assertions) && self.decode(&bytes[start..]).is_none() {
            return Err(Error::new(
                ErrorKind::Codec,
                format!(
                    "this {} was encoded into bytes that do not decode again; use a codec that keeps \
                     field names, or mend the type's serde attributes (checked in debug builds)",
                    type_name::<T>()
                ),
            ));
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn decode(&self, bytes: &[u8]) -> Option<T> {
        match &self.header {
            Some(header) => match bytes.strip_prefix(header) {
                Some(encoded) => self.codec.decode(encoded),
                None => self.codec.decode(split_span(header, bytes)?.1),
            },
            None => self.codec.decode(bytes),
        }
    }

    /// How long before its deadline an entry becomes stale; `None` if it is fresh throughout.
    #[inline]
    pub(crate) fn span(&self, bytes: &[u8]) -> Option<Duration> {
        let header = self.header.as_ref()?;
        if bytes.first() == Some(&MAGIC) {
            return None;
        }
        split_span(header, bytes).map(|(span, _)| span)
    }

    /// Whether these bytes say that the key is known to be absent.
    #[inline]
    pub(crate) fn is_absence(&self, bytes: &[u8]) -> bool {
        self.header.is_some() && bytes == ABSENT
    }

    /// Whether these bytes were written under this codec and schema number.
    pub(crate) fn is_own(&self, bytes: &[u8]) -> bool {
        match &self.header {
            Some(header) => bytes.starts_with(header) || split_span(header, bytes).is_some(),
            None => true,
        }
    }
}

fn split_span<'a>(header: &[u8; HEADER_BYTES], bytes: &'a [u8]) -> Option<(Duration, &'a [u8])> {
    let bytes = bytes.strip_prefix(&[MAGIC_WITH_SPAN])?.strip_prefix(&header[1..])?;
    let (span, encoded) = bytes.split_first_chunk::<SPAN_BYTES>()?;
    Some((Duration::from_nanos(u64::from_le_bytes(*span)), encoded))
}

mod raw;

pub use raw::Raw;
pub(crate) use raw::{Bare, Decimal};

#[cfg(test)]
mod tests;
