//! The index: which item a key names, found without a lock and changed under one bucket's lock.
//!
//! Three parts: the geometry says which bucket, the bucket holds the slots, the overflow has what
//! does not fit. What an item is, the index does not know: callers are asked.
//!
//! - *Under the lock*: slots and links change only while their bucket is locked. Only the hits of a slot
//!   may grow meanwhile. The holder of the lock may look at the items that the bucket names.
//! - *State before unlock*: a step of growth holds all buckets of its group, moves their items,
//!   publishes the new geometry, and only then lets go. So while a bucket is held and the geometry
//!   says that a key belongs to it, the key is there or nowhere.
//! - *A miss is proven*: the geometry, then the bucket's version, must be the same after the scan
//!   as before. `docs/engine.md`, section 5, has the argument.
//! - *Versions never come back*: memory at the table's end is given back while all its buckets
//!   are locked for ever, so no held lock is lost with it. Their words become zero, which no writer
//!   takes, and growth starts them anew above every version that was given back. So a reader
//!   takes no bucket of a later life for the one it scanned.

pub(crate) mod bucket;
mod find;
pub(crate) mod geometry;
mod line;
mod overflow;
pub(crate) mod slot;
mod step;
mod table;
mod visit;
mod wait;

#[allow(unused_imports, reason = "named by callers")]
pub(crate) use bucket::{Crowded, LockedBucket, SlotRef};
#[allow(unused_imports, reason = "named by callers")]
pub(crate) use find::{Candidate, Contended, KeyLine, Probe};
#[cfg(all(test, not(loom)))]
pub(crate) use table::BYTES_PER_BUCKET;
#[cfg(not(loom))]
pub(crate) use table::{GHOST_BYTES_PER_BUCKET, Index};
