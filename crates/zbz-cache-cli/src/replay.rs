//! Replays traces through the cache, and tells how each size fared.
//!
//! Every trace is read once before anything is replayed: to check it, to know its keys, and so what a percentage means.
//! Then it is read again for every size. The clock is the trace's: deadlines pass as they did when it was recorded.
//!
//! Reading order: `args` with `reading`, `input`, `size` and `fills`, `survey` (the first reading), `drive` (a replay)
//! with its `clock`, what it goes `through`, a `target`, which is `engine`, and `remembered`, then what is shown:
//! `result`, `table`, `chart`, `report`, `curve`, `plot` and `outputs`.

use std::io::Write;

use crate::failure::Failure;

mod args;
pub mod chart;
pub mod clock;
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
pub mod size;
pub mod survey;
pub mod table;
pub mod target;
pub mod through;

pub use self::args::{Args, LONG_ABOUT};

use self::curve::Axis;
use self::drive::Job;
use self::engine::Engine;
use self::report::Report;
use self::result::{TraceReport, problem_of_all};
use self::size::PercentOf;

/// Replays as asked, and shows what came of it.
///
/// # Errors
///
/// An argument or a trace is wrong (nothing was printed then), or a file cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let axis = Axis::of(&args.sizes, &[PercentOf::Bytes]);
    args.outputs.check(&axis)?;
    let traces = survey::read_all(args.inputs(), &args.fills)?;
    traces.iter().for_each(|(input, survey)| survey.warn(input));
    let mut report = Report::default();
    for (input, survey) in &traces {
        let job = Job { input, survey, fills: &args.fills };
        let rows = job.run(&[Engine::through()], &args.sizes)?;
        if let Some(problem) = problem_of_all(&rows) {
            let words = "; ask for larger --sizes or --value-size";
            return Err(Failure::Input(format!("{}: every size is {problem}{words}", input.name())));
        }
        let trace = TraceReport::new(input, survey, rows);
        table::print(out, &trace)?;
        if args.outputs.plot.is_none() {
            chart::print(out, &trace)?;
        }
        report.traces.push(trace);
    }
    args.outputs.write(out, &axis, &report, &report)
}
