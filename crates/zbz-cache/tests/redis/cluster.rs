//! A cluster of three primaries, and what is true of clusters alone.

use std::time::{Duration, Instant};

use redis::Value;
use zbz_cache::{ErrorKind, Ttl, new_provider, options};

use crate::server::{Server, each, free_port, provider_with, texts, until};

mod moving;
mod view;

pub use moving::{Move, begin_move, end_move};

const NODE_TIMEOUT: Duration = Duration::from_millis(1000);

/// Three primaries, and whatever replicas were added.
pub struct Cluster {
    pub servers: Vec<Server>,
}

fn member() -> Server {
    let (bus, timeout) = (free_port().to_string(), NODE_TIMEOUT.as_millis().to_string());
    Server::start_with(&[
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus,
        "--cluster-node-timeout",
        &timeout,
        "--cluster-replica-validity-factor",
        "0",
    ])
}

fn bus_port(server: &Server) -> String {
    let config: Vec<String> = server.ask(&["CONFIG", "GET", "cluster-port"]);
    config[1].clone()
}

impl Cluster {
    pub fn start() -> Cluster {
        let servers: Vec<Server> = (0..3).map(|_| member()).collect();
        let slots = [["0", "5460"], ["5461", "10922"], ["10923", "16383"]];
        for ((server, slots), epoch) in servers.iter().zip(slots).zip(["1", "2", "3"]) {
            server.tell(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]);
            server.tell(&["CLUSTER", "SET-CONFIG-EPOCH", epoch]);
        }
        let cluster = Cluster { servers };
        for index in 1..3 {
            cluster.meet(&cluster.servers[index]);
        }
        cluster.wait_until_whole();
        cluster
    }

    fn meet(&self, newcomer: &Server) {
        let (port, bus) = (newcomer.port.to_string(), bus_port(newcomer));
        self.servers[0].tell(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
    }

    /// A server without slots that all know of.
    pub fn add_empty(&mut self) {
        let newcomer = member();
        self.meet(&newcomer);
        self.servers.push(newcomer);
        until("all know of each other", || {
            let known = |server: &Server| -> bool {
                let nodes: String = server.ask(&["CLUSTER", "NODES"]);
                nodes.matches(" connected").count() >= self.servers.len()
            };
            self.servers.iter().all(known).then_some(())
        });
        self.wait_until_whole();
    }

    /// A replica of one of the primaries, in step with it.
    pub fn add_replica(&mut self, of: usize) {
        let replica = member();
        self.meet(&replica);
        let id: String = self.servers[of].ask(&["CLUSTER", "MYID"]);
        until("the replica knows its primary", || {
            let nodes: String = replica.ask(&["CLUSTER", "NODES"]);
            nodes.contains(&id).then_some(())
        });
        replica.tell(&["CLUSTER", "REPLICATE", &id]);
        until("the replica is in step", || {
            let info: String = replica.ask(&["INFO", "replication"]);
            info.contains("master_link_status:up").then_some(())
        });
        self.servers.push(replica);
        until("all know of the replica", || {
            let known = |server: &Server| -> bool {
                let nodes: String = server.ask(&["CLUSTER", "NODES"]);
                nodes.matches(" connected").count() >= self.servers.len() && nodes.contains("slave")
            };
            self.servers.iter().all(known).then_some(())
        });
    }

    /// Waits until all servers agree, and serve.
    pub fn wait_until_whole(&self) {
        self.wait_until_agreed(view::SLOTS);
        until("every server serves", || {
            let serves = |server: &Server| {
                let info: String = server.ask(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok")
            };
            self.servers.iter().all(serves).then_some(())
        });
    }

    pub fn address(&self) -> String {
        let addresses: Vec<String> = self.servers.iter().map(Server::address).collect();
        addresses.join(",")
    }

    pub fn provider(&self) -> zbz_cache::ProviderHandle {
        new_provider("redis+cluster", options! { "address" => self.address() }).unwrap()
    }

    /// Which server has a stored key.
    pub fn owner_of(&self, key: &str) -> usize {
        let slot: u16 = self.servers[0].ask(&["CLUSTER", "KEYSLOT", key]);
        usize::from(slot > 5460) + usize::from(slot > 10922)
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn keys_go_where_the_servers_want_them() {
    let cluster = Cluster::start();
    let provider = cluster.provider();
    let cache = texts("c", &provider);
    let names = ["a", "{tag}1", "{tag}2", "{}x", "x{}y", "{a", "a}", "{{b}}", "\u{e9}{\u{1f600}}", "{:}"];
    for name in names {
        cache.set(name, &name.to_owned(), Ttl::Never).unwrap();
        assert_eq!(cache.get(name).unwrap().as_deref(), Some(name));
    }
    assert_eq!(cache.get_multi(names).unwrap().len(), names.len());
    let errors: String = cluster.servers.iter().map(|s| s.ask::<String>(&["INFO", "errorstats"])).collect();
    assert!(!errors.contains("errorstat_MOVED"), "every key was sent where it belongs: {errors}");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn every_verb_works_while_a_slot_moves_and_after() {
    let cluster = Cluster::start();
    let provider = cluster.provider();
    let cache = texts("c", &provider);
    let counters = zbz_cache::Contract::counter("n", provider.clone()).unwrap().cache().blocking();
    let value = |name: &str| format!("value of {name}");
    let names = ["{t}stays", "{t}goes", "{t}goes too"];
    for name in names {
        cache.set(name, &value(name), Duration::from_secs(600)).unwrap();
    }
    let to = (cluster.owner_of("c:{t}") + 1) % 3;
    let (from, slot) = begin_move(&cluster, "c:{t}", to);
    let port = cluster.servers[to].port.to_string();
    for name in &names[1..] {
        cluster.servers[from].tell(&["MIGRATE", "127.0.0.1", &port, &format!("c:{name}"), "0", "5000"]);
    }
    // Some keys are here and some there; new ones go there (ASK), several at once are refused
    // (TRYAGAIN) and asked for one by one.
    for name in names {
        assert_eq!(cache.get(name).unwrap(), Some(value(name)), "{name}");
        assert!(cache.exists(name).unwrap() && cache.persist(name).unwrap());
    }
    assert_eq!(each(cache.get_each(names)).unwrap(), names.map(|name| Some(value(name))));
    cache.set("{t}new", &value("{t}new"), Ttl::Never).unwrap();
    cache.set_multi([("{t}new 2", &value("x")), ("{t}goes", &value("again"))], Ttl::Never).unwrap();
    assert_eq!(cache.get("{t}goes").unwrap(), Some(value("again")));
    assert_eq!(cache.get_multi(["{t}new", "{t}new 2", "{t}none"]).unwrap().len(), 2);
    assert!(cache.delete("{t}new").unwrap());
    assert_eq!(cache.delete_multi(["{t}new 2", "{t}new", "{t}none"]).unwrap(), 1);
    let raw = provider.provider();
    let read = raw.take(b"c:{t}goes too", Vec::new()).wait().unwrap();
    assert_eq!(read.buffer, value("{t}goes too").into_bytes());
    assert_eq!(raw.add(b"n:{t}x", 5, Ttl::Never).wait().unwrap(), 5);
    assert_eq!(counters.get("{t}x").unwrap(), Some(5));
    end_move(&cluster, to, &slot);
    for name in ["{t}stays", "{t}goes"] {
        assert!(!cache.exists("{t}none").unwrap());
        let _ = cache.get(name).unwrap();
    }
    assert_eq!(cache.get("{t}goes").unwrap(), Some(value("again")), "MOVED is followed");
    cache.clear().unwrap();
    assert!(cache.keys("*").unwrap().is_empty());
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_lost_primary_is_told_at_once_and_after_the_election_all_is_well() {
    let mut cluster = Cluster::start();
    let provider = cluster.provider();
    let cache = texts("c", &provider);
    let name = (0..).map(|n| format!("{n}")).find(|n| cluster.owner_of(&format!("c:{n}")) == 1).unwrap();
    cluster.add_replica(1);
    cache.set(&name, &"before".to_owned(), Ttl::Never).unwrap();
    let _: Value = cluster.servers[1].ask(&["WAIT", "1", "1000"]);
    cluster.servers[1].kill();
    let (killed, mut elected, mut recovered) = (Instant::now(), None, None);
    let slack = Duration::from_millis(if crate::server::long() { 50 } else { 500 });
    while recovered.is_none() {
        let begun = Instant::now();
        let answer = cache.set(&name, &"after".to_owned(), Ttl::Never);
        assert!(begun.elapsed() < Duration::from_secs(2) + slack, "{:?}", begun.elapsed());
        match answer {
            Ok(()) => recovered = Some(killed.elapsed()),
            Err(error) => {
                let known = [ErrorKind::Unavailable, ErrorKind::Timeout];
                assert!(known.contains(&error.kind()), "{error}");
            }
        }
        let role: Vec<Value> = cluster.servers[3].ask(&["ROLE"]);
        if elected.is_none() && role[0] == Value::BulkString(b"master".to_vec()) {
            elected = Some(killed.elapsed());
        }
        assert!(killed.elapsed() < Duration::from_secs(30), "no recovery");
    }
    let (elected, recovered) = (elected.unwrap_or(killed.elapsed()), recovered.unwrap());
    println!("elected after {elected:?}, recovered after {recovered:?}");
    assert!(recovered < elected + Duration::from_secs(2));
    assert_eq!(cache.get(&name).unwrap().as_deref(), Some("after"));
    let all: Vec<String> = (0..200).map(|n| format!("{n}")).collect();
    cache.set_multi(all.iter().map(|n| (n, n.clone())), Ttl::Never).unwrap();
    assert_eq!(cache.get_multi(&all).unwrap().len(), all.len());
    assert!(cache.keys("*").unwrap().len() >= all.len());
    cache.clear().unwrap();
    assert!(cache.keys("*").unwrap().is_empty());
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn one_server_taken_for_a_cluster_and_the_other_way_round_says_what_to_write() {
    let (single, cluster) = (Server::start(), Cluster::start());
    let wrong = provider_with(&single.address(), options! { "cluster" => true });
    let error = texts("c", &wrong).get("k").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("take the option cluster away"), "{error}");
    let wrong = provider_with(&cluster.servers[0].address(), options! {});
    let errors = (0..20).filter_map(|n| texts("c", &wrong).get(&n.to_string()).err());
    let error = errors.into_iter().next().expect("some key is elsewhere");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("cluster = true"), "{error}");
}
