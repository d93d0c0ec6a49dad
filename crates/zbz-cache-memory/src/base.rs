//! The ground that everything stands on: memory as atomic words, the system, hazard pointers, threads,
//! counters, the clock and the budget. Knows nothing of entries.

pub(crate) mod budget;
pub(crate) mod call_time;
pub(crate) mod clock;
pub(crate) mod counters;
pub(crate) mod error;
pub(crate) mod hazard;
pub(crate) mod sync;
pub(crate) mod system;
pub(crate) mod threads;
pub(crate) mod ttl;
pub(crate) mod words;
