//! [`Report`]: what all replays came to; it is drawn, and written as JSON.

use serde::Serialize;

use super::result::TraceReport;

/// Everything that was replayed.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Of this command.
    pub version: &'static str,
    /// A report for each trace, in the order they were asked for.
    pub traces: Vec<TraceReport>,
}

impl Default for Report {
    fn default() -> Self {
        Report { version: env!("CARGO_PKG_VERSION"), traces: Vec::new() }
    }
}
