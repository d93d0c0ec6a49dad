//! From what a loader answered to what is stored, and how it is stored.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Weak;
use std::task::Poll;

use bytes::Bytes;

use super::super::Shared;
use crate::codec::ABSENT;
use crate::error::{Error, ErrorKind, Result};
use crate::flight::{Brought, LoadCounters, Work};
use crate::load::{LoadAnswer, Loaded, Terms};
use crate::provider::{Condition, SetOptions, SetOutcome};
use crate::reply::Reply;
use crate::ttl::{Ttl, TtlState};

/// What a loader learned about one key, encoded.
pub(super) struct Encoded {
    /// `None`: absent, in a contract that has no form for it.
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

/// Stores what was loaded for each seat of a work.
pub(super) async fn store_from<T: 'static>(
    cache: &Weak<Shared<T>>,
    work: &Work,
    encoded: Vec<Result<Encoded>>,
) -> Vec<Result<Brought>> {
    match cache.upgrade() {
        Some(shared) => shared.store_loaded(work, encoded).await,
        None => work.seats.iter().map(|_| Err(Error::closed())).collect(),
    }
}

impl<T: 'static> Shared<T> {
    pub(super) fn encode_loaded(&self, loaded: Loaded<T>, terms: &Terms) -> Result<Encoded> {
        let Loaded { value, ttl, is_stored } = loaded;
        let codec = &self.parts.codec;
        let Some(value) = value else {
            let absent_ttl = terms.absent_ttl.map_or(Ttl::Default, Ttl::After);
            // A contract without a header has no form for it, and without a time it is not kept.
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

    /// Stores what its token still allows, all of it at once; answers it whether or not it could
    /// be stored.
    pub(super) async fn store_loaded(
        &self,
        work: &Work,
        encoded: Vec<Result<Encoded>>,
    ) -> Vec<Result<Brought>> {
        let mut stores: Vec<Option<Reply<'_, SetOutcome>>> = Vec::with_capacity(encoded.len());
        for (seat, encoded) in encoded.iter().enumerate() {
            stores.push(match encoded {
                Ok(Encoded { bytes: Some(bytes), ttl: Some(ttl) }) => {
                    self.begin_store(work, seat, bytes, *ttl)
                }
                _ => None,
            });
        }
        let stored = join(&mut stores).await;
        for (seat, _) in encoded.iter().enumerate().filter(|(_, encoded)| encoded.is_err()) {
            if work.asks_what_is_left(seat)
                && let Ok(TtlState::Remaining(left)) = self.provider.ttl(&work.seats[seat].key).await
            {
                work.tell_what_is_left(seat, left);
            }
        }
        let brought = encoded.into_iter().zip(stored).map(|(encoded, stored)| {
            let Encoded { bytes, ttl } = encoded?;
            let stored = match (ttl, stored) {
                (Some(ttl), Some(Ok(SetOutcome::Stored))) => Some(ttl),
                (Some(_), _) => {
                    LoadCounters::add(&self.flights().counters.unstored);
                    None
                }
                (None, _) => None,
            };
            Ok(Brought { bytes, stored })
        });
        brought.collect()
    }

    fn begin_store(
        &self,
        work: &Work,
        seat: usize,
        bytes: &Bytes,
        ttl: Ttl,
    ) -> Option<Reply<'_, SetOutcome>> {
        let (seat, options) = (&work.seats[seat], SetOptions::new(ttl));
        if self.provider.capabilities().tokens {
            let guarded = options.when(Condition::Token(seat.token.clone()));
            return Some(self.provider.set(&seat.key, bytes, guarded));
        }
        let stored = self.flights().store_in_one_step(&*self.provider, seat, bytes, options)?;
        Some(Reply::ready(stored))
    }
}

/// Awaits all of them together.
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
