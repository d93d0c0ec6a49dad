//! The built-in providers.

#[cfg(feature = "memory")]
pub mod memory;
