//! One replay: every request of a trace to one target, at the trace's own time.

use std::cell::OnceCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use super::ahead;
use super::clock::TraceClock;
use super::engine::Engine;
use super::fills::Fills;
use super::remembered::RememberedTtls;
use super::result::{Measured, Row};
use super::simulator::Simulator;
use super::size::{Capacity, Size};
use super::survey::Survey;
use super::target::{Met, Request, Target};
use super::through::Through;
use crate::failure::Failure;
use crate::policy::Future;
use crate::progress::Progress;
use crate::trace::{self, Op, ReadAs, Record, Step};

/// A trace that was read once, about to be replayed.
pub(super) struct Job<'a> {
    pub(super) file: &'a Path,
    pub(super) read_as: &'a ReadAs,
    pub(super) survey: &'a Survey,
    pub(super) fills: &'a Fills,
    /// What is to come in it, read when it is first needed.
    pub(super) future: OnceCell<Rc<Future>>,
}

impl Job<'_> {
    /// Replays through each target at each size.
    ///
    /// # Errors
    ///
    /// The trace is not what it was when it was read first, or a target did something wrong.
    pub(super) fn run(&self, targets: &[Through], sizes: &[Size]) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for through in targets {
            for size in sizes {
                rows.push(self.run_one(through, size)?);
            }
        }
        Ok(rows)
    }

    fn run_one(&self, through: &Through, size: &Size) -> Result<Row, Failure> {
        let capacity = size.capacity(through, self.survey);
        let built: Result<Box<dyn Target>, String> = match (through, capacity) {
            (Through::Policy(name), capacity) => {
                Simulator::new(name, capacity).map(|target| Box::new(target) as _)
            }
            (Through::Belady, Capacity::Keys(keys)) => {
                Ok(Box::new(Simulator::clairvoyant(keys, self.future()?)))
            }
            (Through::Belady, Capacity::Bytes(_)) => {
                Err("of a kind that belady does not take: give it a percentage or keys".to_owned())
            }
            (Through::Engine, Capacity::Bytes(bytes)) => {
                Engine::new(bytes).map(|target| Box::new(target) as _)
            }
            (Through::Engine, Capacity::Keys(_)) => {
                Err("of a kind that the cache does not take: give it bytes".to_owned())
            }
        };
        let words = format!("{} {size} of {}", through.name(), self.file.display());
        let outcome = match built {
            Ok(mut target) => Ok(self.replay(&mut *target, &words)?),
            Err(problem) => Err(problem),
        };
        Ok(Row { through: through.name().to_owned(), size: size.to_string(), capacity, outcome })
    }

    /// What is to come, read ahead once for all sizes.
    fn future(&self) -> Result<Rc<Future>, Failure> {
        if let Some(future) = self.future.get() {
            return Ok(Rc::clone(future));
        }
        let future = Rc::new(ahead::read(self.file, self.read_as, self.survey)?);
        Ok(Rc::clone(self.future.get_or_init(|| future)))
    }

    fn replay(&self, target: &mut dyn Target, words: &str) -> Result<Measured, Failure> {
        let mut trace = trace::open(self.file, self.read_as)?;
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
                self.file.display(),
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
