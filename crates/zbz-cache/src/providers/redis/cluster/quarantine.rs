//! [`Quarantine`]: reads that may have broken a connection are retried where they harm no other call.
//!
//! A server ends the connection of a client whose pending replies exceed
//! `client-output-buffer-limit`, and with it the other commands there. The length of a reply is not
//! known before it comes. So:
//!
//! - **A read that was on a connection when it broke is retried on a connection for quarantine**, which
//!   carries one read at a time, so that only the read's own reply can end it.
//! - **A read that ends two such connections is refused**: its reply is taken to be too large. For
//!   [`REFUSED_FOR`] the same command is refused without being sent.
//! - At most [`WAITING`] reads wait for a server's connection for quarantine. If more were on the broken
//!   connection, the others are retried on the shared one: more probably, the server went away.

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
use crate::providers::redis::error::{self, Failure, WriteOutcome};

/// The most reads that wait.
const WAITING: usize = 1024;

/// Bounded, since the server's operator may raise the limit.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// The most commands that are remembered.
const REMEMBERED: usize = 1024;

/// The connection of one server that carries one read at a time.
#[derive(Default)]
pub(in crate::providers::redis) struct Quarantine {
    /// Orders nothing, so Relaxed suffices.
    waiting: AtomicUsize,
    connection: Mutex<Option<Connection>>,
}

/// The right to wait for the connection, until it is dropped.
pub(in crate::providers::redis) struct Ticket<'a> {
    quarantine: &'a Quarantine,
}

impl Quarantine {
    /// The right to wait, unless [`WAITING`] reads have it.
    pub(in crate::providers::redis) fn ticket(&self) -> Option<Ticket<'_>> {
        let ticket = Ticket { quarantine: self };
        (self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(ticket)
    }
}

impl Ticket<'_> {
    /// The connection, once no other read has it; made if there is none.
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
            .map_err(|_| error::connection_lost(address, WriteOutcome::Unsent))
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

/// The commands whose replies are too large for the servers of a provider.
#[derive(Default)]
pub(in crate::providers::redis) struct Unanswerable {
    /// How many are remembered. Orders nothing, so Relaxed suffices.
    count: AtomicUsize,
    /// The time of each refusal, by the command's hash.
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

    /// Whether this packed command was refused within [`REFUSED_FOR`].
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
            // A refusal without sending must not prolong the refusal.
            refused.entry(hash).or_insert_with(Instant::now);
        }
        self.count.store(refused.len(), Ordering::Relaxed);
    }
}
