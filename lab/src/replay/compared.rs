//! [`Compared`]: all results with the comparison of the policies, as JSON has them.

use serde::Serialize;
use zbz_cache_cli::replay::report::Report;

use super::summary::Summary;

/// A report and what it comes to.
#[derive(Debug, Serialize)]
pub struct Compared<'a> {
    /// What was replayed.
    #[serde(flatten)]
    pub report: &'a Report,
    /// How the policies compare, where there are some to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}
