//! A listing page by page.

use bytes::Bytes;

/// The position at which a listing goes on. Opaque: only the provider that made it can read it, and
/// arbitrary bytes are harmless.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(Bytes);

impl Cursor {
    /// A cursor from the bytes of an earlier one.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Cursor(bytes.into())
    }

    /// Its bytes, to keep or to send elsewhere.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A part of a listing, and the cursor of the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Stored keys, in no order.
    pub keys: Vec<Vec<u8>>,
    /// The cursor of the next page; `None` after the last one.
    pub next: Option<Cursor>,
}

impl Page {
    /// These keys, and where the next page begins.
    pub fn new(keys: Vec<Vec<u8>>, next: Option<Cursor>) -> Self {
        Page { keys, next }
    }
}
