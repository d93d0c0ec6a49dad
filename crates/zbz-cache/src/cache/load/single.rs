//! [`SingleLoad`]: the step machine of one call of `get_or_load`, from a look that found no fresh value
//! to the answer.
//!
//! [`next`](SingleLoad::next) alone decides what comes next. It never waits: a driver does the
//! step, async or blocking, and hands the result back.
//!
//! ```text
//!   Look ----> fresh: answer
//!    ^  `----> join the flights ----> Lead: run the loader, answer
//!    |                         `----> Join: wait, answer what was published
//!    |                         `----> stale, and another caller refreshes it: answer
//!    '--- Follow: wait -------------- Join without a usable outcome; a look that is too old
//! ```
//!
//! `docs/loading.md` says why each step is there.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::super::Shared;
use super::Look;
use super::store::{cycle, undecodable};
use crate::error::{Error, Result};
use crate::flight::{Join, LoadCounters, Published, Requested, Role, Seen, Work};
use crate::load::{LoadOutcome, Origin, Spawner, Terms, state_of};
use crate::provider::{Found, Lookups, Read, ReadParts};
use crate::scratch;
use crate::ttl::TtlState;

pub(super) struct SingleLoad<'a, T> {
    pub(super) shared: &'a Arc<Shared<T>>,
    pub(super) terms: &'a Terms,
    name: &'a str,
    /// Whether the driver blocks, and so runs the loader on its own thread.
    blocking: bool,
    /// The stored key; empty until a look found no fresh value.
    key: Vec<u8>,
    phase: Phase,
    seen: Seen,
    missed: Missed,
    /// Whether a stale entry did not decode. From then on it counts as missing.
    is_broken: bool,
    /// Whether the load that this call leads refreshes a stale entry.
    is_refresh: bool,
}

/// Which question `next` has to answer.
enum Phase {
    /// The cache was looked at: which part does this call take in the key's flight?
    Join,
    /// A flight was waited for: the cache has to be looked at again.
    Look,
}

/// What the driver does next.
pub(super) enum Step {
    /// Reads the cache, and tells [`looked`](SingleLoad::looked).
    Look,
    /// Runs the loader, and tells [`led`](SingleLoad::led).
    Lead(Arc<Work>),
    /// Waits for another caller's flight, and tells [`joined`](SingleLoad::joined); the number is the
    /// key's index there.
    Join(Arc<Work>, usize),
    /// Waits for the end of a flight that was revoked, and uses nothing of it.
    Follow(Arc<Work>),
}

/// A look at the cache that found no fresh value.
struct Missed {
    look: Look,
    /// The bytes of a stale entry, and its remaining TTL.
    stale: Option<(Vec<u8>, Duration)>,
    /// How the lookup is counted if the value has to be loaded.
    lookups: Lookups,
}

impl Missed {
    fn with(lookups: Lookups) -> Self {
        Missed { look: Look::Answered, stale: None, lookups }
    }
}

impl<'a, T: 'static> SingleLoad<'a, T> {
    pub(super) fn new(shared: &'a Arc<Shared<T>>, name: &'a str, terms: &'a Terms, blocking: bool) -> Self {
        SingleLoad {
            shared,
            terms,
            name,
            blocking,
            key: Vec::new(),
            phase: Phase::Join,
            seen: Seen::All(0),
            missed: Missed::with(Lookups::MISS),
            is_broken: false,
            is_refresh: false,
        }
    }

    /// Takes the result of the first look, which began when `ended` flights had ended. Breaks with the
    /// answer if the look found one.
    ///
    /// # Errors
    ///
    /// As [`looked`](SingleLoad::looked), and `InvalidKey`.
    pub(super) fn begin(
        &mut self,
        (ended, read): (u64, Result<Read>),
    ) -> Result<ControlFlow<LoadOutcome<T>>> {
        self.seen = Seen::All(ended);
        let looked = self.looked(read)?;
        if looked.is_continue() {
            self.key = self.shared.parts.namespace.with_key(self.name, <[u8]>::to_vec)?;
        }
        Ok(looked)
    }

    /// Decides what comes next; breaks with the answer if it is there.
    ///
    /// # Errors
    ///
    /// `Closed`, and `LoadCycle`.
    pub(super) fn next(&mut self) -> Result<ControlFlow<LoadOutcome<T>, Step>> {
        let flights = self.shared.flights();
        loop {
            if let Phase::Look = self.phase {
                self.seen = Seen::All(flights.ended());
                return Ok(ControlFlow::Continue(Step::Look));
            }
            let stale = self.missed.stale.as_ref().map(|(_, left)| *left);
            let is_unread = self.missed.look.is_unread();
            let requested = [Requested { key: &self.key, stale, is_unread }];
            let (role, lead) = match flights.join(&requested, &self.seen, self.terms.plan(self.blocking)) {
                Join::Closed => return Err(Error::closed()),
                Join::LookAgain(newer) => {
                    self.seen = newer;
                    return Ok(ControlFlow::Continue(Step::Look));
                }
                Join::Done { mut roles, lead } => (roles.pop(), lead),
            };
            if let Some(work) = lead {
                self.is_refresh = stale.is_some();
                if self.is_refresh {
                    LoadCounters::add(&flights.counters.refreshes);
                }
                return Ok(ControlFlow::Continue(Step::Lead(work)));
            }
            if stale.is_some() && role.as_ref().is_some_and(Role::end_if_forgotten) {
                continue;
            }
            // Another caller refreshes a stale entry, or did and failed.
            if let Some((bytes, left)) = self.missed.stale.take() {
                match self.shared.serve_stale(bytes, left, &self.missed.look) {
                    Some(served) => return Ok(ControlFlow::Break(served)),
                    None => self.is_broken = true,
                }
            }
            // A look that was not answered is not repeated: it may take its whole deadline again.
            if self.missed.look.failure().is_none() {
                self.phase = Phase::Look;
            }
            match role {
                Some(Role::Cycle) => return Err(cycle()),
                Some(Role::Join(work, at)) => return Ok(ControlFlow::Continue(Step::Join(work, at))),
                Some(Role::Follow(work)) => return Ok(ControlFlow::Continue(Step::Follow(work))),
                Some(Role::Lead(_) | Role::Cooling) | None => {}
            }
        }
    }

    /// Reads the cache.
    pub(super) fn look(&self) -> crate::reply::Reply<'a, Read> {
        self.shared.look(self.name, self.terms)
    }

    /// Takes the result of a look. A fresh value is counted as a hit, and breaks with the answer.
    ///
    /// # Errors
    ///
    /// That of a look that failed, unless loads go on without it.
    pub(super) fn looked(&mut self, read: Result<Read>) -> Result<ControlFlow<LoadOutcome<T>>> {
        self.phase = Phase::Join;
        match read {
            Ok(read) => Ok(self.found(read)),
            Err(error) if self.terms.goes_around(&error) => {
                self.shared.flights().look_failed(self.shared.parts.handle.name(), &error);
                self.missed = Missed { look: Look::Failed(error), ..Missed::with(Lookups::MISS) };
                Ok(ControlFlow::Continue(()))
            }
            Err(error) => Err(error),
        }
    }

    fn found(&mut self, Read { buffer, found }: Read) -> ControlFlow<LoadOutcome<T>> {
        let shared = self.shared;
        shared.note_answer(&found.unwrap_or_default());
        let Some(found) = found else {
            scratch::give(buffer);
            self.missed = Missed::with(Lookups::MISS);
            return ControlFlow::Continue(());
        };
        let look = Look::of(&found);
        if self.terms.fresh_for.is_some()
            && let Some(left) = found.remaining
            && shared.is_stale(&buffer, Some(left))
        {
            let stale = Some((buffer, left)).filter(|_| !self.is_broken);
            self.missed = Missed { look, stale, lookups: Lookups::MISS };
            return ControlFlow::Continue(());
        }
        let value = shared.parts.codec.decode(&buffer);
        let lookups = shared.lookups(value.is_some(), true, &buffer);
        scratch::give(buffer);
        if lookups == Lookups::UNDECODABLE {
            self.missed = Missed { look, ..Missed::with(lookups) };
            return ControlFlow::Continue(());
        }
        shared.provider.record_lookups(lookups);
        let origin = look.origin(Origin::Hit);
        ControlFlow::Break(LoadOutcome { value, origin, ttl: state_of(found.remaining) })
    }

    /// Takes the joined flight's outcome for its key at `at`. `None` if that cannot be used: all callers
    /// left the flight, or its value has another schema number.
    pub(super) async fn joined(
        &self,
        published: Option<Published>,
        at: usize,
    ) -> Option<Result<LoadOutcome<T>>> {
        let loaded = &published?[at];
        let outcome = self.shared.outcome_of(&self.key, loaded, Origin::Coalesced, self.terms).await?;
        self.shared.provider.record_lookups(self.missed.lookups);
        LoadCounters::add(&self.shared.flights().counters.coalesced);
        Some(self.with_outage(outcome))
    }

    /// The stale value and the spawner that waits for the refresh in place of this call, if both exist.
    pub(super) fn serve_in_background(&mut self) -> Option<(&'a Spawner, LoadOutcome<T>)> {
        let (spawner, (bytes, left)) = (self.terms.refresh.spawner()?, self.missed.stale.take()?);
        Some((spawner, self.shared.serve_stale(bytes, left, &self.missed.look)?))
    }

    /// Makes the answer out of the outcome of this call's own flight.
    pub(super) async fn led(&mut self, published: Option<Published>) -> Result<LoadOutcome<T>> {
        let loaded = published.map_or_else(|| Err(Error::closed()), |published| published[0].clone());
        if self.is_refresh && self.terms.excuses_refreshes() && loaded.is_err() {
            match self.look_for_stale().await {
                Ok(Some(served)) => return Ok(served),
                Ok(None) => {}
                Err(error) if self.terms.goes_around(&error) => self.missed.look = Look::Failed(error),
                Err(error) => return Err(error),
            }
        }
        self.shared.provider.record_lookups(self.missed.lookups);
        let origin = self.missed.look.load_origin();
        let outcome = self.shared.outcome_of(&self.key, &loaded, origin, self.terms).await;
        self.with_outage(outcome.unwrap_or_else(|| Err(undecodable())))
    }

    /// The outcome of a load; an error tells of the look that failed before it, too.
    fn with_outage<R>(&self, outcome: Result<R>) -> Result<R> {
        outcome.map_err(|error| error.with_outage(self.missed.look.failure()))
    }

    /// The entry whose refresh failed, if it was not removed and has not expired.
    async fn look_for_stale(&self) -> Result<Option<LoadOutcome<T>>> {
        let provider = &self.shared.provider;
        let read = provider.get_for_load(&self.key, scratch::take(), ReadParts::All).await?;
        let Read { buffer, found: Some(found @ Found { remaining: Some(left), .. }) } = read else {
            scratch::give(read.buffer);
            return Ok(None);
        };
        Ok(self.shared.serve_stale(buffer, left, &Look::of(&found)))
    }
}

impl<T: 'static> Shared<T> {
    /// Serves a stale value; `None` if its bytes do not decode.
    fn serve_stale(&self, bytes: Vec<u8>, left: Duration, look: &Look) -> Option<LoadOutcome<T>> {
        let value = self.parts.codec.decode(&bytes);
        scratch::give(bytes);
        let value = Some(value?);
        self.provider.record_lookups(Lookups::HIT);
        LoadCounters::add(&self.flights().counters.stale);
        Some(LoadOutcome { value, origin: look.origin(Origin::Stale), ttl: TtlState::Remaining(left) })
    }
}
