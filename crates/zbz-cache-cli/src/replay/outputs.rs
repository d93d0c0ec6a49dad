//! [`Outputs`]: the files that a replay's results go to.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::curve::{Axis, Picture};
use super::plot;
use super::report::Report;
use crate::failure::Failure;
use crate::json;

/// Where results go beside the standard output.
#[derive(Debug, clap::Args)]
pub struct Outputs {
    /// Draw the miss-ratio curve into an SVG file
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,

    /// Write the results into a JSON file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl Outputs {
    /// Refuses what could not be written, before any work is done for it.
    ///
    /// # Errors
    ///
    /// A file to be written has no folder, or the plot is not named as what it will be, or has no axis.
    pub fn check(&self, axis: &Result<Axis, String>) -> Result<(), Failure> {
        if let Some(plot) = &self.plot
            && plot.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("svg"))
        {
            let problem =
                format!("--plot {}: only SVG is drawn; give a name that ends in .svg", plot.display());
            return Err(Failure::Input(problem));
        }
        for file in [&self.plot, &self.json].into_iter().flatten() {
            json::check_place(file)?;
        }
        match (&self.plot, axis) {
            (Some(_), Err(problem)) => Err(Failure::Input(problem.clone())),
            _ => Ok(()),
        }
    }

    /// Writes the files that were asked for; `all` is what goes into JSON.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn write(
        &self,
        out: &mut dyn Write,
        axis: &Result<Axis, String>,
        report: &Report,
        all: &impl Serialize,
    ) -> Result<(), Failure> {
        if let (Some(file), Ok(axis)) = (&self.plot, axis) {
            plot::write(file, *axis, &Picture::of(report, *axis))?;
            writeln!(out, "\nThe miss-ratio curve is in {}", file.display())?;
        }
        if let Some(file) = &self.json {
            json::write(file, all)?;
        }
        Ok(())
    }
}
