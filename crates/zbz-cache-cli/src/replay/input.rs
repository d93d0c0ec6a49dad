//! [`Input`]: a trace that can be opened again and again.

use std::path::{Path, PathBuf};

use crate::trace::{ReadAs, Trace, TraceError};

/// What opens a trace: a file for the command, a name too where traces are made.
pub type Opener = fn(&Path, &ReadAs) -> Result<Trace, TraceError>;

/// A trace before it is opened.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its file, or the name that its opener knows.
    pub path: PathBuf,
    /// What the user says of how it is to be read.
    pub read_as: ReadAs,
    /// What opens it.
    pub opener: Opener,
}

impl Input {
    /// Opens it at its first request.
    ///
    /// # Errors
    ///
    /// Those of its opener.
    pub fn open(&self) -> Result<Trace, TraceError> {
        (self.opener)(&self.path, &self.read_as)
    }

    /// What people call it.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }
}
