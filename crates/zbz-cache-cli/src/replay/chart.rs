//! Miss ratios as bars of text, for those who asked for no plot.

use std::io::Write;

use super::result::TraceReport;
use crate::failure::Failure;

/// Characters of a bar that stands for 100 %.
const WIDTH: f64 = 50.0;

/// Prints a bar for every replay with gets.
pub fn print(out: &mut dyn Write, trace: &TraceReport) -> Result<(), Failure> {
    let mut bars = Vec::new();
    for row in &trace.rows {
        let ratio = row.outcome.as_ref().ok().and_then(|measured| measured.hit_ratio);
        bars.extend(ratio.map(|ratio| (format!("{} {}", row.through, row.size), 1.0 - ratio)));
    }
    let width = bars.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    if !bars.is_empty() {
        writeln!(out, "\nmiss ratio by objects")?;
    }
    for (name, ratio) in bars {
        let bar = "#".repeat((ratio * WIDTH).round() as usize);
        writeln!(out, "  {name:<width$} |{bar} {:.1} %", ratio * 100.0)?;
    }
    Ok(())
}
