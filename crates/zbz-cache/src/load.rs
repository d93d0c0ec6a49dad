//! The answers of loaders ([`Loaded`]), the options of loads ([`LoadOptions`], [`Spawner`]), and their
//! results ([`LoadOutcome`]).

mod answer;
mod on_failure;
mod options;
mod outcome;
mod spawner;
mod terms;

pub use answer::{LoadAnswer, LoadAnswers, LoadedEntry};
pub use on_failure::OnFailure;
pub use options::{LoadOptions, LoadOptionsBuilder};
pub(crate) use outcome::state_of;
pub use outcome::{LoadOutcome, Loaded, Origin};
pub use spawner::Spawner;
pub(crate) use terms::{Refresh, Terms};
