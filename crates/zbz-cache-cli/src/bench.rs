//! Measures the cache on the user's machine, beside what its first design claimed, and what each layer costs.
//!
//! Invariants: every answer is checked while the clock runs (values carry their key); a figure is the median of rounds,
//! and rounds of different figures take turns, so that a busy moment of the machine does not fall on one of them.
//!
//! Reading order: `plan` (what is measured, how long), `work` (keys, values, timing), then `grid` (keys by threads),
//! `layers`, `overhead`, `expiry`, and `report`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::figures;
use crate::json;
use crate::numbers;
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

/// Its description in the help.
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

    /// Numbers of keys to measure with, with commas as 1k,1M [default: 1k,100k,4M; quick: up to 1M]
    ///
    /// A key takes about 150 bytes of memory.
    #[arg(long, value_name = "KEYS", allow_negative_numbers = true, value_delimiter = ',', value_parser = keys)]
    keys: Vec<u64>,

    /// Numbers of threads to measure with, with commas [default: 1 and the number of processors]
    #[arg(long, value_name = "THREADS", allow_negative_numbers = true, value_delimiter = ',', value_parser = threads)]
    threads: Vec<u16>,

    /// Write the figures into a JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Memory that a key takes in the grid's two caches.
const BYTES_PER_KEY: u64 = 150;

/// A number of keys of the grid.
fn keys(text: &str) -> Result<u64, String> {
    numbers::within(text, 64, 1_000_000_000, "1000, 100k or 4M")
}

/// A number of threads of the grid.
fn threads(text: &str) -> Result<u16, String> {
    numbers::within(text, 1, 1024, "1 or 8").map(|threads| threads as u16)
}

impl Args {
    fn plan(&self) -> Plan {
        let plan = if self.quick { Plan::quick() } else { Plan::full() };
        plan.with_keys(&self.keys).with_threads(&self.threads)
    }
}

/// Refuses more keys than there is memory for: the system would end the measuring without a word.
fn check_memory(plan: &Plan, free: Option<u64>) -> Result<(), Failure> {
    let most = plan.keys.iter().copied().max().unwrap_or(0);
    let needed = most * BYTES_PER_KEY;
    match free {
        Some(free) if needed > free => Err(Failure::Input(format!(
            "--keys {most}: they take about {} of memory, and {} are free; measure with fewer keys",
            figures::bytes(needed),
            figures::bytes(free)
        ))),
        _ => Ok(()),
    }
}

/// Bytes that this system can still give, where it tells.
fn free_memory() -> Option<u64> {
    let told = fs::read_to_string("/proc/meminfo").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
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
    check_memory(&plan, free_memory())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_keys_than_there_is_memory_for_are_refused() {
        let plan = Plan::quick().with_keys(&[1000, 1_000_000_000]);
        let Err(Failure::Input(message)) = check_memory(&plan, Some(1 << 30)) else {
            panic!("150 GB fit into one");
        };
        assert!(message.starts_with("--keys 1000000000: they take about 139.70 GiB"), "{message}");
        assert!(check_memory(&plan, None).is_ok());
        assert!(check_memory(&Plan::quick(), Some(1 << 30)).is_ok());
    }
}
