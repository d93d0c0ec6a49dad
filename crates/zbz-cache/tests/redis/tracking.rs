//! What subscribers are told: every change, by whomever, and that a link is lost before it could
//! have missed one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::provider::{Invalidation, InvalidationSink, Subscription};
use zbz_cache::{Options, ProviderHandle, Ttl, new_provider, options};

use crate::cluster::{Cluster, begin_move, end_move};
use crate::proxy::{Fault, Proxy};
use crate::server::{PATIENCE, Server, long, provider_with, texts, until};

const INTERVAL: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(300);

/// How late what has to come by then may be.
fn slack() -> Duration {
    Duration::from_millis(if long() { 100 } else { 500 })
}

/// Proofs so seldom that only a link that breaks can tell that it did.
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

    /// What was told so far, but for `Alive`.
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

/// How many connections a server has that are told of changes.
fn links(server: &Server) -> usize {
    let list: String = server.ask(&["CLIENT", "LIST"]);
    list.lines().filter(|line| is_tracking(line)).count()
}

fn set(server: &Server, key: &str) {
    server.tell(&["SET", key, "v"]);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn every_change_is_told_whoever_makes_it() {
    let server = Server::start();
    for prefix in ["", "app [*]:"] {
        let provider = provider_with(&server.address(), often().with("key_prefix", prefix));
        let ear = Ear::alive(&provider, "t:");
        let (cache, stored) = (texts("t", &provider), |name: &str| format!("{prefix}t:{name}"));
        cache.set("own", &"1".to_owned(), Ttl::Never).unwrap();
        ear.hears_key("t:own");
        cache.delete("own").unwrap();
        ear.hears_key("t:own");
        texts("other", &provider).set("k", &"1".to_owned(), Ttl::Never).unwrap();
        set(&server, &stored("theirs"));
        ear.hears_key("t:theirs");
        server.tell(&["EXPIRE", &stored("theirs"), "100"]);
        ear.hears_key("t:theirs");
        server.tell(&["RENAME", &stored("theirs"), &stored("new")]);
        let either = |told: &Told| [key("t:theirs"), key("t:new")].contains(told);
        assert_eq!([ear.hears("a name", either).1, ear.hears("a name", either).1], [[], []]);
        cache.set("short", &"1".to_owned(), Duration::from_millis(30)).unwrap();
        ear.hears_key("t:short");
        // It expires, though nobody looks.
        ear.hears_key("t:short");
        server.tell(&["FLUSHDB"]);
        ear.hears_all();
        server.tell(&["FLUSHALL"]);
        ear.hears_all();
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn what_a_full_server_evicts_is_told() {
    let server = Server::start_with(&["--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru"]);
    let provider = provider_with(&server.address(), often());
    let ear = Ear::alive(&provider, "t:");
    set(&server, "t:first");
    ear.hears_key("t:first");
    let large = "v".repeat(100_000);
    let begun = Instant::now();
    for n in 0.. {
        server.tell(&["SET", &format!("other:{n}"), &large]);
        if ear.heard().contains(&key("t:first")) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it was evicted and not told");
    }
    assert!(!server.ask::<bool>(&["EXISTS", "t:first"]));
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn many_keys_at_once_are_all_told() {
    let server = Server::start();
    let provider = provider_with(&server.address(), often());
    let ear = Ear::alive(&provider, "t:");
    let names: Vec<String> = (0..5000).map(|n| format!("t:{n:04}")).collect();
    let pairs: Vec<&str> = names.iter().flat_map(|name| [name.as_str(), "v"]).collect();
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    let script = "for _, k in ipairs(KEYS) do redis.call('SET', k, 'w') end";
    let count = keys.len().to_string();
    for words in [
        [&["MSET"][..], &pairs].concat(),
        [&["EVAL", script, &count][..], &keys].concat(),
        [&["UNLINK"][..], &keys].concat(),
    ] {
        server.tell(&words);
        server.tell(&["SET", "t:last", "v"]);
        let mut told = ear.hears("the last", |told| *told == key("t:last")).1;
        told.sort_by_key(|told| format!("{told:?}"));
        assert_eq!(told, names.iter().map(|name| key(name)).collect::<Vec<_>>(), "{}", words[0]);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn what_changed_before_a_proof_was_asked_for_is_told_before_it() {
    let server = Server::start();
    let options = options! { "tracking_interval" => "2ms" };
    let provider = provider_with(&server.address(), options);
    let ear = Ear::alive(&provider, "");
    let mut connection = server.connection();
    for n in 0..2000 {
        let name = format!("{n}");
        let _: redis::Value = crate::server::command(&["SET", &name, "v"]).query(&mut connection).unwrap();
        let set = Instant::now();
        // The first that is told after that may have been asked for before; the second was not.
        let mut proofs = 0;
        loop {
            match ear.told.recv_timeout(PATIENCE).unwrap() {
                (_, Told::Key(told)) if told == name => break,
                (at, Told::Alive(_)) => proofs += usize::from(at > set),
                (_, other) => panic!("{other:?}"),
            }
            assert!(proofs < 2, "{name} came after its proof");
        }
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_link_that_breaks_is_lost_at_once_and_comes_back() {
    let mut server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), seldom());
    let ear = Ear::alive(&provider, "t:");
    let recovers = |server: &Server| {
        ear.hears_alive();
        set(server, "t:k");
        ear.hears_key("t:k");
    };
    for _ in 0..3 {
        let begun = Instant::now();
        server.tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        assert!(ear.hears_lost() < begun + slack(), "a killed link");
        recovers(&server);
        let begun = Instant::now();
        proxy.cut_all();
        assert!(ear.hears_lost() < begun + slack(), "a cut link");
        recovers(&server);
    }
    let begun = Instant::now();
    server.kill();
    assert!(ear.hears_lost() < begun + slack(), "a killed server");
    server.restart();
    recovers(&server);
    assert_eq!(links(&server), 1);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn silence_is_a_loss_within_interval_and_timeout() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), often());
    let ear = Ear::alive(&provider, "t:");
    for wait in [0, 50, 100, 150, 190] {
        ear.hears_alive();
        thread::sleep(Duration::from_millis(wait));
        let begun = Instant::now();
        proxy.set(Fault::Silent);
        set(&server, "t:missed");
        let lost = ear.hears_lost();
        assert!(lost < begun + INTERVAL + TIMEOUT + slack(), "after {:?}", lost - begun);
        proxy.set(Fault::None);
        ear.hears_alive();
        set(&server, "t:k");
        ear.hears_key("t:k");
    }
    // The server itself stands still: each Alive ends by itself as early.
    ear.hears_alive();
    server.signal("STOP");
    let begun = Instant::now();
    let mut ends = begun;
    let lost = loop {
        match ear.told.recv_timeout(PATIENCE).unwrap() {
            (at, Told::Alive(span)) => ends = at + span,
            (at, told) => {
                assert_eq!(told, Told::Lost);
                break at;
            }
        }
    };
    server.signal("CONT");
    let most = begun + INTERVAL + TIMEOUT + slack();
    assert!(lost < most && ends < most, "after {:?}, {:?}", lost - begun, ends - begun);
    ear.hears_alive();
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_primary_that_becomes_a_replica_is_lost() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(old.port);
    let provider = provider_with(&proxy.address(), often());
    let ear = Ear::alive(&provider, "t:");
    let begun = Instant::now();
    old.tell(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    assert!(ear.hears_lost() < begun + INTERVAL + TIMEOUT + slack());
    thread::sleep(INTERVAL * 3);
    assert!(ear.told.try_iter().all(|(_, told)| !matches!(told, Told::Alive(_))), "a replica proves nothing");
    proxy.lead_to(new.port);
    ear.hears_alive();
    set(&new, "t:k");
    ear.hears_key("t:k");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn equal_and_nested_prefixes_share_one_link() {
    let server = Server::start();
    let provider = provider_with(&server.address(), often());
    let first = Ear::alive(&provider, "a:b");
    let equal = Ear::alive(&provider, "a:b");
    let inner = Ear::alive(&provider, "a:b:c");
    let apart = Ear::alive(&provider, "x");
    assert_eq!(first.heard(), [], "no link was lost to them");
    for name in ["a:", "a:b:c:1", "x1", "a:b"] {
        set(&server, name);
    }
    first.hears_key("a:b:c:1");
    first.hears_key("a:b");
    equal.hears_key("a:b:c:1");
    equal.hears_key("a:b");
    inner.hears_key("a:b:c:1");
    apart.hears_key("x1");
    // What is under it all takes new links; a server refuses to widen.
    let all = Ear::alive(&provider, "");
    first.hears_lost();
    first.hears_alive();
    assert_eq!(links(&server), 1);
    for name in ["a:", "a:b"] {
        set(&server, name);
    }
    all.hears_key("a:");
    all.hears_key("a:b");
    first.hears_key("a:b");
    assert_eq!([inner.heard(), apart.heard()], [[Told::Lost], [Told::Lost]]);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_dropped_subscription_is_told_nothing_and_the_last_one_takes_the_links_along() {
    let server = Server::start();
    let provider = provider_with(&server.address(), often());
    for _ in 0..3 {
        let (mut first, second) = (Ear::alive(&provider, "t:"), Ear::alive(&provider, "t:"));
        first.subscription = None;
        assert!(first.heard().is_empty());
        set(&server, "t:k");
        second.hears_key("t:k");
        assert!(first.told.try_iter().next().is_none());
        assert_eq!(links(&server), 1);
        drop(second);
        until("the link ends", || (links(&server) == 0).then_some(()));
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn close_and_the_last_drop_end_every_link() {
    let server = Server::start();
    for closes in [true, false] {
        let provider = provider_with(&server.address(), seldom());
        let ear = Ear::alive(&provider, "t:");
        let begun = Instant::now();
        if closes {
            provider.blocking_close().unwrap();
            assert_eq!(links(&server), 0);
            let late = Ear::to(&provider, "t:");
            assert!(late.told.recv_timeout(INTERVAL).is_err(), "closed is closed");
        }
        drop(provider);
        assert!(ear.hears_lost() < begun + slack());
        until("the link ends", || (links(&server) == 0).then_some(()));
        set(&server, "t:k");
        assert!(ear.told.recv_timeout(INTERVAL).is_err());
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_server_that_refuses_is_tried_until_it_does_not() {
    let server = Server::start();
    server.tell(&["ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all", "-client|tracking"]);
    let provider = provider_with(&format!("ann:pw@{}", server.address()), often());
    let ear = Ear::to(&provider, "t:");
    until("it is tried again", || (server.calls("hello") > 2).then_some(()));
    assert!(ear.told.try_iter().next().is_none(), "it is never alive");
    texts("t", &provider).set("k", &"v".to_owned(), Ttl::Never).unwrap();
    server.tell(&["ACL", "SETUSER", "ann", "+client|tracking"]);
    ear.hears_alive();
    set(&server, "t:k");
    ear.hears_key("t:k");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_write_that_meets_a_replica_is_a_loss_before_anything_is_read_elsewhere() {
    let (server, other) = (Server::start(), Server::start());
    let provider = provider_with(&server.address(), options! { "tracking_interval" => "20s" });
    let ear = Ear::alive(&provider, "t:");
    server.tell(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
    let begun = Instant::now();
    let set = texts("t", &provider).set("k", &"v".to_owned(), Ttl::Never);
    assert!(set.is_err(), "it is read only");
    assert!(ear.hears_lost() < begun + 3 * Duration::from_secs(1), "not with the next proof");
}

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
    // To a server that has no slot yet: what is read there is heard of there before.
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
    assert!(cluster.servers.iter().all(|server| links(server) == 1));
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
