//! Provider "redis": the contract over a Redis (from 7.0) or Valkey server, or a cluster of them.
//!
//! | option | values | default |
//! | --- | --- | --- |
//! | `address` | `host:port`, several with commas for a cluster; `user:password@host:port/database` | 127.0.0.1:6379 |
//! | `username`, `password` | texts | none |
//! | `database` | a number | 0 |
//! | `cluster`, `tls` | true, false; the names `redis+cluster`, `rediss` and `rediss+cluster` say it too | false |
//! | `tls_ca` | a PEM file of the certificates to trust | the system's |
//! | `tls_cert`, `tls_key` | PEM files of the client certificate and its key | none |
//! | `connect_timeout` | a duration | 1 s |
//! | `call_timeout` | a duration, including connecting and retries | 2 s |
//! | `silence_timeout` | a duration: a server that sends nothing for so long while calls wait counts as down | 600 ms |
//! | `tracking_interval`, `tracking_timeout` | durations: how often the connections that tell of changes are proven, and how long that may take | 1 s, 1 s |
//! | `key_prefix` | a text ahead of every stored key | none |
//! | `client_name` | what `CLIENT LIST` shows | none |
//! | `default_ttl` | a duration of more than zero, `"never"` | never |
//! | `max_key_size` | bytes | 1 KiB |
//!
//! Its promises:
//!
//! - **Every call ends by its deadline**, which is watched on the provider's own thread, where nothing
//!   blocks (`runtime.rs`). A clear has a deadline for each of its steps.
//! - **One connection a server**, made when needed (`cluster/node.rs`); what is handed over first goes out first
//!   (`connection/send_queue.rs`). Callers hand over themselves and are woken by what came (`verbs/call.rs`).
//! - **A write is sent again only if it was certainly not sent before** (`cluster/exchange.rs`).

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::key::Packed;
use crate::options::Options;
use crate::provider::{
    BackgroundWork, Capabilities, Cursor, Deleted, Failures, Health, HealthSink, InvalidationSink, Limits,
    Lookups, Page, Provider, Read, ReadBatch, ReadParts, SetOptions, SetOutcome, Subscription,
};
use crate::reply::Reply;
use crate::stats::Stats;
use crate::ttl::{Ttl, TtlState};

mod client;
mod cluster;
mod config;
mod connection;
mod error;
mod native;
mod runtime;
mod shared;
mod subscribers;
mod tracking;
mod verbs;

pub use native::RedisConnection;

use client::Client;
use cluster::exchange::Command;
use config::settings::{Scheme, Settings};
use error::Access;
use runtime::Runtime;
use shared::Shared;
use verbs::{read, ready, scan, write, write_many};

/// The names it is registered under, which are also the schemes of its URLs, and the meaning of each.
pub(crate) const SCHEMES: [Scheme; 4] = [
    Scheme { name: "redis", tls: false, cluster: false },
    Scheme { name: "rediss", tls: true, cluster: false },
    Scheme { name: "redis+cluster", tls: false, cluster: true },
    Scheme { name: "rediss+cluster", tls: true, cluster: true },
];

/// A provider over Redis or Valkey. Made by name from options; nothing is connected before the
/// first verb.
pub struct RedisProvider {
    shared: Arc<Shared>,
    native: OnceLock<RedisConnection>,
}

pub(crate) fn from_options(options: &Options, scheme: Scheme) -> Result<RedisProvider> {
    let client = Arc::new(Client::new(Settings::read(options, scheme)?));
    Ok(RedisProvider {
        shared: Arc::new(Shared { client, runtime: Runtime::new() }),
        native: OnceLock::new(),
    })
}

impl RedisProvider {
    /// A verb, which begins when the reply is first polled.
    fn verb<'a, T, F>(&'a self, work: impl FnOnce(&'a Shared) -> F) -> Reply<'a, T>
    where
        F: Future<Output = Result<T>> + Send + 'a,
    {
        match self.shared.client.closing.load(Ordering::Relaxed) {
            true => Reply::ready(Err(Error::closed())),
            false => Reply::pending(work(&self.shared)),
        }
    }

    /// A verb of many steps, done on the provider's thread, even if its caller has left.
    fn long_verb<'a, T, F>(
        &'a self,
        access: Access,
        work: impl FnOnce(Arc<Client>) -> F + Send + 'a,
    ) -> Reply<'a, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.verb(move |shared| async move {
            if let Some(refusal) = shared.client.topology.refusal_of_all() {
                return Err(refusal.into_error(access));
            }
            shared.told(shared.runtime.begin(work(Arc::clone(&shared.client)))?).await
        })
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        self.shared.client.key(key).into_owned()
    }

    fn read(&self, wanted: ReadParts, key: &[u8]) -> Command {
        let client = &self.shared.client;
        read::command(client, wanted, &client.key(key))
    }

    fn keys(&self, keys: &[&[u8]]) -> Packed {
        let prefix = &self.shared.client.settings.key_prefix;
        let mut packed = Packed::default();
        for key in keys {
            // Nothing fails in copying.
            let _ = packed.push(|bytes| {
                bytes.extend_from_slice(prefix);
                bytes.extend_from_slice(key);
                Ok(())
            });
        }
        packed
    }
}

impl Provider for RedisProvider {
    fn name(&self) -> &str {
        SCHEMES[0].name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { exact_listing: false, invalidations: true, ..Capabilities::in_process() }
    }

    fn limits(&self) -> Limits {
        self.shared.client.settings.limits
    }

    fn default_ttl(&self) -> Ttl {
        self.shared.client.settings.default_ttl
    }

    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        let command = self.read(ReadParts::All, key);
        self.verb(move |shared| {
            read::get(shared, shared.call(Access::Reads), ReadParts::All, command, buffer)
        })
    }

    fn get_value<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        let command = self.read(ReadParts::Value, key);
        self.verb(move |shared| {
            read::get(shared, shared.call(Access::Reads), ReadParts::Value, command, buffer)
        })
    }

    fn get_for_load<'a>(&'a self, key: &[u8], buffer: Vec<u8>, parts: ReadParts) -> Reply<'a, Read> {
        let command = self.read(parts, key);
        self.verb(move |shared| {
            read::get(shared, shared.call(Access::Reads).of_load(), parts, command, buffer)
        })
    }

    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome> {
        let set = write::Set { key: self.key(key), value: value.to_vec(), options };
        self.verb(move |shared| write::set(shared, set))
    }

    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        let key = self.key(key);
        self.verb(move |shared| write::delete(shared, key))
    }

    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState> {
        let key = self.key(key);
        self.verb(move |shared| read::ttl(shared, key))
    }

    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool> {
        let key = self.key(key);
        self.verb(move |shared| write::expire(shared, key, ttl))
    }

    fn take<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        let key = self.key(key);
        self.verb(move |shared| write::take(shared, key, buffer))
    }

    fn add<'a>(&'a self, key: &[u8], delta: i64, ttl: Ttl) -> Reply<'a, i64> {
        let key = self.key(key);
        self.verb(move |shared| write::add(shared, key, delta, ttl))
    }

    fn get_multi<'a>(&'a self, keys: &[&[u8]], batch: ReadBatch) -> Reply<'a, ReadBatch> {
        let keys = self.keys(keys);
        self.verb(move |shared| {
            read::get_multi(shared, shared.call(Access::Reads), ReadParts::All, keys, batch)
        })
    }

    fn get_values<'a>(&'a self, keys: &[&[u8]], batch: ReadBatch) -> Reply<'a, ReadBatch> {
        let keys = self.keys(keys);
        self.verb(move |shared| {
            read::get_multi(shared, shared.call(Access::Reads), ReadParts::Value, keys, batch)
        })
    }

    fn get_multi_for_load<'a>(
        &'a self,
        keys: &[&[u8]],
        batch: ReadBatch,
        parts: ReadParts,
    ) -> Reply<'a, ReadBatch> {
        let keys = self.keys(keys);
        self.verb(move |shared| {
            read::get_multi(shared, shared.call(Access::Reads).of_load(), parts, keys, batch)
        })
    }

    fn set_multi<'a>(&'a self, entries: &[(&[u8], &[u8])], ttl: Ttl) -> Reply<'a, Failures> {
        let sets = write_many::Sets::new(&self.shared.client, entries, ttl);
        self.verb(move |shared| write_many::set_multi(shared, sets))
    }

    fn delete_multi<'a>(&'a self, keys: &[&[u8]]) -> Reply<'a, Deleted> {
        let deletes = write::Deletes::new(&self.shared.client, keys);
        self.verb(move |shared| write::delete_multi(shared, deletes))
    }

    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page> {
        let (prefix, cursor) = (self.key(prefix), cursor.cloned());
        self.long_verb(Access::Reads, move |client| {
            let deadline = client.deadline();
            scan::scan(client, prefix, cursor, deadline)
        })
    }

    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()> {
        let prefix = self.key(prefix);
        self.long_verb(Access::Writes, move |client| scan::clear(client, prefix))
    }

    /// The counters of this provider's own calls; the server's own statistics are not read.
    fn stats(&self) -> Reply<'_, Stats> {
        Reply::ready(match self.shared.client.closing.load(Ordering::Relaxed) {
            true => Err(Error::closed()),
            false => Ok(self.shared.client.counts.stats()),
        })
    }

    fn record_lookups(&self, lookups: Lookups) {
        self.shared.client.counts.lookups.record(lookups);
    }

    /// Waits until the verbs under way have ended, at most call_timeout. New verbs are refused at once.
    fn close(&self) -> Reply<'_, ()> {
        self.shared.client.closing.store(true, Ordering::Relaxed);
        self.shared.client.subscribers().close();
        // Commands that callers handed over to connections are under way too.
        let topology = Arc::clone(&self.shared.client.topology);
        let closing = self.shared.runtime.close(async move { topology.finish().await });
        Reply::pending(async move {
            closing.await;
            Ok(())
        })
    }

    /// By connections of its own, while there are subscriptions (`tracking.rs`). A server that does not
    /// tell of changes is tried again and again, and `Alive` never said.
    fn invalidations(&self, prefix: &[u8], sink: InvalidationSink) -> Option<Subscription> {
        Some(tracking::subscribe(&self.shared, self.key(prefix), sink))
    }

    /// Of each server that keys are asked for at.
    fn health(&self) -> Health {
        self.shared.client.topology.health()
    }

    /// While there are subscriptions, a server that is down is probed whether or not there are calls.
    fn tell_health(&self, sink: HealthSink) -> Option<Subscription> {
        Some(self.shared.client.topology.health_sinks().join(sink))
    }

    fn check_ready<'a>(&'a self, prefixes: &[&[u8]], patience: Option<Duration>) -> Reply<'a, ()> {
        let prefixes = prefixes.iter().map(|prefix| self.key(prefix)).collect();
        self.verb(move |shared| async move {
            let check = ready::check(Arc::clone(&shared.client), prefixes, patience);
            shared.told(shared.runtime.begin_for_caller(check)?).await
        })
    }

    fn spawn(&self, work: BackgroundWork) -> Result<(), BackgroundWork> {
        self.shared.runtime.begin_work(work)
    }

    fn native(&self) -> Option<&(dyn Any + Send + Sync)> {
        if self.native.get().is_none() && self.shared.client.topology.was_met() {
            self.native.get_or_init(|| RedisConnection::new(&self.shared));
        }
        self.native.get().map(|connection| connection as _)
    }
}

impl fmt::Debug for RedisProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisProvider").finish_non_exhaustive()
    }
}
