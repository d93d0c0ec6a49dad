//! Traces: requests one at a time, recorded ones from a file of any known format.
//!
//! Invariants:
//! - A reader needs the same memory for any length of trace.
//! - Nothing is skipped: what cannot be understood ends the reading with a [`TraceError`] that names the file, the
//!   place and what was expected there.
//! - A key has 1 to [`MAX_KEY_BYTES`] bytes.
//!
//! - Guesses are reported: a [`Reading`] lists them, and the user can override each by an option.
//!
//! Reading order: `format` (which formats there are), `source` (files, plain or compressed), `rows` (lines and their
//! fields), `options` (what the user says) and `guess` (what is left), one file for each format, `fields` (numbers in
//! text), `error`.

use std::fmt;
use std::path::Path;

mod csv;
mod error;
mod fields;
mod format;
mod guess;
mod lines;
mod options;
mod oracle_general;
mod rows;
mod source;
mod twitter;

pub use self::error::{Place, TraceError};
pub use self::fields::TimeUnit;
pub use self::format::Format;
pub use self::options::{Column, Columns, Delimiter, Mark};

use self::source::Source;
use crate::dice::mix;

/// The longest key a trace may have, that of the engine.
pub const MAX_KEY_BYTES: usize = 32 * 1024;

/// One request. Reused from one to the next, so that reading allocates nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When, in milliseconds of the trace's own clock.
    pub time_ms: u64,
    /// For what.
    pub key: Vec<u8>,
    /// Bytes of the value, where the trace knows them.
    pub value_bytes: Option<u64>,
    /// The time to live that was given with it, if one was.
    pub ttl_ms: Option<u64>,
    /// The request.
    pub op: Op,
}

impl Record {
    /// The key as a number, the same in every run.
    pub fn key_hash(&self) -> u64 {
        // Keys are no one's attack on this program, so a quick hash will do.
        let (words, rest) = self.key.as_chunks();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let begun = mix(!(self.key.len() as u64));
        let hash = words.iter().fold(begun, |hash, word| mix(hash ^ u64::from_le_bytes(*word)));
        if rest.is_empty() { hash } else { mix(hash ^ u64::from_le_bytes(last)) }
    }
}

/// The verb of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Op {
    /// The value; a caller that misses it stores it.
    #[default]
    Get,
    /// To store a value.
    Set,
    /// To store a value if there is none.
    Add,
    /// To remove the key.
    Delete,
}

/// The result of reading on in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One more request.
    Record,
    /// The end of the trace.
    End,
}

/// A trace being read.
pub trait Records {
    /// Reads the next request into `record`.
    ///
    /// # Errors
    ///
    /// The trace cannot be understood, or not be read on.
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError>;

    /// How many lines the requests so far are from, where a line may stand for several that are alike.
    fn lines(&self) -> Option<u64> {
        None
    }
}

/// The user's options about a trace; those that are absent are guessed.
#[derive(Clone, Debug, Default)]
pub struct ReadAs {
    /// The format.
    pub format: Option<Format>,
    /// The delimiter of the columns of a text.
    pub delimiter: Option<Delimiter>,
    /// Whether the first line names them.
    pub has_header: Option<bool>,
    /// The beginning of comments.
    pub comment: Option<Mark>,
    /// The quotes around fields.
    pub quote: Option<Mark>,
    /// Which column holds what.
    pub columns: Columns,
    /// The unit of times.
    pub time_unit: Option<TimeUnit>,
    /// The unit of TTLs; if absent, that of times where it is said.
    pub ttl_unit: Option<TimeUnit>,
}

impl ReadAs {
    /// Whether an option about columns is given.
    fn says_csv(&self) -> bool {
        self.format == Some(Format::Csv)
            || self.delimiter.is_some()
            || self.has_header.is_some()
            || self.columns.names().next().is_some()
    }

    /// The given options that a format has no use for.
    fn unused_by(&self, format: Format) -> Vec<&'static str> {
        let is_text = matches!(format, Format::Csv | Format::Lines | Format::Twitter);
        let said = [
            (self.columns.is_any(), "columns"),
            // That there is none is true of all formats but CSV.
            (self.has_header == Some(true), "a header"),
            (self.time_unit.is_some() || self.ttl_unit.is_some(), "units"),
            (self.delimiter.is_some() && format != Format::Twitter, "the delimiter"),
            (self.quote.is_some(), "quotes"),
            (self.comment.is_some() && !is_text, "comments"),
        ];
        let said = said.into_iter().filter(|(is_said, _)| *is_said && format != Format::Csv);
        said.map(|(_, what)| what).collect()
    }
}

/// A trace that was opened.
pub struct Trace {
    /// The guesses about it.
    pub reading: Reading,
    /// Its requests.
    pub records: Box<dyn Records>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("reading", &self.reading).finish_non_exhaustive()
    }
}

/// The guesses about a trace.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Its format.
    pub format: Format,
    /// All of it in one line; `None` where there was nothing to guess.
    pub words: Option<String>,
    /// The doubts about it.
    pub doubts: Vec<String>,
    /// Whether times are read as seconds because nothing spoke against it.
    pub guessed_seconds: bool,
}

impl Reading {
    /// The reading of a trace that left nothing to guess.
    pub fn certain(format: Format, words: Option<String>) -> Reading {
        Reading { format, words, doubts: Vec::new(), guessed_seconds: false }
    }

    /// With a doubt where the user said something that this format has no use for.
    #[must_use]
    pub fn after(mut self, read_as: &ReadAs) -> Reading {
        let unused = read_as.unused_by(self.format);
        if !unused.is_empty() {
            let why = match self.format {
                Format::Lines => "since each line is taken for a key; --format csv takes it for columns",
                Format::Twitter => {
                    "since the columns are those of Twitter's cache-trace; to choose others say --format csv \
                     --no-header --key-column 2, and --time-column 1, --size-column 4, --op-column 6 or \
                     --ttl-column 7 as you need them"
                }
                Format::Generated => "since the trace is a generated one",
                _ => "since these are binary records",
            };
            self.doubts.push(format!("what was said of {} is not used, {why}", unused.join(", ")));
        }
        self
    }
}

/// Opens a trace and finds out how it is to be read.
///
/// # Errors
///
/// The file cannot be opened, is empty, or is of no known format.
pub fn open(path: &Path, read_as: &ReadAs) -> Result<Trace, TraceError> {
    let mut source = Source::open(path, read_as.format)?;
    if read_as.format == Some(Format::Generated) {
        return Err(source.error(Place::File, "is a file, and no generated trace"));
    }
    if !format::is_text(&mut source, read_as.format)? {
        let reading = Reading::certain(Format::OracleGeneral, Some("oracleGeneral records".to_owned()));
        let reading = reading.after(read_as);
        return Ok(Trace { reading, records: Box::new(oracle_general::Reader::new(source)) });
    }
    let plan = guess::plan(&mut source, read_as)?;
    let records = plan.reader(source);
    let reading = Reading {
        format: plan.format,
        words: Some(plan.words),
        doubts: plan.doubts,
        guessed_seconds: plan.layout.time.is_some() && plan.units.is_fallback,
    };
    Ok(Trace { reading: reading.after(read_as), records })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn hashes_of_keys_differ_in_every_bit() {
        let hash = |key: &[u8]| Record { key: key.to_vec(), ..Record::default() }.key_hash();
        let numbers = (0..10_000u64).map(|number| hash(&number.to_le_bytes()));
        let texts = (0..10_000).map(|number| hash(format!("key:{number}").as_bytes()));
        let zeros = (9..100).map(|zeros| hash(&vec![0; zeros]));
        let all: Vec<u64> = numbers.chain(texts).chain(zeros).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        for bit in 0..64 {
            let ones = all.iter().filter(|&&hash| hash >> bit & 1 == 1).count();
            assert!((ones * 2).abs_diff(all.len()) < 600, "bit {bit}: {ones}");
        }
    }
}
