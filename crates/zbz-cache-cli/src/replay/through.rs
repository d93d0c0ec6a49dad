//! [`Through`]: the cache or a policy, as people name it.

use crate::failure::Failure;
use crate::policy::{self, Belady, Capacity};

/// What a trace is replayed through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Through {
    /// The cache itself.
    Engine,
    /// The simulated policy of that name.
    Policy(String),
    /// The simulated policy that knows the future.
    Belady,
}

impl Through {
    /// The cache's name among policies.
    pub(super) const ENGINE: &str = "engine";

    /// What a policy's name stands for.
    ///
    /// # Errors
    ///
    /// Nothing is named so.
    pub(super) fn named(name: &str) -> Result<Through, Failure> {
        let name = &policy::spelled(name);
        match &name[..] {
            "" => Err(Failure::Input(
                "an empty name in --policy; write names with commas and no spaces, as lru,sieve".to_owned(),
            )),
            Through::ENGINE => Ok(Through::Engine),
            Belady::NAME => Ok(Through::Belady),
            // Any capacity tells whether the name is known.
            _ => match policy::by_name(name, Capacity::Entries(1024)) {
                Ok(_) => Ok(Through::Policy(name.to_owned())),
                Err(problem) => Err(Failure::Input(problem)),
            },
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Through::Engine => Through::ENGINE,
            Through::Policy(name) => name,
            Through::Belady => Belady::NAME,
        }
    }
}
