//! [`Quarantine`]: reads that may have broken a connection go again where they harm nobody.
//!
//! A server ends the connection of a client that has more to receive than
//! `client-output-buffer-limit` allows, and takes what others asked on it along. How long an answer
//! will be cannot be known before it comes. So:
//!
//! - **A read that was on a connection when it broke goes again on one of its own**, one read at a
//!   time, so that its answer alone can end that one.
//! - **A read that ends two such connections is refused**: its answer is taken to be too large. The
//!   same command is refused without being sent for [`REFUSED_FOR`].
//! - At most [`WAITING`] reads wait for a server's. Where more were on the connection, the others go
//!   again on the shared one: it broke more probably because the server went away.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{self, PoisonError};
use std::time::Duration;

use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::time::Instant;

use crate::providers::redis::config::address::Address;
use crate::providers::redis::config::settings::Settings;
use crate::providers::redis::connection::{Acquaintance, Connection, Purpose};
use crate::providers::redis::failure::{self, Failure, WriteOutcome};

/// How many reads wait at most.
const WAITING: usize = 1024;

/// Not for ever, since the server's owner may raise the limit.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// How many commands are remembered at most.
const REMEMBERED: usize = 1024;

/// The connection of one server on which one read goes at a time.
#[derive(Default)]
pub(in crate::providers::redis) struct Quarantine {
    /// Guards nothing, so Relaxed suffices.
    waiting: AtomicUsize,
    connection: Mutex<Option<Connection>>,
}

/// The right to wait for the connection; dropping it gives it back.
pub(in crate::providers::redis) struct Ticket<'a> {
    quarantine: &'a Quarantine,
}

impl Quarantine {
    /// The right to wait, if not too many have it.
    pub(in crate::providers::redis) fn ticket(&self) -> Option<Ticket<'_>> {
        let ticket = Ticket { quarantine: self };
        (self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(ticket)
    }
}

impl Ticket<'_> {
    /// The connection, when nobody else has it; made if there is none.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(in crate::providers::redis) async fn connection(
        &self,
        settings: &Settings,
        address: &Address,
    ) -> Result<MappedMutexGuard<'_, Connection>, Failure> {
        let mut held = self.quarantine.connection.lock().await;
        if !held.as_ref().is_some_and(Connection::is_up) {
            *held = Some(
                Connection::open(settings, address, Purpose::Hearing(Box::new(drop)), Acquaintance::Known)
                    .await?,
            );
        }
        MutexGuard::try_map(held, Option::as_mut)
            .map_err(|_| failure::connection_lost(address, WriteOutcome::Unsent))
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let is_last = self.quarantine.waiting.fetch_sub(1, Ordering::Relaxed) == 1;
        // If the lock is taken, the read that holds it makes another connection.
        if is_last && let Ok(mut held) = self.quarantine.connection.try_lock() {
            *held = None;
        }
    }
}

/// The commands whose answers the servers of a provider do not send.
#[derive(Default)]
pub(in crate::providers::redis) struct Unanswerable {
    /// How many are remembered. Guards nothing, so Relaxed suffices.
    count: AtomicUsize,
    /// When each was refused, by its hash.
    refused: sync::Mutex<HashMap<u64, Instant>>,
    hasher: RandomState,
}

impl Unanswerable {
    fn refused(&self) -> sync::MutexGuard<'_, HashMap<u64, Instant>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::providers::redis) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Whether this packed command was refused a short while ago.
    pub(in crate::providers::redis) fn has(&self, command: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        let hash = self.hasher.hash_one(command);
        self.refused().get(&hash).is_some_and(|at| at.elapsed() < REFUSED_FOR)
    }

    pub(in crate::providers::redis) fn insert(&self, command: &[u8]) {
        let hash = self.hasher.hash_one(command);
        let mut refused = self.refused();
        refused.retain(|_, at| at.elapsed() < REFUSED_FOR);
        if refused.len() < REMEMBERED {
            // One that is refused again without being sent says nothing new.
            refused.entry(hash).or_insert_with(Instant::now);
        }
        self.count.store(refused.len(), Ordering::Relaxed);
    }
}
