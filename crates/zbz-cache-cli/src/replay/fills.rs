//! [`Fills`]: what a replay takes for granted.

/// What stands in for what a trace does not tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fills {
    /// Bytes of a value.
    pub(super) value_bytes: u64,
}
