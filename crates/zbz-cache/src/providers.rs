//! The built-in providers.

#[cfg(feature = "memory")]
pub mod memory;

#[cfg(feature = "redis")]
pub mod redis;

#[cfg(feature = "tiered")]
pub mod tiered;
