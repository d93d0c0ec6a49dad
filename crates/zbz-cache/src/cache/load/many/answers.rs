//! The answers of a batch of loads: times, decoding, counting.

use std::collections::HashMap;

use super::super::store::undecodable;
use super::{ManyLoads, Progress};
use crate::error::{BatchOutcome, Error, Result};
use crate::flight::LoadedKey;
use crate::load::{LoadOutcome, state_of};
use crate::provider::Lookups;

impl<T: 'static> ManyLoads<'_, T> {
    /// Asks the provider for the remaining TTLs that only it knows.
    pub(in super::super) async fn learn_ttls(&mut self) {
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
    pub(in super::super) fn by_name(self) -> Result<HashMap<String, LoadOutcome<T>>> {
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
    pub(in super::super) fn each(self, loaded: Result<()>) -> Vec<Result<LoadOutcome<T>>> {
        let mut counted = Lookups::default();
        let answer = |given: &Result<usize, (String, Error)>| match given {
            Ok(at) => match (&self.progress[*at], &loaded) {
                (Progress::Open(_), Err(error)) => Err(error.clone()),
                (progress, _) => self.outcome(progress, &mut counted),
            },
            Err((_, error)) => Err(error.clone()),
        };
        let each = self.given.iter().map(answer).collect();
        self.shared.provider.record_lookups(counted);
        each
    }

    fn outcome(&self, progress: &Progress, counted: &mut Lookups) -> Result<LoadOutcome<T>> {
        let shared = self.shared;
        match progress {
            Progress::Read { bytes, left, origin } => {
                let value = shared.parts.codec.decode(bytes);
                *counted += shared.lookups(value.is_some(), true, bytes);
                Ok(LoadOutcome { value, origin: *origin, ttl: state_of(*left) })
            }
            Progress::Loaded { loaded, origin, ttl, lookups } => {
                *counted += *lookups;
                let loaded = loaded.as_ref().map_err(Error::clone)?;
                let value = shared.decode_loaded(loaded).unwrap_or_else(|| Err(undecodable()))?;
                Ok(LoadOutcome { value, origin: *origin, ttl: *ttl })
            }
            Progress::Open(_) => Err(Error::closed()),
        }
    }
}
