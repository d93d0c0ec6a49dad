//! [`ManyLoads`]: the step machine of one call of `get_or_load_multi` or `get_or_load_each`.
//!
//! [`next`](ManyLoads::next) alone decides what comes next, as for one name in `single.rs`; the names
//! that are open go through its steps together, round by round. Values stay payloads until the end,
//! so that nothing of `T` lives across a wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::Shared;
use super::store::{cycle, undecodable};
use crate::error::{BatchOutcome, Error, Result};
use crate::flight::{Join, LoadCounters, LoadedKey, Payload, Published, Requested, Role, Seen, Work};
use crate::load::{LoadOutcome, Origin, Terms, state_of};
use crate::provider::{Found, Lookups, Read, ReadBatch};
use crate::ttl::TtlState;

pub(super) struct ManyLoads<'a, T> {
    pub(super) shared: &'a Arc<Shared<T>>,
    pub(super) terms: &'a Terms,
    names: Vec<String>,
    keys: Vec<Vec<u8>>,
    progress: Vec<Progress>,
    /// Whether the driver blocks, and so runs the loader on its own thread.
    blocking: bool,
    phase: Phase,
    seen: Seen,
    /// For each name as the caller gave it: its index here, or why it is not a valid key.
    given: Vec<Result<usize, (String, Error)>>,
}

/// Which question `next` has to answer.
enum Phase {
    /// The open names have to be looked at.
    Look,
    /// They were looked at: which part does this call take in the flight of each?
    Join,
}

/// How far one name is.
enum Progress {
    /// To be loaded; with the bytes and the remaining TTL of a stale entry.
    Open { stale: Option<(Vec<u8>, Duration)>, lookups: Lookups },
    /// Served from the cache.
    Read { bytes: Vec<u8>, left: Option<Duration>, origin: Origin },
    /// Loaded, here or elsewhere.
    Loaded { loaded: Result<LoadedKey>, origin: Origin, ttl: TtlState, lookups: Lookups },
}

/// What one round waits for: the flights of the open names.
#[derive(Default)]
pub(super) struct Round {
    /// The names this call loads, in the order of the keys of its flight.
    pub(super) leads: Vec<usize>,
    pub(super) lead: Option<Arc<Work>>,
    /// Whether it runs in the background, and this call does not wait for it.
    pub(super) is_background: bool,
    /// Names in other callers' flights, each with the flight and its index there.
    pub(super) joins: Vec<(usize, Arc<Work>, usize)>,
    /// Names whose revoked flights have to end first.
    pub(super) follows: Vec<(usize, Arc<Work>)>,
}

/// What the driver does next.
pub(super) enum Step {
    /// Nothing: every name has its answer.
    Done,
    /// [Looks](ManyLoads::look) at the open names.
    Look,
    /// Runs the loader and waits for the flights of others, and tells [`ended`](ManyLoads::ended).
    Load(Round),
}

impl<'a, T: 'static> ManyLoads<'a, T> {
    pub(super) fn new<I>(shared: &'a Arc<Shared<T>>, terms: &'a Terms, blocking: bool, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut loads = ManyLoads {
            shared,
            terms,
            names: Vec::new(),
            keys: Vec::new(),
            progress: Vec::new(),
            blocking,
            phase: Phase::Look,
            seen: Seen::All(0),
            given: Vec::new(),
        };
        let mut met: HashMap<String, usize> = HashMap::new();
        for name in names {
            let name = name.as_ref();
            if let Some(&at) = met.get(name) {
                loads.given.push(Ok(at));
                continue;
            }
            match shared.parts.namespace.with_key(name, <[u8]>::to_vec) {
                Ok(key) => {
                    met.insert(name.to_owned(), loads.names.len());
                    loads.given.push(Ok(loads.names.len()));
                    loads.names.push(name.to_owned());
                    loads.keys.push(key);
                    loads.progress.push(Progress::Open { stale: None, lookups: Lookups::MISS });
                }
                Err(error) => loads.given.push(Err((name.to_owned(), error))),
            }
        }
        loads
    }

    /// # Errors
    ///
    /// The batch error, if a name is not a valid key.
    pub(super) fn check_names(&self) -> Result<()> {
        let invalid = self.given.iter().filter_map(|given| given.as_ref().err().cloned());
        let failed: Vec<(String, Error)> = invalid.collect();
        match failed.is_empty() {
            true => Ok(()),
            false => Err(Error::batch(BatchOutcome { done: Vec::new(), failed })),
        }
    }

    /// The names that are not answered yet.
    fn open(&self) -> Vec<usize> {
        (0..self.progress.len())
            .filter(|&index| matches!(self.progress[index], Progress::Open { .. }))
            .collect()
    }

    fn keys_of(&self, names: &[usize]) -> Vec<&[u8]> {
        names.iter().map(|&name| self.keys[name].as_slice()).collect()
    }

    pub(super) fn names_of(&self, names: &[usize]) -> Vec<String> {
        names.iter().map(|&name| self.names[name].clone()).collect()
    }

    /// Looks at the names that are open.
    ///
    /// # Errors
    ///
    /// An error of the whole call.
    pub(super) async fn look(&mut self) -> Result<()> {
        let open = self.open();
        let (provider, keys) = (&self.shared.provider, self.keys_of(&open));
        let reply = match self.terms.needs_time() {
            true => provider.get_multi(&keys, ReadBatch::default()),
            false => provider.get_values(&keys, ReadBatch::default()),
        };
        let batch = reply.await?;
        self.take_batch(&open, &batch);
        self.phase = Phase::Join;
        Ok(())
    }

    /// Takes what a look at these names found.
    fn take_batch(&mut self, names: &[usize], batch: &ReadBatch) {
        for (index, error) in batch.failed() {
            self.settle(names[*index], Err(error.clone()), Origin::Loaded);
        }
        for (index, &name) in names.iter().enumerate() {
            let Some((bytes, found)) = batch.get(index) else { continue };
            self.progress[name] = self.judge(bytes, found);
        }
    }

    fn judge(&self, bytes: &[u8], found: Found) -> Progress {
        let codec = &self.shared.parts.codec;
        let is_value = codec.decode(bytes).is_some();
        let lookups = self.shared.lookups(is_value, true, bytes);
        if lookups == Lookups::UNDECODABLE {
            return Progress::Open { stale: None, lookups };
        }
        if self.terms.fresh_for.is_some()
            && let (Some(span), Some(left)) = (codec.span(bytes), found.remaining)
            && left <= span
        {
            return Progress::Open { stale: Some((bytes.to_vec(), left)), lookups: Lookups::MISS };
        }
        Progress::Read { bytes: bytes.to_vec(), left: found.remaining, origin: Origin::Hit }
    }

    /// Decides what comes next.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub(super) fn next(&mut self) -> Result<Step> {
        let open = self.open();
        if open.is_empty() {
            return Ok(Step::Done);
        }
        if let Phase::Look = self.phase {
            self.seen = Seen::All(self.shared.flights().ended());
            return Ok(Step::Look);
        }
        let requested = |&name: &usize| {
            let stale = match &self.progress[name] {
                Progress::Open { stale: Some((_, left)), .. } => Some(*left),
                _ => None,
            };
            Requested { key: &self.keys[name], stale }
        };
        let requested: Vec<Requested<'_>> = open.iter().map(requested).collect();
        let plan = self.terms.plan(self.blocking);
        match self.shared.flights().join(&requested, &self.seen, plan) {
            Join::Closed => Err(Error::closed()),
            Join::LookAgain(newer) => {
                self.seen = newer;
                Ok(Step::Look)
            }
            Join::Done { roles, lead } => {
                self.phase = Phase::Look;
                Ok(Step::Load(self.round(open, roles, lead)))
            }
        }
    }

    /// What this round waits for; a stale name that another caller refreshes is served.
    fn round(&mut self, open: Vec<usize>, roles: Vec<Role>, lead: Option<Arc<Work>>) -> Round {
        let mut round = Round { lead, ..Round::default() };
        for (name, role) in open.into_iter().zip(roles) {
            if let Role::Lead(_) = role {
                round.leads.push(name);
                continue;
            }
            if self.is_stale(name) && role.end_if_forgotten() {
                continue;
            }
            if self.serve_stale(name) {
                continue;
            }
            match role {
                Role::Join(work, at) => round.joins.push((name, work, at)),
                Role::Follow(work) => round.follows.push((name, work)),
                Role::Cycle => self.settle(name, Err(cycle()), Origin::Loaded),
                Role::Lead(_) | Role::Cooling => {}
            }
        }
        self.begin_refreshes(&mut round);
        round
    }

    /// Counts the refreshes. If this call loads stale names only, it need not wait for them.
    fn begin_refreshes(&mut self, round: &mut Round) {
        let stale = round.leads.iter().filter(|name| self.is_stale(**name)).count();
        for _ in 0..stale {
            LoadCounters::add(&self.shared.flights().counters.refreshes);
        }
        let spawns = self.terms.refresh.spawner().is_some();
        round.is_background = spawns && stale > 0 && stale == round.leads.len();
    }

    fn is_stale(&self, name: usize) -> bool {
        matches!(self.progress[name], Progress::Open { stale: Some(_), .. })
    }

    /// Serves a stale entry as it is; false if it is none.
    pub(super) fn serve_stale(&mut self, name: usize) -> bool {
        let Progress::Open { stale, .. } = &mut self.progress[name] else { return false };
        let Some((bytes, left)) = stale.take() else { return false };
        self.progress[name] = Progress::Read { bytes, left: Some(left), origin: Origin::Stale };
        true
    }

    pub(super) fn settle(&mut self, name: usize, loaded: Result<LoadedKey>, origin: Origin) {
        let lookups = match &self.progress[name] {
            Progress::Open { lookups, .. } => *lookups,
            _ => Lookups::MISS,
        };
        self.progress[name] = Progress::Loaded { loaded, origin, ttl: TtlState::Missing, lookups };
    }

    /// Takes the outcomes of this round's flights; `led` is that of this call's own.
    pub(super) async fn ended(&mut self, round: &Round, led: Option<Published>, all: &[Option<Published>]) {
        for ((name, _, at), published) in round.joins.iter().zip(all) {
            if let Some(published) = published {
                self.take_joined(*name, &published[*at]);
            }
        }
        if round.is_background && led.is_none() {
            return;
        }
        for name in self.take_led(&round.leads, led.as_ref()) {
            match self.shared.provider.get(&self.keys[name], Vec::new()).await {
                Ok(Read { buffer, found: Some(found) }) => self.take_stale(name, buffer, found.remaining),
                Ok(_) => {}
                Err(error) => self.settle(name, Err(error), Origin::Loaded),
            }
        }
    }

    /// Takes the outcome of this call's own flight. Returns the names whose stale values may be served
    /// in place of its error.
    fn take_led(&mut self, leads: &[usize], published: Option<&Published>) -> Vec<usize> {
        let mut excused = Vec::new();
        for (at, &name) in leads.iter().enumerate() {
            let loaded = published.map_or_else(|| Err(Error::closed()), |published| published[at].clone());
            if loaded.is_err() && self.is_stale(name) && self.terms.excuses_refreshes() {
                excused.push(name);
            }
            self.settle(name, loaded, Origin::Loaded);
        }
        excused
    }

    /// Takes the outcome of another caller's flight. The name stays open if its value has another schema
    /// number.
    fn take_joined(&mut self, name: usize, loaded: &Result<LoadedKey>) {
        let is_own = match loaded {
            Ok(LoadedKey { payload: Some(Payload::Bytes(bytes)), .. }) => {
                let codec = &self.shared.parts.codec;
                codec.is_own(bytes) || codec.is_absence(bytes)
            }
            _ => true,
        };
        if is_own {
            LoadCounters::add(&self.shared.flights().counters.coalesced);
            self.settle(name, loaded.clone(), Origin::Coalesced);
        }
    }

    /// Takes a second look at an entry whose refresh failed: it is served if it is still there.
    fn take_stale(&mut self, name: usize, bytes: Vec<u8>, left: Option<Duration>) {
        if self.shared.parts.codec.decode(&bytes).is_some() {
            self.progress[name] = Progress::Read { bytes, left, origin: Origin::Stale };
        }
    }

    /// Asks the provider for the remaining TTLs that only it knows.
    pub(super) async fn learn_ttls(&mut self) {
        for (name, progress) in self.progress.iter_mut().enumerate() {
            if let Progress::Loaded { loaded: Ok(LoadedKey { stored, .. }), ttl, .. } = progress {
                *ttl = self.shared.ttl_of(&self.keys[name], *stored, self.terms).await;
            }
        }
    }

    /// Decodes and counts everything, each name once.
    ///
    /// # Errors
    ///
    /// The batch error, if some loads failed.
    pub(super) fn by_name(self) -> Result<HashMap<String, LoadOutcome<T>>> {
        let mut outcomes = HashMap::with_capacity(self.names.len());
        let mut failed = Vec::new();
        let mut counted = Lookups::default();
        for (name, progress) in self.names.iter().zip(&self.progress) {
            match self.outcome(progress, &mut counted) {
                Ok(outcome) => drop(outcomes.insert(name.clone(), outcome)),
                Err(error) => failed.push((name.clone(), error)),
            }
        }
        self.shared.provider.record_lookups(counted);
        match failed.is_empty() {
            true => Ok(outcomes),
            false => Err(Error::batch(BatchOutcome { done: outcomes.into_keys().collect(), failed })),
        }
    }

    /// Decodes and counts everything, in the order of the caller's names. An error of the whole
    /// call (`loaded`) is the answer of the names that have none of their own.
    pub(super) fn each(self, loaded: Result<()>) -> Vec<Result<LoadOutcome<T>>> {
        let mut counted = Lookups::default();
        let answer = |given: &Result<usize, (String, Error)>| match given {
            Ok(at) => match (&self.progress[*at], &loaded) {
                (Progress::Open { .. }, Err(error)) => Err(error.clone()),
                (progress, _) => self.outcome(progress, &mut counted),
            },
            Err((_, error)) => Err(error.clone()),
        };
        let each = self.given.iter().map(answer).collect();
        self.shared.provider.record_lookups(counted);
        each
    }

    fn outcome(&self, progress: &Progress, counted: &mut Lookups) -> Result<LoadOutcome<T>> {
        let (shared, counters) = (self.shared, &self.shared.flights().counters);
        match progress {
            Progress::Read { bytes, left, origin } => {
                let value = shared.parts.codec.decode(bytes);
                *counted += shared.lookups(value.is_some(), true, bytes);
                if *origin == Origin::Stale {
                    LoadCounters::add(&counters.stale);
                }
                Ok(LoadOutcome { value, origin: *origin, ttl: state_of(*left) })
            }
            Progress::Loaded { loaded, origin, ttl, lookups } => {
                *counted += *lookups;
                let loaded = loaded.as_ref().map_err(Error::clone)?;
                let value = shared.decode_loaded(loaded).unwrap_or_else(|| Err(undecodable()))?;
                Ok(LoadOutcome { value, origin: *origin, ttl: *ttl })
            }
            Progress::Open { .. } => Err(Error::closed()),
        }
    }
}
