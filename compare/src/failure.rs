//! Why a run ended early, and with which exit code.

use std::fmt;
use std::process::ExitCode;

/// Why a run ended early.
#[derive(Debug)]
pub enum Failure {
    /// The caller gave something that cannot be used: exit code 2.
    Input(String),
    /// A contestant failed or answered wrongly: exit code 1.
    Race(String),
}

impl Failure {
    /// The exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) => ExitCode::from(2),
            Self::Race(_) => ExitCode::from(1),
        }
    }

    /// A contestant gave this many answers that did not belong to their keys.
    pub fn wrong_answers(contestant: &str, work: &str, count: u64) -> Self {
        Self::Race(format!("{contestant} gave {count} wrong answers at {work}: nothing it did counts"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(message) | Self::Race(message) => formatter.write_str(message),
        }
    }
}
