//! [`Failure`]: why the command ends without having done what it was asked, and with which exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::trace::TraceError;

/// Why the command ends early.
#[derive(Debug)]
pub enum Failure {
    /// The arguments or the input are wrong; exit code 2.
    Input(String),
    /// The work went wrong; exit code 1.
    Work(String),
    /// Standard output takes no more.
    Output(io::Error),
}

impl Failure {
    /// Tells it on the standard error and answers the exit code.
    pub fn report(&self) -> ExitCode {
        let (message, code) = match self {
            Failure::Input(message) => (message.clone(), 2),
            Failure::Work(message) => (message.clone(), 1),
            // The reader closed the pipe: it has seen enough.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Failure::Output(error) => (format!("cannot write the output: {error}"), 1),
        };
        let bold_red = anstyle::AnsiColor::Red.on_default().bold();
        // There is nowhere left to tell that the standard error is gone.
        let _ = writeln!(anstream::stderr(), "{bold_red}error:{bold_red:#} {message}");
        ExitCode::from(code)
    }
}

/// Tells something that may make the results worthless, on the standard error.
pub fn warn(message: &str) {
    let bold_yellow = anstyle::AnsiColor::Yellow.on_default().bold();
    // There is nowhere left to tell that the standard error is gone.
    let _ = writeln!(anstream::stderr(), "{bold_yellow}warning:{bold_yellow:#} {message}");
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        Failure::Input(error.to_string())
    }
}

impl From<zbz_cache::Error> for Failure {
    fn from(error: zbz_cache::Error) -> Self {
        Failure::Work(error.to_string())
    }
}

impl From<zbz_cache_memory::Error> for Failure {
    fn from(error: zbz_cache_memory::Error) -> Self {
        Failure::Work(error.to_string())
    }
}
