//! [`TraceError`]: the file, the place in it, and what is wrong there.

use std::fmt;

/// Where in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of a text, counted from 1.
    Line(u64),
    /// A record of a binary file, counted from 1, with the offset of its first byte, compression undone.
    Record {
        /// Which record.
        number: u64,
        /// Of its first byte.
        offset: u64,
    },
}

/// Why a trace cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceError {
    file: String,
    place: Place,
    problem: String,
}

impl TraceError {
    /// An error at a place; `problem` says what is there and what was expected.
    pub fn new(file: &str, place: Place, problem: impl Into<String>) -> Self {
        TraceError { file: file.to_owned(), place, problem: problem.into() }
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::File => write!(f, "{}: {}", self.file, self.problem),
            Place::Line(line) => write!(f, "{}, line {line}: {}", self.file, self.problem),
            Place::Record { number, offset } => {
                write!(f, "{}, record {number} at byte {offset}: {}", self.file, self.problem)
            }
        }
    }
}

impl std::error::Error for TraceError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_begins_with_the_file_and_the_place() {
        let text = |place| TraceError::new("a.csv", place, "no").to_string();
        assert_eq!(text(Place::File), "a.csv: no");
        assert_eq!(text(Place::Line(3)), "a.csv, line 3: no");
        assert_eq!(text(Place::Record { number: 2, offset: 24 }), "a.csv, record 2 at byte 24: no");
    }
}
