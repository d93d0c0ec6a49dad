//! The batch verbs' common part: many names (and values) on their way to the provider, and what
//! became of each.

use std::borrow::Borrow;

use super::Shared;
use crate::contract::Parts;
use crate::error::{BatchOutcome, Error, Result};
use crate::flight::{Flights, Writing};
use crate::key::{Namespace, Packed};
use crate::provider::{Failures, Lookups, Provider, ReadBatch};
use crate::reply::Reply;
use crate::ttl::Ttl;

/// The names of a batch with their stored keys; those that are no valid keys stand apart.
pub(super) struct Names {
    names: Vec<String>,
    keys: Packed,
    invalid: Vec<(String, Error)>,
}

impl Names {
    pub(super) fn new<I>(namespace: &Namespace, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut batch = Names { names: Vec::new(), keys: Packed::default(), invalid: Vec::new() };
        for name in names {
            batch.push(namespace, name.as_ref());
        }
        batch
    }

    fn push(&mut self, namespace: &Namespace, name: &str) {
        match self.keys.push(|bytes| namespace.append_key(name, bytes)) {
            Ok(()) => self.names.push(name.to_owned()),
            Err(error) => self.invalid.push((name.to_owned(), error)),
        }
    }

    /// Announces a write of all of them to loads.
    pub(super) fn announce<'a>(&self, flights: &'a Flights) -> Vec<Writing<'a>> {
        self.keys.as_slices().into_iter().map(|key| flights.write(key)).collect()
    }

    /// Begins a batch verb with the stored keys; one without any does not reach the provider.
    pub(super) fn start<'a, R: Default>(&self, begin: impl FnOnce(&[&[u8]]) -> Reply<'a, R>) -> Reply<'a, R> {
        match self.keys.as_slices().as_slice() {
            [] => Reply::ready(Ok(R::default())),
            keys => begin(keys),
        }
    }

    /// # Errors
    ///
    /// The batch error, if a name was invalid or failed.
    pub(super) fn finish(&self, failed: &[(usize, Error)]) -> Result<()> {
        if failed.is_empty() && self.invalid.is_empty() {
            return Ok(());
        }
        let mut outcome = BatchOutcome { done: Vec::new(), failed: self.invalid.clone() };
        let mut reasons = vec![None; self.names.len()];
        for (index, error) in failed {
            if let Some(reason) = reasons.get_mut(*index) {
                *reason = Some(error.clone());
            }
        }
        for (name, reason) in self.names.iter().zip(reasons) {
            match reason {
                None => outcome.done.push(name.clone()),
                Some(error) => outcome.failed.push((name.clone(), error)),
            }
        }
        Err(Error::batch(outcome))
    }

    pub(super) fn into_names(self) -> impl Iterator<Item = String> {
        self.names.into_iter()
    }
}

/// The entries of a batch set, encoded.
pub(super) struct Values {
    names: Names,
    values: Packed,
}

impl Values {
    /// Values to be set with this ttl.
    pub(super) fn new<T: 'static, I, K, V>(parts: &Parts<T>, ttl: Ttl, entries: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: Borrow<T>,
    {
        let (namespace, span) = (&parts.namespace, parts.terms.span(ttl));
        let mut batch = Values { names: Names::new(namespace, [""; 0]), values: Packed::default() };
        for (name, value) in entries {
            let name = name.as_ref();
            // The name is looked at first: an invalid one leaves no value behind.
            let encoded = namespace.check(name).and_then(|()| {
                let codec = &parts.codec;
                batch.values.push(|bytes| codec.encode(value.borrow(), span, bytes))
            });
            match encoded {
                Ok(()) => batch.names.push(namespace, name),
                Err(error) => batch.names.invalid.push((name.to_owned(), error)),
            }
        }
        batch
    }

    pub(super) fn announce<'a>(&self, flights: &'a Flights) -> Vec<Writing<'a>> {
        self.names.announce(flights)
    }

    pub(super) fn start<'a>(&self, provider: &'a dyn Provider, ttl: Ttl) -> Reply<'a, Failures> {
        self.names.start(|keys| {
            let entries: Vec<(&[u8], &[u8])> = keys.iter().copied().zip(self.values.as_slices()).collect();
            provider.set_multi(&entries, ttl)
        })
    }

    pub(super) fn finish(&self, stored: Result<Failures>) -> Result<()> {
        self.names.finish(&stored?)
    }
}

impl<T: 'static> Shared<T> {
    /// # Errors
    ///
    /// That of the whole batch, or the batch error if some names failed; the others were looked
    /// up all the same, and are counted.
    pub(super) async fn read_batch(&self, names: &Names) -> Result<ReadBatch> {
        let batch = names.start(|keys| self.provider.get_values(keys, ReadBatch::default())).await;
        let batch = batch.map_err(|error| self.named(error, "get_multi"))?;
        if let Err(error) = names.finish(batch.failed()) {
            drop(self.decode_batch(&batch));
            return Err(self.named(error, "get_multi"));
        }
        Ok(batch)
    }

    /// The values in the order of the names; counts the lookups that did not fail.
    pub(super) fn decode_batch(&self, batch: &ReadBatch) -> std::vec::IntoIter<Option<T>> {
        let mut lookups = Lookups::default();
        let decode = |index| {
            let Some((bytes, _)) = batch.get(index) else {
                lookups += Lookups::MISS;
                return None;
            };
            let value = self.parts.codec.decode(bytes);
            lookups += self.lookups(value.is_some(), true, bytes);
            value
        };
        let values: Vec<Option<T>> = (0..batch.len()).map(decode).collect();
        lookups.misses -= batch.failed().len() as u64;
        self.provider.record_lookups(lookups);
        values.into_iter()
    }
}
