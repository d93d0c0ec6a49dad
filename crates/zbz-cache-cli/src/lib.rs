//! The `zbz-cache` command: a first run on a real trace, replay of traces, and benchmarks.
//!
//! It is a library so that the project's own research can use its readers of traces and its replays. Nothing in it is
//! meant for others, and any of it may change in any version.
//!
//! Reading order: `args` (what can be asked for), `first_run`, `replay` over `trace` (readers), `bench`;
//! `numbers` is how they listen, `failure`, `figures`, `progress`, `page`, `json` and `invocation` how they
//! speak.
//!
//! Invariants: results go to the standard output and everything else to the standard error; nothing is printed that
//! looks like a result before the input it stands on was read to its end; neither stream carries escape codes unless
//! it is a terminal.

#![forbid(unsafe_code)]

mod args;
mod bench;
#[doc(hidden)]
pub mod dice;
#[doc(hidden)]
pub mod failure;
#[doc(hidden)]
pub mod figures;
mod first_run;
mod invocation;
#[doc(hidden)]
pub mod json;
#[doc(hidden)]
pub mod numbers;
#[doc(hidden)]
pub mod page;
#[doc(hidden)]
pub mod progress;
#[doc(hidden)]
pub mod replay;
#[doc(hidden)]
pub mod trace;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Args, Command};

/// Does what the command line asks for.
pub fn run() -> ExitCode {
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
