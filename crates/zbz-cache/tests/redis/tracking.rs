//! The messages to subscribers: every change by any client, and the loss of a connection before it could
//! have missed one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use zbz_cache::provider::{Invalidation, InvalidationSink, Subscription};
use zbz_cache::{Options, ProviderHandle, options};

use crate::server::{PATIENCE, Server, long};

mod changes;
mod clusters;
mod losses;
mod subscriptions;

const INTERVAL: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(300);

/// How late what has to come by then may be.
fn slack() -> Duration {
    Duration::from_millis(if long() { 100 } else { 500 })
}

/// Proofs so seldom that only a connection that breaks can tell that it did.
fn seldom() -> Options {
    options! { "tracking_interval" => "20s", "tracking_timeout" => "20s", "connect_timeout" => "300ms" }
}

fn often() -> Options {
    options! { "tracking_interval" => INTERVAL, "tracking_timeout" => TIMEOUT, "connect_timeout" => "300ms" }
}

#[derive(Debug, Clone, PartialEq)]
enum Told {
    Key(String),
    All,
    Alive(Duration),
    Lost,
}

/// A subscription and what it was told, and when.
struct Ear {
    told: Receiver<(Instant, Told)>,
    subscription: Option<Subscription>,
}

impl Ear {
    fn to(provider: &ProviderHandle, prefix: &str) -> Ear {
        let (tell, told) = channel();
        let sink: InvalidationSink = Arc::new(move |invalidation| {
            let news = match invalidation {
                Invalidation::Key(key) => Told::Key(String::from_utf8(key.to_vec()).unwrap()),
                Invalidation::All => Told::All,
                Invalidation::Alive(span) => Told::Alive(span),
                Invalidation::Lost => Told::Lost,
                _ => unreachable!(),
            };
            let _ = tell.send((Instant::now(), news));
        });
        let subscription = provider.provider().invalidations(prefix.as_bytes(), sink);
        assert!(subscription.is_some() && provider.provider().capabilities().invalidations);
        Ear { told, subscription }
    }

    /// One that is alive.
    fn alive(provider: &ProviderHandle, prefix: &str) -> Ear {
        let ear = Ear::to(provider, prefix);
        let first = ear.told.recv_timeout(PATIENCE).unwrap().1;
        assert!(matches!(first, Told::Alive(_)), "{first:?}");
        ear
    }

    /// Waits for something; when it was told, and what was told before it besides `Alive`.
    fn hears(&self, what: &str, due: impl Fn(&Told) -> bool) -> (Instant, Vec<Told>) {
        let begun = Instant::now();
        let mut others = Vec::new();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let Ok((at, told)) = self.told.recv_timeout(left) else { panic!("{what}: only {others:?}") };
            if due(&told) {
                return (at, others);
            }
            if !matches!(told, Told::Alive(_)) {
                others.push(told);
            }
        }
    }

    /// Waits for a key, and takes nothing else.
    fn hears_key(&self, name: &str) {
        assert_eq!(self.hears(name, |told| *told == key(name)).1, [], "before {name}");
    }

    fn hears_all(&self) {
        self.hears("all", |told| *told == Told::All);
    }

    fn hears_lost(&self) -> Instant {
        self.hears("lost", |told| *told == Told::Lost).0
    }

    fn hears_alive(&self) -> Instant {
        self.hears("alive", |told| matches!(told, Told::Alive(_))).0
    }

    /// The messages so far, except `Alive`.
    fn heard(&self) -> Vec<Told> {
        self.told.try_iter().map(|(_, told)| told).filter(|told| !matches!(told, Told::Alive(_))).collect()
    }
}

fn key(key: &str) -> Told {
    Told::Key(key.to_owned())
}

fn is_tracking(line: &str) -> bool {
    let flags = line.split(' ').find_map(|field| field.strip_prefix("flags="));
    flags.is_some_and(|flags| flags.contains('t') && flags.contains('B'))
}

/// How many tracking connections a server has.
fn tracking_connections(server: &Server) -> usize {
    let list: String = server.ask(&["CLIENT", "LIST"]);
    list.lines().filter(|line| is_tracking(line)).count()
}

fn set(server: &Server, key: &str) {
    server.tell(&["SET", key, "v"]);
}
