//! [`Namespace`]: how a namespace and a name become one stored key, and back.
//!
//! A stored key is the namespace with every `:` and `\` in it escaped by `\`, then `:`, then the
//! unchanged name. The first `:` that is not escaped ends the namespace. So joining is injective, and no
//! namespace's prefix begins another's: listing or clearing one namespace never touches another. Keys
//! stay readable for people (`users:123` in a Redis shell).
//!
//! A schema number other than 0 stands in front, between colons: `:2:users:123`. No namespace is empty, so no
//! key of schema 0 begins with a colon.

use crate::error::{Error, ErrorKind, Result};
use crate::provider::Limits;

/// Joined keys up to this many bytes are built on the stack.
const STACK_KEY_BYTES: usize = 256;

/// A namespace of one provider, ready to join and to strip names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namespace {
    prefix: Vec<u8>,
    limits: Limits,
}

impl Namespace {
    /// # Errors
    ///
    /// `Config`: the namespace is empty, or leaves no room for a name.
    pub(crate) fn new(namespace: &str, limits: Limits) -> Result<Self> {
        Namespace::with_schema(namespace, 0, limits)
    }

    /// Of the values of one schema number.
    ///
    /// # Errors
    ///
    /// As [`new`](Namespace::new).
    pub(crate) fn with_schema(namespace: &str, schema: u16, limits: Limits) -> Result<Self> {
        if namespace.is_empty() {
            return Err(Error::config("a contract's name is empty; give it at least one character"));
        }
        let mut prefix = Vec::with_capacity(namespace.len() + 1);
        if schema != 0 {
            prefix.extend_from_slice(format!(":{schema}:").as_bytes());
        }
        for &byte in namespace.as_bytes() {
            if matches!(byte, b':' | b'\\') {
                prefix.push(b'\\');
            }
            prefix.push(byte);
        }
        prefix.push(b':');
        if prefix.len() >= limits.max_stored_key_bytes {
            let (len, max) = (prefix.len(), limits.max_stored_key_bytes);
            return Err(Error::config(format!(
                "a contract's name takes {len} bytes of each key, and a key has at most {max}; shorten it"
            )));
        }
        Ok(Namespace { prefix, limits })
    }

    /// Its name, for messages: as it stands in keys.
    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(self.prefix.strip_suffix(b":").unwrap_or(&self.prefix)).into_owned()
    }

    /// The prefix of every stored key of this namespace, and of no other key.
    pub(crate) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// # Errors
    ///
    /// `InvalidKey`: the name is empty or too long, alone or joined.
    pub(crate) fn check(&self, name: &str) -> Result<()> {
        let joined = self.prefix.len() + name.len();
        let Limits { max_key_bytes, max_stored_key_bytes } = self.limits;
        if !name.is_empty() && name.len() <= max_key_bytes && joined <= max_stored_key_bytes {
            return Ok(());
        }
        let message = if name.is_empty() {
            "the key is empty; a key has at least one byte".to_owned()
        } else if name.len() > max_key_bytes {
            format!(
                "a key of {} bytes is longer than max_key_size ({max_key_bytes}); raise that option or hash the key",
                name.len()
            )
        } else {
            format!(
                "namespace and key joined are {joined} bytes, more than {max_stored_key_bytes}; shorten one"
            )
        };
        Err(Error::new(ErrorKind::InvalidKey, message))
    }

    /// Calls `run` with the stored key of `name`, built on the stack if it fits.
    ///
    /// # Errors
    ///
    /// `InvalidKey`, as [`check`](Namespace::check).
    #[inline]
    pub(crate) fn with_key<R>(&self, name: &str, run: impl FnOnce(&[u8]) -> R) -> Result<R> {
        self.check(name)?;
        let (prefix, joined) = (self.prefix.len(), self.prefix.len() + name.len());
        if joined > STACK_KEY_BYTES {
            return Ok(run(&[self.prefix.as_slice(), name.as_bytes()].concat()));
        }
        let mut key = [0; STACK_KEY_BYTES];
        key[..prefix].copy_from_slice(&self.prefix);
        key[prefix..joined].copy_from_slice(name.as_bytes());
        Ok(run(&key[..joined]))
    }

    /// Appends the stored key of `name`.
    ///
    /// # Errors
    ///
    /// `InvalidKey`, as [`check`](Namespace::check); nothing was appended.
    pub(crate) fn append_key(&self, name: &str, bytes: &mut Vec<u8>) -> Result<()> {
        self.check(name)?;
        bytes.extend_from_slice(&self.prefix);
        bytes.extend_from_slice(name.as_bytes());
        Ok(())
    }

    /// The name within a stored key of this namespace.
    pub(crate) fn strip<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(key.strip_prefix(self.prefix.as_slice())?).ok()
    }
}

/// The prefix of a stored key's namespace; `None` for a key that no contract made.
#[cfg(feature = "tiered")]
pub(crate) fn prefix_of(key: &[u8]) -> Option<&[u8]> {
    let schema = match key.strip_prefix(b":") {
        Some(rest) => rest.iter().position(|&byte| byte == b':')? + 2,
        None => 0,
    };
    let mut is_escaped = false;
    let end = key[schema..].iter().position(|&byte| match byte {
        b':' if !is_escaped => true,
        _ => {
            is_escaped = byte == b'\\' && !is_escaped;
            false
        }
    })?;
    (end > 0).then(|| &key[..=schema + end])
}

/// Many byte strings in one allocation: the stored keys of a batch, or its encoded values.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Packed {
    /// Appends one string, the bytes that `write` appends; nothing if it fails.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let start = self.bytes.len();
        let written = write(&mut self.bytes);
        match written {
            Ok(()) => self.ends.push(self.bytes.len()),
            Err(_) => self.bytes.truncate(start),
        }
        written
    }

    /// The strings, in the order in which they were pushed.
    pub(crate) fn as_slices(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(schema: u16, namespace: &str, name: &str) -> Vec<u8> {
        let namespace = Namespace::with_schema(namespace, schema, Limits::default()).unwrap();
        let key = namespace.with_key(name, <[u8]>::to_vec).unwrap();
        assert_eq!(namespace.strip(&key), Some(name));
        key
    }

    #[test]
    fn joining_is_readable_and_injective() {
        assert_eq!(key(0, "users", "123"), b"users:123");
        let parts = ["a", ":", "\\", "a:", ":a", "\\:", "a\\", "a:b", "*", "[a]", ":1:a", "1:a", "1"];
        let mut seen = std::collections::HashMap::new();
        for (schema, namespace) in parts.iter().flat_map(|part| [0, 1, 11].map(|schema| (schema, part))) {
            for name in parts {
                let clash = seen.insert(key(schema, namespace, name), (schema, namespace, name));
                assert_eq!(clash, None, "{schema} {namespace:?} {name:?}");
            }
        }
        assert_eq!(key(2, "users", "123"), b":2:users:123");
    }

    #[test]
    fn no_prefix_begins_another() {
        let names = ["a", "ab", "a:", "a\\", "a\\:", ":", "\\", "a:b", "::", ":1:a", "1"];
        let parts: Vec<(u16, &str)> =
            names.iter().flat_map(|name| [0, 1, 11].map(|schema| (schema, *name))).collect();
        let prefix = |(schema, part)| {
            Namespace::with_schema(part, schema, Limits::default()).unwrap().prefix().to_vec()
        };
        for &one in &parts {
            #[cfg(feature = "tiered")]
            for name in ["x", ":", "\\", "a:b"] {
                assert_eq!(prefix_of(&key(one.0, one.1, name)), Some(&*prefix(one)), "{one:?} {name:?}");
            }
            for &other in parts.iter().filter(|other| **other != one) {
                assert!(!prefix(one).starts_with(&prefix(other)), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn the_limits_hold_to_the_byte() {
        let users = Namespace::new("users", Limits::default()).unwrap();
        for (len, valid) in [(0, false), (1, true), (250, true), (251, true), (1024, true), (1025, false)] {
            assert_eq!(users.check(&"x".repeat(len)).is_ok(), valid, "{len}");
        }
        let roomy = Limits::default().with_max_key_bytes(32 * 1024);
        let users = Namespace::new("users", roomy).unwrap();
        assert!(users.check(&"x".repeat(32 * 1024 - 6)).is_ok());
        assert!(users.check(&"x".repeat(32 * 1024 - 5)).is_err());
        assert!(Namespace::new("", roomy).is_err());
        assert!(Namespace::new(&"n".repeat(32 * 1024), roomy).is_err());
    }
}
