//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::Parser;
use zbz_cache_cli::failure::Failure;
use zbz_cache_cli::replay::fills::Fills;
use zbz_cache_cli::replay::input::Input;
use zbz_cache_cli::replay::outputs::Outputs;
use zbz_cache_cli::replay::reading::ReadingArgs;
use zbz_cache_cli::replay::size::Size;

use super::contestant::Contestant;
use crate::generated;

const ABOUT: &str =
    "Replay recorded or generated requests through simulated eviction policies and through the cache";

const LONG_ABOUT: &str = "\
Replay recorded or generated requests through simulated eviction policies and through the cache, at several sizes; tell \
the hit ratios by objects and by bytes, evictions and expirations, and how the policies compare.

A get that misses stores the value (read-through); sets and adds are done as recorded, and deletes by the cache alone. \
The clock is the trace's, so that TTLs run out as they did. Traces are streamed, never held in memory; only --policy \
belady keeps notes of each request. Files are read as `zbz-cache replay` reads them: its help tells the formats.";

const EXAMPLES: &str = "\
Generated traces (the same requests in every run; @list tells what each is):
  @loop @loopzipf @scanhot @phase @drift @mixphase @onehit @burst @zipf08 @zipf10 @zipf12
  with the sizes, TTLs and sets of Twitter's clusters: @twitter-04 -19 -24 -26 -29 -50
  with the popularity and sizes of Meta's caches: @cachelib-kv -leader -follower -cdn
  with figures of your own: @load:keys=1M:requests=13M:zipf=0.9:bytes=256:ttl=60:sets=10%

Examples:
  lab a.csv.gz b.csv.gz --policy engine,lru --sizes 1%,5%,20%
  lab traces/*.zst --policy lru,s3-fifo,tide-log,belady --sizes 1%,10%
  lab @scanhot @twitter-04 --policy engine,lru --sizes 5%,20%
  lab traces/*.zst --policy tide-log,tide-log:window=0,belady --summary
  lab @cachelib-kv --write kv.csv

Exit codes: 0 done; 1 failed while running; 2 wrong arguments or traces.";

/// What to replay, and how.
#[derive(Debug, Parser)]
#[command(name = "lab", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// Files with recorded requests, or names of generated traces; `@list` lists those
    ///
    /// A name that begins with @ is that of a generated trace; for a file of such a name write ./@name.
    #[arg(value_name = "TRACE", required_unless_present = "policy")]
    pub(super) traces: Vec<PathBuf>,

    /// Sizes of the cache, with commas: 64MiB, 10% or 5000keys
    ///
    /// Bytes (64MiB is of 2^20, 64MB of 10^6) are the max_size of the cache, which is all of its memory, or the keys and
    /// values that a simulated policy may hold. A percentage is of the bytes of the trace's distinct keys and their
    /// values for the cache, of the number of its distinct keys for a policy; 10%bytes is of the bytes for a policy, too.
    /// 5000keys is for policies only.
    #[arg(
        long,
        value_name = "SIZES",
        allow_negative_numbers = true,
        value_delimiter = ',',
        default_value = "2%,10%,50%"
    )]
    pub(super) sizes: Vec<Size>,

    /// Replay through simulated eviction policies instead, with commas; `list` lists them
    ///
    /// A policy is simulated without storing anything. `engine` stands for the cache itself, to be compared with them.
    /// `belady` knows the trace's future and drops what is read again last: without TTLs, no policy that stores every
    /// miss has more hits. It takes percentages and keys, not bytes. It reads the trace once more and holds 8 bytes a
    /// request (and some 60 a distinct key while it reads). With it, a summary tells how far the other policies are
    /// from it, over all traces.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) policy: Vec<String>,

    #[command(flatten)]
    pub(super) outputs: Outputs,

    /// Show the comparison of the policies over all traces, and nothing of each trace
    #[arg(long)]
    pub(super) summary: bool,

    /// Compare the policies with hit ratios found elsewhere: a CSV file
    ///
    /// Its header names trace, size and policies; a line is web,1%,39.1,41.9, with the name of the file up to its first
    /// dot, the size as in --sizes, and hits in percent of the requests.
    #[arg(long, value_name = "FILE.csv")]
    pub(super) yardstick: Option<PathBuf>,

    /// Write the trace into a file instead of replaying it: .csv, or .oracleGeneral for other programs
    ///
    /// CSV keeps what the trace tells. oracleGeneral has no TTLs and no writes (all requests are reads), tells time in
    /// seconds, and names keys of other than 8 bytes by a hash. Keys with control characters,
    /// or that are not UTF-8, are hexadecimal in CSV.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "plot", "json"])]
    pub(super) write: Option<PathBuf>,

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
            |path: &PathBuf| Input { path: path.clone(), read_as: read_as.clone(), opener: generated::open };
        self.traces.iter().map(input).collect()
    }

    pub(super) fn lists_policies(&self) -> bool {
        self.policy.iter().any(|name| name.trim().eq_ignore_ascii_case("list"))
    }

    pub(super) fn lists_generated(&self) -> bool {
        self.traces.iter().any(|name| name.as_os_str() == "@list")
    }

    /// # Errors
    ///
    /// A policy is not known, a size does not fit what it is for, or there is nothing to replay.
    pub(super) fn contestants(&self) -> Result<Vec<Contestant>, Failure> {
        if self.traces.is_empty() {
            return Err(Failure::Input(
                "name a trace to replay, a file or @scanhot; --help has examples".to_owned(),
            ));
        }
        let mut contestants =
            self.policy.iter().map(|name| Contestant::named(name)).collect::<Result<Vec<_>, _>>()?;
        if contestants.is_empty() {
            contestants.push(Contestant::Engine);
        }
        let by_keys = self.sizes.iter().find(|size| matches!(size, Size::Keys(_)));
        if let Some(size) = by_keys.filter(|_| contestants.contains(&Contestant::Engine)) {
            return Err(Failure::Input(format!(
                "the size {size} is for simulated policies; the cache (engine, or no --policy) takes bytes, as 64MiB, or a percentage"
            )));
        }
        let by_bytes =
            self.sizes.iter().find(|size| matches!(size, Size::Bytes { .. } | Size::PercentOfBytes(_)));
        if let Some(size) = by_bytes.filter(|_| contestants.contains(&Contestant::Belady)) {
            return Err(Failure::Input(format!(
                "the size {size} is not for --policy belady, which counts keys; it takes a percentage, as 10%, or 5000keys"
            )));
        }
        Ok(contestants)
    }
}
