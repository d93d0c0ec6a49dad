//! Encodes and stores the answers of loaders.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use bytes::Bytes;

use super::super::Shared;
use crate::codec::ABSENT;
use crate::error::{Error, ErrorKind, Result};
use crate::flight::{FlightKey, LoadCounters, LoadedKey, Payload, Published, Work};
use crate::load::{LoadAnswer, LoadAnswers, Loaded, Terms};
use crate::provider::{Condition, LoadedAround, SetOptions, SetOutcome};
use crate::reply::{Reply, block_on};
use crate::ttl::{Ttl, TtlState};

/// A loader's answer for one key, encoded.
pub(super) struct Encoded {
    /// `None`: absent, and the contract has no encoding for an absence.
    bytes: Option<Bytes>,
    /// How long it is stored; `None` if it is not.
    ttl: Option<Ttl>,
}

pub(super) fn encode_answer<T: 'static>(
    cache: &Weak<Shared<T>>,
    answer: impl LoadAnswer<T>,
    terms: &Terms,
) -> Result<Encoded> {
    let loaded = answer.into_loaded()?;
    cache.upgrade().ok_or_else(Error::closed)?.encode_loaded(loaded, terms)
}

pub(super) fn encode_answers<T: 'static>(
    cache: &Weak<Shared<T>>,
    answers: impl LoadAnswers<T>,
    names: &[String],
    terms: &Terms,
) -> Vec<Result<Encoded>> {
    match cache.upgrade() {
        Some(shared) => shared.encode_answers(answers, names, terms),
        None => names.iter().map(|_| Err(Error::closed())).collect(),
    }
}

/// The future that a flight polls: runs the loader, encodes its answer and stores it. It holds the
/// provider only while it stores.
pub(super) fn job<T, Fut, E>(
    shared: &Arc<Shared<T>>,
    work: &Arc<Work>,
    loading: Fut,
    encode: E,
) -> impl Future<Output = Vec<Result<LoadedKey>>> + Send + use<T, Fut, E>
where
    T: 'static,
    Fut: Future + Send + 'static,
    E: FnOnce(&Weak<Shared<T>>, Fut::Output) -> Vec<Result<Encoded>> + Send + 'static,
{
    let (cache, work) = (Arc::downgrade(shared), Arc::clone(work));
    async move {
        let encoded = encode(&cache, loading.await);
        store_from(&cache, &work, encoded).await
    }
}

/// As [`job`], with a blocking loader, on this thread.
pub(super) fn run<T: 'static, A>(
    shared: &Arc<Shared<T>>,
    work: &Arc<Work>,
    load: impl FnOnce() -> A,
    encode: impl FnOnce(&Weak<Shared<T>>, A) -> Vec<Result<Encoded>>,
) -> Published {
    let cache = Arc::downgrade(shared);
    work.run(|| {
        let encoded = encode(&cache, load());
        block_on(store_from(&cache, work, encoded))
    })
}

/// Stores the loaded value of each key of a flight.
async fn store_from<T: 'static>(
    cache: &Weak<Shared<T>>,
    work: &Work,
    encoded: Vec<Result<Encoded>>,
) -> Vec<Result<LoadedKey>> {
    match cache.upgrade() {
        Some(shared) => shared.store_loaded(work, encoded).await,
        None => work.keys.iter().map(|_| Err(Error::closed())).collect(),
    }
}

impl<T: 'static> Shared<T> {
    /// The loader's answers for these names, in their order; a name that it left out is absent.
    fn encode_answers(
        &self,
        answers: impl LoadAnswers<T>,
        names: &[String],
        terms: &Terms,
    ) -> Vec<Result<Encoded>> {
        let places: HashMap<&str, usize> =
            names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let mut encoded: Vec<Option<Result<Encoded>>> = names.iter().map(|_| None).collect();
        let read = answers.for_each(|name, loaded| {
            if let Some(&place) = places.get(name.as_str()) {
                encoded[place] = Some(self.encode_loaded(loaded, terms));
            }
        });
        let absent =
            |encoded: Option<_>| encoded.unwrap_or_else(|| self.encode_loaded(Loaded::absent(), terms));
        match read {
            Ok(()) => encoded.into_iter().map(absent).collect(),
            Err(error) => names.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn encode_loaded(&self, loaded: Loaded<T>, terms: &Terms) -> Result<Encoded> {
        let Loaded { value, ttl, is_stored } = loaded;
        let codec = &self.parts.codec;
        let Some(value) = value else {
            let absent_ttl = terms.absent_ttl.map_or(Ttl::Default, Ttl::After);
            // A contract without a header has no encoding for it; without a TTL it is not kept.
            let ttl = Some(ttl.or(absent_ttl)).filter(|ttl| *ttl != Ttl::Default && codec.has_header());
            let ttl = ttl.filter(|_| is_stored).map(|ttl| terms.shortened(ttl, self.flights().random()).0);
            let bytes = codec.has_header().then(|| Bytes::from_static(&ABSENT));
            return Ok(Encoded { bytes, ttl });
        };
        let (ttl, span) = terms.shortened(ttl.or(terms.ttl), self.flights().random());
        let mut bytes = Vec::new();
        if let Err(error) = codec.encode(&value, span, &mut bytes) {
            if is_stored {
                LoadCounters::add(&self.flights().counters.unstored);
            }
            return Err(error);
        }
        Ok(Encoded { bytes: Some(bytes.into()), ttl: is_stored.then_some(ttl) })
    }

    /// Stores the values whose tokens are still valid, all at once. Returns all values, stored or not. Values
    /// that were loaded because the provider did not answer are not stored; a provider that keeps such values
    /// near is offered them.
    async fn store_loaded(&self, work: &Work, encoded: Vec<Result<Encoded>>) -> Vec<Result<LoadedKey>> {
        let mut stores: Vec<Option<Reply<'_, SetOutcome>>> = Vec::with_capacity(encoded.len());
        for (at, encoded) in encoded.iter().enumerate() {
            stores.push(match encoded {
                Ok(Encoded { bytes: Some(bytes), ttl: Some(ttl) }) => match &work.keys[at] {
                    key if key.is_unread => {
                        let around = LoadedAround::new(key.token.clone(), work.begun, *ttl);
                        self.provider.keep_loaded(&key.key, bytes, &around);
                        None
                    }
                    key => self.begin_store(key, bytes, *ttl),
                },
                _ => None,
            });
        }
        let stored = join(&mut stores).await;
        for (at, _) in encoded.iter().enumerate().filter(|(_, encoded)| encoded.is_err()) {
            if work.asks_what_is_left(at)
                && let Ok(TtlState::Remaining(left)) = self.provider.ttl(&work.keys[at].key).await
            {
                work.tell_what_is_left(at, left);
            }
        }
        let loaded = encoded.into_iter().zip(stored).zip(&work.keys).map(|((encoded, stored), key)| {
            let Encoded { bytes, ttl } = encoded?;
            if key.is_unread {
                LoadCounters::add(&self.flights().counters.around);
            }
            let stored = match (ttl, stored) {
                (Some(ttl), Some(Ok(SetOutcome::Stored))) => Some(ttl),
                (Some(_), _) if !key.is_unread => {
                    LoadCounters::add(&self.flights().counters.unstored);
                    None
                }
                _ => None,
            };
            Ok(LoadedKey { payload: bytes.map(Payload::Bytes), stored })
        });
        loaded.collect()
    }

    fn begin_store(&self, key: &FlightKey, bytes: &Bytes, ttl: Ttl) -> Option<Reply<'_, SetOutcome>> {
        let options = SetOptions::new(ttl);
        if self.provider.capabilities().tokens {
            let guarded = options.when(Condition::Token(key.token.clone()));
            return Some(self.provider.set(&key.key, bytes, guarded));
        }
        let stored = self.flights().store_in_one_step(&*self.provider, key, bytes, options)?;
        Some(Reply::ready(stored))
    }
}

/// Awaits all these futures together.
async fn join<R>(replies: &mut [Option<Reply<'_, R>>]) -> Vec<Option<Result<R>>> {
    let mut answers: Vec<Option<Result<R>>> = replies.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waits = false;
        for (reply, answer) in replies.iter_mut().zip(&mut answers) {
            let Some(pending) = reply else { continue };
            match Pin::new(pending).poll(context) {
                Poll::Pending => waits = true,
                Poll::Ready(ready) => {
                    *answer = Some(ready);
                    *reply = None;
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    answers
}

pub(super) fn cycle() -> Error {
    let message = "the loader of this key asked for it; load it from elsewhere there, or take another key";
    Error::new(ErrorKind::LoadCycle, message)
}

pub(super) fn undecodable() -> Error {
    let message = "what was loaded does not decode again; mend the type's serde attributes or the codec";
    Error::new(ErrorKind::Codec, message)
}
