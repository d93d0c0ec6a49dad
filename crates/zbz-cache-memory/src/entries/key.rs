//! [`HashedKey`]: a key and its hash, which is computed once in a call.

/// A key and its hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HashedKey<'a> {
    pub(crate) hash: u64,
    pub(crate) bytes: &'a [u8],
}
