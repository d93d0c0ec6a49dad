//! [`Builder`]: a tier from its parts, every choice checked.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;
use zbz_cache_memory::{Clock, MemoryCache};

use super::coherence::Coherence;
use super::copies::{Copies, TierClock, nanos};
use super::feed::{Feed, Near, Source};
use super::{TieredProvider, Tiers};
use crate::error::{Error, Result};
use crate::handle::ProviderHandle;

/// A day: what nobody can see should not outlive it.
const LONGEST_NEAR_TTL: Duration = Duration::from_secs(24 * 3600);
pub(super) const MAX_NEAR_TTL: Duration = Duration::from_secs(60);
pub(super) const NEAR_TTL_TAKES: &str = "more than zero to 24 hours";

pub(super) fn is_near_ttl(span: Duration) -> bool {
    !span.is_zero() && span <= LONGEST_NEAR_TTL
}

/// Builds a [`TieredProvider`] from its parts.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    tiers: Tiers,
    max_near_ttl: Duration,
    source: Source,
    clock: Option<Clock>,
}

impl Builder {
    pub(super) fn new(near: MemoryCache, far: ProviderHandle) -> Builder {
        let tiers = Tiers { near, far };
        Builder { tiers, max_near_ttl: MAX_NEAR_TTL, source: Source::Push, clock: None }
    }

    /// How long a copy is served at most: the bound of what nobody can see. A minute unless set.
    pub fn max_near_ttl(self, span: Duration) -> Builder {
        Builder { max_near_ttl: span, ..self }
    }

    /// Lets time alone end a copy, for a far side that cannot push: what others change is seen when
    /// `max_near_ttl` has passed.
    pub fn ttl_only(self) -> Builder {
        Builder { source: Source::Time, ..self }
    }

    /// Where the tier gets its time: for tests that move it by hand.
    pub fn clock(self, clock: Clock) -> Builder {
        Builder { clock: Some(clock), ..self }
    }

    /// Builds the provider. Nothing is subscribed to before the first read.
    ///
    /// # Errors
    ///
    /// `Config`: a `max_near_ttl` of zero or beyond a day, or a far side that cannot push and no
    /// [`ttl_only`](Builder::ttl_only).
    pub fn build(self) -> Result<TieredProvider> {
        let Builder { tiers, max_near_ttl, source, clock } = self;
        if !is_near_ttl(max_near_ttl) {
            return Err(Error::config(format!(
                "option \"max_near_ttl\": got {max_near_ttl:?}, takes {NEAR_TTL_TAKES}"
            )));
        }
        let (able, name) = (tiers.far.provider().capabilities(), tiers.far.name());
        match source {
            Source::Push if !able.invalidations => {
                return Err(Error::config(format!(
                    "the far side {name:?} cannot tell of changes; take one that can (\"redis\"), or say \
                     coherence = \"ttl\" to serve what is up to max_near_ttl old"
                )));
            }
            Source::Push => {}
            Source::Time => tracing::warn!(
                far = name,
                ?max_near_ttl,
                "coherent by time alone: what others write is seen when max_near_ttl has passed"
            ),
        }
        let copies = Copies {
            cache: tiers.near.clone(),
            coherence: Coherence::new(),
            time: clock.map_or_else(|| TierClock::System(Instant::now()), TierClock::Own),
            max_near_ttl: nanos(max_near_ttl),
            versions: able.versions,
            hasher: RandomState::default(),
        };
        let near = Near {
            copies,
            loads: OnceLock::new(),
            invalidations: AtomicU64::new(0),
            losses: AtomicU64::new(0),
        };
        Ok(TieredProvider {
            near: Arc::new(near),
            feed: Feed::new(source),
            readings: Arc::default(),
            tiers,
            read_through: AtomicU64::new(0),
        })
    }
}
