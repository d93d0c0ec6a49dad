//! [`Node`]: one server, and the link to it, made when it is asked for.
//!
//! However many calls want a link at once, one attempt is made and all have its outcome. The
//! attempt is a task of its own, ended by connect_timeout: a caller who cannot wait for it leaves,
//! and the link is there for the next one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{MappedMutexGuard, watch};
use tokio::time::Instant;

use super::address::Address;
use super::failure::{self, Failure, Fate};
use super::link::Link;
use super::quarantine::{Quarantine, Ticket};
use super::settings::Settings;

/// A link younger than this led to where the address leads already.
const RENEWED_AFTER: Duration = Duration::from_secs(1);

type Outcome = Result<Arc<Link>, Failure>;

enum State {
    Down,
    Linking(watch::Receiver<Option<Outcome>>),
    Up(Arc<Link>),
}

/// One server.
pub(super) struct Node {
    pub(super) address: Address,
    settings: Arc<Settings>,
    state: Mutex<State>,
    pub(super) quarantine: Quarantine,
    /// Whether there ever was a link. Guards nothing, so Relaxed suffices.
    met: AtomicBool,
}

impl Node {
    pub(super) fn new(settings: Arc<Settings>, address: Address) -> Node {
        Node {
            address,
            settings,
            state: Mutex::new(State::Down),
            quarantine: Quarantine::default(),
            met: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link that is up, if one is.
    pub(super) fn live(&self) -> Option<Arc<Link>> {
        match &*self.state() {
            State::Up(link) if link.is_up() => Some(Arc::clone(link)),
            _ => None,
        }
    }

    /// The link, if there is one; it may have broken since.
    pub(super) fn last(&self) -> Option<Arc<Link>> {
        match &*self.state() {
            State::Up(link) => Some(Arc::clone(link)),
            _ => None,
        }
    }

    /// Whether there ever was a link.
    pub(super) fn was_met(&self) -> bool {
        self.met.load(Ordering::Relaxed)
    }

    /// The link, made if there is none.
    pub(super) async fn link(self: &Arc<Self>) -> Outcome {
        let mut outcome = {
            let mut state = self.state();
            match &*state {
                State::Up(link) if link.is_up() => return Ok(Arc::clone(link)),
                // An attempt whose task is gone will not end; it is made again.
                State::Linking(outcome) if outcome.has_changed().is_ok() => outcome.clone(),
                _ => self.begin(&mut state, None),
            }
        };
        let lost = || failure::link_lost(&self.address, Fate::Unsent);
        let told = outcome.wait_for(Option::is_some).await.map_err(|_| lost())?;
        told.clone().unwrap_or_else(|| Err(lost()))
    }

    /// Finds out whether the server takes these packed commands on this link.
    ///
    /// # Errors
    ///
    /// Those of [`Sizes::prove`](super::sizes::Sizes::prove).
    pub(super) async fn prove(&self, link: &Link, commands: &[u8], deadline: Instant) -> Result<(), Failure> {
        link.sizes.prove(&self.settings, &self.address, commands, deadline).await
    }

    /// The link on which one read goes at a time, when it is free.
    pub(super) async fn quarantined_link<'a>(
        &self,
        ticket: &'a Ticket<'_>,
    ) -> Result<MappedMutexGuard<'a, Link>, Failure> {
        ticket.link(&self.settings, &self.address).await
    }

    /// Has a new link made, to wherever the address leads by now. What is on the old one is
    /// answered first: two links would not keep the order of writes.
    pub(super) fn renew(self: &Arc<Self>) {
        let mut state = self.state();
        if let State::Up(link) = &*state
            && link.age() > RENEWED_AFTER
        {
            let old = Arc::clone(link);
            self.begin(&mut state, Some(old));
        }
    }

    fn begin(
        self: &Arc<Self>,
        state: &mut State,
        old: Option<Arc<Link>>,
    ) -> watch::Receiver<Option<Outcome>> {
        let (tell, outcome) = watch::channel(None);
        *state = State::Linking(outcome.clone());
        tokio::spawn(Arc::clone(self).attempt(old, tell));
        outcome
    }

    async fn attempt(self: Arc<Self>, old: Option<Arc<Link>>, tell: watch::Sender<Option<Outcome>>) {
        if let Some(old) = old {
            // Each call on it ends by its own deadline.
            old.finish().await;
        }
        let opened = Link::open(&self.settings, &self.address, None).await.map(Arc::new);
        if opened.is_ok() {
            self.met.store(true, Ordering::Relaxed);
        }
        *self.state() = match &opened {
            Ok(link) => State::Up(Arc::clone(link)),
            Err(_) => State::Down,
        };
        tell.send_replace(Some(opened));
    }
}
