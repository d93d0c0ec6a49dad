//! [`Group`]: the names of one `get_or_load_multi`, each on its way from a look to an answer.
//! Values stay bytes until the end, so that nothing of `T` lives across a wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::Shared;
use super::store::{cycle, undecodable};
use crate::error::{BatchOutcome, Error, Result};
use crate::flight::{Boarding, Brought, Landed, LoadCounters, Place, Seen, Wanted, Work};
use crate::load::{LoadOutcome, Origin, Terms, state_of};
use crate::provider::{Found, Lookups, ReadBatch};
use crate::ttl::TtlState;

pub(super) struct Group<'a, T> {
    pub(super) shared: &'a Arc<Shared<T>>,
    pub(super) terms: &'a Terms,
    pub(super) names: Vec<String>,
    pub(super) keys: Vec<Vec<u8>>,
    slots: Vec<Slot>,
    /// Of each name as the caller gave them: which of these it is, or why it is no valid key.
    given: Vec<Result<usize, (String, Error)>>,
}

enum Slot {
    /// To be loaded; with the remaining time of a stale entry and its bytes.
    Open { stale: Option<(Vec<u8>, Duration)>, lookups: Lookups },
    /// Served from the cache.
    Read { bytes: Vec<u8>, left: Option<Duration>, origin: Origin },
    /// Loaded, here or elsewhere.
    Landed { brought: Result<Brought>, origin: Origin, ttl: TtlState, lookups: Lookups },
}

/// Who loads what is open.
#[derive(Default)]
pub(super) struct Party {
    /// The work this call leads: each of its names with its seat.
    pub(super) leads: Vec<usize>,
    pub(super) lead: Option<Arc<Work>>,
    /// Whether nobody has to wait for it.
    pub(super) is_background: bool,
    /// Names that others load, and where.
    pub(super) joins: Vec<(usize, Arc<Work>, usize)>,
    /// Names whose flights are to be waited out.
    pub(super) follows: Vec<(usize, Arc<Work>)>,
}

pub(super) enum Step {
    Done,
    LookAgain(Seen),
    Load(Party),
}

impl<'a, T: 'static> Group<'a, T> {
    pub(super) fn new<I>(shared: &'a Arc<Shared<T>>, terms: &'a Terms, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let (names_of, keys, slots, given) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut group = Group { shared, terms, names: names_of, keys, slots, given };
        let mut met: HashMap<String, usize> = HashMap::new();
        for name in names {
            let name = name.as_ref();
            if let Some(&at) = met.get(name) {
                group.given.push(Ok(at));
                continue;
            }
            match shared.parts.namespace.with_key(name, <[u8]>::to_vec) {
                Ok(key) => {
                    met.insert(name.to_owned(), group.names.len());
                    group.given.push(Ok(group.names.len()));
                    group.names.push(name.to_owned());
                    group.keys.push(key);
                    group.slots.push(Slot::Open { stale: None, lookups: Lookups::MISS });
                }
                Err(error) => group.given.push(Err((name.to_owned(), error))),
            }
        }
        group
    }

    /// # Errors
    ///
    /// The batch error, if a name is no valid key.
    pub(super) fn check_names(&self) -> Result<()> {
        let invalid = self.given.iter().filter_map(|given| given.as_ref().err().cloned());
        let failed: Vec<(String, Error)> = invalid.collect();
        match failed.is_empty() {
            true => Ok(()),
            false => Err(Error::batch(BatchOutcome { done: Vec::new(), failed })),
        }
    }

    /// The names that are not answered yet.
    pub(super) fn open(&self) -> Vec<usize> {
        (0..self.slots.len()).filter(|&index| matches!(self.slots[index], Slot::Open { .. })).collect()
    }

    pub(super) fn keys_of(&self, names: &[usize]) -> Vec<&[u8]> {
        names.iter().map(|&name| self.keys[name].as_slice()).collect()
    }

    /// Takes what a look at these names found.
    pub(super) fn take_batch(&mut self, names: &[usize], batch: &ReadBatch) {
        for (index, error) in batch.failed() {
            self.settle(names[*index], Err(error.clone()), Origin::Loaded);
        }
        for (index, &name) in names.iter().enumerate() {
            let Some((bytes, found)) = batch.get(index) else { continue };
            self.slots[name] = self.judge(bytes, found);
        }
    }

    fn judge(&self, bytes: &[u8], found: Found) -> Slot {
        let codec = &self.shared.parts.codec;
        let is_value = codec.decode(bytes).is_some();
        let lookups = self.shared.lookups(is_value, true, bytes);
        if lookups == Lookups::UNDECODABLE {
            return Slot::Open { stale: None, lookups };
        }
        if self.terms.fresh_for.is_some()
            && let (Some(span), Some(left)) = (codec.span(bytes), found.remaining)
            && left <= span
        {
            return Slot::Open { stale: Some((bytes.to_vec(), left)), lookups: Lookups::MISS };
        }
        Slot::Read { bytes: bytes.to_vec(), left: found.remaining, origin: Origin::Hit }
    }

    /// Finds out who loads what is open.
    pub(super) fn step(&mut self, seen: &Seen, blocking: bool) -> Result<Step> {
        let open = self.open();
        if open.is_empty() {
            return Ok(Step::Done);
        }
        let wanted = |&name: &usize| {
            let stale = match &self.slots[name] {
                Slot::Open { stale: Some((_, left)), .. } => Some(*left),
                _ => None,
            };
            Wanted { key: &self.keys[name], stale }
        };
        let wanted: Vec<Wanted<'_>> = open.iter().map(wanted).collect();
        let (places, lead) = match self.shared.flights().board(&wanted, seen, self.terms.plan(blocking)) {
            Boarding::Closed => return Err(Error::closed()),
            Boarding::LookAgain(newer) => return Ok(Step::LookAgain(newer)),
            Boarding::Done { places, lead } => (places, lead),
        };
        let mut party = Party { lead, ..Party::default() };
        for (name, place) in open.into_iter().zip(places) {
            // Seats are given in the order of the names.
            if let Place::Lead(_) = place {
                party.leads.push(name);
                continue;
            }
            if self.is_stale(name) && place.end_if_forgotten() {
                continue;
            }
            if self.serve_stale(name) {
                continue;
            }
            match place {
                Place::Join(work, seat) => party.joins.push((name, work, seat)),
                Place::Follow(work) => party.follows.push((name, work)),
                Place::Cycle => self.settle(name, Err(cycle()), Origin::Loaded),
                Place::Lead(_) | Place::Cooling => {}
            }
        }
        self.begin_refreshes(&mut party);
        Ok(Step::Load(party))
    }

    /// Of the names this call is to load, those that are stale need not be waited for, if there
    /// are no others.
    fn begin_refreshes(&mut self, party: &mut Party) {
        let stale = party.leads.iter().filter(|name| self.is_stale(**name)).count();
        for _ in 0..stale {
            LoadCounters::add(&self.shared.flights().counters.refreshes);
        }
        let spawns = self.terms.refresh.spawner().is_some();
        party.is_background = spawns && stale > 0 && stale == party.leads.len();
    }

    fn is_stale(&self, name: usize) -> bool {
        matches!(self.slots[name], Slot::Open { stale: Some(_), .. })
    }

    /// Serves a stale entry as it is; false if it is none.
    pub(super) fn serve_stale(&mut self, name: usize) -> bool {
        let Slot::Open { stale, .. } = &mut self.slots[name] else { return false };
        let Some((bytes, left)) = stale.take() else { return false };
        self.slots[name] = Slot::Read { bytes, left: Some(left), origin: Origin::Stale };
        true
    }

    pub(super) fn settle(&mut self, name: usize, brought: Result<Brought>, origin: Origin) {
        let lookups = match &self.slots[name] {
            Slot::Open { lookups, .. } => *lookups,
            _ => Lookups::MISS,
        };
        self.slots[name] = Slot::Landed { brought, origin, ttl: TtlState::Missing, lookups };
    }

    /// Takes what this call's own load brought; answers the names whose stale values may be
    /// served in place of its error.
    pub(super) fn take_lead(&mut self, leads: &[usize], landed: Option<&Landed>) -> Vec<usize> {
        let mut excused = Vec::new();
        for (seat, &name) in leads.iter().enumerate() {
            let brought = landed.map_or_else(|| Err(Error::closed()), |landed| landed[seat].clone());
            let was_stale = self.is_stale(name);
            if brought.is_err() && was_stale && self.terms.excuses_refreshes() {
                excused.push(name);
            }
            self.settle(name, brought, Origin::Loaded);
        }
        excused
    }

    /// Takes what another call's load brought; a name it did not settle stays open.
    pub(super) fn take_join(&mut self, name: usize, landed: Option<&Landed>, seat: usize) {
        let Some(landed) = landed else { return };
        let is_own = match &landed[seat] {
            Ok(Brought { bytes: Some(bytes), .. }) => {
                let codec = &self.shared.parts.codec;
                codec.is_own(bytes) || codec.is_absence(bytes)
            }
            _ => true,
        };
        if is_own {
            LoadCounters::add(&self.shared.flights().counters.coalesced);
            self.settle(name, landed[seat].clone(), Origin::Coalesced);
        }
    }

    /// Takes a second look at an entry whose refresh failed: it is served if it is still there.
    pub(super) fn take_stale(&mut self, name: usize, bytes: Vec<u8>, left: Option<Duration>) {
        if self.shared.parts.codec.decode(&bytes).is_some() {
            self.slots[name] = Slot::Read { bytes, left, origin: Origin::Stale };
        }
    }

    /// Asks the provider for the times that only it knows.
    pub(super) async fn learn_ttls(&mut self) {
        for (name, slot) in self.slots.iter_mut().enumerate() {
            if let Slot::Landed { brought: Ok(Brought { stored, .. }), ttl, .. } = slot {
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
        for (name, slot) in self.names.iter().zip(&self.slots) {
            match self.outcome(slot, &mut counted) {
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

    /// Decodes and counts everything, in the order of the caller's names. What failed as a whole
    /// is the answer of those that have none of their own.
    pub(super) fn each(self, loaded: Result<()>) -> Vec<Result<LoadOutcome<T>>> {
        let mut counted = Lookups::default();
        let answer = |given: &Result<usize, (String, Error)>| match given {
            Ok(at) => match (&self.slots[*at], &loaded) {
                (Slot::Open { .. }, Err(error)) => Err(error.clone()),
                (slot, _) => self.outcome(slot, &mut counted),
            },
            Err((_, error)) => Err(error.clone()),
        };
        let each = self.given.iter().map(answer).collect();
        self.shared.provider.record_lookups(counted);
        each
    }

    fn outcome(&self, slot: &Slot, counted: &mut Lookups) -> Result<LoadOutcome<T>> {
        let (shared, counters) = (self.shared, &self.shared.flights().counters);
        match slot {
            Slot::Read { bytes, left, origin } => {
                let value = shared.parts.codec.decode(bytes);
                *counted += shared.lookups(value.is_some(), true, bytes);
                if *origin == Origin::Stale {
                    LoadCounters::add(&counters.stale);
                }
                Ok(LoadOutcome { value, origin: *origin, ttl: state_of(*left) })
            }
            Slot::Landed { brought, origin, ttl, lookups } => {
                *counted += *lookups;
                let brought = brought.as_ref().map_err(Error::clone)?;
                let value = shared.decode_brought(brought).unwrap_or_else(|| Err(undecodable()))?;
                Ok(LoadOutcome { value, origin: *origin, ttl: *ttl })
            }
            Slot::Open { .. } => Err(Error::closed()),
        }
    }
}
