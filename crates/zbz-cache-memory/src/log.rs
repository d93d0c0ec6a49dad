//! The log: all items, in segments that are filled, drained and recycled as a whole.
//!
//! May touch the memory of the items and the words of the segments. Which segment is filled or drained
//! next is decided above (`space`).

pub(crate) mod chunked;
pub(crate) mod deadline;
#[cfg(not(loom))]
pub(crate) mod drain;
pub(crate) mod item;
#[cfg(not(loom))]
pub(crate) mod memory;
pub(crate) mod segment;

#[cfg(not(loom))]
pub(crate) use drain::Draining;
#[cfg(not(loom))]
pub(crate) use memory::{Log, Reservation};
#[cfg(not(loom))]
pub(crate) use segment::{SegmentRange, Span};
