//! [`Topology`]: the known servers, and the owner of each key.
//!
//! Without a cluster, one server has every key. For a cluster a map of slots is kept. It is fetched when it is
//! first needed, when a server answers `MOVED`, and when a primary cannot be reached. All callers share one fetch.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use redis::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::ErrorKind;
use crate::provider::Health;
use crate::providers::redis::cluster::health_sinks::HealthSinks;
use crate::providers::redis::cluster::node::{Admission, Node, Surroundings};
use crate::providers::redis::cluster::quarantine::Unanswerable;
use crate::providers::redis::cluster::slots::{Range, SLOTS, read_ranges};
use crate::providers::redis::config::address::Address;
use crate::providers::redis::config::settings::Settings;
use crate::providers::redis::connection::command;
use crate::providers::redis::connection::send_queue::Broken;
use crate::providers::redis::error::{self, Failure, WriteOutcome};
use crate::providers::redis::subscribers::Subscribers;

/// The most servers that are asked for the map at once.
const ASKED: usize = 8;

/// The owner of each slot, at one moment.
struct Map {
    /// Goes up with every change.
    epoch: u64,
    ranges: Vec<Range>,
    /// In the order of their lowest slots.
    primaries: Vec<Arc<Node>>,
    /// The owner of each slot, as an index into `primaries`.
    owners: Vec<Option<u16>>,
    /// All known servers that were not forgotten since.
    nodes: HashMap<Address, Arc<Node>>,
}

/// The servers of a provider.
pub(in crate::providers::redis) struct Topology {
    settings: Arc<Settings>,
    /// The only server, without a cluster.
    only: Option<Arc<Node>>,
    map: Mutex<Map>,
    asking: tokio::sync::Mutex<()>,
    around: Arc<Surroundings>,
    pub(in crate::providers::redis) unanswerable: Unanswerable,
    /// How often the map was asked for. Only compared, so Relaxed suffices.
    asked: AtomicU64,
}

/// A primary, and the lowest slot it owns, which stands for it in cursors.
#[derive(Clone)]
pub(in crate::providers::redis) struct Primary {
    pub(in crate::providers::redis) lowest: u16,
    pub(in crate::providers::redis) node: Arc<Node>,
}

impl Topology {
    pub(in crate::providers::redis) fn new(settings: Arc<Settings>) -> Arc<Topology> {
        Arc::new_cyclic(|this: &Weak<Topology>| {
            let this = Weak::clone(this);
            let look_elsewhere = move || Weak::upgrade(&this).into_iter().for_each(|this| this.look_again());
            let around = Surroundings {
                sinks: Arc::default(),
                subscribers: Arc::new(Subscribers::new(&settings.key_prefix)),
                settings,
                look_elsewhere: Box::new(look_elsewhere),
            };
            Topology::of(Arc::new(around))
        })
    }

    fn of(around: Arc<Surroundings>) -> Topology {
        let settings = Arc::clone(&around.settings);
        let mut map = Map {
            epoch: 0,
            ranges: Vec::new(),
            primaries: Vec::new(),
            owners: Vec::new(),
            nodes: HashMap::new(),
        };
        for address in &settings.servers {
            let node = Arc::new(Node::new(Arc::clone(&around), address.clone()));
            map.nodes.insert(address.clone(), node);
        }
        let only = map.nodes.values().next().filter(|_| !settings.cluster).cloned();
        if let Some(only) = &only {
            map.primaries = vec![Arc::clone(only)];
            map.owners = vec![Some(0); usize::from(SLOTS)];
        }
        Topology {
            settings,
            around,
            only,
            map: Mutex::new(map),
            asking: tokio::sync::Mutex::default(),
            unanswerable: Unanswerable::default(),
            asked: AtomicU64::new(0),
        }
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::providers::redis) fn subscribers(&self) -> &Arc<Subscribers> {
        &self.around.subscribers
    }

    pub(in crate::providers::redis) fn health_sinks(&self) -> &Arc<HealthSinks> {
        &self.around.sinks
    }

    /// The health of each server that has keys; of the configured servers while no others are known.
    pub(in crate::providers::redis) fn health(&self) -> Health {
        Health::new(self.serving().iter().map(|node| node.health()).collect())
    }

    fn serving(&self) -> Vec<Arc<Node>> {
        let map = self.map();
        match map.primaries.is_empty() {
            true => map.nodes.values().cloned().collect(),
            false => map.primaries.clone(),
        }
    }

    pub(in crate::providers::redis) fn is_cluster(&self) -> bool {
        self.settings.cluster
    }

    /// Changes with every change of the map.
    pub(in crate::providers::redis) fn epoch(&self) -> u64 {
        self.map().epoch
    }

    /// The owner of a slot, as far as is known.
    pub(in crate::providers::redis) fn owner(&self, slot: u16) -> Option<Arc<Node>> {
        let map = self.map();
        let owner = (*map.owners.get(usize::from(slot))?)?;
        map.primaries.get(usize::from(owner)).cloned()
    }

    /// Admits a new call about a slot, or refuses it. If no owner is known it waits for the map, unless every
    /// server that has one is down.
    pub(in crate::providers::redis) fn admit(&self, slot: u16) -> Admission {
        if let Some(only) = &self.only {
            return only.admit();
        }
        match self.owner(slot) {
            Some(owner) => owner.admit(),
            None => self.refusal_of_all().map_or(Admission::Wait, Admission::Refused),
        }
    }

    /// The error of a new call that any server could answer, if all of them refuse it.
    pub(in crate::providers::redis) fn refusal_of_all(&self) -> Option<Failure> {
        let refusals = self.serving().into_iter().map(|node| node.refusal());
        refusals.collect::<Option<Vec<_>>>()?.pop()
    }

    /// Whether a server owns all of these slots, as far as is known.
    pub(in crate::providers::redis) fn has_all(
        &self,
        address: &Address,
        mut slots: impl Iterator<Item = u16>,
    ) -> bool {
        let map = self.map();
        let has = |slot: u16| {
            let owner = map.owners.get(usize::from(slot)).copied().flatten();
            owner.and_then(|owner| map.primaries.get(usize::from(owner)))
        };
        slots.all(|slot| has(slot).is_some_and(|node| node.address == *address))
    }

    /// Closes all connections for new commands, and waits until those on them are answered.
    pub(in crate::providers::redis) async fn finish(&self) {
        let connections: Vec<_> = self.map().nodes.values().filter_map(|node| node.live()).collect();
        for connection in &connections {
            connection.finish().await;
        }
    }

    /// The server at an address that another server named.
    pub(in crate::providers::redis) fn node(&self, address: &Address) -> Arc<Node> {
        self.map().node(&self.around, address)
    }

    /// Whether there was ever a connection to any server.
    pub(in crate::providers::redis) fn was_met(&self) -> bool {
        self.map().nodes.values().any(|node| node.was_met())
    }

    /// All primaries in the order of their lowest slots.
    pub(in crate::providers::redis) fn primaries(&self) -> Vec<Primary> {
        let map = self.map();
        let lowest = |index: usize| map.owners.iter().position(|owner| *owner == Some(index as u16));
        let primaries = map.primaries.iter().enumerate();
        primaries
            .filter_map(|(index, node)| {
                Some(Primary { lowest: lowest(index)? as u16, node: Arc::clone(node) })
            })
            .collect()
    }

    /// Records the new owner of a slot, and has the rest of the map fetched again.
    pub(in crate::providers::redis) fn moved(self: &Arc<Self>, slot: u16, address: &Address) {
        let is_news = {
            let mut map = self.map();
            let node = map.node(&self.around, address);
            let known = map.primaries.iter().position(|primary| Arc::ptr_eq(primary, &node));
            let owner = known.unwrap_or_else(|| {
                map.primaries.push(node);
                map.primaries.len() - 1
            });
            let owner = Some(owner as u16);
            let place = map.owners.get_mut(usize::from(slot));
            place.is_some_and(|place| std::mem::replace(place, owner) != owner)
        };
        if is_news {
            self.subscribers().map_changed();
        }
        self.look_again();
    }

    /// Fetches the map, unless a fetch is under way.
    fn look_again(self: &Arc<Self>) {
        if self.is_cluster() && self.asking.try_lock().is_ok() {
            let (this, patience) = (Arc::clone(self), self.settings.call_timeout);
            tokio::spawn(async move { tokio::time::timeout(patience, this.refresh()).await });
        }
    }

    /// Fetches the map from the cluster, or waits for the fetch of another caller.
    pub(in crate::providers::redis) async fn refresh(&self) -> Result<(), Failure> {
        if !self.is_cluster() {
            return Ok(());
        }
        let asked_before = self.asked.load(Ordering::Relaxed);
        let _turn = self.asking.lock().await;
        if self.asked.load(Ordering::Relaxed) != asked_before {
            return Ok(());
        }
        let mut answers = JoinSet::new();
        for node in self.candidates() {
            answers.spawn(ask_for_ranges(node, self.settings.call_timeout));
        }
        let mut failure = None;
        while let Some(answer) = answers.join_next().await {
            match answer {
                Ok(Ok(ranges)) => {
                    let epoch = self.epoch();
                    self.map().replace(&self.around, ranges);
                    if self.epoch() != epoch {
                        self.subscribers().map_changed();
                    }
                    self.asked.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Ok(Err(why)) => failure = Some(why),
                Err(_) => {}
            }
        }
        Err(failure.unwrap_or_else(|| no_servers(ErrorKind::Unavailable)))
    }

    /// The servers to ask for the map: those with a connection first, then the configured ones.
    fn candidates(&self) -> Vec<Arc<Node>> {
        let map = self.map();
        let mut nodes: Vec<_> = map.nodes.values().cloned().collect();
        nodes.sort_by_key(|node| (node.live().is_none(), !self.settings.servers.contains(&node.address)));
        nodes.truncate(ASKED);
        nodes
    }
}

impl Map {
    fn node(&mut self, around: &Arc<Surroundings>, address: &Address) -> Arc<Node> {
        let make = || Arc::new(Node::new(Arc::clone(around), address.clone()));
        Arc::clone(self.nodes.entry(address.clone()).or_insert_with(make))
    }

    fn replace(&mut self, around: &Arc<Surroundings>, mut ranges: Vec<Range>) {
        ranges.sort_by_key(|range| range.first);
        let mut primaries: Vec<Arc<Node>> = Vec::new();
        let mut owners = vec![None; usize::from(SLOTS)];
        for range in &ranges {
            let node = self.node(around, &range.primary);
            let known = primaries.iter().position(|primary| Arc::ptr_eq(primary, &node));
            let owner = known.unwrap_or_else(|| {
                primaries.push(node);
                primaries.len() - 1
            });
            owners[usize::from(range.first)..=usize::from(range.last)].fill(Some(owner as u16));
        }
        let used = |address: &Address| {
            around.settings.servers.contains(address) || primaries.iter().any(|node| node.address == *address)
        };
        self.nodes.retain(|address, _| used(address));
        if self.ranges != ranges || self.owners != owners {
            self.epoch += 1;
        }
        (self.ranges, self.primaries, self.owners) = (ranges, primaries, owners);
    }
}

fn no_servers(kind: ErrorKind) -> Failure {
    let advice = "name one of its servers by the option address";
    Failure::new(kind, WriteOutcome::Unsent, "no server of the cluster answered", advice)
}

async fn ask_for_ranges(node: Arc<Node>, patience: Duration) -> Result<Vec<Range>, Failure> {
    // The prober looks for it.
    if let Some(cause) = node.cause() {
        return Err(cause);
    }
    let connection = node.connection().await?;
    let address = &node.address;
    let asked = command::pack(&[b"CLUSTER", b"SLOTS"]);
    match connection.send(asked, Instant::now() + patience).await {
        Ok(Value::ServerError(error)) if error.code() == "ERR" => Err(Failure::new(
            ErrorKind::Config,
            WriteOutcome::Unsent,
            format!("{address} belongs to no cluster"),
            "take the option cluster away, or make the provider from redis://",
        )
        .lasting()),
        Ok(Value::ServerError(error)) => {
            Err(error::of_server_error(address, &error).with_outcome(WriteOutcome::Unsent))
        }
        Ok(answer) => read_ranges(&answer, address).ok_or_else(|| no_servers(ErrorKind::Unavailable)),
        Err(Broken::Lost(failure)) => Err(failure.with_outcome(WriteOutcome::Unsent)),
        Err(_) => Err(error::timed_out(WriteOutcome::Unsent, &format!("{patience:?}"))),
    }
}
