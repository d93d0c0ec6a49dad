//! The verbs of a cache, one per file: each a short story over `entries` and `space`.

pub(crate) mod condition;
pub(crate) mod get;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod options;
pub(crate) mod report;
pub(crate) mod resize;
pub(crate) mod scratch;
pub(crate) mod set;
pub(crate) mod stats;
pub(crate) mod store;
pub(crate) mod sweep;
pub(crate) mod transient;
pub(crate) mod update;
