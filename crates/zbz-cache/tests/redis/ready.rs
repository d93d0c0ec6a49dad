//! Readiness: a ping says what stands in the way and what to do, and changes nothing.

use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::{Contract, ErrorKind, ProviderHandle, new_provider, options};

use crate::cluster::Cluster;
use crate::rights::{let_in, user};
use crate::server::{Server, free_port, provider, provider_with, texts};

fn wait<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

fn open(handle: &ProviderHandle) -> Contract<String> {
    Contract::new("t", handle.clone()).unwrap()
}

fn assert_told(handle: &ProviderHandle, kind: ErrorKind, words: &[&str]) {
    let error = handle.blocking_ping().unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn each_right_that_is_missing_is_named_and_the_line_of_the_guide_is_enough() {
    let server = Server::start();
    let_in(&server, &[]);
    let handle = user(&server);
    wait(handle.ping()).unwrap();
    let _contract = open(&handle);
    wait(handle.ping()).unwrap();
    assert_eq!(server.ask::<u64>(&["DBSIZE"]), 0, "nothing was changed");
    let rights =
        ["get", "mget", "pttl", "exists", "eval", "eval_ro", "set", "unlink", "persist", "pexpire", "incrby"];
    for right in rights.into_iter().chain(["scan"]) {
        let_in(&server, &[right]);
        assert_told(&handle, ErrorKind::Denied, &[&format!("ACL SETUSER <user> +{right}")]);
    }
    let_in(&server, &["set", "eval"]);
    assert_told(&handle, ErrorKind::Denied, &["ACL SETUSER <user> +eval +set"]);
    let_in(&server, &[]);
    let _other = Contract::<String>::new("other", handle.clone()).unwrap();
    assert_told(&handle, ErrorKind::Denied, &["ACL SETUSER <user> ~other:*"]);
    server.tell(&["ACL", "SETUSER", "ann", "~other:*"]);
    handle.blocking_ping().unwrap();
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_server_that_does_not_let_us_in_or_is_not_there_is_told_with_what_to_do() {
    let absent = provider(&format!("127.0.0.1:{}", free_port()));
    for _ in 0..2 {
        assert_told(&absent, ErrorKind::Unavailable, &["cannot be reached", "start the server"]);
    }
    let nowhere = provider("no-such-host.invalid");
    assert_told(&nowhere, ErrorKind::Unavailable, &["no-such-host.invalid:6379"]);
    let server = Server::start_with(&["--requirepass", "right"]).log_in_as("default", "right");
    let wrong = provider_with(&server.address(), options! { "password" => "wrong" });
    assert_told(&wrong, ErrorKind::Denied, &["username and password"]);
    let tls = new_provider("rediss", options! { "address" => server.address() }).unwrap();
    assert_told(&tls, ErrorKind::Config, &["without TLS"]);
    let right = provider_with(&server.address(), options! { "password" => "right" });
    let _contract = open(&right);
    server.tell(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_told(&right, ErrorKind::Unavailable, &["replica", "primary"]);
    server.tell(&["REPLICAOF", "NO", "ONE"]);
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    right.blocking_ping().expect("one that is full is of use");
    server.signal("STOP");
    let begun = Instant::now();
    let error = right.blocking_wait_ready(Duration::from_millis(900)).unwrap_err();
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(1400), "{took:?}");
    assert!(error.to_string().contains("silence_timeout"), "{error}");
    server.signal("CONT");
    right.blocking_wait_ready(Duration::from_secs(5)).unwrap();
    right.blocking_close().unwrap();
    assert_told(&right, ErrorKind::Closed, &[]);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn who_waits_goes_on_when_the_server_is_there() {
    let port = free_port();
    let handle = provider(&format!("127.0.0.1:{port}"));
    let waiting = {
        let handle = handle.clone();
        thread::spawn(move || wait(handle.wait_ready(Duration::from_secs(20))))
    };
    let begun = Instant::now();
    let late = handle.blocking_wait_ready(Duration::from_millis(300)).unwrap_err();
    assert!(late.to_string().contains("start the server"), "{late}");
    assert!(begun.elapsed() < Duration::from_millis(700), "{:?}", begun.elapsed());
    let _server = Server::start_on(port);
    waiting.join().unwrap().unwrap();
    texts("t", &handle).get("k").unwrap();
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn every_primary_of_a_cluster_is_asked() {
    let cluster = Cluster::start();
    let handle = cluster.provider();
    let _contract = open(&handle);
    handle.blocking_ping().unwrap();
    for server in &cluster.servers {
        server.tell(&["ACL", "SETUSER", "default", "-set"]);
        assert_told(&handle, ErrorKind::Denied, &["ACL SETUSER <user> +set", &server.address()]);
        server.tell(&["ACL", "SETUSER", "default", "+set"]);
    }
    handle.blocking_ping().unwrap();
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_tier_asks_its_far_side_and_for_the_right_to_be_told_of_changes() {
    let server = Server::start();
    let_in(&server, &[]);
    let far = format!("ann:pw@{}", server.address());
    let handle = new_provider("tiered", options! { "far" => "redis", "far.address" => far }).unwrap();
    let cache = open(&handle).cache().blocking();
    cache.get("k").unwrap();
    handle.blocking_ping().unwrap();
    let_in(&server, &["client|tracking", "get"]);
    assert_told(&handle, ErrorKind::Denied, &["+get", "+client|tracking"]);
}
