//! The particulars of this provider: its commands, its declarations, its users.

use std::thread;
use std::time::{Duration, Instant};

use redis::Value;
use serde::{Deserialize, Serialize};
use zbz_cache::provider::{Condition, SetOptions, SetOutcome};
use zbz_cache::redis::RedisConnection;
use zbz_cache::{
    Contract, ErrorKind, Options, TTL_HORIZON, Ttl, TtlState, new_provider, new_provider_from_url, options,
};

use crate::cluster::Cluster;
use crate::proxy::{Fault, Proxy};
use crate::server::{Server, provider, provider_with, texts, until};

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_multi_get_of_a_hundred_keys_is_one_round_trip_a_node() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider(&proxy.address());
    let cache = texts("trips", &provider);
    let names: Vec<String> = (0..100).map(|n| format!("{n}")).collect();
    let before = proxy.turns();
    cache.get("warm").unwrap();
    assert!(proxy.turns() - before <= 2, "an introduction and a get");
    let before = proxy.turns();
    cache.set_multi(names.iter().map(|name| (name, name.clone())), Duration::from_secs(60)).unwrap();
    assert_eq!(proxy.turns() - before, 1, "set_multi");
    let (before, multi) = (proxy.turns(), server.calls("mget"));
    assert_eq!(cache.get_multi(&names).unwrap().len(), 100);
    assert_eq!((proxy.turns() - before, server.calls("mget") - multi), (1, 1), "get_multi");
    let before = proxy.turns();
    assert_eq!(cache.delete_multi(&names).unwrap(), 100);
    assert_eq!(proxy.turns() - before, 1, "delete_multi");
    assert_eq!((server.calls("keys"), server.calls("flushdb"), server.calls("mset")), (0, 0, 0));
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_multi_get_on_a_cluster_is_one_round_trip_a_node_too() {
    let cluster = Cluster::start();
    // The provider has to go through proxies, so the servers are made to name those.
    let proxies: Vec<Proxy> = cluster.servers.iter().map(|server| Proxy::to(server.port)).collect();
    for (server, proxy) in cluster.servers.iter().zip(&proxies) {
        server.tell(&["CONFIG", "SET", "cluster-announce-port", &proxy.port.to_string()]);
    }
    let named = |server: &Server| {
        let slots = format!("{:?}", server.ask::<Value>(&["CLUSTER", "SLOTS"]));
        proxies.iter().all(|proxy| slots.contains(&format!("int({})", proxy.port)))
    };
    until("all name the proxies", || cluster.servers.iter().all(named).then_some(()));
    let address = proxies[0].address();
    let provider = new_provider("redis+cluster", options! { "address" => address }).unwrap();
    let cache = texts("trips", &provider);
    let names: Vec<String> = (0..100).map(|n| format!("{n}")).collect();
    cache.set_multi(names.iter().map(|name| (name, name.clone())), Ttl::Never).unwrap();
    let before: Vec<u64> = proxies.iter().map(Proxy::turns).collect();
    assert_eq!(cache.get_multi(&names).unwrap().len(), 100);
    let after: Vec<u64> = proxies.iter().map(Proxy::turns).collect();
    let trips: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(trips, [1, 1, 1]);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn deadlines_are_sent_as_milliseconds_that_redis_takes() {
    let server = Server::start();
    let cache = texts("ttl", &provider(&server.address()));
    for (span, least) in [(Duration::from_nanos(1), 0), (TTL_HORIZON, 3_155_759_000_000_i64)] {
        cache.set("k", &"v".to_owned(), span).unwrap();
        let left: i64 = server.ask(&["PTTL", "ttl:k"]);
        assert!(left >= least || left == -2, "{span:?}: {left}");
    }
    for never in [Duration::MAX, TTL_HORIZON + Duration::from_nanos(1)] {
        cache.set("k", &"v".to_owned(), never).unwrap();
        assert_eq!(server.ask::<i64>(&["PTTL", "ttl:k"]), -1);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn keep_and_conditions_go_together() {
    let server = Server::start();
    let handle = provider(&server.address());
    let provider = handle.provider();
    let (key, long) = (b"c:k".as_slice(), Ttl::After(Duration::from_secs(600)));
    let set = |value: &str, options: SetOptions| provider.set(key, value.as_bytes(), options).wait().unwrap();
    let left = || provider.ttl(key).wait().unwrap();
    assert_eq!(set("1", SetOptions::new(long).keep_deadline()), SetOutcome::Stored);
    assert!(matches!(left(), TtlState::Remaining(_)), "a new one gets the time");
    let keep = SetOptions::new(Ttl::Never).keep_deadline();
    assert_eq!(set("2", keep.clone().when(Condition::Present)), SetOutcome::Stored);
    assert!(matches!(left(), TtlState::Remaining(_)), "kept");
    assert_eq!(set("3", keep.clone().when(Condition::Absent)), SetOutcome::ConditionFailed);
    let version = provider.get(key, Vec::new()).wait().unwrap().found.unwrap().version().unwrap();
    assert_eq!(set("4", keep.clone().when(Condition::Version(version))), SetOutcome::Stored);
    assert!(matches!(left(), TtlState::Remaining(_)), "kept by a swap");
    let gone = SetOptions::new(Ttl::After(Duration::ZERO));
    assert_eq!(set("5", gone.clone().keep_deadline()), SetOutcome::Stored);
    assert_eq!(provider.get(key, Vec::new()).wait().unwrap().buffer, b"5", "a live one keeps its deadline");
    assert_eq!(set("6", gone.clone().when(Condition::Present)), SetOutcome::Stored);
    assert_eq!(left(), TtlState::Missing);
    assert_eq!(set("7", gone.clone().when(Condition::Present)), SetOutcome::ConditionFailed);
    assert_eq!(set("8", gone.clone().when(Condition::Absent)), SetOutcome::Stored);
    assert_eq!(set("9", gone.keep_deadline()), SetOutcome::Stored);
    assert_eq!(left(), TtlState::Missing);
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct User {
    id: u64,
    name: String,
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn any_executor_will_do() {
    let server = Server::start();
    let users = Contract::<User>::new("users", provider(&server.address())).unwrap().cache();
    let ann = User { id: 1, name: "Ann".into() };
    // None at all, one of tokio's, and from inside a task by `blocking`.
    users.blocking().set("1", &ann, Ttl::Never).unwrap();
    let current = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(current.block_on(users.get("1")).unwrap(), Some(ann.clone()));
    let multi = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (inside, expected) = (users.clone(), ann.clone());
    multi.block_on(async move {
        let many = (0..64).map(|n| {
            let (users, ann) = (inside.clone(), expected.clone());
            tokio::spawn(async move {
                users.set(&n.to_string(), &ann, Ttl::Never).await?;
                users.get(&n.to_string()).await
            })
        });
        for one in many.collect::<Vec<_>>() {
            assert_eq!(one.await.unwrap().unwrap(), Some(expected.clone()));
        }
        assert_eq!(inside.blocking().get("1").unwrap(), Some(expected));
        drop(inside);
    });
    drop(users);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn nothing_is_connected_before_the_first_verb_and_native_is_there_after_it() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let handle = provider_with(&proxy.address(), options! { "client_name" => "zbz-test" });
    let cache = texts("native", &handle);
    assert!(handle.native::<RedisConnection>().is_none());
    handle.blocking_stats().unwrap();
    assert_eq!(proxy.connections(), 0);
    cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
    assert_eq!(proxy.connections(), 1);
    let mut native = handle.native::<RedisConnection>().expect("after the first verb").clone();
    let ask = |native: &mut RedisConnection| -> redis::RedisResult<(String, String)> {
        let mut both = redis::pipe();
        both.cmd("CLIENT").arg("GETNAME").cmd("GET").arg("native:k");
        pollster_block(both.query_async(native))
    };
    assert_eq!(ask(&mut native).unwrap(), ("zbz-test".to_owned(), "v".to_owned()));
    assert_eq!(proxy.connections(), 1, "the provider's own connection");
    proxy.cut_all();
    cache.get("k").unwrap();
    assert_eq!(ask(&mut native).unwrap().1, "v", "it follows to the new one");
    let clients: String = server.ask(&["CLIENT", "LIST"]);
    assert!(
        clients.lines().any(|line| line.contains("name=zbz-test") && line.contains("resp=3")),
        "{clients}"
    );
    handle.blocking_close().unwrap();
    assert!(ask(&mut native).is_err());
    assert!(!format!("{native:?}").is_empty());
}

fn pollster_block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn native_carries_transactions_and_says_why_one_was_not_done() {
    let server = Server::start();
    let handle = provider(&server.address());
    texts("native", &handle).set("k", &"v".to_owned(), Ttl::Never).unwrap();
    let mut native = handle.native::<RedisConnection>().unwrap().clone();
    let mut transaction = redis::pipe();
    transaction.atomic().cmd("SET").arg("n").arg(1).ignore().cmd("INCRBY").arg("n").arg(2);
    let sums: Vec<i64> = pollster_block(transaction.query_async(&mut native)).unwrap();
    assert_eq!(sums, [3]);
    transaction.cmd("NOSUCHCOMMAND");
    let error = pollster_block(transaction.query_async::<Value>(&mut native)).unwrap_err();
    assert!(error.to_string().contains("unknown command"), "{error}");
    let mut get = redis::cmd("GET");
    assert_eq!(pollster_block(get.arg("n").query_async::<i64>(&mut native)).unwrap(), 3, "nor half of it");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn native_finds_the_server_of_a_key() {
    let cluster = Cluster::start();
    let provider = cluster.provider();
    let cache = texts("c", &provider);
    for n in 0..20 {
        cache.set(&n.to_string(), &n.to_string(), Ttl::Never).unwrap();
    }
    let native = provider.native::<RedisConnection>().unwrap();
    for n in 0..20 {
        let key = format!("c:{n}");
        let get = redis::cmd("GET").arg(&key).to_owned();
        let value: String = pollster_block(get.query_async(&mut native.at(key.as_bytes()))).unwrap();
        assert_eq!(value, n.to_string());
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn options_come_from_urls_and_the_environment_too() {
    let server = Server::start_with(&["--requirepass", "p@ss:word"]).log_in_as("default", "p%40ss%3Aword");
    let url = format!(
        "redis://default:p%40ss%3Aword@{}/3?key_prefix=app%3A&call_timeout=1500ms&default_ttl=1h",
        server.address()
    );
    let cache = texts("url", &new_provider_from_url(&url).unwrap());
    cache.set("k", &"v".to_owned(), Ttl::Default).unwrap();
    let mut connection = server.connection();
    redis::cmd("SELECT").arg(3).exec(&mut connection).unwrap();
    let left: i64 = redis::cmd("PTTL").arg("app:url:k").query(&mut connection).unwrap();
    assert!(left > 3_500_000 && left <= 3_600_000, "{left}");
    let variables = [
        ("ZBZ_CACHE_ADDRESS", server.address()),
        ("ZBZ_CACHE_PASSWORD", "p@ss:word".to_owned()),
        ("ZBZ_CACHE_DATABASE", "3".to_owned()),
        ("ZBZ_CACHE_KEY_PREFIX", "app:".to_owned()),
        ("ZBZ_CACHE_TLS", "false".to_owned()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let options = Options::from_variables("redis", variables).unwrap();
    let same = texts("url", &new_provider("redis", options).unwrap());
    assert_eq!(same.get("k").unwrap().as_deref(), Some("v"));
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn what_others_keep_in_the_same_database_is_left_alone() {
    let server = Server::start();
    let mut others = redis::pipe();
    for n in 0..3000 {
        others.cmd("SET").arg(format!("other{n}")).arg("v");
    }
    others.exec(&mut server.connection()).unwrap();
    server.tell(&["SET", "users", "v"]);
    server.tell(&["SET", "usersx:1", "v"]);
    server.tell(&["SET", "user*:1", "v"]);
    let cache = texts("user*", &provider(&server.address()));
    assert_eq!(cache.keys("*").unwrap(), ["1"], "an exact prefix, not a pattern");
    cache.clear().unwrap();
    assert_eq!(server.ask::<u64>(&["DBSIZE"]), 3002);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_clear_holds_up_nobody() {
    let server = Server::start_with(&["--enable-debug-command", "local"]);
    let handle = provider(&server.address());
    let (cleared, other) = (texts("cleared", &handle), texts("other", &handle));
    server.tell(&["DEBUG", "POPULATE", "100000", "cleared", "10"]);
    other.set("k", &"v".to_owned(), Ttl::Never).unwrap();
    thread::scope(|scope| {
        let clearing = scope.spawn(|| cleared.clear().unwrap());
        let mut slowest = Duration::ZERO;
        while !clearing.is_finished() {
            let begun = Instant::now();
            assert!(other.get("k").unwrap().is_some());
            slowest = slowest.max(begun.elapsed());
        }
        println!("the slowest get during a clear of 100,000 keys: {slowest:?}");
        assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    });
    assert_eq!(server.ask::<u64>(&["DBSIZE"]), 1);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn what_was_handed_over_is_answered_before_a_close_ends() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider(&proxy.address());
    let cache = texts("c", &provider);
    cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
    proxy.set(Fault::Slow(Duration::from_millis(200)));
    let turns = proxy.turns();
    thread::scope(|scope| {
        let under_way = scope.spawn(|| cache.get("k"));
        until("it is on its way", || (proxy.turns() > turns).then_some(()));
        provider.blocking_close().unwrap();
        assert_eq!(cache.get("k").unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(under_way.join().unwrap().unwrap().as_deref(), Some("v"));
    });
}
