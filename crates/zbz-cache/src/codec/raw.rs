//! The codecs without a header: plain bytes, and counters.

use bytes::Bytes;

use super::Codec;
use crate::error::Result;

/// Types that are their own encoding: `Bytes`, `Vec<u8>` and `String`.
pub trait Raw: Sized + Send + Sync + 'static + sealed::Sealed {
    /// The bytes to store.
    fn as_raw(&self) -> &[u8];

    /// The value of these bytes; `None` for a `String` that is not UTF-8.
    fn from_raw(bytes: &[u8]) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for bytes::Bytes {}
    impl Sealed for Vec<u8> {}
    impl Sealed for String {}
}

impl Raw for Bytes {
    fn as_raw(&self) -> &[u8] {
        self
    }

    fn from_raw(bytes: &[u8]) -> Option<Self> {
        Some(Bytes::copy_from_slice(bytes))
    }
}

impl Raw for Vec<u8> {
    fn as_raw(&self) -> &[u8] {
        self
    }

    fn from_raw(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Raw for String {
    fn as_raw(&self) -> &[u8] {
        self.as_bytes()
    }

    fn from_raw(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    }
}

/// The codec of raw contracts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bare;

impl<T: Raw> Codec<T> for Bare {
    fn id(&self) -> u8 {
        0
    }

    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.extend_from_slice(value.as_raw());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        T::from_raw(bytes)
    }
}

/// The codec of counters: a plain decimal number, as in Redis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal;

impl Codec<i64> for Decimal {
    fn id(&self) -> u8 {
        4
    }

    fn encode(&self, value: &i64, bytes: &mut Vec<u8>) -> Result<()> {
        use std::io::Write;

        // Writing to a Vec cannot fail.
        let _ = write!(bytes, "{value}");
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Option<i64> {
        let text = std::str::from_utf8(bytes).ok()?;
        // Only the form that `encode` writes: no plus sign, no leading zeros.
        let digits = text.strip_prefix('-').unwrap_or(text);
        let canonical = text == "0" || digits.starts_with(|first: char| ('1'..='9').contains(&first));
        text.parse().ok().filter(|_| canonical)
    }
}
