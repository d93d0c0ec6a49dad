//! The `zbz-cache` command: a first run on a real trace, replay of traces, and benchmarks.
//!
//! Reading order: `args` (what can be asked for), `first_run`, `replay` over `trace` (readers) and `policy`
//! (simulators), `bench`; `numbers` and `names` are how they listen, `failure`, `figures`, `progress`, `page`, `json`
//! and `invocation` how they speak.
//!
//! Invariants: results go to the standard output and everything else to the standard error; nothing is printed that
//! looks like a result before the input it stands on was read to its end; neither stream carries escape codes unless
//! it is a terminal.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod dice;
mod failure;
mod figures;
mod first_run;
mod invocation;
mod json;
mod names;
mod numbers;
mod page;
mod policy;
mod progress;
mod replay;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    let out = &mut anstream::stdout().lock();
    let outcome = match args.command {
        None => first_run::run(args.trace.as_deref(), out),
        Some(Command::Replay(args)) => replay::run(&args, out),
        Some(Command::Bench(args)) => bench::run(&args, out),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
