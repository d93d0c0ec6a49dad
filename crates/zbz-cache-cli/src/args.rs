//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{bench, invocation, replay};

const ABOUT: &str = "Try, measure and replay: the zbz in-process cache";

const LONG_ABOUT: &str = "\
Try, measure and replay: the zbz in-process cache.

Without a command it makes a first run: a real trace (product pages of a web shop) is replayed as typed records through \
a cache that is too small for it, the outcome is reported, and a short tour shows what else the cache can do. It takes \
a few seconds.";

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed while running; 2 wrong arguments or input.
Colours and progress bars appear on terminals only; NO_COLOR=1 turns colours off.";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = invocation::NAME, version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXIT_CODES)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to do; without one, the first run.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The trace of the first run, instead of the one in the source tree
    ///
    /// Takes oracleGeneral records, plain or compressed with zstd or gzip; `zbz-cache replay` takes other formats too.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replay recorded requests through caches of several sizes: hit ratios, speed, evictions, expirations
    #[command(long_about = replay::LONG_ABOUT)]
    Replay(Box<replay::Args>),

    /// Measure the cache on this machine, beside what its first design claimed
    #[command(long_about = bench::LONG_ABOUT)]
    Bench(bench::Args),
}
