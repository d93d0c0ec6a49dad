//! [`Report`]: what all replays came to; it is drawn, and written as JSON.

use serde::Serialize;

use super::result::TraceReport;
use super::summary::Summary;

/// Everything that was replayed.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Of this command.
    pub(super) version: &'static str,
    pub(super) traces: Vec<TraceReport>,
    /// How the policies compare, where belady is one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<Summary>,
}

impl Default for Report {
    fn default() -> Self {
        Report { version: env!("CARGO_PKG_VERSION"), traces: Vec::new(), summary: None }
    }
}
