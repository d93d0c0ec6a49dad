//! The servers: each with its connection, who has a slot, and the long way to a reply: redirections and
//! retries.

pub(super) mod exchange;
pub(super) mod node;
pub(super) mod quarantine;
pub(super) mod slots;
pub(super) mod topology;
