//! The first reading of a trace: checks all of it, counts its requests and its distinct keys with their bytes.
//!
//! Needs 9 to 28 bytes of memory for every distinct key, and gives them back.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::Write;

use super::fills::Fills;
use super::input::Input;
use crate::failure::{Failure, warn};
use crate::figures;
use crate::progress::Progress;
use crate::trace::{Format, Op, Reading, Record, Step, TraceError};

/// What there is in a trace.
#[derive(Clone, Debug)]
pub struct Survey {
    /// What it was taken for.
    pub reading: Reading,
    /// All of them.
    pub requests: u64,
    /// Requests that ask for a value; hit ratios are shares of these.
    pub gets: u64,
    /// Requests that remove a key.
    pub deletes: u64,
    /// Different keys.
    pub distinct: u64,
    /// Bytes of those keys and of the values that were first told for them.
    pub distinct_bytes: u64,
    /// Whether the trace tells the size of any value.
    pub knows_sizes: bool,
    /// From the earliest request to the latest.
    pub span_ms: u64,
    /// Lines that the requests are from, where a line may stand for several.
    lines: u64,
    /// Whether any request gives a TTL.
    knows_ttls: bool,
}

/// Reads a trace to its end.
///
/// # Errors
///
/// It cannot be opened or understood, or holds no request.
pub fn read(input: &Input, fills: &Fills) -> Result<Survey, Failure> {
    let mut trace = input.open()?;
    // What is misunderstood may take long to read.
    warn_of(input, &trace.reading.doubts);
    let progress = Progress::counting(&format!("requests read from {}", input.name()));
    let mut keys = Keys::default();
    let (mut record, mut requests, mut gets, mut deletes) = (Record::default(), 0, 0, 0);
    let (mut first_ms, mut last_ms, mut knows_ttls) = (u64::MAX, 0, false);
    loop {
        match trace.records.read(&mut record) {
            Ok(Step::Record) => {}
            Ok(Step::End) => break,
            Err(error) => return Err(misread(&error, &trace.reading)),
        }
        keys.meet(&record, fills);
        requests += 1;
        gets += u64::from(record.op == Op::Get);
        deletes += u64::from(record.op == Op::Delete);
        knows_ttls |= record.ttl_ms.is_some();
        (first_ms, last_ms) = (first_ms.min(record.time_ms), last_ms.max(record.time_ms));
        progress.at(requests);
    }
    if requests == 0 {
        return Err(Failure::Input(format!("{}: holds no request; expected at least one", input.name())));
    }
    let lines = trace.records.lines().unwrap_or(requests);
    Ok(Survey {
        reading: trace.reading,
        requests,
        gets,
        deletes,
        distinct: keys.seen.len() as u64,
        distinct_bytes: u64::try_from(keys.bytes).unwrap_or(u64::MAX),
        knows_sizes: keys.knows_sizes,
        span_ms: last_ms - first_ms,
        lines,
        knows_ttls,
    })
}

/// Reads all of these before any is replayed, so that a wrong one is told first.
///
/// # Errors
///
/// One cannot be opened or understood, or holds no request.
pub fn read_all(inputs: Vec<Input>, fills: &Fills) -> Result<Vec<(Input, Survey)>, Failure> {
    let read = |input| read(&input, fills).map(|survey| (input, survey));
    inputs.into_iter().map(read).collect()
}

/// An error with what the trace was taken for, which may be the reason.
fn misread(error: &TraceError, reading: &Reading) -> Failure {
    Failure::Input(match &reading.words {
        Some(words) => format!("{error}\n  read as: {words}"),
        None => error.to_string(),
    })
}

/// So many requests for one key are no trace of a cache.
const MANY: u64 = 100;

/// Times that span more than this are rather told in another unit.
const LONG_MS: u64 = 10 * YEAR_MS;

const YEAR_MS: u64 = 366 * 86_400 * 1000;

/// Warns that a file may be read wrongly.
pub fn warn_of(input: &Input, doubts: &[String]) {
    doubts.iter().for_each(|doubt| warn(&format!("{}: {doubt}", input.name())));
}

impl Survey {
    /// Warns, once for each file, if its requests look as if it had been misread.
    pub fn warn(&self, input: &Input) {
        let mut doubts = Vec::new();
        let is_recorded = self.reading.format != Format::Generated;
        if is_recorded && self.lines > 1 && self.distinct == self.lines {
            let what = if self.lines == self.requests {
                "no two requests are for the same key, so nothing can hit"
            } else {
                "no two lines are for the same key, so that only what a line repeats can hit"
            };
            doubts.push(format!(
                "{what}; is the key what was meant? --key-column, --delimiter and --format say it"
            ));
        }
        if is_recorded && self.requests >= MANY && self.distinct == 1 {
            doubts.push(
                "all requests are for the same key; is the key what was meant? --key-column says it"
                    .to_owned(),
            );
        }
        // Where TTLs run out by these times, a wrong unit changes the hits.
        let long_ms = if self.knows_ttls { YEAR_MS } else { LONG_MS };
        if self.reading.guessed_seconds && self.span_ms > long_ms {
            let span = figures::span(self.span_ms);
            doubts.push(format!("in seconds its times span {span}; --time-unit says another unit"));
        }
        warn_of(input, &doubts);
    }

    /// Tells what the file was taken for, where no table will.
    pub fn tell(&self, input: &Input) {
        if let Some(words) = &self.reading.words {
            // There is nowhere left to tell that the standard error is gone.
            let _ = writeln!(anstream::stderr(), "{} read as: {words}", input.name());
        }
    }
}

/// The distinct keys met so far.
///
/// One set of hashes, whose lowest bit tells whether the size of the key's value was told: memory for two sets, or for a
/// size beside each hash, would be the most that a replay needs.
#[derive(Default)]
struct Keys {
    seen: HashSet<u64, BuildHasherDefault<Identity>>,
    /// Wider than any one size, so that no trace makes it overflow.
    bytes: u128,
    knows_sizes: bool,
}

impl Keys {
    fn meet(&mut self, record: &Record, fills: &Fills) {
        let hash = record.key_hash();
        let (told, untold) = (hash | 1, hash & !1);
        if self.seen.contains(&told) {
            return;
        }
        let key_bytes = record.key.len() as u128;
        let filled_bytes = key_bytes + u128::from(fills.value_bytes);
        match record.value_bytes {
            None => {
                if self.seen.insert(untold) {
                    self.bytes += filled_bytes;
                }
            }
            Some(value_bytes) => {
                self.knows_sizes = true;
                if self.seen.remove(&untold) {
                    self.bytes -= filled_bytes;
                }
                self.seen.insert(told);
                self.bytes += key_bytes + u128::from(value_bytes);
            }
        }
    }
}

/// Hashes what is a hash already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_bytes_are_those_of_each_key_and_the_first_size_told_for_it() {
        let mut keys = Keys::default();
        let fills = Fills { value_bytes: 100 };
        let mut meet = |key: &[u8], value_bytes| {
            keys.meet(&Record { key: key.to_vec(), value_bytes, ..Record::default() }, &fills);
        };
        meet(b"dddd", None);
        meet(b"a", Some(10));
        meet(b"a", Some(99));
        meet(b"bb", None);
        meet(b"bb", None);
        meet(b"ccc", None);
        meet(b"ccc", Some(30));
        assert_eq!((keys.seen.len(), keys.bytes), (4, 4 + 100 + 1 + 10 + 2 + 100 + 3 + 30));
    }
}
