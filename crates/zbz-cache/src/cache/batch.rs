//! The common part of the batch verbs: many names (and values) on their way to the provider, and the
//! outcome of each.

use std::borrow::Borrow;

use super::Shared;
use crate::contract::Parts;
use crate::error::{BatchOutcome, Error, Result};
use crate::flight::{Flights, Writing};
use crate::key::{Namespace, Packed};
use crate::provider::{Failures, Lookups, Provider, ReadBatch};
use crate::reply::Reply;
use crate::ttl::Ttl;

/// The names of a batch with their stored keys; invalid names are kept apart.
pub(super) struct Names {
    names: Vec<String>,
    keys: Packed,
    invalid: Vec<Invalid>,
}

/// A name that is not a valid key.
struct Invalid {
    /// Its index among all names of the call.
    place: usize,
    name: String,
    error: Error,
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
            Err(error) => self.refuse(name, error),
        }
    }

    fn refuse(&mut self, name: &str, error: Error) {
        let place = self.names.len() + self.invalid.len();
        self.invalid.push(Invalid { place, name: name.to_owned(), error });
    }

    /// Announces a write of all of them to loads.
    pub(super) fn announce<'a>(&self, flights: &'a Flights) -> Vec<Writing<'a>> {
        self.keys.as_slices().into_iter().map(|key| flights.write(key)).collect()
    }

    /// Begins a batch verb with the stored keys; without any the provider is not reached.
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
        let refused = self.invalid.iter().map(|invalid| (invalid.name.clone(), invalid.error.clone()));
        let mut outcome = BatchOutcome { done: Vec::new(), failed: refused.collect() };
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

    /// One answer for each name of the call, in order: the given ones for valid names, and the errors of the
    /// others.
    fn with_invalid<R>(&self, answers: impl IntoIterator<Item = Result<R>>) -> Vec<Result<R>> {
        let mut all = Vec::with_capacity(self.names.len() + self.invalid.len());
        let mut answers = answers.into_iter();
        for Invalid { place, error, .. } in &self.invalid {
            all.extend(answers.by_ref().take(place - all.len()));
            all.push(Err(error.clone()));
        }
        all.extend(answers);
        all
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
            // The name is checked first: an invalid one leaves no value behind.
            let encoded = namespace.check(name).and_then(|()| {
                let codec = &parts.codec;
                batch.values.push(|bytes| codec.encode(value.borrow(), span, bytes))
            });
            match encoded {
                Ok(()) => batch.names.push(namespace, name),
                Err(error) => batch.names.refuse(name, error),
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

    /// How many have valid names.
    pub(super) fn len(&self) -> usize {
        self.names.names.len()
    }

    pub(super) fn finish(&self, stored: Result<Failures>) -> Result<()> {
        self.names.finish(&stored?)
    }
}

impl<T: 'static> Shared<T> {
    /// # Errors
    ///
    /// The error of the whole batch, or the batch error if some names failed; the others were looked up even
    /// so, and are counted.
    pub(super) async fn read_batch(&self, names: &Names) -> Result<ReadBatch> {
        let batch = names.start(|keys| self.provider.get_values(keys, ReadBatch::default())).await;
        let batch = self.batch_without_answers(batch, names.names.len());
        let batch = batch.map_err(|error| self.named(error, "get_multi"))?;
        if let Err(error) = names.finish(batch.failed()) {
            drop(self.decode_batch(&batch));
            return Err(self.named(error, "get_multi"));
        }
        Ok(batch)
    }

    /// One answer for each name, in their order.
    pub(super) async fn read_each(&self, names: &Names) -> Vec<Result<Option<T>>> {
        let batch = names.start(|keys| self.provider.get_values(keys, ReadBatch::default())).await;
        let mut each = match self.batch_without_answers(batch, names.names.len()) {
            Ok(batch) => {
                let values = self.decode_batch(&batch).enumerate();
                let answer = |(index, value)| batch.error(index).map_or(Ok(value), |why| Err(why.clone()));
                names.with_invalid(values.map(answer))
            }
            Err(error) => names.with_invalid(names.names.iter().map(|_| Err(error.clone()))),
        };
        self.name_each(&mut each, "get_each");
        each
    }

    /// Names the verb in the errors of single entries.
    pub(super) fn name_each<R>(&self, each: &mut [Result<R>], operation: &'static str) {
        for error in each.iter_mut().filter_map(|answer| answer.as_mut().err()) {
            *error = self.named(error.clone(), operation);
        }
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
