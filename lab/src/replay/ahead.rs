//! Reading ahead: writes down a trace's future for the policy that knows it.

use zbz_cache_cli::failure::Failure;
use zbz_cache_cli::progress::Progress;
use zbz_cache_cli::replay::clock::TraceClock;
use zbz_cache_cli::replay::input::Input;
use zbz_cache_cli::replay::survey::Survey;
use zbz_cache_cli::trace::{Op, Record, Step};

use crate::policy::{Foresight, Future};

/// Reads a trace to its end, as a simulated policy will: without its deletes.
///
/// # Errors
///
/// The trace is not what it was when it was read first.
pub fn read(input: &Input, survey: &Survey) -> Result<Future, Failure> {
    let mut trace = input.open()?;
    let progress = Progress::new(survey.requests, &format!("belady reads {} ahead", input.name()));
    let mut foresight = Foresight::with_room(survey.requests - survey.deletes);
    let (mut record, mut clock, mut requests) = (Record::default(), TraceClock::default(), 0);
    while trace.records.read(&mut record)? == Step::Record {
        let now_ms = clock.at(&record);
        match record.op {
            Op::Get => foresight.read(record.key_hash(), now_ms),
            Op::Set | Op::Add => foresight.write(record.key_hash(), now_ms),
            Op::Delete => {}
        }
        requests += 1;
        progress.at(requests);
    }
    Ok(foresight.finish())
}
