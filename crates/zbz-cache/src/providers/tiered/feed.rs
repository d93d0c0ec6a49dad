//! [`Feed`]: the spaces in use, and the changes that the far side tells of each.
//!
//! A space is entered at the first read of its namespace, and stays. With a far side that pushes it
//! is one subscription, and not live before the first `Alive`. With any other it is live for good, and
//! only time and own writes end a copy.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use super::coherence::{SPACES, Space};
use super::copies::{Copies, nanos};
use crate::key::prefix_of;
use crate::provider::{Invalidation, InvalidationSink, Provider, Subscription};

/// How the near side learns that the far side changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Push,
    Time,
}

/// The parts of the near side. The far side's sinks hold it, and it does not hold the far side.
pub(super) struct Near {
    pub(super) copies: Copies,
    /// Where loads under way are told of changes.
    pub(super) loads: OnceLock<InvalidationSink>,
    /// They guard nothing, so Relaxed suffices.
    pub(super) invalidations: AtomicU64,
    pub(super) losses: AtomicU64,
}

/// The spaces by their prefixes.
pub(super) struct Feed {
    source: Source,
    spaces: RwLock<HashMap<Box<[u8]>, Space>>,
    /// One for each space; dropped to end them.
    subscriptions: Mutex<Option<Vec<Subscription>>>,
}

impl Near {
    /// Applies another subscriber's invalidation before it is forwarded. Safe at any time.
    pub(super) fn revoke(&self, invalidation: Invalidation<'_>) {
        match invalidation {
            Invalidation::Key(key) => self.copies.invalidate(key),
            Invalidation::All => self.copies.coherence.revoke_everything(),
            // It has to be said to each space, in its order.
            Invalidation::Lost | Invalidation::Alive(_) => {}
        }
    }

    /// Takes what the far side tells of one space, in its order.
    fn told(&self, space: Space, invalidation: Invalidation<'_>) {
        let coherence = &self.copies.coherence;
        match invalidation {
            Invalidation::Key(key) => {
                self.copies.invalidate(key);
                self.invalidations.fetch_add(1, Ordering::Relaxed);
            }
            Invalidation::All => {
                coherence.revoke_all(space);
                self.invalidations.fetch_add(1, Ordering::Relaxed);
            }
            Invalidation::Lost => {
                coherence.lose(space);
                self.losses.fetch_add(1, Ordering::Relaxed);
            }
            Invalidation::Alive(span) => {
                let now = self.copies.now();
                coherence.prove(space, now, now.saturating_add(nanos(span)));
                return;
            }
        }
        if let Some(loads) = self.loads.get() {
            loads(invalidation);
        }
    }
}

impl Feed {
    pub(super) fn new(source: Source) -> Feed {
        Feed { source, spaces: RwLock::default(), subscriptions: Mutex::new(Some(Vec::new())) }
    }

    /// Whether the far side tells of changes.
    pub(super) fn is_told(&self) -> bool {
        self.source == Source::Push
    }

    /// The space of a key; `None` for a key of no namespace, or of one too many.
    pub(super) fn space_of(&self, key: &[u8], near: &Arc<Near>, far: &dyn Provider) -> Option<Space> {
        let prefix = prefix_of(key)?;
        let (known, count) = {
            let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
            (spaces.get(prefix).copied(), spaces.len())
        };
        // One too many is not looked for among writers at each of its reads.
        if known.is_some() || count >= SPACES { known } else { self.enter(prefix, near, far) }
    }

    #[cold]
    fn enter(&self, prefix: &[u8], near: &Arc<Near>, far: &dyn Provider) -> Option<Space> {
        let space = {
            let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(space) = spaces.get(prefix) {
                return Some(*space);
            }
            let space = Space::numbered(spaces.len())?;
            spaces.insert(prefix.into(), space);
            if spaces.len() == SPACES {
                tracing::warn!("{SPACES} namespaces are kept near; those that come yet are read through");
            }
            space
        };
        match self.source {
            Source::Time => near.copies.coherence.prove(space, 0, u64::MAX),
            Source::Push => self.subscribe(space, prefix, near, far),
        }
        Some(space)
    }

    /// The far side's code runs under no lock.
    fn subscribe(&self, space: Space, prefix: &[u8], near: &Arc<Near>, far: &dyn Provider) {
        let told = Arc::clone(near);
        let sink: InvalidationSink = Arc::new(move |invalidation| told.told(space, invalidation));
        // Without one the provider was closed, and the space is never live.
        let Some(subscription) = far.invalidations(prefix, sink) else { return };
        let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *subscriptions {
            Some(subscriptions) => subscriptions.push(subscription),
            None => {
                drop(subscriptions);
                drop(subscription);
            }
        }
    }

    /// The spaces that may have keys under a prefix.
    pub(super) fn spaces_under(&self, prefix: &[u8]) -> Vec<Space> {
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        let overlaps = |own: &[u8]| own.starts_with(prefix) || prefix.starts_with(own);
        spaces.iter().filter(|(own, _)| overlaps(own)).map(|(_, space)| *space).collect()
    }

    /// Ends all subscriptions, for good.
    pub(super) fn close(&self, near: &Near) {
        let ended = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(ended);
        for space in self.spaces_under(b"") {
            near.copies.coherence.lose(space);
        }
    }
}
