//! What each verb does with a value that comes back, and with one that would not.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::any::type_name;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use zbz_cache::codec::Json;
use zbz_cache::memory::MemoryProvider;
use zbz_cache::provider::SetOutcome;
use zbz_cache::{
    Cache, Clock, Codec, Contract, Error, ErrorKind, LoadOptions, MemoryCache, MessagePack, ProviderHandle,
    Result, Ttl, new_provider, options,
};

mod types;

use types::*;

type Answer<T> = std::result::Result<T, String>;

/// A type of values that are stored in these tests.
trait Value: Serialize + DeserializeOwned + PartialEq + Debug + Clone + Send + 'static {}

impl<T: Serialize + DeserializeOwned + PartialEq + Debug + Clone + Send + 'static> Value for T {}

fn caches<T: Value>(codec: impl Codec<T>) -> Cache<T> {
    let handle = new_provider("memory", options! {}).unwrap();
    Contract::with_codec("values", handle, codec).unwrap().cache()
}

/// What every verb that writes makes of `value`, where `old` is under the names that are taken.
async fn write_all<T: Value>(
    cache: &Cache<T>,
    old: &T,
    value: &T,
) -> Vec<(&'static str, &'static str, Result<()>)> {
    let blocking = cache.blocking();
    for name in ["set", "multi", "replace", "swap", "set b", "multi b", "replace b", "swap b"] {
        cache.set(name, old, Ttl::Never).await.unwrap();
    }
    let taken = |outcome: SetOutcome| assert_eq!(outcome, SetOutcome::Stored);
    let version = async |name| cache.get_versioned(name).await.unwrap().unwrap().version;
    let (swap, swap_blocking) = (version("swap").await, version("swap b").await);
    let load = || {
        let value = value.clone();
        || async move { Ok::<_, Error>(value) }
    };
    let load_many = || {
        let value = value.clone();
        move |names: Vec<String>| {
            let all: Vec<_> = names.into_iter().map(|name| (name, value.clone())).collect();
            async move { Ok::<_, Error>(all) }
        }
    };
    let load_here = || Ok::<_, Error>(value.clone());
    let load_many_here = |names: Vec<String>| {
        Ok::<_, Error>(names.into_iter().map(|name| (name, value.clone())).collect::<Vec<_>>())
    };
    let none = LoadOptions::default();
    let each = async |name| cache.get_or_load_each([name], load_many()).await.remove(0).map(drop);
    let each_here = |name| blocking.get_or_load_each([name], load_many_here).remove(0).map(drop);
    vec![
        ("set", "set", cache.set("set", value, Ttl::Never).await),
        ("set_multi", "multi", cache.set_multi([("multi", value)], Ttl::Never).await),
        ("set_if_absent", "absent", cache.set_if_absent("absent", value, Ttl::Never).await.map(taken)),
        ("replace", "replace", cache.replace("replace", value, Ttl::Never).await.map(taken)),
        (
            "compare_and_swap",
            "swap",
            cache.compare_and_swap("swap", swap, value, Ttl::Never).await.map(taken),
        ),
        ("get_or_load", "load", cache.get_or_load("load", load()).await.map(drop)),
        ("get_or_load_opts", "with", cache.get_or_load_opts("with", &none, load()).await.map(drop)),
        ("get_or_load_multi", "loads", cache.get_or_load_multi(["loads"], load_many()).await.map(drop)),
        (
            "get_or_load_multi_opts",
            "loads with",
            cache.get_or_load_multi_opts(["loads with"], &none, load_many()).await.map(drop),
        ),
        ("get_or_load_each", "each", each("each").await),
        ("set", "set b", blocking.set("set b", value, Ttl::Never)),
        ("set_multi", "multi b", blocking.set_multi([("multi b", value)], Ttl::Never)),
        ("set_if_absent", "absent b", blocking.set_if_absent("absent b", value, Ttl::Never).map(taken)),
        ("replace", "replace b", blocking.replace("replace b", value, Ttl::Never).map(taken)),
        (
            "compare_and_swap",
            "swap b",
            blocking.compare_and_swap("swap b", swap_blocking, value, Ttl::Never).map(taken),
        ),
        ("get_or_load", "load b", blocking.get_or_load("load b", load_here).map(drop)),
        ("get_or_load_opts", "with b", blocking.get_or_load_opts("with b", &none, load_here).map(drop)),
        ("get_or_load_multi", "loads b", blocking.get_or_load_multi(["loads b"], load_many_here).map(drop)),
        (
            "get_or_load_multi_opts",
            "loads with b",
            blocking.get_or_load_multi_opts(["loads with b"], &none, load_many_here).map(drop),
        ),
        ("get_or_load_each", "each b", each_here("each b")),
    ]
}

async fn comes_back<T: Value>(codec: impl Codec<T>, old: T, value: T) {
    let cache = caches(codec);
    for (verb, name, outcome) in write_all(&cache, &old, &value).await {
        outcome.unwrap_or_else(|error| panic!("{verb} of {value:?}: {error}"));
        assert_eq!(cache.get(name).await.unwrap().as_ref(), Some(&value), "{verb}");
    }
}

/// Every verb refuses it with these words, and what was there is there.
async fn is_refused<T: Value>(codec: impl Codec<T>, old: T, value: T, why: &str) {
    let cache = caches(codec);
    let outcomes = write_all(&cache, &old, &value).await;
    let loads = outcomes.iter().filter(|(verb, ..)| verb.starts_with("get_or_load")).count() as u64;
    for (verb, name, outcome) in outcomes {
        let error = outcome.expect_err(&format!("{verb} took {value:?}"));
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Codec, "{verb}: {text}");
        assert!(text.contains(type_name::<T>()) && text.contains(why), "{verb}: {text}");
        let is_new = name.starts_with("absent") || verb.starts_with("get_or_load");
        let there = (!is_new).then_some(&old);
        assert_eq!(cache.get(name).await.unwrap().as_ref(), there, "{verb}");
    }
    assert_eq!(cache.stats().await.unwrap().loads.unstored, loads);
}

fn address() -> IpAddr {
    "2001:db8::7".parse().unwrap()
}

#[tokio::test]
async fn addresses_come_back_from_inside_untagged_tagged_and_flattened() {
    comes_back(MessagePack, Host::Name("ann".into()), Host::Ip(address())).await;
    let at = |text: &str| Endpoint::Tcp { at: text.parse().unwrap() };
    comes_back(MessagePack, at("[::1]:80"), at("127.0.0.1:6379")).await;
    let server = |ip| Server { name: "far".into(), place: Place { ip } };
    comes_back(MessagePack, server("10.0.0.1".parse().unwrap()), server(address())).await;

    let peers = |ips: &[&str]| Peers::All { ips: ips.iter().map(|ip| ip.parse().unwrap()).collect() };
    comes_back(MessagePack, peers(&[]), peers(&["10.0.0.1", "10.0.0.2"])).await;
    comes_back(MessagePack, Listen::No(false), Listen::At("[fe80::1]:80".parse().unwrap())).await;
    let ip = address();
    comes_back(MessagePack, Maybe { place: None }, Maybe { place: Some(Place { ip }) }).await;
}

/// These are refused in every set, the first ones or not.
fn is_always_refused<T: Value>(codec: impl Codec<T>, old: T, value: T, why: &str) {
    let cache = caches(codec).blocking();
    for _ in 0..100 {
        cache.set("k", &old, Ttl::Never).unwrap();
    }
    for _ in 0..100 {
        let error = cache.set("k", &value, Ttl::Never).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Codec);
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(cache.get("k").unwrap(), Some(old));
}

#[test]
fn a_key_that_one_map_has_twice_is_refused_in_every_set() {
    let labels = |key: &str| Labels { id: 1, rest: BTreeMap::from([(key.into(), 2)]) };
    let event = |key: &str| Event::Custom(BTreeMap::from([("a".into(), 1), (key.into(), 2)]));
    is_always_refused(MessagePack, labels("other"), labels("id"), "one key twice");
    is_always_refused(Json, labels("other"), labels("id"), "one key twice");
    is_always_refused(MessagePack, event("kin"), event("kind"), "one key twice");
    is_always_refused(Json, event("kin"), event("kind"), "one key twice");
}

#[test]
fn what_the_writer_sees_is_refused_in_every_set() {
    is_always_refused(MessagePack, None, Some(()), "encoded as nil");
    is_always_refused(Json, None, Some(f64::INFINITY), "not finite");
    let counts = |years: &[u16]| Counts { by_year: years.iter().map(|&year| (year, 1)).collect() };
    is_always_refused(Json, counts(&[]), counts(&[1999]), "keys are not strings");
    is_always_refused(MessagePack, Number::Text("x".into()), Number::Wide(1 << 100), "128 bits");
    is_always_refused(Json, Number::Text("x".into()), Number::Wide(1), "128 bits");
}

#[tokio::test]
async fn some_of_a_nil_is_refused() {
    let why = "`Some` of a value that is encoded as nil";
    is_refused(MessagePack, None, Some(()), why).await;
    is_refused(MessagePack, None, Some(serde_json::Value::Null), why).await;
    is_refused(MessagePack, vec![None], vec![Some(()), None], why).await;
    is_refused(MessagePack, None, Some(None::<u8>), why).await;
    is_refused(MessagePack, BTreeMap::new(), BTreeMap::from([(Some(()), 1)]), why).await;
    is_refused(Json, None, Some(()), why).await;
    is_refused(Json, None, Some(Unit), why).await;
    comes_back(MessagePack, None, Some(Unit)).await;
}

#[tokio::test]
async fn fields_that_are_skipped_do_not_move_others() {
    let value = Skipping { a: None, b: Some(5) };
    comes_back(MessagePack, Skipping { a: Some(1), b: None }, value.clone()).await;
    comes_back(Json, Skipping { a: Some(1), b: None }, value).await;
}

#[tokio::test]
async fn flattened_maps_with_keys_of_numbers_are_refused_in_json() {
    let (old, value) = (Counts { by_year: BTreeMap::new() }, Counts { by_year: BTreeMap::from([(1999, 3)]) });
    is_refused(Json, old.clone(), value.clone(), "keys are not strings").await;
    comes_back(MessagePack, old, value).await;
    comes_back(Json, BTreeMap::new(), BTreeMap::from([(1999_u16, 3_u64)])).await;
}

#[tokio::test]
async fn numbers_in_json_are_exact() {
    comes_back(Json, 0.0, 117.633_311_394_000_17_f64).await;
    let cache = caches(Json).blocking();
    let mut state = 1_u64;
    let numbers: Vec<f64> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    })
    .take(100_000)
    .collect();
    cache.set("numbers", &numbers, Ttl::Never).unwrap();
    assert_eq!(cache.get("numbers").unwrap(), Some(numbers));
}

#[tokio::test]
async fn numbers_that_are_not_finite_are_refused_in_json() {
    let why = "not finite";
    is_refused(Json, None, Some(f64::INFINITY), why).await;
    is_refused(Json, None, Some(f32::NEG_INFINITY), why).await;
    is_refused(Json, vec![], vec![1.0, f64::INFINITY], why).await;
    comes_back(MessagePack, None, Some(f64::INFINITY)).await;
}

#[tokio::test]
async fn what_is_nested_deeper_than_the_reader_goes_is_refused() {
    is_refused(MessagePack, nested(1), nested(128), "nested more than 127 levels deep").await;
    is_refused(Json, nested(1), nested(128), "nested more than 127 levels deep").await;
    is_refused(MessagePack, nested(1), nested(1_000), "nested more than 127 levels deep").await;
    comes_back(MessagePack, nested(1), nested(127)).await;
    comes_back(Json, nested(1), nested(127)).await;
}

#[tokio::test]
async fn an_untagged_enum_whose_first_variant_reads_the_second_is_refused() {
    is_refused(MessagePack, Measure::Float(0.5), Measure::Count(5), "another value").await;
    is_refused(Json, Measure::Float(0.5), Measure::Count(5), "another value").await;
}

#[test]
fn after_its_first_sets_a_contract_looks_at_one_in_256_until_one_is_refused() {
    let cache = caches(MessagePack).blocking();
    let taken = |value: &Measure| cache.set("k", value, Ttl::Never).is_ok();
    let (good, bad) = (Measure::Float(0.5), Measure::Count(5));
    for _ in 0..64 {
        assert!(taken(&good));
    }
    for _ in 0..3 {
        // What is left of one block may be over with, so the next one has it.
        let passed = (0..512).take_while(|_| taken(&bad)).count();
        assert!(passed < 511, "{passed}");
        assert!((0..100).all(|_| !taken(&bad)), "where one is refused, those after it are looked at");
        assert!((0..64).all(|_| taken(&good)));
    }
    let entries = || (0..512).map(|name| (name.to_string(), Measure::Count(5)));
    let outcome = cache.set_multi(entries(), Ttl::Never).unwrap_err();
    assert!(!outcome.batch_outcome().unwrap().failed.is_empty(), "each entry of a batch is a set");
}

#[tokio::test]
async fn every_caller_of_a_load_is_told_that_its_value_is_refused() {
    let cache = caches::<Option<()>>(MessagePack);
    let (gate, mut callers) = (Arc::new(Notify::new()), JoinSet::new());
    for _ in 0..5 {
        let (cache, gate) = (cache.clone(), Arc::clone(&gate));
        callers.spawn(async move {
            let loader = || async move {
                gate.notified().await;
                Ok::<_, Error>(Some(()))
            };
            cache.get_or_load("k", loader).await.map(drop)
        });
    }
    // One task runs at a time here, so that after a turn each has joined.
    tokio::task::yield_now().await;
    gate.notify_one();
    while let Some(outcome) = callers.join_next().await {
        assert_eq!(outcome.unwrap().unwrap_err().kind(), ErrorKind::Codec);
    }
    let loads = cache.stats().await.unwrap().loads;
    assert_eq!((loads.unstored, loads.failed, loads.loaded, loads.coalesced), (1, 1, 0, 4));
    assert!(!cache.exists("k").await.unwrap());
}

#[tokio::test]
async fn a_batch_keeps_what_is_taken_beside_what_is_refused() {
    let cache = caches::<Option<Option<u8>>>(MessagePack);
    let load = |names: Vec<String>| async move {
        let value = |name: &str| if name == "bad" { Some(None) } else { Some(Some(1)) };
        let all: Vec<_> = names.into_iter().map(|name| (name.clone(), value(&name))).collect();
        Answer::Ok(all)
    };
    let error = cache.get_or_load_multi(["good", "bad"], load).await.unwrap_err();
    let outcome = error.batch_outcome().unwrap();
    assert_eq!((outcome.done.as_slice(), outcome.failed.len()), (&["good".to_owned()][..], 1));
    assert_eq!(outcome.failed[0].1.kind(), ErrorKind::Codec);
    assert_eq!(cache.get("good").await.unwrap(), Some(Some(Some(1))));
}

#[tokio::test]
async fn a_stale_entry_stays_when_its_refresh_is_refused() {
    let second = Duration::from_secs(1);
    for is_excused in [false, true] {
        let (clock, hand) = Clock::manual();
        let memory = MemoryCache::builder().clock(clock).build().unwrap();
        let handle = ProviderHandle::new(MemoryProvider::new(memory));
        let terms = LoadOptions::builder().ttl(10 * second).fresh_for(second).refresh_by_callers();
        let terms = if is_excused { terms.stale_on_error(second) } else { terms };
        let contract = Contract::<Option<Option<u8>>>::new("values", handle).unwrap();
        let cache = contract.load_options(terms.build().unwrap()).cache().unwrap();
        let (old, refused) = (Some(Some(1)), Some(None::<u8>));
        for name in ["one", "with", "many", "blocking"] {
            cache.set(name, &old, 10 * second).await.unwrap();
        }
        hand.advance(2 * second);
        let load = || async move { Ok::<_, Error>(refused) };
        let load_many = |_| async move { Ok::<_, Error>([("many", refused)]) };
        let none = LoadOptions::default();
        let answers = [
            cache.get_or_load("one", load).await,
            cache.get_or_load_opts("with", &none, load).await.map(|outcome| outcome.value),
            cache.get_or_load_multi(["many"], load_many).await.map(|mut found| found.remove("many")),
            cache.blocking().get_or_load("blocking", || Ok::<_, Error>(refused)),
        ];
        for answer in answers {
            match is_excused {
                true => assert_eq!(answer.unwrap(), Some(old), "as after any load that failed"),
                false => assert_eq!(answer.unwrap_err().kind(), ErrorKind::Codec),
            }
        }
        assert_eq!(cache.get("one").await.unwrap(), Some(old), "it is there until its deadline");
        let loads = cache.stats().await.unwrap().loads;
        assert_eq!((loads.refreshes, loads.failed, loads.unstored), (4, 4, 4));
    }
}
