//! [`Through`]: what a trace is to be replayed through, before there is one of some size.

use std::fmt;

use super::size::{Capacity, PercentOf};
use super::target::Target;
use crate::failure::Failure;

/// Makes a target that may hold so much.
pub type Build<'a> = Box<dyn Fn(Capacity) -> Result<Box<dyn Target>, Unbuilt> + 'a>;

/// What a trace is to be replayed through, at every size that was asked for.
pub struct Through<'a> {
    /// As results show it.
    pub name: String,
    /// What a plain percentage is a share of.
    pub percent_of: PercentOf,
    /// Makes one of a size.
    pub build: Build<'a>,
}

/// Why there is no target of a size.
#[derive(Debug)]
pub enum Unbuilt {
    /// The size is none for it, for this reason: the result says so, and the other sizes are replayed.
    Skipped(String),
    /// Nothing more can be replayed.
    Failed(Failure),
}

impl From<Failure> for Unbuilt {
    fn from(failure: Failure) -> Self {
        Unbuilt::Failed(failure)
    }
}

impl fmt::Debug for Through<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Through")
            .field("name", &self.name)
            .field("percent_of", &self.percent_of)
            .finish_non_exhaustive()
    }
}
