//! Every change is reported, and before the proof that was requested after it.

use std::time::{Duration, Instant};

use zbz_cache::{Ttl, options};

use super::{Ear, Told, key, often, set};
use crate::server::{PATIENCE, Server, provider_with, texts};

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn every_change_is_told_whoever_makes_it() {
    let server = Server::start();
    for prefix in ["", "app [*]:"] {
        let options = match prefix {
            "" => often(),
            prefix => often().with("key_prefix", prefix),
        };
        let provider = provider_with(&server.address(), options);
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
        // It expires, although no client reads it.
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
        // The first proof after that may have been requested before; the second was not.
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
