//! The servers: each with its connection, the owner of each slot, and the redirections and retries of a call.

mod breaker;
pub(super) mod exchange;
pub(super) mod health_sinks;
pub(super) mod node;
mod prober;
pub(super) mod quarantine;
pub(super) mod slots;
pub(super) mod topology;
