//! What the replays of one trace came to.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::size::Capacity;
use super::survey::Survey;
use super::target::Totals;
use crate::trace::Format;

/// One trace, through each target at each size.
#[derive(Debug, Serialize)]
pub(super) struct TraceReport {
    pub(super) file: String,
    pub(super) format: String,
    /// What the file was taken for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read_as: Option<String>,
    pub(super) requests: u64,
    pub(super) gets: u64,
    pub(super) deletes: u64,
    pub(super) distinct_keys: u64,
    pub(super) distinct_bytes: u64,
    pub(super) knows_sizes: bool,
    pub(super) span_ms: u64,
    pub(super) rows: Vec<Row>,
}

/// One replay.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) through: String,
    /// As it was asked for.
    pub(super) size: String,
    pub(super) capacity: Capacity,
    /// What was measured, or why nothing could be.
    #[serde(flatten, serialize_with = "measured_or_problem")]
    pub(super) outcome: Result<Measured, String>,
}

/// How a size fared.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    /// Hits among gets; absent where there is no get.
    pub(super) hit_ratio: Option<f64>,
    /// Bytes of hits among bytes of gets; absent where the trace tells no sizes.
    pub(super) byte_hit_ratio: Option<f64>,
    /// Of the trace, reading and decompressing included.
    pub(super) requests_per_second: f64,
    #[serde(flatten)]
    pub(super) totals: Totals,
}

impl TraceReport {
    pub(super) fn new(file: &Path, survey: &Survey, rows: Vec<Row>) -> TraceReport {
        TraceReport {
            file: file.display().to_string(),
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
    pub(super) fn name(&self) -> &str {
        if self.format == Format::Generated.name() {
            return &self.file;
        }
        let name = Path::new(&self.file).file_name().and_then(|name| name.to_str()).unwrap_or(&self.file);
        name.split('.').find(|part| !part.is_empty()).unwrap_or(name)
    }
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
