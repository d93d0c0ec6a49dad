//! Measures the cache on the user's machine, beside what its first design claimed, and what each layer costs.
//!
//! Invariants: every answer is checked while the clock runs (values carry their key); a figure is the median of rounds,
//! and rounds of different figures take turns, so that a busy moment of the machine does not fall on one of them.
//!
//! Reading order: `plan` (what is measured, how long), `work` (keys, values, timing), then `grid` (keys by threads),
//! `layers`, `overhead`, `expiry`, and `report`.

use std::io::Write;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::json;
use crate::progress::Progress;

mod expiry;
mod grid;
mod layers;
mod overhead;
mod plan;
mod report;
mod work;

use self::plan::Plan;
use self::report::Report;

/// What it is, for its help.
pub const LONG_ABOUT: &str = "\
Measure the cache on this machine, beside what its first design claimed: sets and gets a second, bytes of overhead for \
each key, and the time to sweep expired keys. Then by number of keys and of threads, and through each layer from the \
engine to the typed cache, so that the price of each layer shows.

Every answer is checked while it is measured. Figures are medians of rounds that take turns. Run it on a quiet machine.";

const AFTER_HELP: &str = "\
Exit codes: 0 measured, whatever the figures; 1 failed while running; 2 wrong arguments.";

/// How to measure.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Fewer and shorter rounds and fewer keys: under 20 seconds
    #[arg(long)]
    quick: bool,

    /// Numbers of keys to measure with, with commas [default: 1000,100000,4000000; quick: up to 1000000]
    ///
    /// A key takes about 150 bytes of memory.
    #[arg(long, value_name = "KEYS", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(64..=1_000_000_000))]
    keys: Vec<u64>,

    /// Numbers of threads to measure with, with commas [default: 1 and the number of processors]
    #[arg(long, value_name = "THREADS", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Vec<u16>,

    /// Write the figures into a JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Args {
    fn plan(&self) -> Plan {
        let plan = if self.quick { Plan::quick() } else { Plan::full() };
        plan.with_keys(&self.keys).with_threads(&self.threads)
    }
}

/// Measures everything and prints it.
///
/// # Errors
///
/// The cache gave a wrong answer, or a file cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(file) = &args.json {
        json::check_place(file)?;
    }
    let plan = args.plan();
    let progress = Progress::new(plan.steps(), "measuring");
    // First, while the process is as good as empty: memory that others gave back would be taken for the cache's.
    let overhead = overhead::measure(&plan, &progress)?;
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        machine: report::Machine::this(),
        overhead,
        expiry: expiry::measure(&plan, &progress)?,
        layers: layers::measure(&plan, &progress)?,
        grid: grid::measure(&plan, &progress)?,
        plan,
    };
    drop(progress);
    report.print(out)?;
    if let Some(file) = &args.json {
        json::write(file, &report)?;
    }
    Ok(())
}
