//! One replay: every request of a trace to one target, at the trace's own time.

use std::time::Instant;

use super::clock::TraceClock;
use super::fills::Fills;
use super::input::Input;
use super::remembered::RememberedTtls;
use super::result::{Measured, Row};
use super::size::Size;
use super::survey::Survey;
use super::target::{Met, Request, Target};
use super::through::{Through, Unbuilt};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::trace::{Op, Record, Step};

/// A trace that was read once, about to be replayed.
#[derive(Debug)]
pub struct Job<'a> {
    /// The trace.
    pub input: &'a Input,
    /// What there is in it.
    pub survey: &'a Survey,
    /// What it does not tell.
    pub fills: &'a Fills,
}

impl Job<'_> {
    /// Replays through each of these at each size.
    ///
    /// # Errors
    ///
    /// The trace is not what it was when it was read first, or a target did something wrong.
    pub fn run(&self, through: &[Through<'_>], sizes: &[Size]) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for through in through {
            for size in sizes {
                rows.push(self.run_one(through, size)?);
            }
        }
        Ok(rows)
    }

    fn run_one(&self, through: &Through<'_>, size: &Size) -> Result<Row, Failure> {
        let capacity = size.capacity(through.percent_of, self.survey);
        let words = format!("{} {size} of {}", through.name, self.input.name());
        let outcome = match (through.build)(capacity) {
            Ok(mut target) => Ok(self.replay(&mut *target, &words)?),
            Err(Unbuilt::Skipped(problem)) => Err(problem),
            Err(Unbuilt::Failed(failure)) => return Err(failure),
        };
        Ok(Row { through: through.name.clone(), size: size.to_string(), capacity, outcome })
    }

    fn replay(&self, target: &mut dyn Target, words: &str) -> Result<Measured, Failure> {
        let mut trace = self.input.open()?;
        let progress = Progress::new(self.survey.requests, words);
        let mut ratios = Ratios::default();
        let mut ttls = RememberedTtls::default();
        let (mut record, mut clock, mut requests) = (Record::default(), TraceClock::default(), 0);
        let begun = Instant::now();
        while trace.records.read(&mut record)? == Step::Record {
            let request = self.prepare(&record, clock.at(&record), &mut ttls);
            ratios.add(target.request(&request)?, request.value_bytes);
            requests += 1;
            progress.at(requests);
        }
        let seconds = begun.elapsed().as_secs_f64();
        if requests != self.survey.requests {
            let problem = format!(
                "{}: had {} requests when it was read first and {requests} when it was replayed; \
                 expected a file that does not change",
                self.input.name(),
                self.survey.requests
            );
            return Err(Failure::Input(problem));
        }
        let (hit_ratio, byte_hit_ratio) = ratios.finish();
        Ok(Measured {
            hit_ratio,
            byte_hit_ratio: byte_hit_ratio.filter(|_| self.survey.knows_sizes),
            requests_per_second: requests as f64 / seconds.max(1e-9),
            totals: target.totals(),
        })
    }

    fn prepare<'a>(&self, record: &'a Record, now_ms: u64, ttls: &mut RememberedTtls) -> Request<'a> {
        let key_hash = record.key_hash();
        let ttl_ms = match (record.op, record.ttl_ms) {
            (Op::Get, None) => ttls.get(key_hash),
            (Op::Set | Op::Add, Some(ttl_ms)) => {
                ttls.put(key_hash, ttl_ms);
                Some(ttl_ms)
            }
            (Op::Set, None) => {
                ttls.forget(key_hash);
                None
            }
            (_, ttl_ms) => ttl_ms,
        };
        let value_bytes = record.value_bytes.unwrap_or(self.fills.value_bytes);
        Request { op: record.op, key: &record.key, key_hash, value_bytes, now_ms, ttl_ms }
    }
}

/// Hits among gets, counted and weighed.
#[derive(Default)]
struct Ratios {
    gets: u64,
    hits: u64,
    /// Wider than any one size, so that no trace makes it overflow.
    get_bytes: u128,
    hit_bytes: u128,
}

impl Ratios {
    fn add(&mut self, met: Met, value_bytes: u64) {
        if met == Met::Done {
            return;
        }
        self.gets += 1;
        self.get_bytes += u128::from(value_bytes);
        if met == Met::Hit {
            self.hits += 1;
            self.hit_bytes += u128::from(value_bytes);
        }
    }

    /// The shares of hits by objects and by bytes, where there was a get.
    fn finish(&self) -> (Option<f64>, Option<f64>) {
        let share = |part: u128, whole: u128| (whole > 0).then(|| part as f64 / whole as f64);
        (share(self.hits.into(), self.gets.into()), share(self.hit_bytes, self.get_bytes))
    }
}
