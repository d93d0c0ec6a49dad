//! `get_or_load`: the value from the cache, else loaded once for everyone who asks.
//!
//! A value that is fresh is served like a get. All else is the slow path, in a box of its own so
//! that the future of a hit stays small: it takes its place in the provider handle's flights
//! (`flight.rs`), and what a flight brings is bytes, which each caller decodes for itself. So
//! values need be neither `Clone` nor `Send`, and two contracts about the same entries share loads.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Cache, Shared};
use crate::error::{Error, Result};
use crate::flight::{Boarding, Brought, LoadCounters, Place, Seen, Waiter, Wanted, Work};
use crate::load::{LoadAnswer, LoadOptions, LoadOutcome, Origin, Terms, state_of};
use crate::provider::{Lookups, Read};
use crate::reply::Reply;
use crate::scratch;
use crate::ttl::{Lifetime, Ttl, TtlState};

mod blocking;
pub(crate) mod each;
mod group;
pub(crate) mod multi;
mod store;

use store::{cycle, encode_answer, store_from, undecodable};

impl<T: 'static> Cache<T> {
    /// The value of `name`: from the cache, else from `loader`, which is stored. `None` if the
    /// loader said that there is none.
    ///
    /// At most one load of a key runs at any moment, over all clones and contracts of one provider
    /// handle; every caller that waits for it gets its outcome. It belongs to none of them: a
    /// caller may be dropped at any point, and as long as one is left the load goes on. It is
    /// polled by those who wait, so no runtime is needed. A value that was loaded while the key
    /// was written, removed or cleared reaches its callers and is not stored.
    ///
    /// The loader returns a `Result` of a `T`, an `Option<T>` or a
    /// [`Loaded`](crate::Loaded), with any error.
    /// It is called only if this call begins the load. A failed read of the cache is this call's
    /// answer, without a load; a failed store is not: the value is answered.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> zbz_cache::Result<()> {
    /// use std::time::Duration;
    /// use zbz_cache::{Contract, options};
    ///
    /// async fn from_database(id: u64) -> std::io::Result<Option<String>> {
    ///     Ok((id == 1).then(|| "Ann".to_owned()))
    /// }
    ///
    /// let provider = zbz_cache::new_provider("memory", options! {})?;
    /// let names = Contract::<String>::new("names", provider)?.default_ttl(Duration::from_secs(60)).cache()?;
    /// assert_eq!(names.get_or_load("1", || from_database(1)).await?.as_deref(), Some("Ann"));
    /// assert_eq!(names.get("1").await?.as_deref(), Some("Ann"));
    /// assert_eq!(names.get_or_load("2", || from_database(2)).await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// `LoadFailed`: the loader failed; [`source`](std::error::Error::source) is its error, with its
    /// type, the same one for all who waited. `LoadPanicked`. `LoadTimeout`: the
    /// [timeout](crate::LoadOptionsBuilder::timeout) passed. `LoadCycle`: the loader of this key
    /// asked for it. `Codec`: what was loaded has no encoding, or would not come back equal; nothing
    /// was stored, and all who waited are told. `InvalidKey`.
    pub fn get_or_load<F, Fut>(&self, name: &str, loader: F) -> impl Future<Output = Result<Option<T>>> + Send
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output: LoadAnswer<T>> + Send + 'static,
    {
        let shared = &self.shared;
        async move {
            let ended = shared.flights().ended();
            let read = shared.look(name, &shared.parts.terms);
            let read = read.await.map_err(|error| shared.named(error, "get_or_load"))?;
            if let Some(value) = shared.fresh(&read, &shared.parts.terms) {
                scratch::give(read.buffer);
                return Ok(Some(value));
            }
            let outcome = shared.load_boxed(name, &shared.parts.terms, loader, (ended, read)).await;
            outcome.map(|outcome| outcome.value)
        }
    }

    /// As [`get_or_load`](Cache::get_or_load), with options for this call over those of the
    /// contract, and telling where the value came from and how long it lives.
    ///
    /// # Errors
    ///
    /// As there; and `Config`: the options do not go together with those of the contract.
    pub fn get_or_load_opts<'a, F, Fut>(
        &'a self,
        name: &'a str,
        options: &LoadOptions,
        loader: F,
    ) -> impl Future<Output = Result<LoadOutcome<T>>> + Send + use<'a, T, F, Fut>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output: LoadAnswer<T>> + Send + 'static,
    {
        let (shared, terms) = (&self.shared, self.shared.terms(options));
        async move {
            let terms = terms.map_err(|error| shared.named(error, "get_or_load"))?;
            let ended = shared.flights().ended();
            let read = shared.look(name, &terms).await;
            let read = read.map_err(|error| shared.named(error, "get_or_load"))?;
            shared.load_boxed(name, &terms, loader, (ended, read)).await
        }
    }
}

/// A look at the cache that did not settle the matter.
struct Missed {
    /// The bytes of a stale entry, and what is left of its time.
    stale: Option<(Vec<u8>, Duration)>,
    /// What the look counts as if the value has to be loaded.
    lookups: Lookups,
}

impl Missed {
    fn left(&self) -> Option<Duration> {
        self.stale.as_ref().map(|(_, left)| *left)
    }
}

impl<T: 'static> Shared<T> {
    fn terms(&self, options: &LoadOptions) -> Result<Terms> {
        let parts = &self.parts;
        let options = options.or(&parts.load_options);
        Terms::resolve(&options, parts.default_ttl, parts.codec.has_header()).map(Terms::telling_ttl)
    }

    /// Reads an entry for a load: every time that one looks, and on any thread, in the same way.
    #[inline]
    fn look<'a>(&'a self, name: &str, terms: &Terms) -> Reply<'a, Read> {
        self.start(name, |provider, key| match terms.needs_time() {
            true => provider.get(key, scratch::take()),
            false => provider.get_value(key, scratch::take()),
        })
    }

    /// The value of a fresh entry, which is counted as a hit. All that is not that costs more, and
    /// is left to [`judge`](Shared::judge).
    #[inline]
    fn fresh(&self, read: &Read, terms: &Terms) -> Option<T> {
        let found = read.found?;
        if terms.fresh_for.is_some() && self.is_stale(&read.buffer, found.remaining) {
            return None;
        }
        let value = self.parts.codec.decode(&read.buffer)?;
        self.provider.record_lookups(Lookups::HIT);
        Some(value)
    }

    #[inline]
    fn is_stale(&self, bytes: &[u8], remaining: Option<Duration>) -> bool {
        match (self.parts.codec.span(bytes), remaining) {
            (Some(span), Some(left)) => left <= span,
            _ => false,
        }
    }

    /// What to do with what was read, in a future of its own.
    #[cold]
    #[inline(never)]
    fn load_boxed<'a, F, Fut>(
        self: &'a Arc<Self>,
        name: &'a str,
        terms: &'a Terms,
        loader: F,
        (ended, read): (u64, Read),
    ) -> Pin<Box<dyn Future<Output = Result<LoadOutcome<T>>> + Send + 'a>>
    where
        F: FnOnce() -> Fut + Send + 'a,
        Fut: Future<Output: LoadAnswer<T>> + Send + 'static,
    {
        Box::pin(async move {
            let missed = match self.judge(read, terms) {
                Ok(served) => return Ok(served),
                Err(missed) => missed,
            };
            let outcome = self.load_slowly(name, terms, loader, (Seen::All(ended), missed)).await;
            outcome.map_err(|error| self.named(error, "get_or_load"))
        })
    }

    /// Serves what was read if it is fresh, or says why it was not. A hit is counted here.
    fn judge(&self, read: Read, terms: &Terms) -> Result<LoadOutcome<T>, Missed> {
        let Read { buffer, found } = read;
        let Some(found) = found else {
            scratch::give(buffer);
            return Err(Missed { stale: None, lookups: Lookups::MISS });
        };
        if terms.fresh_for.is_some()
            && let Some(left) = found.remaining
            && self.is_stale(&buffer, Some(left))
        {
            return Err(Missed { stale: Some((buffer, left)), lookups: Lookups::MISS });
        }
        let value = self.parts.codec.decode(&buffer);
        let lookups = self.lookups(value.is_some(), true, &buffer);
        scratch::give(buffer);
        if lookups == Lookups::UNDECODABLE {
            return Err(Missed { stale: None, lookups });
        }
        self.provider.record_lookups(lookups);
        Ok(LoadOutcome { value, origin: Origin::Hit, ttl: state_of(found.remaining) })
    }

    /// Serves a stale value, or finds that its bytes do not decode.
    fn serve_stale(&self, bytes: Vec<u8>, left: Duration) -> Option<LoadOutcome<T>> {
        let value = self.parts.codec.decode(&bytes);
        scratch::give(bytes);
        let value = Some(value?);
        self.provider.record_lookups(Lookups::HIT);
        LoadCounters::add(&self.flights().counters.stale);
        Some(LoadOutcome { value, origin: Origin::Stale, ttl: TtlState::Remaining(left) })
    }

    async fn load_slowly<F, Fut>(
        self: &Arc<Self>,
        name: &str,
        terms: &Terms,
        loader: F,
        (mut seen, mut missed): (Seen, Missed),
    ) -> Result<LoadOutcome<T>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output: LoadAnswer<T>> + Send + 'static,
    {
        let flights = self.flights();
        let key = self.parts.namespace.with_key(name, <[u8]>::to_vec)?;
        // A stale entry whose bytes do not decode is as good as none.
        let mut is_broken = false;
        loop {
            let wanted = [Wanted { key: &key, stale: missed.left() }];
            let (place, lead) = match flights.board(&wanted, &seen, terms.plan(false)) {
                Boarding::Closed => return Err(Error::closed()),
                Boarding::Done { mut places, lead } => (places.pop(), lead),
                Boarding::LookAgain(newer) => {
                    seen = newer;
                    (None, None)
                }
            };
            if let Some(work) = lead {
                return self.lead(work, terms, loader, missed).await;
            }
            if missed.stale.is_some() && place.as_ref().is_some_and(Place::end_if_forgotten) {
                continue;
            }
            // Somebody else sees to a stale entry.
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
                    if let Some(landed) = Waiter::join(work).await
                        && let Some(outcome) = self.land(&key, &landed[seat], Origin::Coalesced, terms).await
                    {
                        self.provider.record_lookups(missed.lookups);
                        LoadCounters::add(&flights.counters.coalesced);
                        return outcome;
                    }
                }
                Some(Place::Follow(work)) => drop(Waiter::follow(work).await),
                Some(Place::Lead(_) | Place::Cooling) | None => {}
            }
            if !looks_again {
                seen = Seen::All(flights.ended());
            }
            let read = self.look(name, terms).await?;
            missed = match self.judge(read, terms) {
                Ok(served) => return Ok(served),
                Err(again) => Missed { stale: again.stale.filter(|_| !is_broken), ..again },
            };
        }
    }

    /// Loads, for this caller and all that join it.
    async fn lead<F, Fut>(
        self: &Arc<Self>,
        work: Arc<Work>,
        terms: &Terms,
        loader: F,
        missed: Missed,
    ) -> Result<LoadOutcome<T>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output: LoadAnswer<T>> + Send + 'static,
    {
        // From here on, whatever happens, the waiter's drop ends the flight.
        let waiter = Waiter::lead(Arc::clone(&work));
        let key = &work.seats[0].key;
        work.launch(|| self.job(&work, terms, loader()));
        let is_refresh = missed.stale.is_some();
        if is_refresh {
            LoadCounters::add(&self.flights().counters.refreshes);
        }
        if let (Some(spawner), Some((bytes, left))) = (terms.refresh.spawner(), missed.stale)
            && let Some(served) = self.serve_stale(bytes, left)
        {
            spawner.spawn(waiter);
            return Ok(served);
        }
        let landed = waiter.await;
        let brought = landed.as_ref().map_or_else(|| Err(Error::closed()), |landed| landed[0].clone());
        if is_refresh
            && terms.excuses_refreshes()
            && brought.is_err()
            && let Some(served) = self.look_for_stale(key).await?
        {
            return Ok(served);
        }
        self.provider.record_lookups(missed.lookups);
        self.land(key, &brought, Origin::Loaded, terms).await.unwrap_or_else(|| Err(undecodable()))
    }

    /// What is still there of an entry whose refresh failed: neither removed nor past its ttl.
    async fn look_for_stale(&self, key: &[u8]) -> Result<Option<LoadOutcome<T>>> {
        let Read { buffer, found } = self.provider.get(key, scratch::take()).await?;
        let Some(left) = found.and_then(|found| found.remaining) else {
            scratch::give(buffer);
            return Ok(None);
        };
        Ok(self.serve_stale(buffer, left))
    }

    /// The future of a load: the loader, the encoding of its answer, the store. It holds the
    /// provider only while it stores.
    fn job<Fut>(
        self: &Arc<Self>,
        work: &Arc<Work>,
        terms: &Terms,
        loading: Fut,
    ) -> impl Future<Output = Vec<Result<Brought>>> + Send + use<T, Fut>
    where
        Fut: Future<Output: LoadAnswer<T>> + Send + 'static,
    {
        let (cache, work, terms) = (Arc::downgrade(self), Arc::clone(work), terms.clone());
        async move {
            let encoded = encode_answer(&cache, loading.await, &terms);
            store_from(&cache, &work, vec![encoded]).await
        }
    }

    /// What a flight brought, for one caller. `None` if it was encoded under another schema number
    /// than this contract's.
    async fn land(
        &self,
        key: &[u8],
        brought: &Result<Brought>,
        origin: Origin,
        terms: &Terms,
    ) -> Option<Result<LoadOutcome<T>>> {
        let brought = match brought {
            Ok(brought) => brought,
            Err(error) => return Some(Err(error.clone())),
        };
        let ttl = self.ttl_of(key, brought.stored, terms).await;
        self.decode_brought(brought).map(|value| value.map(|value| LoadOutcome { value, origin, ttl }))
    }

    /// What is left of the time of what was just stored.
    async fn ttl_of(&self, key: &[u8], stored: Option<Ttl>, terms: &Terms) -> TtlState {
        match stored.map(|ttl| (ttl, ttl.lifetime())) {
            None | Some((_, Lifetime::Gone)) => TtlState::Missing,
            // Only the provider knows what it made of that.
            Some((Ttl::Default, _)) if terms.tells_ttl => {
                self.provider.ttl(key).await.unwrap_or(TtlState::Missing)
            }
            Some((_, Lifetime::Never)) => TtlState::Never,
            Some((_, Lifetime::For(span))) => TtlState::Remaining(span),
        }
    }

    /// The inner `None` is an absence, the outer one another schema number.
    fn decode_brought(&self, brought: &Brought) -> Option<Result<Option<T>>> {
        let codec = &self.parts.codec;
        match &brought.bytes {
            None => Some(Ok(None)),
            Some(bytes) if codec.is_absence(bytes) => Some(Ok(None)),
            Some(bytes) if !codec.is_own(bytes) => None,
            Some(bytes) => Some(codec.decode(bytes).map(Some).ok_or_else(undecodable)),
        }
    }
}
