//! Replays traces through the engine or through simulated policies, and tells how each size fared.
//!
//! Every trace is read once before anything is replayed: to check it, to know its keys, and so what a percentage means.
//! Then it is read again for every size. The clock is the trace's: deadlines pass as they did when it was recorded.
//!
//! Reading order: `args` with `reading`, `input`, `size` and `fills`, `survey` (the first reading), `drive` (a replay)
//! with its `clock`, what it goes `through`, a `target`, which is `engine` or `simulator`, `remembered` and `ahead`,
//! then what is shown: `result`, `table`, `chart`, `report`, `summary`, `compared`, `curve`, `plot` and `outputs`;
//! `contestant` (the cache and the policies by name), `yardstick` (figures from elsewhere) and `write` (a trace into a
//! file).

use std::io::Write;
use std::path::Path;

use crate::failure::Failure;
use crate::figures;
use crate::policy::{self, Belady};
use crate::trace;

mod ahead;
mod args;
pub mod chart;
pub mod clock;
mod compared;
mod contestant;
pub mod curve;
pub mod drive;
pub mod engine;
pub mod fills;
pub mod input;
pub mod outputs;
pub mod plot;
pub mod reading;
pub mod remembered;
pub mod report;
pub mod result;
mod simulator;
pub mod size;
mod summary;
pub mod survey;
pub mod table;
pub mod target;
pub mod through;
mod write;
mod yardstick;

pub use self::args::{Args, LONG_ABOUT};

use self::compared::Compared;
use self::curve::Axis;
use self::drive::Job;
use self::engine::Engine;
use self::report::Report;
use self::result::{TraceReport, problem_of_all};
use self::size::PercentOf;
use self::summary::Summary;
use self::yardstick::Yardstick;

/// Replays as asked, and shows what came of it.
///
/// # Errors
///
/// An argument or a trace is wrong (nothing was printed then), or a file cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if args.lists_policies() {
        return list_policies(out);
    }
    if args.lists_generated() {
        return Ok(out.write_all(trace::list_generated().as_bytes())?);
    }
    if let Some(file) = &args.write {
        return write_trace(args, file, out);
    }
    let contestants = args.contestants()?;
    let percents: Vec<PercentOf> = contestants.iter().map(|one| one.percent_of()).collect();
    let axis = Axis::of(&args.sizes, &percents);
    args.outputs.check(&axis)?;
    let yardstick = args.yardstick.as_deref().map_or(Ok(Yardstick::default()), Yardstick::read)?;
    let traces = survey::read_all(args.inputs(), &args.fills)?;
    for (input, survey) in &traces {
        survey.warn(input);
        if args.summary {
            survey.tell(input);
        }
    }
    let mut report = Report::default();
    for (input, survey) in &traces {
        let job = Job { input, survey, fills: &args.fills };
        let through: Vec<_> = contestants.iter().map(|one| one.through(input, survey)).collect();
        let rows = job.run(&through, &args.sizes)?;
        if let Some(problem) = problem_of_all(&rows) {
            let words = "; ask for larger --sizes or --value-size, or simulate a --policy";
            return Err(Failure::Input(format!("{}: every size is {problem}{words}", input.name())));
        }
        let trace = TraceReport::new(input, survey, rows);
        if !args.summary {
            print(args, &trace, out)?;
        }
        report.traces.push(trace);
    }
    let summary = Summary::of(&report.traces, &yardstick);
    if args.summary && summary.is_none() {
        let problem = "there is nothing for a --summary to compare; name belady and another policy, or two policies and two traces";
        return Err(Failure::Input(problem.to_owned()));
    }
    if let Some(summary) = &summary {
        summary.print(out)?;
    }
    args.outputs.write(out, &axis, &report, &Compared { report: &report, summary })
}

/// Shows what came of one trace.
fn print(args: &Args, trace: &TraceReport, out: &mut dyn Write) -> Result<(), Failure> {
    table::print(out, trace)?;
    let simulated = trace.rows.iter().any(|row| row.through != Engine::NAME);
    if simulated && trace.deletes > 0 {
        writeln!(out, "Simulated policies pass over the {} deletes.", figures::count(trace.deletes))?;
    }
    if args.outputs.plot.is_none() {
        chart::print(out, trace)?;
    }
    Ok(())
}

/// Writes the one trace that was named into a file.
fn write_trace(args: &Args, file: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let [input] = &args.inputs()[..] else {
        return Err(Failure::Input("--write takes one trace".to_owned()));
    };
    let (requests, reading) = write::write(input, file)?;
    if let Some(words) = &reading.words {
        writeln!(out, "{} read as: {words}", input.name())?;
    }
    writeln!(out, "{} requests are in {}", figures::count(requests), file.display())?;
    Ok(())
}

fn list_policies(out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}  the cache itself (unless --policy names others)", Engine::NAME)?;
    for name in policy::NAMES {
        writeln!(out, "{name}")?;
    }
    writeln!(out, "{}  knows the future: how many hits are possible", Belady::NAME)?;
    writeln!(
        out,
        "\nSettings of all but lru, fifo, sieve and merlin-like, as in tide-log:window=1/8:credit=off"
    )?;
    for (name, what) in policy::settings() {
        writeln!(out, "{name:<12}{what}")?;
    }
    writeln!(out, "-log takes a number of segments and what bounds them: tide-log-64, tide-log-64-tight")?;
    Ok(())
}
