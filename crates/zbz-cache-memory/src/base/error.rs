//! The errors of the engine, in one small enum, and the result of a batch of writes in which some failed.
//!
//! Invariant: no message prints a key or a value; lengths and limits are enough to act on.

use std::fmt;

/// Why a call on a [`MemoryCache`](crate::MemoryCache) did not do what it was asked.
///
/// A miss is never an error. Unless a variant says otherwise, nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An option was given something it does not take.
    Config {
        /// The option's name, as the builder spells it.
        option: &'static str,
        /// The given value.
        got: String,
        /// The values that the option accepts.
        takes: String,
    },
    /// The key has no bytes; a key needs at least one.
    KeyEmpty,
    /// The key is longer than this cache takes.
    KeyTooLong {
        /// Bytes in the key.
        len: usize,
        /// Most bytes a key may have.
        max: usize,
    },
    /// The value is larger than this cache can ever hold. The old value of the key is gone, because
    /// the caller meant to replace it.
    TooLarge {
        /// Bytes in the value.
        len: usize,
        /// Most bytes a value may have.
        max: usize,
    },
    /// No room, and the cache was told to reject rather than evict.
    Full,
    /// The cache was closed.
    Closed,
    /// `add` met a value that is not a bare decimal number.
    NotANumber,
    /// `add` would pass the range of an `i64`.
    Overflow,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config { option, got, takes } => {
                write!(f, "option `{option}` got {got}; it takes {takes}")
            }
            Error::KeyEmpty => f.write_str("the key is empty; give it at least one byte"),
            Error::KeyTooLong { len, max } => {
                write!(f, "the key has {len} bytes, at most {max} are taken; shorten it or enlarge max_size")
            }
            Error::TooLarge { len, max } => {
                write!(f, "the value has {len} bytes, at most {max} are held; split it or enlarge max_size")
            }
            Error::Full => f.write_str("the cache is full; delete entries, enlarge max_size or let it evict"),
            Error::Closed => f.write_str("the cache is closed; build a new one"),
            Error::NotANumber => {
                f.write_str("the value is not a decimal integer; set one before adding to it")
            }
            Error::Overflow => {
                f.write_str("the sum passes the range of a 64-bit integer; set a smaller number first")
            }
        }
    }
}

impl std::error::Error for Error {}

/// Some entries of a batch were not stored; all others were.
///
/// Converts into its first [`Error`] with `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchError {
    first: Error,
    failed: Vec<(usize, Error)>,
}

impl BatchError {
    pub(crate) fn new(first: Error, failed: Vec<(usize, Error)>) -> BatchError {
        BatchError { first, failed }
    }

    /// The first thing that went wrong.
    pub fn error(&self) -> &Error {
        &self.first
    }

    /// Every entry that was not stored, by its index in the input, in rising order.
    pub fn failed(&self) -> &[(usize, Error)] {
        &self.failed
    }

    /// The list, owned.
    pub fn into_failed(self) -> Vec<(usize, Error)> {
        self.failed
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failed.len() {
            0 => write!(f, "the batch was not stored: {}", self.first),
            1 => write!(f, "1 entry of the batch was not stored: {}", self.first),
            n => write!(f, "{n} entries of the batch were not stored; the first: {}", self.first),
        }
    }
}

impl std::error::Error for BatchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.first)
    }
}

impl From<BatchError> for Error {
    fn from(batch: BatchError) -> Error {
        batch.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lower_case_and_name_the_limits() {
        let error = Error::KeyTooLong { len: 9000, max: 8192 };
        let text = error.to_string();
        assert!(text.contains("9000") && text.contains("8192"), "{text}");
        assert_eq!(text, text.to_lowercase());
        let text =
            Error::Config { option: "max_size", got: "3".into(), takes: "at least 65536".into() }.to_string();
        assert_eq!(text, "option `max_size` got 3; it takes at least 65536");
    }

    #[test]
    fn a_batch_error_becomes_its_first_error() {
        let batch = BatchError::new(Error::KeyEmpty, vec![(3, Error::KeyEmpty)]);
        assert!(batch.to_string().starts_with("1 entry"));
        assert_eq!(Error::from(batch), Error::KeyEmpty);
    }
}
