//! Every primary of a cluster is heard, whichever servers those are.

use std::time::Instant;

use zbz_cache::{ProviderHandle, Ttl, new_provider};

use super::{Ear, INTERVAL, TIMEOUT, key, often, set, slack, tracking_connections};
use crate::cluster::{Cluster, begin_move, end_move};
use crate::server::{texts, until};

/// A key on each server of a cluster of three.
fn on_each(cluster: &Cluster) -> [String; 3] {
    let on = |server| (0..).map(|n| format!("t:{n}")).find(|key| cluster.owner_of(key) == server).unwrap();
    [on(0), on(1), on(2)]
}

fn clustered(cluster: &Cluster) -> ProviderHandle {
    new_provider("redis+cluster", often().with("address", cluster.address())).unwrap()
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn of_a_cluster_every_primary_is_heard_also_when_slots_move() {
    let mut cluster = Cluster::start();
    cluster.add_empty();
    let names = on_each(&cluster);
    let provider = clustered(&cluster);
    let ear = Ear::alive(&provider, "t:");
    let cache = texts("t", &provider);
    for name in &names {
        cache.set(name.strip_prefix("t:").unwrap(), &"v".to_owned(), Ttl::Never).unwrap();
        ear.hears_key(name);
    }
    // To a server without a slot so far: it is tracked before anything is read there.
    let (from, slot) = begin_move(&cluster, &names[1], 3);
    let port = cluster.servers[3].port.to_string();
    cluster.servers[from].tell(&["MIGRATE", "127.0.0.1", &port, &names[1], "0", "5000"]);
    ear.hears_key(&names[1]);
    cache.get(names[1].strip_prefix("t:").unwrap()).unwrap().expect("it is on the other server");
    ear.hears_lost();
    ear.hears_alive();
    let mut there = cluster.servers[3].connection();
    let mut set = redis::pipe();
    let _: redis::Value = set.cmd("ASKING").cmd("SET").arg(&names[1]).arg("w").query(&mut there).unwrap();
    ear.hears_key(&names[1]);
    let begun = Instant::now();
    end_move(&cluster, 3, &slot);
    let ended = Instant::now();
    assert!(ear.hears_lost() < ended + INTERVAL + TIMEOUT + slack(), "since {:?}", begun.elapsed());
    ear.hears_alive();
    cache.set(names[1].strip_prefix("t:").unwrap(), &"x".to_owned(), Ttl::Never).unwrap();
    ear.hears("the key", |told| *told == key(&names[1]));
    ear.hears_alive();
    assert!(cluster.servers.iter().all(|server| tracking_connections(server) == 1));
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_failover_is_a_loss_and_then_the_new_primary_is_heard() {
    let mut cluster = Cluster::start();
    let names = on_each(&cluster);
    cluster.add_replica(1);
    let provider = clustered(&cluster);
    let ear = Ear::alive(&provider, "t:");
    let set = |cluster: &Cluster, server: usize, name: &str| set(&cluster.servers[server], name);
    // By hand: the old primary lives on as a replica.
    cluster.servers[3].tell(&["CLUSTER", "FAILOVER"]);
    ear.hears_lost();
    ear.hears_alive();
    set(&cluster, 3, &names[1]);
    ear.hears("the key", |told| *told == key(&names[1]));
    // By death.
    until("the old primary follows the new one", || {
        let info: String = cluster.servers[1].ask(&["INFO", "replication"]);
        info.contains("master_link_status:up").then_some(())
    });
    ear.hears_alive();
    ear.heard();
    let begun = Instant::now();
    cluster.servers[3].kill();
    assert!(ear.hears_lost() < begun + slack());
    ear.hears_alive();
    set(&cluster, 1, &names[1]);
    ear.hears("the key", |told| *told == key(&names[1]));
}
