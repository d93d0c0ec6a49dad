//! Races rival caches with this project's engine on the same work, and writes the tables of `docs/comparison.md`.
//!
//! Reading order: `data` (keys and values), `contestant` (what a rival must offer) and `contestants` (each rival, one
//! file), `racer` (the timed loops), `speed` (turns and rounds), `resident` and `child` (memory, each contestant in
//! its own process), `trace`, `equal_entries` and `equal_memory` (hit ratios), `results`, `report` (tables).
//!
//! What a figure promises: every contestant got the same keys and values in the same order; every answer was checked
//! against its key; each figure is the median of interleaved rounds of one run.

use crate::args::{Args, Command, Settled};
use crate::contestant::Card;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::results::{PerKey, Results, Settings, Work};
use crate::trace::Trace;
use clap::Parser;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::ExitCode;

mod args;
mod child;
mod contestant;
mod contestants;
mod data;
mod equal_entries;
mod equal_memory;
mod failure;
mod machine;
mod median;
mod per_key;
mod picks;
mod progress;
mod racer;
mod report;
mod resident;
mod results;
mod speed;
mod trace;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Some(Command::Child { job }) => {
            child::work(job).map(|answer| println!("{answer}")).map_err(Failure::Race)
        }
        None => run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let settled = args.settle();
    let mut left_out = Vec::new();
    // Input that cannot be used is better found out before the race than after.
    let traces = read_traces(args, &settled, &mut left_out)?;
    for file in [&args.markdown, &args.json].into_iter().flatten() {
        check_writable(file)?;
    }
    let mut results = Results {
        settings: settings(args, &settled),
        machine: machine::describe(),
        entrants: machine::entrants(&settled.cards).map_err(Failure::Race)?,
        speed: Vec::new(),
        per_key: Vec::new(),
        equal_entries: Vec::new(),
        equal_memory: Vec::new(),
        left_out,
    };
    race(args, &settled, &mut results)?;
    if settled.work.contains(&Work::Memory) {
        results.per_key = weigh(&settled)?;
    }
    replay(args, &settled, &traces, &mut results)?;
    let report = report::markdown(&results, &settled.cards);
    println!("{report}");
    if let Some(file) = &args.markdown {
        write(file, &report)?;
    }
    if let Some(file) = &args.json {
        let json =
            serde_json::to_string_pretty(&results).map_err(|error| Failure::Race(error.to_string()))?;
        write(file, &json)?;
    }
    Ok(())
}

fn settings(args: &Args, settled: &Settled) -> Settings {
    Settings {
        command: report::command_line(std::env::args().skip(1)),
        rounds: settled.rounds,
        slice_ms: settled.slice.as_millis() as u64,
        value_bytes: args.value_bytes,
        memory_keys: settled.memory_keys,
        budget_bytes: args.budget_mib << 20,
        quick: args.quick,
    }
}

/// The timed laps.
fn race(args: &Args, settled: &Settled, results: &mut Results) -> Result<(), Failure> {
    let cards: Vec<&'static Card> = settled.cards.iter().copied().filter(|card| card.races).collect();
    if !settled.work.iter().any(|work| Work::SPEED.contains(work)) || cards.is_empty() {
        return Ok(());
    }
    let keys = keys_that_fit(args, settled, &mut results.left_out);
    let plan = speed::Plan {
        cards: &cards,
        work: &settled.work,
        keys: &keys,
        threads: &settled.threads,
        rounds: settled.rounds,
        slice: settled.slice,
        value_bytes: args.value_bytes,
    };
    let bar = Progress::new("timed laps", plan.turns());
    results.speed = plan.run(&bar)?;
    Ok(())
}

/// Numbers of keys for which the hungriest contestant, with twice the room, fits into memory.
fn keys_that_fit(args: &Args, settled: &Settled, left_out: &mut Vec<String>) -> Vec<u32> {
    const OVERHEAD_BYTES: u64 = 500;
    let entry_bytes = (data::KEY_BYTES + args.value_bytes) as u64 + OVERHEAD_BYTES;
    let available = machine::available_bytes().unwrap_or(u64::MAX);
    let (fit, unfit): (Vec<u32>, Vec<u32>) =
        settled.keys.iter().partition(|keys| u64::from(**keys).saturating_mul(entry_bytes) <= available);
    for keys in unfit {
        left_out.push(format!("Timed laps with {keys} keys: not enough memory available."));
    }
    fit
}

/// Memory per key.
fn weigh(settled: &Settled) -> Result<Vec<PerKey>, Failure> {
    let bar = Progress::new("memory per key", settled.cards.len() as u64);
    per_key::weigh(&settled.cards, settled.memory_keys, &bar)
}

/// Hit ratios on every trace.
fn replay(args: &Args, settled: &Settled, traces: &[Trace], results: &mut Results) -> Result<(), Failure> {
    if settled.work.contains(&Work::Entries) {
        let bar =
            Progress::new("equal entries", traces.len() as u64 * equal_entries::replays(&settled.cards));
        for trace in traces {
            let rows = equal_entries::replay(&settled.cards, trace, args.value_bytes, &bar)?;
            results.equal_entries.extend(rows);
        }
    }
    if settled.work.contains(&Work::EqualMemory) {
        let table = equal_memory::Table {
            cards: &settled.cards,
            budget_bytes: args.budget_mib << 20,
            value_bytes: args.value_bytes,
            max_requests: settled.laid_requests,
        };
        let bar = Progress::new("equal memory", traces.len() as u64 * table.replays());
        results.equal_memory = table.run(traces, &bar)?;
    }
    Ok(())
}

/// The traces of the folders, if any measurement wants them.
fn read_traces(args: &Args, settled: &Settled, left_out: &mut Vec<String>) -> Result<Vec<Trace>, Failure> {
    let folders = args.trace_folders()?;
    let mut traces = Vec::new();
    if !settled.work.iter().any(|work| matches!(work, Work::Entries | Work::EqualMemory)) {
        return Ok(traces);
    }
    if folders.is_empty() {
        left_out.push("The hit ratios: no folder of traces was given (`--traces DIR`).".to_string());
        return Ok(traces);
    }
    if !settled.work.contains(&Work::EqualMemory) && args.work.is_empty() {
        left_out.push("The hit ratios at equal resident memory: too long for a quick look.".to_string());
    }
    for folder in folders {
        for file in trace::find(folder).map_err(Failure::Input)? {
            let trace = trace::load(&file).map_err(Failure::Input)?;
            if trace.ids.len() as u64 > settled.longest_trace {
                left_out.push(format!("Trace {}: too long for a quick look.", trace.name));
            } else {
                traces.push(trace);
            }
        }
    }
    Ok(traces)
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .map_err(|error| Failure::Input(format!("cannot write {}: {error}", file.display())))
}

/// Opens without emptying: a run that fails later leaves the last tables as they were.
fn check_writable(file: &Path) -> Result<(), Failure> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    opened.map(drop).map_err(|error| Failure::Input(format!("cannot write {}: {error}", file.display())))
}
