//! The first reading of a trace: checks all of it, counts its requests and its distinct keys with their bytes.
//!
//! Needs 9 to 28 bytes of memory for every distinct key, and gives them back.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::Write;
use std::path::Path;

use super::drive::Fills;
use crate::failure::{Failure, warn};
use crate::figures;
use crate::progress::Progress;
use crate::trace::{self, Format, Op, ReadAs, Reading, Record, Step, TraceError};

/// What there is in a trace.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    pub(super) reading: Reading,
    pub(super) requests: u64,
    /// Requests that ask for a value; hit ratios are shares of these.
    pub(super) gets: u64,
    pub(super) deletes: u64,
    /// Different keys.
    pub(super) distinct: u64,
    /// Bytes of those keys and of the values that were first told for them.
    pub(super) distinct_bytes: u64,
    /// Whether the trace tells the size of any value.
    pub(super) knows_sizes: bool,
    /// From the earliest request to the latest.
    pub(super) span_ms: u64,
}

/// Reads a trace to its end.
///
/// # Errors
///
/// It cannot be opened or understood, or holds no request.
pub(super) fn read(file: &Path, read_as: &ReadAs, fills: &Fills) -> Result<Survey, Failure> {
    let mut trace = trace::open(file, read_as)?;
    let progress = Progress::counting(&format!("requests read from {}", file.display()));
    let mut keys = Keys::default();
    let (mut record, mut requests, mut gets, mut deletes) = (Record::default(), 0, 0, 0);
    let (mut first_ms, mut last_ms) = (u64::MAX, 0);
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
        (first_ms, last_ms) = (first_ms.min(record.time_ms), last_ms.max(record.time_ms));
        progress.at(requests);
    }
    if requests == 0 {
        return Err(Failure::Input(format!("{}: holds no request; expected at least one", file.display())));
    }
    Ok(Survey {
        reading: trace.reading,
        requests,
        gets,
        deletes,
        distinct: keys.seen.len() as u64,
        distinct_bytes: keys.bytes,
        knows_sizes: keys.knows_sizes,
        span_ms: last_ms - first_ms,
    })
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
const LONG_MS: u64 = 10 * 366 * 86_400 * 1000;

impl Survey {
    /// Warns of what may have been misunderstood, once for each file.
    pub(super) fn warn(&self, file: &Path) {
        let mut doubts = self.reading.doubts.clone();
        let is_recorded = self.reading.format != Format::Generated;
        if is_recorded && self.requests > 1 && self.distinct == self.requests {
            doubts.push(
                "no two requests are for the same key, so nothing can hit; is the key what was meant? \
                 --key-column, --delimiter and --format say it"
                    .to_owned(),
            );
        }
        if is_recorded && self.requests >= MANY && self.distinct == 1 {
            doubts.push(
                "all requests are for the same key; is the key what was meant? --key-column says it"
                    .to_owned(),
            );
        }
        if self.reading.guessed_seconds && self.span_ms > LONG_MS {
            let span = figures::span(self.span_ms);
            doubts.push(format!("in seconds its times span {span}; --time-unit says another unit"));
        }
        doubts.iter().for_each(|doubt| warn(&format!("{}: {doubt}", file.display())));
    }

    /// Tells what the file was taken for, where no table will.
    pub(super) fn tell(&self, file: &Path) {
        if let Some(words) = &self.reading.words {
            // There is nowhere left to tell that the standard error is gone.
            let _ = writeln!(anstream::stderr(), "{} read as: {words}", file.display());
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
    bytes: u64,
    knows_sizes: bool,
}

impl Keys {
    fn meet(&mut self, record: &Record, fills: &Fills) {
        let hash = record.key_hash();
        let (told, untold) = (hash | 1, hash & !1);
        if self.seen.contains(&told) {
            return;
        }
        let key_bytes = record.key.len() as u64;
        match record.value_bytes {
            None => {
                if self.seen.insert(untold) {
                    self.bytes += key_bytes + fills.value_bytes;
                }
            }
            Some(value_bytes) => {
                self.knows_sizes = true;
                if self.seen.remove(&untold) {
                    self.bytes -= key_bytes + fills.value_bytes;
                }
                self.seen.insert(told);
                self.bytes += key_bytes + value_bytes;
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
