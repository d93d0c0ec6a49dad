//! The verbs of the contract, as commands and scripts.

pub(super) mod call;
pub(super) mod read;
pub(super) mod ready;
pub(super) mod scan;
pub(super) mod scripts;
pub(super) mod write;
pub(super) mod write_many;
