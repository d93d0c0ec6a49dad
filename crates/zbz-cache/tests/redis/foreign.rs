//! What other programs write under our keys is a counted miss.

use serde::{Deserialize, Serialize};
use zbz_cache::provider::{Condition, SetOptions, SetOutcome, Version};
use zbz_cache::{Contract, ErrorKind, Ttl};

use crate::server::{Server, alone, ask_alone, each, provider, texts};

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct User {
    id: u64,
    tags: Vec<String>,
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn what_is_no_string_is_a_miss_for_every_lookup_and_is_written_over() {
    let server = Server::start();
    let handle = provider(&server.address());
    let users = Contract::<User>::new("u", handle.clone()).unwrap().cache().blocking();
    let ann = User { id: 1, tags: vec!["a".into()] };
    let others: [&[&str]; 5] = [
        &["RPUSH", "u:k", "x"],
        &["SADD", "u:k", "x"],
        &["HSET", "u:k", "f", "x"],
        &["ZADD", "u:k", "1", "x"],
        &["XADD", "u:k", "*", "f", "x"],
    ];
    for words in others {
        server.tell(&["DEL", "u:k"]);
        server.tell(words);
        users.set("good", &ann, Ttl::Never).unwrap();
        let before = users.stats().unwrap();
        assert_eq!(users.get("k").unwrap(), None, "{words:?}");
        assert_eq!(each(users.get_each(["k", "good"])).unwrap(), [None, Some(ann.clone())], "{words:?}");
        assert_eq!(users.get_multi(["good", "k"]).unwrap().len(), 1);
        let after = users.stats().unwrap();
        assert_eq!((after.hits - before.hits, after.misses - before.misses), (2, 3), "{words:?}");
        let raw = handle.provider();
        assert!(raw.get(b"u:k", Vec::new()).wait().unwrap().found.is_none());
        assert!(raw.take(b"u:k", Vec::new()).wait().unwrap().found.is_none());
        let error = raw.add(b"u:k", 1, Ttl::Never).wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue, "{words:?}");
        let swap = SetOptions::new(Ttl::Never).when(Condition::Version(Version::from_u128(1)));
        assert_eq!(raw.set(b"u:k", b"v", swap).wait().unwrap(), SetOutcome::ConditionFailed);
        assert!(users.exists("k").unwrap(), "it is still there");
        assert!(users.expire("k", Ttl::Never).unwrap());
        users.set("k", &ann, Ttl::Never).unwrap();
        assert_eq!(users.get("k").unwrap(), Some(ann.clone()), "and was written over");
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn names_that_are_no_text_are_not_listed_and_are_cleared() {
    let server = Server::start();
    let cache = texts("t", &provider(&server.address()));
    cache.set("fine", &"v".to_owned(), Ttl::Never).unwrap();
    redis::cmd("SET").arg(b"t:\xff\xfe").arg("v").exec(&mut server.connection()).unwrap();
    assert_eq!(cache.keys("*").unwrap(), ["fine"]);
    cache.clear().unwrap();
    assert_eq!(server.ask::<u64>(&["DBSIZE"]), 0);
}

/// What this process had in memory at most, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

const HUGE: u64 = 64 << 20;

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_huge_foreign_value_costs_a_few_times_its_size() {
    ask_alone("foreign::huge_alone", &[]);
}

#[test]
#[ignore = "run by a_huge_foreign_value_costs_a_few_times_its_size: make test-redis"]
fn huge_alone() {
    if !alone() {
        return;
    }
    let server = Server::start();
    let users = Contract::<User>::new("u", provider(&server.address())).unwrap().cache().blocking();
    assert_eq!(users.get("huge").unwrap(), None);
    server.tell(&["SETRANGE", "u:huge", &(HUGE - 1).to_string(), "x"]);
    let before = peak();
    assert_eq!(users.get("huge").unwrap(), None);
    assert_eq!(users.stats().unwrap().undecodable, 1);
    let grew = peak() - before;
    println!("a foreign value of {HUGE} bytes took {grew} bytes at most");
    assert!(grew < HUGE * 4, "{grew} bytes");
}
