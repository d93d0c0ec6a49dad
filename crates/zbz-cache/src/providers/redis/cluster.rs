//! The servers: each with its connection, the owner of each slot, and the redirections and retries of a call.

pub(super) mod exchange;
pub(super) mod node;
pub(super) mod quarantine;
pub(super) mod slots;
pub(super) mod topology;
