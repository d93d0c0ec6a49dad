//! The public interface: the handle, its builder, and the background thread.

pub(crate) mod builder;
pub(crate) mod cache;
pub(crate) mod maintenance;
