//! `get_or_load`: the value from the cache, or loaded once for all callers that ask.
//!
//! A fresh value is served like a get. Everything else takes the slow path, which is in a box of its
//! own so that the future of a hit stays small. There a step machine decides what comes next
//! (`single.rs` for one name, `many.rs` for many), and one of two drivers does it: `awaited.rs` awaits,
//! `blocking.rs` sleeps. Both use the flights of the provider handle (`flight.rs`). A flight publishes
//! encoded payloads, and each caller decodes for itself. So values need be neither `Clone` nor `Send`,
//! and two contracts about the same entries share loads.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Cache, Shared};
use crate::error::{Error, Result};
use crate::flight::{LoadedKey, Payload};
use crate::load::{LoadAnswer, LoadOptions, LoadOutcome, Origin, Terms};
use crate::provider::{Found, Lookups, Read};
use crate::reply::Reply;
use crate::scratch;
use crate::ttl::{Lifetime, Ttl, TtlState};

mod awaited;
mod blocking;
pub(crate) mod each;
mod many;
pub(crate) mod multi;
mod single;
mod store;

use single::SingleLoad;
use store::undecodable;

/// What the last look at an entry came to, besides what was found.
#[derive(Clone)]
enum Look {
    /// The provider answered.
    Answered,
    /// It answered with a copy that may be out of date.
    Degraded,
    /// It did not answer.
    Failed(Error),
}

impl Look {
    fn of(found: &Found) -> Self {
        if found.is_degraded() { Look::Degraded } else { Look::Answered }
    }

    /// Whether a load after this look is not stored.
    fn is_unread(&self) -> bool {
        !matches!(self, Look::Answered)
    }

    fn failure(&self) -> Option<&Error> {
        match self {
            Look::Failed(error) => Some(error),
            Look::Answered | Look::Degraded => None,
        }
    }

    /// Where a value comes from that was found so, if it would otherwise come from there.
    fn origin(&self, otherwise: Origin) -> Origin {
        if matches!(self, Look::Degraded) { Origin::Degraded } else { otherwise }
    }

    /// Where the value of a load comes from that this look led to.
    fn load_origin(&self) -> Origin {
        if self.is_unread() { Origin::LoadedAround } else { Origin::Loaded }
    }
}

impl<T: 'static> Cache<T> {
    /// The value of `name`: from the cache, or from `loader`, whose value is stored. `None` if the
    /// loader said that there is none.
    ///
    /// At most one load of a key runs at any moment, over all clones and contracts of one provider
    /// handle, and all its waiting callers get its outcome. The load belongs to none of them: a
    /// caller may be dropped at any point, and the load goes on as long as one is left. The waiting
    /// callers poll it, so no runtime is needed. If the key is written, removed or cleared during the
    /// load, the callers get the loaded value, and it is not stored.
    ///
    /// The loader returns a `Result` of a `T`, an `Option<T>` or a
    /// [`Loaded`](crate::Loaded), with any error.
    /// It is called only if this call begins the load. While the provider does not answer
    /// ([`ErrorKind::is_outage`](crate::ErrorKind::is_outage)), loads go on: if the cache cannot be read, the
    /// loader runs all the same, once for all callers, and its value is returned and not stored. A contract
    /// may want the error instead ([`OnFailure`](crate::OnFailure)). Any other error of the read is returned and
    /// nothing is loaded. If the loaded value cannot be stored, it is returned all the same.
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
    /// type; all callers that waited get this one. `LoadPanicked`. `LoadTimeout`: the
    /// [timeout](crate::LoadOptionsBuilder::timeout) passed. `LoadCycle`: the loader of this key
    /// asked for it. `Codec`: the loaded value has no encoding, or would not come back equal; nothing
    /// was stored, and all callers that waited are told. `InvalidKey`. Of a load that failed and whose look at the
    /// cache had failed before, [`Error::outage`](crate::Error::outage) is the latter.
    pub fn get_or_load<F, Fut>(&self, name: &str, loader: F) -> impl Future<Output = Result<Option<T>>> + Send
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output: LoadAnswer<T>> + Send + 'static,
    {
        let shared = &self.shared;
        async move {
            let ended = shared.flights().ended();
            let read = shared.look(name, &shared.parts.terms).await;
            let read = match shared.fresh(read, &shared.parts.terms) {
                ControlFlow::Break(value) => return Ok(Some(value)),
                ControlFlow::Continue(read) => read,
            };
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
            shared.load_boxed(name, &terms, loader, (ended, read)).await
        }
    }
}

impl<T: 'static> Shared<T> {
    fn terms(&self, options: &LoadOptions) -> Result<Terms> {
        let parts = &self.parts;
        let options = options.or(&parts.load_options);
        let terms = Terms::resolve(&options, parts.default_ttl, parts.codec.has_header())?;
        Ok(terms.on_failure(parts.terms.on_failure).telling_ttl())
    }

    /// Reads an entry for a load. Every look of a load is made here, async or blocking.
    // Not inlined: with the key joined in here, a hit takes the fewest instructions.
    #[inline(never)]
    fn look<'a>(&'a self, name: &str, terms: &Terms) -> Reply<'a, Read> {
        self.start(name, |provider, key| provider.get_for_load(key, scratch::take(), terms.parts()))
    }

    /// Breaks with the value of a fresh entry, which is counted as a hit. Everything else costs more and is left
    /// to the slow path.
    #[inline]
    fn fresh(&self, looked: Result<Read>, terms: &Terms) -> ControlFlow<T, Result<Read>> {
        let Ok(Read { buffer, found: Some(found) }) = &looked else { return ControlFlow::Continue(looked) };
        if terms.fresh_for.is_some() && self.is_stale(buffer, found.remaining) {
            return ControlFlow::Continue(looked);
        }
        let Some(value) = self.parts.codec.decode(buffer) else { return ControlFlow::Continue(looked) };
        self.provider.record_lookups(Lookups::HIT);
        self.note_answer(found);
        looked.map(|read| scratch::give(read.buffer)).ok();
        ControlFlow::Break(value)
    }

    /// Takes note of a look that was answered, for loads that go around the cache meanwhile.
    #[inline]
    fn note_answer(&self, found: &Found) {
        if self.flights().goes_around() && !found.is_degraded() {
            self.flights().look_succeeded(&*self.provider);
        }
    }

    #[inline]
    fn is_stale(&self, bytes: &[u8], remaining: Option<Duration>) -> bool {
        match (self.parts.codec.span(bytes), remaining) {
            (Some(span), Some(left)) => left <= span,
            _ => false,
        }
    }

    /// The slow path, in a future of its own.
    #[cold]
    #[inline(never)]
    fn load_boxed<'a, F, Fut>(
        self: &'a Arc<Self>,
        name: &'a str,
        terms: &'a Terms,
        loader: F,
        looked: (u64, Result<Read>),
    ) -> Pin<Box<dyn Future<Output = Result<LoadOutcome<T>>> + Send + 'a>>
    where
        F: FnOnce() -> Fut + Send + 'a,
        Fut: Future<Output: LoadAnswer<T>> + Send + 'static,
    {
        Box::pin(async move {
            let outcome = SingleLoad::new(self, name, terms, false).load(loader, looked).await;
            outcome.map_err(|error| self.named(error, "get_or_load"))
        })
    }

    /// The outcome of a flight for one caller. `None` if it was encoded under another schema number
    /// than this contract's.
    async fn outcome_of(
        &self,
        key: &[u8],
        loaded: &Result<LoadedKey>,
        origin: Origin,
        terms: &Terms,
    ) -> Option<Result<LoadOutcome<T>>> {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return Some(Err(error.clone())),
        };
        let ttl = self.ttl_of(key, loaded.stored, terms).await;
        self.decode_loaded(loaded).map(|value| value.map(|value| LoadOutcome { value, origin, ttl }))
    }

    /// The remaining TTL of an entry that was just stored.
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
    fn decode_loaded(&self, loaded: &LoadedKey) -> Option<Result<Option<T>>> {
        let codec = &self.parts.codec;
        match &loaded.payload {
            None => Some(Ok(None)),
            Some(Payload::Bytes(bytes)) if codec.is_absence(bytes) => Some(Ok(None)),
            Some(Payload::Bytes(bytes)) if !codec.is_own(bytes) => None,
            Some(Payload::Bytes(bytes)) => Some(codec.decode(bytes).map(Some).ok_or_else(undecodable)),
        }
    }
}
