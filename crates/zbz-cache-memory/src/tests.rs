//! The whole engine with a few tiny segments, where everything is recycled all the time: against a
//! plain map, under load, with hostile keys. The structure is checked whenever all is quiet.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod calls;
mod expected;
mod hostile;
mod model;
pub(crate) mod plan;
#[path = "../tests/random/mod.rs"]
pub(crate) mod random;
mod removals;
mod stress;
mod writes;
