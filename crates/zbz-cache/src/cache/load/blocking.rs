//! `get_or_load` on the caller's thread.

use std::sync::Arc;

use super::super::{Cache, Shared};
use super::Missed;
use super::store::{cycle, undecodable};
use crate::error::{Error, Result};
use crate::flight::{Boarding, LoadCounters, Place, Seen, Wanted, Work};
use crate::load::{LoadAnswer, LoadOptions, LoadOutcome, Origin, Terms};
use crate::provider::Read;
use crate::reply::block_on;
use crate::scratch;

impl<T: 'static> Cache<T> {
    #[inline]
    pub(crate) fn get_or_load_blocking<R: LoadAnswer<T>>(
        &self,
        name: &str,
        loader: impl FnOnce() -> R,
    ) -> Result<Option<T>> {
        let shared = &self.shared;
        let ended = shared.flights().ended();
        let terms = &shared.parts.terms;
        let read = shared.look(name, terms).wait().map_err(|error| shared.named(error, "get_or_load"))?;
        if let Some(value) = shared.fresh(&read, terms) {
            scratch::give(read.buffer);
            return Ok(Some(value));
        }
        let outcome = shared.load_blocking(name, terms, loader, (ended, read));
        outcome.map(|outcome| outcome.value).map_err(|error| shared.named(error, "get_or_load"))
    }

    pub(crate) fn get_or_load_with_blocking<R: LoadAnswer<T>>(
        &self,
        name: &str,
        options: &LoadOptions,
        loader: impl FnOnce() -> R,
    ) -> Result<LoadOutcome<T>> {
        let shared = &self.shared;
        let outcome = shared.terms(options).and_then(|terms| {
            let ended = shared.flights().ended();
            let read = shared.look(name, &terms).wait()?;
            shared.load_blocking(name, &terms, loader, (ended, read))
        });
        outcome.map_err(|error| shared.named(error, "get_or_load"))
    }
}

impl<T: 'static> Shared<T> {
    #[cold]
    fn load_blocking<R: LoadAnswer<T>>(
        self: &Arc<Self>,
        name: &str,
        terms: &Terms,
        loader: impl FnOnce() -> R,
        (ended, read): (u64, Read),
    ) -> Result<LoadOutcome<T>> {
        let mut missed = match self.judge(read, terms) {
            Ok(served) => return Ok(served),
            Err(missed) => missed,
        };
        let mut seen = Seen::All(ended);
        let flights = self.flights();
        let key = self.parts.namespace.with_key(name, <[u8]>::to_vec)?;
        // A stale entry whose bytes do not decode is as good as none.
        let mut is_broken = false;
        loop {
            let wanted = [Wanted { key: &key, stale: missed.left() }];
            let (place, lead) = match flights.board(&wanted, &seen, terms.plan(true)) {
                Boarding::Closed => return Err(Error::closed()),
                Boarding::Done { mut places, lead } => (places.pop(), lead),
                Boarding::LookAgain(newer) => {
                    seen = newer;
                    (None, None)
                }
            };
            if let Some(work) = lead {
                return self.lead_blocking(&work, terms, loader, &missed);
            }
            if missed.stale.is_some() && place.as_ref().is_some_and(Place::end_if_forgotten) {
                continue;
            }
            if place.is_some()
                && let Some((bytes, left)) = missed.stale.take()
            {
                match self.serve_stale(bytes, left) {
                    Some(served) => return Ok(served),
                    None => is_broken = true,
                }
            }
            let looks_again = place.is_none();
            match place {
                Some(Place::Cycle) => return Err(cycle()),
                Some(Place::Join(work, seat)) => {
                    // Without an outcome it was left alone with a flight that others had driven:
                    // the next round begins one of its own.
                    if let Some(landed) = work.wait()?
                        && let Some(outcome) =
                            block_on(self.land(&key, &landed[seat], Origin::Coalesced, terms))
                    {
                        self.provider.record_lookups(missed.lookups);
                        LoadCounters::add(&flights.counters.coalesced);
                        return outcome;
                    }
                }
                Some(Place::Follow(work)) => drop(work.wait()?),
                Some(Place::Lead(_) | Place::Cooling) | None => {}
            }
            if !looks_again {
                seen = Seen::All(flights.ended());
            }
            missed = match self.judge(self.look(name, terms).wait()?, terms) {
                Ok(served) => return Ok(served),
                Err(again) => Missed { stale: again.stale.filter(|_| !is_broken), ..again },
            };
        }
    }

    fn lead_blocking<R: LoadAnswer<T>>(
        self: &Arc<Self>,
        work: &Arc<Work>,
        terms: &Terms,
        loader: impl FnOnce() -> R,
        missed: &Missed,
    ) -> Result<LoadOutcome<T>> {
        if missed.stale.is_some() {
            LoadCounters::add(&self.flights().counters.refreshes);
        }
        let landed = work.run(|| {
            let encoded = loader().into_loaded().and_then(|loaded| self.encode_loaded(loaded, terms));
            block_on(self.store_loaded(work, vec![encoded]))
        });
        let (key, brought) = (&work.seats[0].key, &landed[0]);
        if missed.stale.is_some()
            && terms.excuses_refreshes()
            && brought.is_err()
            && let Some(served) = block_on(self.look_for_stale(key))?
        {
            return Ok(served);
        }
        self.provider.record_lookups(missed.lookups);
        block_on(self.land(key, brought, Origin::Loaded, terms)).unwrap_or_else(|| Err(undecodable()))
    }
}
