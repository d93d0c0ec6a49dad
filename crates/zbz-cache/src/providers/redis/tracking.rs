//! Tells subscribers of changes, by server-assisted tracking over separate connections to all primaries.
//!
//! A *watchdog* runs on the provider's thread while there are subscriptions. It makes one *session*
//! after another: a connection to every primary ([`Listener`]), on which the server pushes each changed
//! key under the subscribed prefixes. When all connections are ready the subscribers receive `Alive`, and
//! again every `tracking_interval`, when all connections were proven.
//!
//! - **An `Alive` ends** `tracking_interval + tracking_timeout` after its proof was requested. So no silent
//!   failure stays unnoticed for longer.
//! - **A session is lost as a whole**, and reported at once: when a connection breaks, a reply is overdue,
//!   a server is no longer a primary, or the map changed. Every primary is asked for its own view of the
//!   map with each proof. Changes that verbs learn of by `MOVED` and `ASK` are reported at once
//!   ([`Topology`](crate::providers::redis::cluster::topology::Topology)), before anything is read there.
//! - **All primaries** are those of the map, those that any of them names, and those at which a key was
//!   asked for while its slot moves.
//!
//! Two changes are not seen. Behind one address, a primary that was replaced and does not know it still
//! proves itself; in a cluster the other primaries report it, unless it is cut off together with a
//! minority, until it notices (`cluster-node-timeout`). And servers do not report `SWAPDB`. Only a longest
//! life of copies bounds these.

mod listener;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use listener::Listener;

use crate::error::ErrorKind;
use crate::provider::{InvalidationSink, Subscription};
use crate::providers::redis::client::Client;
use crate::providers::redis::cluster::slots::Range;
use crate::providers::redis::config::address::Address;
use crate::providers::redis::error::{Access, Failure, WriteOutcome};
use crate::providers::redis::runtime::first;
use crate::providers::redis::shared::Shared;
use crate::providers::redis::subscribers::{Session, Subscribers, Watchdog};

/// The shortest and the longest pause between sessions; it is doubled, and drawn from its upper half.
const PAUSE: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(2));

/// How often in a row a changed map may end a session before it was alive.
const RESTLESS: u32 = 10;

/// Subscribes a sink to the changes under a stored prefix.
pub(super) fn subscribe(shared: &Shared, prefix: Vec<u8>, sink: InvalidationSink) -> Subscription {
    let (subscription, watchdog) = shared.client.subscribers().join(prefix, sink);
    if let Some(watchdog) = watchdog
        && let Err(error) = shared.runtime.begin(keep(Arc::clone(&shared.client), watchdog))
    {
        tracing::warn!(%error, "changes cannot be tracked");
    }
    subscription
}

/// Makes sessions until no subscriber is left.
async fn keep(client: Arc<Client>, watchdog: Watchdog) {
    let subscribers = Arc::clone(&watchdog.subscribers);
    let sessions = async {
        let mut progress = Progress::default();
        let sinks = client.topology.health_sinks();
        loop {
            let mut is_back = pin!(sinks.is_back.notified());
            // Enabled before the session, because the server may come back while it is being made.
            is_back.as_mut().enable();
            match hear(&client, &subscribers, &mut progress).await {
                Err(failure) => progress.failed(failure),
                Ok(()) if progress.tries > RESTLESS => progress.failed(restless()),
                Ok(()) => {}
            }
            // A server that is back must not wait for a pause that grew while it was down.
            first(sleep(pause(progress.tries)), is_back).await;
            progress.tries += 1;
        }
    };
    first(subscribers.ended(&watchdog), sessions).await;
}

/// The progress of the sessions so far.
#[derive(Default)]
struct Progress {
    /// How many sessions were tried since the last one that was alive.
    tries: u32,
    /// Whether the failure was logged, and the recovery not yet.
    was_told: bool,
}

impl Progress {
    fn is_alive(&mut self) {
        self.tries = 0;
        if std::mem::take(&mut self.was_told) {
            tracing::info!("changes are tracked again");
        }
    }

    fn failed(&mut self, failure: Failure) {
        if !std::mem::replace(&mut self.was_told, true) {
            let error = failure.into_error(Access::Reads);
            tracing::warn!(%error, "changes are not tracked at the moment; the provider keeps trying");
        }
    }
}

fn pause(tries: u32) -> Duration {
    let (least, most) = PAUSE;
    let whole = least.saturating_mul(1 << tries.min(16)).min(most);
    let lot = RandomState::new().hash_one(tries) as f64 / u64::MAX as f64;
    whole.mul_f64(0.5 + lot / 2.0)
}

/// One session, from its connections to its loss.
async fn hear(
    client: &Client,
    subscribers: &Arc<Subscribers>,
    progress: &mut Progress,
) -> Result<(), Failure> {
    client.topology.refresh().await?;
    let (session, aside) = subscribers.begin();
    let heard = hear_in(client, subscribers, (session, aside), progress).await;
    subscribers.lost(session);
    heard
}

async fn hear_in(
    client: &Client,
    subscribers: &Arc<Subscribers>,
    (session, aside): (Session, Vec<Address>),
    progress: &mut Progress,
) -> Result<(), Failure> {
    let settings = &client.settings;
    let mut tracked = cover(subscribers.heard().prefixes);
    if tracked.is_empty() {
        // All subscribers have left. Without a prefix a server would report every change.
        return Ok(());
    }
    let primaries = client.topology.primaries().into_iter().map(|primary| primary.node.address.clone());
    let mut listeners = Listeners { open: HashMap::new(), session };
    listeners.open(client, subscribers, primaries.chain(aside).collect(), &tracked).await?;
    loop {
        let sent = Instant::now();
        let heard = subscribers.heard();
        let Some(new) = missing(&tracked, &heard.prefixes) else { return Ok(()) };
        if !new.is_empty() {
            listeners.track(&new, settings.tracking_timeout).await?;
            tracked.extend(new);
        }
        if !listeners.prove(sent + settings.tracking_timeout).await? {
            return Ok(());
        }
        if !subscribers.alive(session, heard, sent + settings.tracking_interval + settings.tracking_timeout) {
            return Ok(());
        }
        progress.is_alive();
        // A new subscriber does not wait for the next proof.
        let _ = timeout_at(sent + settings.tracking_interval, subscribers.changed.notified()).await;
        if !subscribers.is_whole(session) {
            return Ok(());
        }
    }
}

/// The connections of a session, and how each server saw the map at first.
struct Listeners {
    open: HashMap<Address, (Arc<Listener>, Option<Vec<Range>>)>,
    session: Session,
}

impl Listeners {
    /// Connects to all of these, and to each server that one of them names as a primary.
    async fn open(
        &mut self,
        client: &Client,
        subscribers: &Arc<Subscribers>,
        mut servers: Vec<Address>,
        prefixes: &[Vec<u8>],
    ) -> Result<(), Failure> {
        while !servers.is_empty() {
            let mut opening = JoinSet::new();
            servers.sort_by_cached_key(ToString::to_string);
            servers.dedup();
            for address in servers.drain(..) {
                // Before the connection exists: otherwise each read at this server meanwhile would end the
                // session before its connections are made. No subscriber receives Alive before all are.
                subscribers.reaches(self.session, &address);
                let (settings, subscribers) = (Arc::clone(&client.settings), Arc::clone(subscribers));
                let (session, prefixes) = (self.session, prefixes.to_vec());
                opening.spawn(async move {
                    let listener = Listener::open(&settings, address, &subscribers, session).await?;
                    listener.track(&prefixes, settings.tracking_timeout).await?;
                    let view = listener.prove(Instant::now() + settings.tracking_timeout).await?;
                    Ok::<_, Failure>((listener, view))
                });
            }
            let mut named = Vec::new();
            while let Some(opened) = opening.join_next().await {
                let (listener, view) = opened.map_err(|_| broke_inside())??;
                named.extend(view.iter().flatten().map(|range| range.primary.clone()));
                self.open.insert(listener.address.clone(), (Arc::new(listener), view));
            }
            servers = named.into_iter().filter(|address| !self.open.contains_key(address)).collect();
        }
        Ok(())
    }

    /// Has all servers report changes under more prefixes.
    async fn track(&self, prefixes: &[Vec<u8>], patience: Duration) -> Result<(), Failure> {
        let mut asking = JoinSet::new();
        for (listener, _) in self.open.values() {
            let (listener, prefixes) = (Arc::clone(listener), prefixes.to_vec());
            asking.spawn(async move { listener.track(&prefixes, patience).await });
        }
        while let Some(asked) = asking.join_next().await {
            asked.map_err(|_| broke_inside())??;
        }
        Ok(())
    }

    /// Whether all servers answer, are still primaries, and see the same map as at first.
    async fn prove(&self, until: Instant) -> Result<bool, Failure> {
        let mut asking = JoinSet::new();
        for (listener, view) in self.open.values() {
            let (listener, view) = (Arc::clone(listener), view.clone());
            asking.spawn(async move { Ok::<_, Failure>(listener.prove(until).await? == view) });
        }
        let mut same = true;
        while let Some(asked) = asking.join_next().await {
            same &= asked.map_err(|_| broke_inside())??;
        }
        Ok(same)
    }
}

fn restless() -> Failure {
    let advice = "wait until its slots are at rest; redis-cli --cluster check shows where they are";
    Failure::new(ErrorKind::Unavailable, WriteOutcome::NotRun, "the cluster's map keeps changing", advice)
}

fn broke_inside() -> Failure {
    let advice = "please report this";
    Failure::new(ErrorKind::Unavailable, WriteOutcome::NotRun, "the provider failed inside", advice)
}

/// The fewest prefixes that cover these.
fn cover(mut prefixes: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    prefixes.sort_unstable();
    prefixes.dedup_by(|next, kept| next.starts_with(kept));
    prefixes
}

/// The prefixes to track in addition; `None` if they would overlap, which servers refuse.
fn missing(tracked: &[Vec<u8>], wanted: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let is_tracked = |prefix: &Vec<u8>| tracked.iter().any(|tracked| prefix.starts_with(tracked));
    let new = cover(wanted.iter().filter(|prefix| !is_tracked(prefix)).cloned().collect());
    let overlaps = new.iter().any(|new| tracked.iter().any(|tracked| tracked.starts_with(new)));
    (!overlaps).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn equal_and_nested_prefixes_are_covered_by_the_shortest() {
        for (given, covered) in [
            (&["b:", "a:", "b:"][..], &["a:", "b:"][..]),
            (&["ab", "a", "abc", "b"], &["a", "b"]),
            (&["x", ""], &[""]),
            (&[], &[]),
        ] {
            assert_eq!(cover(texts(given)), texts(covered), "{given:?}");
        }
    }

    #[test]
    fn only_what_is_not_tracked_is_added_and_never_what_overlaps() {
        let missing = |tracked: &[&str], wanted: &[&str]| missing(&texts(tracked), &texts(wanted));
        assert_eq!(missing(&["a"], &["a", "ab"]), Some(Vec::new()));
        assert_eq!(missing(&["a"], &["a", "b", "bc"]), Some(texts(&["b"])));
        assert_eq!(missing(&["ab"], &["ab", "a"]), None);
        assert_eq!(missing(&[""], &["x"]), Some(Vec::new()));
        assert_eq!(missing(&["x"], &[""]), None);
    }

    #[test]
    fn pauses_grow_to_their_most_and_differ() {
        assert!((0..40).all(|tries| pause(tries) <= PAUSE.1 && pause(tries) >= PAUSE.0 / 2));
        assert!(pause(30) >= PAUSE.1 / 2);
    }
}
