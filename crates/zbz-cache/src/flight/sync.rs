//! The synchronization primitives of flights: the standard library's, or in the model
//! (`--cfg shuttle`) those of shuttle, which chooses the next thread at each of their steps.

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    sync::{Condvar, Mutex, MutexGuard},
    thread_local,
};

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    sync::{Condvar, Mutex, MutexGuard},
    thread_local,
};

#[cfg(not(all(test, shuttle)))]
pub(crate) use foldhash::quality::RandomState as KeyHasher;

/// Hashes the same in every run, so that a failed schedule can be replayed.
#[cfg(all(test, shuttle))]
pub(crate) use foldhash::quality::FixedState as KeyHasher;
