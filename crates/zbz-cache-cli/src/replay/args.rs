//! The arguments of `zbz-cache replay`.

use std::path::PathBuf;

use super::fills::Fills;
use super::input::Input;
use super::outputs::Outputs;
use super::reading::ReadingArgs;
use super::size::Size;
use crate::trace;

/// What it is, for its help.
pub const LONG_ABOUT: &str = "\
Replay recorded requests through caches of several sizes, and tell the hit ratios by objects and by \
bytes, the speed, evictions and expirations.

A get that misses stores the value (read-through); sets, adds and deletes are done as recorded. Values have the \
recorded size and carry their key, which every hit is checked for. The clock of the cache is the trace's, so that TTLs \
run out as they did, and expired keys are swept once a minute of it. Traces are streamed, never held in memory.";

const EXAMPLES: &str = "\
Formats:
  oracleGeneral  u32 time in s, u64 object, u32 size, i64 next request
  csv            columns separated by commas, tabs, semicolons, bars or spaces, whose
                 header names them: time, key, size, ttl, op, op_count or alike;
                 without a header what is in them tells
  twitter        timestamp,key,key size,value size,client,operation,TTL
  lines          one key a line
Each may be plain, zstd or gzip. The content tells, and \"read as\" shows what a file
was taken for; where that is wrong, the options under Reading say what is right.
CacheLib's traces are CSV, of which a line stands for op_count requests.

Examples:
  zbz-cache replay web.oracleGeneral.zst --sizes 1%,10%,64MiB
  zbz-cache replay requests.csv --key-column url --time-unit ms --plot curve.svg
  zbz-cache replay squid-access.log --delimiter space --no-header --time-column 1 \\
                   --size-column 5 --key-column 7
  zbz-cache replay a.csv.gz b.csv.gz --sizes 1%,5%,20%

Exit codes: 0 done; 1 failed while running; 2 wrong arguments or traces.";

/// What to replay, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Files with recorded requests
    #[arg(value_name = "TRACE", required = true)]
    pub(super) traces: Vec<PathBuf>,

    /// Sizes of the cache, with commas: 64MiB or 10%
    ///
    /// Bytes (64MiB is of 2^20, 64MB of 10^6) are the max_size of the cache, which is all of its memory. A percentage is
    /// of the bytes of the trace's distinct keys and their values.
    #[arg(
        long,
        value_name = "SIZES",
        allow_negative_numbers = true,
        value_delimiter = ',',
        value_parser = Size::of_memory,
        default_value = "2%,10%,50%"
    )]
    pub(super) sizes: Vec<Size>,

    #[command(flatten)]
    pub(super) outputs: Outputs,

    #[command(flatten)]
    pub(super) fills: Fills,

    #[command(flatten)]
    pub(super) reading: ReadingArgs,
}

impl Args {
    /// The traces, to be opened.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let read_as = self.reading.read_as();
        let input =
            |path: &PathBuf| Input { path: path.clone(), read_as: read_as.clone(), opener: trace::open };
        self.traces.iter().map(input).collect()
    }
}
