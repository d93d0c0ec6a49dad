//! [`Framed`]: a codec with the header, and with the check that its encodings decode again.

use std::any::type_name;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::Codec;
use super::sample::Sample;
use crate::error::Result;

/// Begins a value encoded by a contract. It is not valid UTF-8, so no text begins with it.
const MAGIC: u8 = 0xB2;

/// Begins a value that becomes stale before its deadline. It differs from [`MAGIC`] in three bits, so that
/// no single bit flip turns one into the other.
const MAGIC_WITH_SPAN: u8 = 0xB5;

/// The encoding of a known absence.
pub(crate) const ABSENT: [u8; HEADER_BYTES] = [0xBC, 0, 0, 0];

pub(super) const HEADER_BYTES: usize = 4;

const SPAN_BYTES: usize = 8;

/// The codec of a cache, with a header or bare.
pub(crate) struct Framed<T> {
    codec: Box<dyn Codec<T>>,
    header: Option<[u8; HEADER_BYTES]>,
    /// Chooses the sets that are checked.
    sample: Sample,
    /// Whether the warning about undecodable bytes was logged.
    is_warned: AtomicBool,
    /// The contract's name, for that warning.
    name: Box<str>,
}

impl<T: 'static> Framed<T> {
    pub(crate) fn with_header(name: &str, codec: impl Codec<T>) -> Self {
        let header = Some([MAGIC, codec.id(), 0, 0]);
        Framed::new(name, Box::new(codec), header)
    }

    pub(crate) fn bare(name: &str, codec: impl Codec<T>) -> Self {
        Framed::new(name, Box::new(codec), None)
    }

    fn new(name: &str, codec: Box<dyn Codec<T>>, header: Option<[u8; HEADER_BYTES]>) -> Self {
        let (sample, is_warned) = (Sample::new(), AtomicBool::new(false));
        Framed { codec, header, sample, is_warned, name: name.into() }
    }

    /// Has the header of values say this number, if they have one.
    pub(crate) fn set_schema(&mut self, schema: u16) {
        if let Some(header) = &mut self.header {
            header[2..].copy_from_slice(&schema.to_le_bytes());
        }
    }

    /// Whether values have a header, and so can carry a span, and be absences.
    pub(crate) fn has_header(&self) -> bool {
        self.header.is_some()
    }

    /// Appends the header and the encoding. With a span the entry becomes stale that long before its
    /// deadline. Values of the sample are checked.
    pub(crate) fn encode(&self, value: &T, span: Option<Duration>, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(header) = &self.header else {
            return self.codec.encode(value, bytes);
        };
        match span {
            None => bytes.extend_from_slice(header),
            Some(span) => {
                bytes.push(MAGIC_WITH_SPAN);
                bytes.extend_from_slice(&header[1..]);
                // A hundred years, the longest deadline, fits.
                let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
                bytes.extend_from_slice(&span.to_le_bytes());
            }
        }
        let start = bytes.len();
        self.codec.encode(value, bytes)?;
        match self.sample.is_due() {
            true => self.codec.check(value, &bytes[start..]).inspect_err(|_| self.sample.begin_anew()),
            false => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn decode(&self, bytes: &[u8]) -> Option<T> {
        let encoded = match &self.header {
            Some(header) => match bytes.strip_prefix(header) {
                Some(encoded) => Some(encoded),
                None => split_span(header, bytes).map(|(_, encoded)| encoded),
            },
            None => Some(bytes),
        };
        let value = encoded.and_then(|encoded| self.codec.decode(encoded));
        if value.is_none() {
            self.warn(bytes);
        }
        value
    }

    /// Logs undecodable bytes, once. A known absence, and values of another codec or schema number, are
    /// misses by design.
    #[cold]
    fn warn(&self, bytes: &[u8]) {
        let is_by_design = self.is_absence(bytes) || (is_framed(bytes) && !self.is_own(bytes));
        if !is_by_design && !self.is_warned.swap(true, Relaxed) {
            warn_log!(
                contract = &*self.name,
                r#type = type_name::<T>(),
                "stored bytes do not decode and count as misses: the type has changed (raise the \
                 contract's schema number), or another program writes these keys; warned once per contract"
            );
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

/// Whether some contract wrote these bytes.
fn is_framed(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_BYTES && matches!(bytes[0], MAGIC | MAGIC_WITH_SPAN)
}

fn split_span<'a>(header: &[u8; HEADER_BYTES], bytes: &'a [u8]) -> Option<(Duration, &'a [u8])> {
    let bytes = bytes.strip_prefix(&[MAGIC_WITH_SPAN])?.strip_prefix(&header[1..])?;
    let (span, encoded) = bytes.split_first_chunk::<SPAN_BYTES>()?;
    Some((Duration::from_nanos(u64::from_le_bytes(*span)), encoded))
}
