//! [`Engine`]: puts the parts of a cache together, and what concerns them as a whole: resizing, closing,
//! the end of the background thread. No verb stands here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::budget::Budget;
use crate::base::clock::Clock;
use crate::base::counters::Counters;
use crate::base::error::Error;
use crate::entries::headroom::Headroom;
use crate::entries::{Entries, EntriesParts};
use crate::index::Index;
use crate::log::Log;
use crate::policy::Policy;
use crate::policy::ghosts::Ghosts;
use crate::space::Space;
use crate::space::evictors::Evictors;
use crate::space::full::{Full, WhenFull};
use crate::space::layout::{self, CacheLayout, DEFAULT_MAX_SIZE, MIN_MAX_SIZE};
use crate::space::room::{Room, RoomParts};
use crate::space::streams::{StreamCounts, Streams};
use crate::verbs::limits::Limits;
use crate::verbs::store::Store;
use crate::verbs::{resize, sweep};

/// The least memory for entries that a cache must have.
const LEAST_LOG_BYTES: u64 = 16 * 1024;
const LEAST_SEGMENTS: u64 = 6;

/// Tells the caches of the process apart.
static LAST_CACHE: AtomicU64 = AtomicU64::new(0);

/// How a cache is built.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Bytes.
    pub(crate) max_size: u64,
    pub(crate) when_full: WhenFull,
    pub(crate) clock: Clock,
}

impl Default for Config {
    fn default() -> Config {
        Config { max_size: DEFAULT_MAX_SIZE, when_full: WhenFull::default(), clock: Clock::system() }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Store,
    /// Held by the one resize that is under way.
    resizing: Mutex<()>,
    started: u64,
    /// Dropping it ends the background thread.
    background: Mutex<Option<Sender<()>>>,
}

impl Engine {
    /// # Errors
    ///
    /// [`Error::Config`]: the system gives too few addresses for the size.
    pub(crate) fn new(config: &Config) -> Result<Engine, Error> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let with_headroom = |headroom| {
            let rejects = config.when_full == WhenFull::Reject;
            let layout = CacheLayout::new(config.max_size, headroom, threads, rejects)?;
            Engine::with_layout(config, layout)
        };
        let [more @ .., least] = layout::HEADROOMS;
        let engine = more.into_iter().find_map(|headroom| with_headroom(headroom).ok());
        engine.map_or_else(|| with_headroom(least), Ok)
    }

    pub(crate) fn with_layout(config: &Config, layout: CacheLayout) -> Result<Engine, Error> {
        let Config { max_size, when_full, ref clock } = *config;
        // Relaxed: an addition gives each cache another number.
        let cache = LAST_CACHE.fetch_add(1, Ordering::Relaxed) + 1;
        let budget = Arc::new(Budget::new(max_size));
        let index = Index::new(layout.group_bits, layout.most_buckets, Arc::clone(&budget))?;
        let streams = Streams::new(StreamCounts { classes: layout.classes, stripes: layout.stripes });
        let flush_every = (max_size >> 16).clamp(1, 32);
        let counters = Counters::new(layout.counters, flush_every);
        let evictors = Evictors::new(layout.evictors);
        let full = Full::new(when_full);
        let headroom = full.rejecting().map(|_| Box::new(Headroom::new(1 << layout.segment_bits)));
        let fixed_bytes = (size_of::<Engine>() + headroom.as_deref().map_or(0, size_of_val)) as u64
            + streams.bytes()
            + counters.bytes()
            + evictors.bytes();
        let took = budget.take(fixed_bytes);
        debug_assert!(took, "the smallest budget has room for the parts that do not grow");
        // Only in a cache that evicts do segments become smaller.
        let least_log = match when_full {
            WhenFull::Evict => LEAST_LOG_BYTES,
            WhenFull::Reject => LEAST_SEGMENTS * Streams::cost(1 << layout.segment_bits),
        };
        let least_budget = (budget.used() + least_log).max(MIN_MAX_SIZE);
        let log = Log::new(layout.segments, layout.segment_bits, cache)?;
        let entries = EntriesParts { index, log, counters, clock: clock.clone(), headroom };
        let room = RoomParts {
            streams,
            budget,
            policy: Policy::new(max_size - fixed_bytes),
            ghosts: Ghosts::new(layout.most_buckets)?,
            full,
            layout,
            fixed_bytes,
            least_budget,
        };
        Ok(Engine {
            store: Store {
                entries: Entries::new(entries),
                space: Space { room: Room::new(room), evictors },
                limits: Limits::new(max_size),
            },
            resizing: Mutex::new(()),
            started: clock.now(),
            background: Mutex::new(None),
        })
    }

    pub(crate) fn keep_background(&self, sender: Sender<()>) {
        *self.background.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }

    /// Nanoseconds of the cache's clock since it was built.
    pub(crate) fn uptime(&self) -> u64 {
        self.store.entries.clock.now().saturating_sub(self.started)
    }

    pub(crate) fn resize(&self, max_size: u64) -> Result<(), Error> {
        resize::resize(&self.store, max_size, &self.resizing)
    }

    pub(crate) fn close(&self) {
        self.store.limits.close();
        drop(self.background.lock().unwrap_or_else(PoisonError::into_inner).take());
        sweep::empty(&self.store);
    }

    /// Panics if the structure is not sound. Only for a caller that no other thread disturbs.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        check::Inspection(&self.store).check();
    }
}

#[cfg(test)]
mod check;
