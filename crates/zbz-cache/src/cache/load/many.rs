//! [`ManyLoads`]: the step machine of one call of `get_or_load_multi` or `get_or_load_each`.
//!
//! [`next`](ManyLoads::next) alone decides what comes next, as for one name in `single.rs`; the names
//! that are open go through its steps together, round by round. Values stay payloads until the end,
//! so that nothing of `T` lives across a wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::Shared;
use super::Look;
use super::store::cycle;
use crate::error::{BatchOutcome, Error, Result};
use crate::flight::{Join, LoadCounters, LoadedKey, Requested, Role, Seen, Work};
use crate::load::{Origin, Terms};
use crate::provider::{Found, Lookups, ReadBatch};
use crate::ttl::TtlState;

mod answers;
mod ended;

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
    /// To be loaded.
    Open(Missed),
    /// Served from the cache.
    Read { bytes: Vec<u8>, left: Option<Duration>, origin: Origin },
    /// Loaded, here or elsewhere.
    Loaded { loaded: Result<LoadedKey>, origin: Origin, ttl: TtlState, lookups: Lookups },
}

/// A look at one name that found no fresh value.
struct Missed {
    look: Look,
    /// The bytes of a stale entry, and its remaining TTL.
    stale: Option<(Vec<u8>, Duration)>,
    /// How the lookup is counted if the value has to be loaded.
    lookups: Lookups,
}

impl Missed {
    fn with(look: Look) -> Self {
        Missed { look, stale: None, lookups: Lookups::MISS }
    }
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
                    loads.progress.push(Progress::Open(Missed::with(Look::Answered)));
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
        (0..self.progress.len()).filter(|&name| self.missed(name).is_some()).collect()
    }

    /// Those of them that have to be looked at. A look that was not answered is not repeated: it may take its
    /// whole deadline again.
    fn unseen(&self) -> Vec<usize> {
        let is_unseen =
            |&name: &usize| self.missed(name).is_some_and(|missed| missed.look.failure().is_none());
        (0..self.progress.len()).filter(is_unseen).collect()
    }

    fn missed(&self, name: usize) -> Option<&Missed> {
        match &self.progress[name] {
            Progress::Open(missed) => Some(missed),
            Progress::Read { .. } | Progress::Loaded { .. } => None,
        }
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
    /// An error of the whole call, unless loads go on without the cache.
    pub(super) async fn look(&mut self) -> Result<()> {
        let unseen = self.unseen();
        let (provider, keys) = (&self.shared.provider, self.keys_of(&unseen));
        let batch = provider.get_multi_for_load(&keys, ReadBatch::default(), self.terms.parts()).await;
        match batch {
            Ok(batch) => self.take_batch(&unseen, &batch),
            Err(error) if self.terms.goes_around(&error) => {
                unseen.into_iter().for_each(|name| self.go_around(name, &error));
            }
            Err(error) => return Err(error),
        }
        self.phase = Phase::Join;
        Ok(())
    }

    /// Takes what a look at these names came to.
    fn take_batch(&mut self, names: &[usize], batch: &ReadBatch) {
        let mut answered = None;
        for (index, &name) in names.iter().enumerate() {
            match (batch.get(index), batch.error(index)) {
                (Some((bytes, found)), _) => {
                    answered = Some(found);
                    self.progress[name] = self.judge(bytes, found);
                }
                (None, Some(error)) if self.terms.goes_around(error) => self.go_around(name, error),
                (None, Some(error)) => self.settle(name, Err(error.clone()), Origin::Loaded),
                (None, None) => {
                    answered = Some(Found::default());
                    self.progress[name] = Progress::Open(Missed::with(Look::Answered));
                }
            }
        }
        if let Some(found) = answered {
            self.shared.note_answer(&found);
        }
    }

    /// Takes note that the look at a name was not answered.
    fn go_around(&mut self, name: usize, error: &Error) {
        self.shared.flights().look_failed(self.shared.parts.handle.name(), error);
        self.progress[name] = Progress::Open(Missed::with(Look::Failed(error.clone())));
    }

    fn judge(&self, bytes: &[u8], found: Found) -> Progress {
        let (codec, look) = (&self.shared.parts.codec, Look::of(&found));
        let is_value = codec.decode(bytes).is_some();
        let lookups = self.shared.lookups(is_value, true, bytes);
        if lookups == Lookups::UNDECODABLE {
            return Progress::Open(Missed { lookups, ..Missed::with(look) });
        }
        if self.terms.fresh_for.is_some()
            && let (Some(span), Some(left)) = (codec.span(bytes), found.remaining)
            && left <= span
        {
            return Progress::Open(Missed { stale: Some((bytes.to_vec(), left)), ..Missed::with(look) });
        }
        let origin = look.origin(Origin::Hit);
        Progress::Read { bytes: bytes.to_vec(), left: found.remaining, origin }
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
        if matches!(self.phase, Phase::Look) && !self.unseen().is_empty() {
            self.seen = Seen::All(self.shared.flights().ended());
            return Ok(Step::Look);
        }
        let requested = |&name: &usize| {
            let missed = self.missed(name);
            let stale = missed.and_then(|missed| missed.stale.as_ref()).map(|(_, left)| *left);
            let is_unread = missed.is_some_and(|missed| missed.look.is_unread());
            Requested { key: &self.keys[name], stale, is_unread }
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
        self.missed(name).is_some_and(|missed| missed.stale.is_some())
    }

    /// Serves a stale entry as it is; false if it is none.
    pub(super) fn serve_stale(&mut self, name: usize) -> bool {
        let Progress::Open(missed) = &mut self.progress[name] else { return false };
        let Some((bytes, left)) = missed.stale.take() else { return false };
        let origin = missed.look.origin(Origin::Stale);
        self.progress[name] = Progress::Read { bytes, left: Some(left), origin };
        LoadCounters::add(&self.shared.flights().counters.stale);
        true
    }

    /// Takes the answer of a name. The error of a load tells of the look that failed before it, too.
    pub(super) fn settle(&mut self, name: usize, loaded: Result<LoadedKey>, origin: Origin) {
        let (lookups, loaded) = match &self.progress[name] {
            Progress::Open(Missed { look, lookups, .. }) => {
                (*lookups, loaded.map_err(|error| error.with_outage(look.failure())))
            }
            Progress::Read { .. } | Progress::Loaded { .. } => (Lookups::MISS, loaded),
        };
        self.progress[name] = Progress::Loaded { loaded, origin, ttl: TtlState::Missing, lookups };
    }
}
