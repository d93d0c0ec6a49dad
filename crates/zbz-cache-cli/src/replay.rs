//! Replays traces through the engine or through simulated policies, and tells how each size fared.
//!
//! Every trace is read once before anything is replayed: to check it, to know its keys, and so what a percentage means.
//! Then it is read again for every size. The clock is the trace's: deadlines pass as they did when it was recorded.
//!
//! Reading order: `args` with `reading`, `through`, `size` and `fills`, `survey` (the first reading), `drive` (a replay)
//! with its `clock`, a `target`, which is `engine` or `simulator`, `remembered` and `ahead`, then what is shown: `result`,
//! `table`, `chart`, `summary`, `report`, `curve` and `plot`; `yardstick` (figures from elsewhere) and `write` (a trace into a file).

use std::cell::OnceCell;
use std::io::Write;
use std::path::Path;

use crate::failure::Failure;
use crate::figures;
use crate::json;
use crate::policy::{self, Belady};
use crate::trace;

mod ahead;
mod args;
mod chart;
mod clock;
mod curve;
mod drive;
mod engine;
mod fills;
mod plot;
mod reading;
mod remembered;
mod report;
mod result;
mod simulator;
mod size;
mod summary;
mod survey;
mod table;
mod target;
mod through;
mod write;
mod yardstick;

pub use self::args::{Args, LONG_ABOUT};

use self::curve::{Axis, Picture};
use self::report::Report;
use self::result::{Row, TraceReport};
use self::summary::Summary;
use self::through::Through;
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
    let targets = args.targets()?;
    args.check_outputs()?;
    let yardstick = args.yardstick.as_deref().map_or(Ok(Yardstick::default()), Yardstick::read)?;
    let axis = Axis::of(&args.sizes, &targets);
    if let (Some(_), Err(problem)) = (&args.plot, &axis) {
        return Err(Failure::Input(problem.clone()));
    }
    let fills = args.fills();
    let mut traces = Vec::new();
    for file in &args.traces {
        let survey = survey::read(file, &args.read_as(), &fills)?;
        traces.push((file, survey));
    }
    for (file, survey) in &traces {
        survey.warn(file);
        if args.summary {
            survey.tell(file);
        }
    }
    let mut report = Report::default();
    for (file, survey) in &traces {
        let read_as = &args.read_as();
        let job = drive::Job { file, read_as, survey, fills: &fills, future: OnceCell::new() };
        let rows = job.run(&targets, &args.sizes)?;
        if let Some(problem) = problem_of_all(&rows) {
            let words = "; ask for larger --sizes or --value-size, or simulate a --policy";
            return Err(Failure::Input(format!("{}: every size is {problem}{words}", file.display())));
        }
        let trace = TraceReport::new(file, survey, rows);
        if !args.summary {
            table::print(out, &trace)?;
        }
        if !args.summary && args.plot.is_none() {
            chart::print(out, &trace)?;
        }
        report.traces.push(trace);
    }
    report.summary = Summary::of(&report.traces, &yardstick);
    if args.summary && report.summary.is_none() {
        let problem = "there is nothing for a --summary to compare; name belady and another policy, or two policies and two traces";
        return Err(Failure::Input(problem.to_owned()));
    }
    if let Some(summary) = &report.summary {
        summary.print(out)?;
    }
    if let (Some(file), Ok(axis)) = (&args.plot, axis) {
        plot::write(file, axis, &Picture::of(&report, axis))?;
        writeln!(out, "\nThe miss-ratio curve is in {}", file.display())?;
    }
    if let Some(file) = &args.json {
        json::write(file, &report)?;
    }
    Ok(())
}

/// Writes the one trace that was named into a file.
fn write_trace(args: &Args, file: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let [trace] = &args.traces[..] else {
        return Err(Failure::Input("--write takes one trace".to_owned()));
    };
    let (requests, reading) = write::write(trace, &args.read_as(), file)?;
    if let Some(words) = &reading.words {
        writeln!(out, "{} read as: {words}", trace.display())?;
    }
    writeln!(out, "{} requests are in {}", figures::count(requests), file.display())?;
    Ok(())
}

/// Why no row has figures, if none has.
fn problem_of_all(rows: &[Row]) -> Option<&str> {
    let problems: Option<Vec<&str>> =
        rows.iter().map(|row| row.outcome.as_ref().err().map(String::as_str)).collect();
    problems?.first().copied()
}

fn list_policies(out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}  the cache itself (unless --policy names others)", Through::ENGINE)?;
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
