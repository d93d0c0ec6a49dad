//! The lab: eviction policies, simulated on recorded and generated traces, beside the cache itself.
//!
//! Reading order: `policy` (the simulators), `generated` (traces without a file), `replay` (what can be asked for, and
//! how the policies compare), `names` (which one was probably meant). The command reads files, drives replays and draws
//! tables.
//!
//! Invariants are the command's: results go to the standard output and everything else to the standard error; nothing
//! is printed that looks like a result before the input it stands on was read to its end.

#![forbid(unsafe_code)]

mod generated;
mod names;
mod policy;
mod replay;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = replay::Args::parse();
    match replay::run(&args, &mut anstream::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
