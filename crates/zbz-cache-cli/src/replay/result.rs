//! What the replays of one trace came to.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::input::Input;
use super::size::Capacity;
use super::survey::Survey;
use super::target::Totals;
use crate::trace::Format;

/// One trace, through each target at each size.
#[derive(Debug, Serialize)]
pub struct TraceReport {
    /// As it was asked for.
    pub file: String,
    /// As `--format` has it.
    pub format: String,
    /// What the file was taken for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_as: Option<String>,
    /// All of them.
    pub requests: u64,
    /// Requests that ask for a value.
    pub gets: u64,
    /// Requests that remove a key.
    pub deletes: u64,
    /// Different keys.
    pub distinct_keys: u64,
    /// Bytes of those keys and of the values that were first told for them.
    pub distinct_bytes: u64,
    /// Whether the trace tells the size of any value.
    pub knows_sizes: bool,
    /// From the earliest request to the latest.
    pub span_ms: u64,
    /// A row for each of what it was replayed through, at each size.
    pub rows: Vec<Row>,
}

/// One replay.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What the trace was replayed through.
    pub through: String,
    /// As it was asked for.
    pub size: String,
    /// What the size came to.
    pub capacity: Capacity,
    /// What was measured, or why nothing could be.
    #[serde(flatten, serialize_with = "measured_or_problem")]
    pub outcome: Result<Measured, String>,
}

/// How a size fared.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Hits among gets; absent where there is no get.
    pub hit_ratio: Option<f64>,
    /// Bytes of hits among bytes of gets; absent where the trace tells no sizes.
    pub byte_hit_ratio: Option<f64>,
    /// Of the trace, reading and decompressing included.
    pub requests_per_second: f64,
    /// What counts there are at the end.
    #[serde(flatten)]
    pub totals: Totals,
}

impl TraceReport {
    /// What the replays of a trace came to.
    pub fn new(input: &Input, survey: &Survey, rows: Vec<Row>) -> TraceReport {
        TraceReport {
            file: input.name(),
            format: survey.reading.format.name(),
            read_as: survey.reading.words.clone(),
            requests: survey.requests,
            gets: survey.gets,
            deletes: survey.deletes,
            distinct_keys: survey.distinct,
            distinct_bytes: survey.distinct_bytes,
            knows_sizes: survey.knows_sizes,
            span_ms: survey.span_ms,
            rows,
        }
    }

    /// The file's name up to its first dot; that of a generated trace as it is.
    pub fn name(&self) -> &str {
        if self.format == Format::Generated.name() {
            return &self.file;
        }
        let name = Path::new(&self.file).file_name().and_then(|name| name.to_str()).unwrap_or(&self.file);
        name.split('.').find(|part| !part.is_empty()).unwrap_or(name)
    }
}

/// Why no row has figures, if none has.
pub fn problem_of_all(rows: &[Row]) -> Option<&str> {
    let problems: Option<Vec<&str>> =
        rows.iter().map(|row| row.outcome.as_ref().err().map(String::as_str)).collect();
    problems?.first().copied()
}

fn measured_or_problem<S: Serializer>(outcome: &Result<Measured, String>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Problem<'a> {
        skipped: &'a str,
    }

    match outcome {
        Ok(measured) => measured.serialize(to),
        Err(problem) => Problem { skipped: problem }.serialize(to),
    }
}
