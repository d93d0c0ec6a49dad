//! What a round of a batch of loads brought: the outcomes of the flights that it waited for.

use super::super::Look;
use super::{ManyLoads, Progress, Round};
use crate::error::{Error, Result};
use crate::flight::{LoadCounters, LoadedKey, Payload, Published};
use crate::load::Origin;
use crate::provider::{Found, Read, ReadParts};

impl<T: 'static> ManyLoads<'_, T> {
    /// Takes the outcomes of this round's flights; `led` is that of this call's own.
    pub(in super::super) async fn ended(
        &mut self,
        round: &Round,
        led: Option<Published>,
        all: &[Option<Published>],
    ) {
        for ((name, _, at), published) in round.joins.iter().zip(all) {
            if let Some(published) = published {
                self.take_joined(*name, &published[*at]);
            }
        }
        if round.is_background && led.is_none() {
            return;
        }
        for name in self.take_led(&round.leads, led.as_ref()) {
            let look = self.shared.provider.get_for_load(&self.keys[name], Vec::new(), ReadParts::All);
            match look.await {
                Ok(Read { buffer, found: Some(found) }) => self.take_stale(name, buffer, found),
                Ok(_) => {}
                Err(error) => self.take_unread(name, error),
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
            let origin = self.missed(name).map_or(Origin::Loaded, |missed| missed.look.load_origin());
            self.settle(name, loaded, origin);
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
    fn take_stale(&mut self, name: usize, bytes: Vec<u8>, found: Found) {
        if self.shared.parts.codec.decode(&bytes).is_some() {
            let origin = Look::of(&found).origin(Origin::Stale);
            self.progress[name] = Progress::Read { bytes, left: found.remaining, origin };
            LoadCounters::add(&self.shared.flights().counters.stale);
        }
    }

    /// Takes a second look that failed itself.
    fn take_unread(&mut self, name: usize, error: Error) {
        match &mut self.progress[name] {
            Progress::Loaded { loaded: Err(failed), .. } if self.terms.goes_around(&error) => {
                *failed = failed.clone().with_outage(Some(&error));
            }
            _ => self.settle(name, Err(error), Origin::Loaded),
        }
    }
}
