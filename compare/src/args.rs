//! The command line.

use crate::child;
use crate::contestant::Card;
use crate::contestants::CARDS;
use crate::data::MIN_VALUE_BYTES;
use crate::failure::Failure;
use crate::results::Work;
use clap::{Parser, Subcommand, ValueEnum};
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

const LARGEST_KEYS: u64 = 200_000_000;

/// Race rival caches with this project's engine: the same keys, one process, answers checked.
///
/// Tables go to standard output, progress to standard error. Every contestant runs once in turn in each round; the
/// figures are medians over the rounds, ratios to this project first. The allocator is the system's for everyone.
#[derive(Parser, Debug)]
#[command(version, max_term_width = 100)]
#[command(after_help = "Examples:\n  \
    zbz-cache-compare --quick\n  \
    zbz-cache-compare --only zbz-cache,quick_cache,dashmap --work get,batch-get --keys 100k --threads 2\n  \
    zbz-cache-compare --work entries,equal-memory --traces DIR --markdown FILE\n\n\
    Exit codes: 0 done, 1 a contestant failed or answered wrongly, 2 wrong input.")]
pub struct Args {
    /// Numbers of keys, with k or M for thousands or millions [default: 1k,100k,1M, full: 1k,100k,4M, quick: 1k,100k]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_keys)]
    pub keys: Option<Vec<u32>>,

    /// Numbers of threads [default: 1,2, quick: 2]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<Vec<u32>>,

    /// Rounds of every timed lap [default: 3, full: 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: Option<u32>,

    /// Length of a timed lap in milliseconds [default: 120, full: 300, quick: 40]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub slice_ms: Option<u64>,

    /// Bytes of a value in timed laps and on traces; keys have 16
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = parse_value_bytes)]
    pub value_bytes: usize,

    /// Only these contestants; variants that race only on traces included [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = parse_contestant)]
    pub only: Vec<&'static Card>,

    /// Only these measurements [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub work: Vec<Work>,

    /// Folder of traces (*.oracleGeneral, plain or .zst, *.keys.txt.zst) for the hit ratios; may be given again; without
    /// one they are left out
    #[arg(long, value_name = "DIR", value_parser = parse_folder)]
    pub traces: Vec<PathBuf>,

    /// Resident memory at which hit ratios are compared, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub budget_mib: u64,

    /// Keys in the measurement of memory per key [default: 1M, full: 4M, quick: 100k]
    #[arg(long, value_name = "KEYS", value_parser = parse_keys)]
    pub memory_keys: Option<u32>,

    /// A small subset in less than a minute: fewer keys, rounds and traces, too noisy to publish
    #[arg(long)]
    pub quick: bool,

    /// More keys and rounds and longer laps: the better part of an hour
    #[arg(long, conflicts_with = "quick")]
    pub full: bool,

    /// Write the tables as Markdown to this file too
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,

    /// Write everything measured as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program does instead of a race.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Do one job in this process; started by the program itself
    #[command(name = child::SUBCOMMAND, hide = true)]
    Child {
        /// The job as JSON
        job: String,
    },
}

impl std::fmt::Debug for Card {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

/// What is to be done, with every default filled in.
#[derive(Debug)]
pub struct Settled {
    /// The contestants, variants included.
    pub cards: Vec<&'static Card>,
    /// Which measurements.
    pub work: Vec<Work>,
    /// Numbers of keys.
    pub keys: Vec<u32>,
    /// Numbers of threads.
    pub threads: Vec<u32>,
    /// Rounds.
    pub rounds: u32,
    /// Length of a lap.
    pub slice: Duration,
    /// Keys of the memory measurement.
    pub memory_keys: u32,
    /// Requests of the longest trace that is replayed.
    pub longest_trace: u64,
    /// The longest replay to which copies of a trace are added.
    pub laid_requests: u64,
}

impl Args {
    /// Fills in the defaults.
    pub fn settle(&self) -> Settled {
        let pick = |quick: u64, usual: u64, full: u64| match (self.quick, self.full) {
            (true, _) => quick,
            (_, true) => full,
            _ => usual,
        };
        let largest = pick(100_000, 1_000_000, 4_000_000) as u32;
        let mut keys = vec![1_000, 100_000, largest];
        keys.dedup();
        let threads = if self.quick { vec![2] } else { vec![1, 2] };
        Settled {
            cards: if self.only.is_empty() { CARDS.iter().collect() } else { self.only.clone() },
            work: self.work(),
            keys: self.keys.clone().unwrap_or(keys),
            threads: self.threads.clone().unwrap_or(threads),
            rounds: self.rounds.unwrap_or(pick(3, 3, 5) as u32),
            slice: Duration::from_millis(self.slice_ms.unwrap_or(pick(40, 120, 300))),
            memory_keys: self.memory_keys.unwrap_or(largest),
            longest_trace: pick(150_000, u64::MAX, u64::MAX),
            laid_requests: pick(1_000_000, 1_000_000, 2_000_000),
        }
    }

    fn work(&self) -> Vec<Work> {
        let all = Work::value_variants().iter().copied();
        match (self.work.is_empty(), self.quick) {
            (false, _) => self.work.clone(),
            (true, false) => all.collect(),
            (true, true) => all.filter(|work| *work != Work::EqualMemory).collect(),
        }
    }

    /// The folders of traces: an empty name stands for none, as a Makefile passes it.
    ///
    /// # Errors
    ///
    /// When one is not a folder.
    pub fn trace_folders(&self) -> Result<Vec<&PathBuf>, Failure> {
        let named = self.traces.iter().filter(|folder| !folder.as_os_str().is_empty());
        named
            .map(|folder| match folder.is_dir() {
                true => Ok(folder),
                false => Err(Failure::Input(format!("--traces: there is no folder {}", folder.display()))),
            })
            .collect()
    }
}

fn parse_keys(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => match text.strip_suffix(['m', 'M']) {
            Some(digits) => (digits, 1_000_000),
            None => (text, 1),
        },
    };
    let number: u64 =
        digits.parse().map_err(|_| "give a whole number such as 1000, 100k or 4M".to_string())?;
    let keys = number.saturating_mul(unit);
    if !(100..=LARGEST_KEYS).contains(&keys) {
        return Err("give from 100 to 200M keys".to_string());
    }
    u32::try_from(keys).map_err(|error| error.to_string())
}

/// Any name, even an empty one, which clap's own parser of paths refuses.
fn parse_folder(text: &str) -> Result<PathBuf, Infallible> {
    Ok(PathBuf::from(text))
}

fn parse_value_bytes(text: &str) -> Result<usize, String> {
    let bytes: usize = text.parse().map_err(|_| "give a whole number of bytes".to_string())?;
    if !(MIN_VALUE_BYTES..=65_536).contains(&bytes) {
        return Err(format!("give from {MIN_VALUE_BYTES} to 65536: a value carries its key and a seal"));
    }
    Ok(bytes)
}

fn parse_contestant(name: &str) -> Result<&'static Card, String> {
    CARDS.iter().find(|card| card.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<_> = CARDS.iter().map(|card| card.name).collect();
        format!("there is no such contestant; there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn numbers_of_keys_take_k_and_m() {
        assert_eq!(parse_keys("1k"), Ok(1_000));
        assert_eq!(parse_keys("4M"), Ok(4_000_000));
        assert_eq!(parse_keys("250"), Ok(250));
        for wrong in ["", "k", "0", "99", "-1", "1.5M", "5000M", "18446744073709551615M", "many"] {
            assert!(parse_keys(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_value_must_hold_its_key_and_seal() {
        assert_eq!(parse_value_bytes("24"), Ok(24));
        assert!(parse_value_bytes("23").is_err());
    }

    #[test]
    fn an_unknown_contestant_is_told_the_known_ones() {
        assert!(parse_contestant("redis").unwrap_err().contains("quick_cache"));
        assert_eq!(parse_contestant("tinyufo").map(|card| card.name), Ok("TinyUFO"));
    }

    #[test]
    fn an_empty_folder_name_stands_for_none() {
        let args = Args::parse_from(["compare", "--traces", ""]);
        assert!(args.trace_folders().is_ok_and(|folders| folders.is_empty()));
        let args = Args::parse_from(["compare", "--traces", "no/such/folder"]);
        assert!(matches!(args.trace_folders(), Err(Failure::Input(_))));
    }
}
