//! Generated traces: requests that are made while they are read.
//!
//! Invariants:
//! - The name settles every request: a trace read again is the same, in any run and on any machine.
//! - Memory follows the keys that a trace chooses among, never the number of its requests.
//!
//! Reading order: `sequence` (numbers that look random), `zipf`, `patterns` (keys alone: loops, scans, phases),
//! `clusters` (what production caches hold), `mix` (requests with sizes and TTLs after a cluster).

use std::fmt::Write;
use std::path::Path;

use self::clusters::CLUSTERS;
use self::mix::Mix;
use self::patterns::{PATTERNS, Patterned};
use super::{Format, Place, Trace, TraceError};

mod clusters;
mod mix;
mod patterns;
mod sequence;
mod zipf;

/// What the name of a generated trace begins with.
const MARK: char = '@';

/// Requests of a trace, unless its description says otherwise.
const REQUESTS: u64 = 1_000_000;

/// The name of a generated trace with its mark, if that is what was asked for.
pub(super) fn name_of(path: &Path) -> Option<&str> {
    path.to_str().filter(|name| name.starts_with(MARK))
}

/// Begins the trace of that name.
///
/// # Errors
///
/// There is none; the message lists those that there are.
pub(super) fn open(name: &str) -> Result<Trace, TraceError> {
    let plain = name.trim_start_matches(MARK);
    let pattern = PATTERNS.iter().find(|pattern| pattern.name == plain);
    let cluster = CLUSTERS.iter().find(|cluster| cluster.name == plain);
    let format = Format::Generated;
    match (pattern, cluster) {
        (Some(pattern), _) => Ok(Trace { format, records: Box::new(Patterned::new(pattern)) }),
        (_, Some(cluster)) => Ok(Trace { format, records: Box::new(Mix::new(cluster)) }),
        _ => Err(TraceError::new(name, Place::File, unknown(name))),
    }
}

/// The generated traces, a line for each: its name and what it is.
pub fn list_generated() -> String {
    let patterns = PATTERNS.iter().map(|pattern| (pattern.name, pattern.what));
    let clusters = CLUSTERS.iter().map(|cluster| (cluster.name, cluster.what));
    let mut lines = String::new();
    for (name, what) in patterns.chain(clusters) {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{MARK}{name:<12}{what}");
    }
    lines
}

fn unknown(name: &str) -> String {
    format!(
        "no generated trace has this name (a file of this name is ./{name}); known are\n{}",
        list_generated().trim_end()
    )
}

#[cfg(test)]
mod tests;
