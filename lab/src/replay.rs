//! Replays traces through simulated policies and through the cache, and tells how they compare.
//!
//! A trace is read, and driven through what it is replayed through, as the command does it.
//!
//! Reading order: `args`, `contestant` (the cache and the policies by name), `simulator` (a policy as a target), `ahead`
//! (what belady is told), `summary` over `yardstick` (figures from elsewhere), `compared` (what goes into JSON), and
//! `write` (a trace into a file).

use std::io::Write;
use std::path::Path;

use zbz_cache_cli::failure::Failure;
use zbz_cache_cli::figures;
use zbz_cache_cli::replay::curve::Axis;
use zbz_cache_cli::replay::drive::Job;
use zbz_cache_cli::replay::engine::Engine;
use zbz_cache_cli::replay::report::Report;
use zbz_cache_cli::replay::result::{TraceReport, problem_of_all};
use zbz_cache_cli::replay::size::PercentOf;
use zbz_cache_cli::replay::{chart, survey, table};

use crate::generated;
use crate::policy::{self, Belady};

mod ahead;
mod args;
mod compared;
mod contestant;
mod simulator;
mod summary;
mod write;
mod yardstick;

pub use self::args::Args;

use self::compared::Compared;
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
        return Ok(out.write_all(generated::list().as_bytes())?);
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
