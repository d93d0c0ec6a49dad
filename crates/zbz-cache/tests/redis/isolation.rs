//! A refusal of one command by a server harms no other: those in the same batch and on other
//! threads keep their true outcomes, and the connection that they share stays.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::provider::SetOutcome;
use zbz_cache::redis::RedisConnection;
use zbz_cache::{
    BlockingCache, Contract, ErrorKind, LoadOptions, OnFailure, Options, ProviderHandle, Result, Ttl,
};
use zbz_cache::{new_provider, options};

use crate::server::{Server, each, provider_with, texts};

pub const MIB: usize = 1 << 20;

/// Refusals are answered at once: long before this.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

fn slow() -> Options {
    options! { "call_timeout" => CALL_TIMEOUT, }
}

/// The id that the server gives the connection that the provider uses.
pub fn connection_id(provider: &ProviderHandle) -> u64 {
    let mut native = provider.native::<RedisConnection>().unwrap().clone();
    pollster::block_on(async { redis::cmd("CLIENT").arg("ID").query_async(&mut native).await.unwrap() })
}

pub fn text(bytes: usize) -> String {
    "v".repeat(bytes)
}

/// Calls `call` while others use the same connection: none of them may fail, and the connection has to stay.
fn beside_others<R>(provider: &ProviderHandle, call: impl FnOnce() -> R) -> R {
    let others = texts("others", provider);
    others.set("k", &"v".to_owned(), Ttl::Never).unwrap();
    let before = connection_id(provider);
    let (is_over, begun) = (AtomicBool::new(false), Instant::now());
    let answer = thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                let (others, is_over) = (&others, &is_over);
                scope.spawn(move || {
                    let mut last = None;
                    while !is_over.load(SeqCst) || last.is_none() {
                        assert_eq!(others.get("k").unwrap().as_deref(), Some("v"));
                        let raw = others.cache().handle().provider();
                        let key = format!("others:count {thread}");
                        let sum = raw.add(key.as_bytes(), 1, Ttl::Never).wait().unwrap();
                        assert_eq!(last.map_or(sum, |last| last + 1), sum, "each is counted once");
                        last = Some(sum);
                    }
                })
            })
            .collect();
        let answer = call();
        is_over.store(true, SeqCst);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        answer
    });
    assert!(begun.elapsed() < CALL_TIMEOUT / 4, "a refusal is answered at once");
    assert_eq!(connection_id(provider), before, "no connection broke");
    answer
}

/// Servers that take less than usual, each in one of the ways there are.
fn small_servers() -> [Server; 2] {
    ["proto-max-bulk-len", "client-query-buffer-limit"].map(|setting| {
        let server = Server::start();
        server.tell(&["CONFIG", "SET", setting, &MIB.to_string()]);
        server
    })
}

fn assert_too_large<T: std::fmt::Debug>(answer: Result<T>, words: &str) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(error.to_string().contains(words), "{words:?} is not in: {error}");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_value_that_the_server_does_not_take_is_too_large_and_breaks_nobodys_link() {
    for server in small_servers() {
        let provider = provider_with(&server.address(), slow());
        let cache = texts("t", &provider);
        for bytes in [2 * MIB, MIB + 1, 9 * MIB] {
            cache.set("k", &"old".to_owned(), Ttl::Never).unwrap();
            let set = || cache.set("k", &text(bytes), Ttl::Never);
            assert_too_large(beside_others(&provider, set), "the old value was removed");
            assert_eq!(cache.get("k").unwrap(), None, "the caller meant to replace it");
        }
        cache.set("k", &text(MIB - 100_000), Ttl::Never).unwrap();
        cache.set("k", &text(MIB - 1000), Ttl::Never).unwrap();
        assert_eq!(cache.get("k").unwrap().map(|value| value.len()), Some(MIB - 1000));
        assert_eq!(cache.stats().unwrap().rejections, 3);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn of_a_batch_only_the_value_that_is_too_large_fails() {
    for server in small_servers() {
        let provider = provider_with(&server.address(), slow());
        let cache = texts("t", &provider);
        cache.set("large", &"old".to_owned(), Ttl::Never).unwrap();
        let entries = [("a", text(3)), ("large", text(2 * MIB)), ("b", text(MIB / 2)), ("c", text(5))];
        let failed = beside_others(&provider, || cache.set_multi(entries, Ttl::Never)).unwrap_err();
        let outcome = failed.batch_outcome().unwrap();
        assert_eq!(
            (outcome.done.as_slice(), outcome.failed.len()),
            (&["a", "b", "c"].map(String::from)[..], 1)
        );
        assert_too_large(Err::<(), _>(outcome.failed[0].1.clone()), "the old value was removed");
        let lens = each(cache.get_each(["a", "large", "b", "c"])).unwrap().into_iter();
        let lens: Vec<_> = lens.map(|value| value.map(|value| value.len())).collect();
        assert_eq!(lens, [Some(3), None, Some(MIB / 2), Some(5)]);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_conditional_set_that_is_too_large_changes_nothing_and_says_so() {
    for server in small_servers() {
        let provider = provider_with(&server.address(), slow());
        let cache = texts("t", &provider);
        cache.set("k", &"old".to_owned(), Ttl::Never).unwrap();
        let version = cache.get_versioned("k").unwrap().unwrap().version;
        let large = text(2 * MIB);
        type Call<'a> = Box<dyn Fn(&BlockingCache<String>) -> Result<SetOutcome> + 'a>;
        let calls: [Call<'_>; 3] = [
            Box::new(|cache| cache.set_if_absent("free", &large, Ttl::Never)),
            Box::new(|cache| cache.replace("k", &large, Ttl::Never)),
            Box::new(|cache| cache.compare_and_swap("k", version, &large, Ttl::Never)),
        ];
        for call in calls {
            assert_too_large(beside_others(&provider, || call(&cache)), "nothing was changed");
        }
        assert_eq!(each(cache.get_each(["k", "free"])).unwrap(), [Some("old".to_owned()), None]);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_load_that_is_too_large_reaches_its_callers_and_is_not_stored() {
    for server in small_servers() {
        let provider = provider_with(&server.address(), slow());
        let cache = texts("t", &provider);
        let load = || cache.get_or_load("k", || Ok::<_, std::io::Error>(text(2 * MIB)));
        let loaded = beside_others(&provider, load).unwrap();
        assert_eq!(loaded.map(|value| value.len()), Some(2 * MIB));
        assert_eq!((cache.get("k").unwrap(), cache.stats().unwrap().loads.unstored), (None, 1));
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_command_of_the_native_connection_that_is_too_large_breaks_nobodys_link() {
    for server in small_servers() {
        let provider = provider_with(&server.address(), slow());
        let cache = texts("t", &provider);
        cache.get("k").unwrap();
        let native: RedisConnection = cache.native::<RedisConnection>().unwrap().clone();
        let refused = beside_others(&provider, || {
            let command = redis::cmd("SET").arg("k").arg(text(2 * MIB)).to_owned();
            pollster::block_on(async { command.exec_async(&mut native.clone()).await })
        });
        assert!(refused.unwrap_err().to_string().contains("more than the server takes"));
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn many_who_set_what_is_too_large_at_once_harm_nobody() {
    let [server, _] = small_servers();
    let provider = provider_with(&server.address(), slow());
    let cache = texts("t", &provider);
    beside_others(&provider, || {
        thread::scope(|scope| {
            for thread in 0..8 {
                let cache = &cache;
                scope.spawn(move || {
                    let large = cache.set(&format!("large {thread}"), &text(2 * MIB), Ttl::Never);
                    assert_too_large(large, "the old value was removed");
                    cache.set(&format!("small {thread}"), &text(10), Ttl::Never).unwrap();
                });
            }
        });
    });
    assert_eq!(cache.keys("small *").unwrap().len(), 8);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn an_old_value_that_could_not_be_removed_is_told_of() {
    let [server, _] = small_servers();
    server.tell(&["ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all", "-unlink"]);
    let cache = texts("t", &provider_with(&format!("ann:pw@{}", server.address()), slow()));
    cache.set("k", &"old".to_owned(), Ttl::Never).unwrap();
    let large = cache.set("k", &text(2 * MIB), Ttl::Never);
    assert_too_large(large, "the old value may still be there");
    assert_eq!(cache.get("k").unwrap().as_deref(), Some("old"));
}

/// A user that may use the keys of one namespace alone.
fn confined(server: &Server, rights: &[&str]) -> ProviderHandle {
    let user = ["ACL", "SETUSER", "ann", "reset", "on", ">pw", "~t:open*", "~others:*", "+@all"];
    server.tell(&[&user[..], rights].concat());
    provider_with(&format!("ann:pw@{}", server.address()), slow())
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn of_a_batch_only_the_keys_fail_that_the_user_may_not_use() {
    let server = Server::start();
    let provider = confined(&server, &[]);
    let cache = texts("t", &provider);
    let names = ["open a", "closed", "open b", "open gone", "closed too"];
    server.tell(&["MSET", "t:open a", "A", "t:open b", "B", "t:closed", "C"]);
    let kinds = |answers: Vec<Result<Option<String>>>| -> Vec<Result<Option<String>, ErrorKind>> {
        answers.into_iter().map(|answer| answer.map_err(|error| error.kind())).collect()
    };
    let (a, b, denied) = (Ok(Some("A".to_owned())), Ok(Some("B".to_owned())), Err(ErrorKind::Denied));
    let expected = [a.clone(), denied.clone(), b.clone(), Ok(None), denied.clone()];
    let answers = beside_others(&provider, || cache.get_each(names));
    let told = answers[1].as_ref().unwrap_err().to_string();
    assert!(told.contains("ACL SETUSER <user> ~"), "{told}");
    assert_eq!(kinds(answers), expected);
    let outcome = cache.get_multi(names).unwrap_err().batch_outcome().unwrap().clone();
    assert_eq!((outcome.done.len(), outcome.failed.len()), (3, 2));

    let load = |names: Vec<String>| {
        Ok::<_, std::io::Error>(names.into_iter().map(|name| (name, "L".to_owned())).collect::<Vec<_>>())
    };
    let loaded = Ok(Some("L".to_owned()));
    let around = [a.clone(), loaded.clone(), b.clone(), loaded.clone(), loaded.clone()];
    assert_eq!(kinds(beside_others(&provider, || cache.get_or_load_each(names, load))), around);
    let (expected, telling) = ([a, denied.clone(), b, loaded, denied], telling(&provider));
    assert_eq!(kinds(beside_others(&provider, || telling.get_or_load_each(names, load))), expected);

    let entries = names.map(|name| (name, "new".to_owned()));
    let outcome = cache.set_multi(entries, Ttl::Never).unwrap_err().batch_outcome().unwrap().clone();
    assert_eq!((outcome.done.len(), outcome.failed.len()), (3, 2));
    let outcome = cache.delete_multi(names).unwrap_err().batch_outcome().unwrap().clone();
    assert_eq!(outcome.done, ["open a", "open b", "open gone"]);
    assert_eq!(server.ask::<String>(&["GET", "t:closed"]), "C", "nothing was changed there");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_batch_needs_no_right_that_its_single_verb_does_not() {
    let server = Server::start();
    let provider = confined(&server, &["-mget"]);
    let cache = texts("t", &provider);
    server.tell(&["MSET", "t:open a", "A", "t:open b", "B"]);
    assert_eq!(cache.get("open a").unwrap().as_deref(), Some("A"));
    assert_eq!(each(cache.get_each(["open a", "open b"])).unwrap().into_iter().flatten().count(), 2);
}

/// A cache of which every verb tells errors, loads too.
fn telling(provider: &ProviderHandle) -> BlockingCache<String> {
    let contract = Contract::<String>::raw("t", provider.clone()).unwrap();
    contract.on_failure(OnFailure::Error).cache().unwrap().blocking()
}

/// A batch that brings the remaining times too, each by itself.
fn load_each(cache: &BlockingCache<String>, names: Vec<String>) -> Vec<Result<Option<String>>> {
    let options = LoadOptions::builder().ttl(Duration::from_secs(60)).build().unwrap();
    let load = |names: Vec<String>| {
        Ok::<_, std::io::Error>(names.into_iter().map(|name| (name, "L".to_owned())).collect::<Vec<_>>())
    };
    let answers = cache.get_or_load_each_opts(names, &options, load).into_iter();
    answers.map(|answer| answer.map(|loaded| loaded.value)).collect()
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_batch_whose_command_is_refused_is_not_asked_for_key_by_key_in_vain() {
    let server = Server::start();
    let provider = confined(&server, &["-eval_ro"]);
    let far = format!("ann:pw@{}", server.address());
    let tier = new_provider("tiered", options! { "far" => "redis", "far.address" => far }).unwrap();
    let names: Vec<String> = (0..1200).map(|number| format!("open {number}")).collect();
    for provider in [provider, tier] {
        server.tell(&["CONFIG", "RESETSTAT"]);
        for answer in load_each(&telling(&provider), names.clone()) {
            let error = answer.unwrap_err();
            assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("+eval_ro"), "{error}");
        }
        let refused = server.rejected("eval_ro");
        assert!((1..=3).contains(&refused), "{refused} for three pieces of at most 512 keys");
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_batch_that_brings_times_fails_for_those_keys_alone_that_the_user_may_not_use() {
    let server = Server::start();
    let cache = telling(&confined(&server, &[]));
    let answers = load_each(&cache, ["open", "closed"].map(String::from).to_vec());
    assert_eq!(answers[0].as_ref().unwrap().as_deref(), Some("L"));
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::Denied);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_server_without_room_refuses_what_stores_and_serves_the_rest_of_a_batch() {
    let server = Server::start_with(&["--maxmemory-policy", "noeviction"]);
    let provider = provider_with(&server.address(), slow());
    let cache = texts("t", &provider);
    cache.set_multi([("a", "A".to_owned()), ("b", "B".to_owned())], Ttl::Never).unwrap();
    cache.get("a").unwrap();
    beside_others(&provider, || {});
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    let begun = Instant::now();
    let failed = cache.set_multi([("c", "C".to_owned()), ("d", "D".to_owned())], Ttl::Never).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Full, "{failed}");
    assert_eq!(each(cache.get_each(["a", "c", "b"])).unwrap().into_iter().flatten().count(), 2);
    assert_eq!(cache.delete_multi(["a", "c"]).unwrap(), 1);
    assert!(begun.elapsed() < CALL_TIMEOUT / 4);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_command_that_the_server_does_not_have_is_named_at_once() {
    let server = Server::start_with(&["--rename-command", "MGET", "", "--rename-command", "UNLINK", ""]);
    let provider = provider_with(&server.address(), slow());
    let cache = texts("t", &provider);
    cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
    let begun = Instant::now();
    let told = cache.delete("k").unwrap_err().to_string();
    assert!(
        told.contains("does not know the command UNLINK") && told.contains("nothing was changed"),
        "{told}"
    );
    let answers = cache.get_each(["k", "other"]);
    assert_eq!(each(answers).unwrap(), [Some("v".to_owned()), None], "asked for one by one");
    assert!(begun.elapsed() < CALL_TIMEOUT / 4);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_command_that_a_script_needs_and_the_server_does_not_have_is_named() {
    let server = Server::start_with(&["--rename-command", "PTTL", ""]);
    let cache = texts("t", &provider_with(&server.address(), slow()));
    cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
    let refused = [
        cache.set_if_absent("free", &"v".to_owned(), Ttl::Never).map(drop),
        cache.replace("k", &"v".to_owned(), Ttl::Never).map(drop),
        cache.take("k").map(drop),
        cache.get_versioned("k").map(drop),
    ];
    for refused in refused {
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("does not know the command PTTL"), "{told}");
    }
    assert_eq!(cache.get("k").unwrap().as_deref(), Some("v"), "nothing was changed");
}
