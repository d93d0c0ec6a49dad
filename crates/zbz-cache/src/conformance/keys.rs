//! Cases about keys and namespaces: exact limits, any character, no collisions.

use super::codec::Other;
use super::fixture::{
    Case, Fixture, Verdict, assert_absent, bytes, case, every_verb, kind_of, sorted, values_of,
};
use crate::{Contract, ErrorKind, Pattern, Ttl};

pub(super) const CASES: &[Case] = &[
    case("names have from 1 byte to the limit, for every verb; others change nothing", name_limits),
    case("namespace and name joined keep to the limit exactly", joined_limit),
    case("any character is allowed in names and namespaces", odd_characters),
    case("no two pairs of namespace and name share a key", injective),
    case("a namespace has one type and codec as long as a contract of it lives", one_type),
];

const ODD: [&str; 28] = [
    ":",
    "::",
    "a:b",
    ":a",
    "a:",
    "*",
    "?",
    "[",
    "]",
    "[a-z]",
    "[^a]",
    "\\",
    "\\\\",
    "\\:",
    "\\*",
    "{",
    "}",
    "{a}",
    "\n",
    "\r\n",
    "\0",
    "a\0b",
    " ",
    "\"'",
    "%s",
    "\u{e9}",
    "\u{65e5}\u{672c}",
    "\u{1f600}",
];

fn name_limits(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let max = cache.cache().handle().provider().limits().max_key_bytes;
    let pairs = "\u{e9}".repeat(max / 2);
    for name in ["x", &"x".repeat(max - 1), &"x".repeat(max), &pairs] {
        for (verb, answer) in every_verb(&cache, name) {
            assert!(answer.is_ok(), "{verb} of {} bytes: {answer:?}", name.len());
        }
        cache.set(name, &b"kept".to_vec(), Ttl::Never).expect("set");
        assert_eq!(cache.get(name).expect("get"), Some(b"kept".to_vec()), "{} bytes", name.len());
    }
    let before = sorted(cache.keys("*").expect("keys"));
    assert_eq!(before.len(), 4);
    let stats = cache.stats().expect("stats");
    for name in ["", &"x".repeat(max + 1), &format!("{pairs}{}", "x".repeat(max % 2 + 1))] {
        for (verb, answer) in every_verb(&cache, name) {
            let kind = kind_of(answer);
            assert_eq!(kind, ErrorKind::InvalidKey, "{verb} of {} bytes", name.len());
        }
    }
    assert_eq!(sorted(cache.keys("*").expect("keys")), before, "nothing was changed");
    let after = cache.stats().expect("stats");
    assert_eq!((after.sets, after.deletes), (stats.sets, stats.deletes), "nothing was counted");
    for value in values_of(cache.get_each(&before), "get_each") {
        assert_eq!(value, Some(b"kept".to_vec()));
    }
    Ok(())
}

fn joined_limit(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let limits = handle.provider().limits();
    assert!(limits.max_stored_key_bytes <= 32 * 1024, "stored keys have at most 32 KiB");
    let room = limits.max_key_bytes.min(10);
    let len = limits.max_stored_key_bytes - room - 1;
    let namespace = format!("{:x<len$}", fixture.namespace);
    let cache = bytes(&namespace, &handle);
    let longest = "n".repeat(room);
    cache.set(&longest, &b"fits".to_vec(), Ttl::Never).expect("it fits to the byte");
    assert_eq!(cache.get(&longest).expect("get"), Some(b"fits".to_vec()));
    assert_eq!(cache.keys("*").expect("keys"), [longest.as_str()]);
    for (verb, answer) in every_verb(&cache, &"n".repeat(room + 1)) {
        assert_eq!(kind_of(answer), ErrorKind::InvalidKey, "{verb}");
    }
    assert_eq!(cache.keys("*").expect("keys"), [longest]);
    let full = "n".repeat(limits.max_stored_key_bytes);
    for namespace in ["", &full] {
        let answer = Contract::<String>::new(namespace, handle.clone());
        assert_eq!(kind_of(answer), ErrorKind::Config, "a namespace of {} bytes", namespace.len());
    }
    Ok(())
}

fn odd_characters(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let mut namespaces = vec![fixture.namespace.clone()];
    for odd in ODD {
        namespaces.extend([format!("{}{odd}", fixture.namespace), format!("{odd}{}", fixture.namespace)]);
    }
    let caches: Vec<_> = namespaces.iter().map(|namespace| bytes(namespace, &handle)).collect();
    let value = |namespace: &str, name: &str| format!("{namespace} / {name}").into_bytes();
    for (cache, namespace) in caches.iter().zip(&namespaces) {
        let entries = ODD.map(|name| (name, value(namespace, name)));
        cache.set_multi(entries, Ttl::Never).expect("set_multi");
    }
    let all = sorted(ODD.map(str::to_owned).to_vec());
    for (cache, namespace) in caches.iter().zip(&namespaces) {
        assert_eq!(sorted(cache.keys("*").expect("keys")), all, "in {namespace:?}");
        let values = values_of(cache.get_each(ODD), "get_each");
        for (name, found) in ODD.iter().zip(values) {
            assert_eq!(found, Some(value(namespace, name)), "{name:?} in {namespace:?}");
        }
    }
    for name in ODD {
        let only = caches[0].keys(&Pattern::escape(name)).expect("an escaped name is a pattern");
        assert_eq!(only, [name], "the escaped name lists itself alone");
        assert!(caches[0].delete(name).expect("delete"), "{name:?} was there");
        assert_absent(&caches[0], name);
    }
    for (at, cache) in caches.iter().enumerate().skip(1).step_by(9) {
        cache.clear().expect("clear");
        assert!(cache.keys("*").expect("keys").is_empty(), "{:?} was cleared", namespaces[at]);
        let next = (at + 1) % caches.len();
        assert_eq!(caches[next].keys("*").expect("keys").len(), ODD.len(), "{:?}", namespaces[next]);
    }
    Ok(())
}

fn injective(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let space = &fixture.namespace;
    let entries = [
        (space.clone(), "admin:1"),
        (format!("{space}:admin"), "1"),
        (format!("{space}:"), "admin:1"),
        (format!("{space}\\"), "admin:1"),
        (format!("{space}\\:admin"), "1"),
        (format!("{space}2"), "admin:1"),
        (format!("{space}*"), "admin:1"),
        (format!("{space}?"), "admin:1"),
        (format!("{space}[0-9]"), "admin:1"),
    ];
    let caches: Vec<_> = entries.iter().map(|(namespace, _)| bytes(namespace, &handle)).collect();
    for (number, (cache, (_, name))) in caches.iter().zip(&entries).enumerate() {
        cache.set(name, &vec![number as u8], Ttl::Never).expect("set");
    }
    for gone in 0..entries.len() {
        for (number, (cache, (namespace, name))) in caches.iter().zip(&entries).enumerate() {
            let there = number >= gone;
            let value = cache.get(name).expect("get");
            assert_eq!(value, there.then(|| vec![number as u8]), "{name:?} in {namespace:?}");
            let listed = cache.keys("*").expect("keys");
            assert_eq!(listed.len(), usize::from(there), "listing of {namespace:?}: {listed:?}");
        }
        caches[gone].clear().expect("clear");
    }
    Ok(())
}

fn one_type(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let first = Contract::<String>::new(&fixture.namespace, handle.clone()).expect("the first one").cache();
    first.blocking().set("k", &"v".to_owned(), Ttl::Never).expect("set");
    let again = Contract::<String>::new(&fixture.namespace, handle.clone()).expect("the same contract again");
    assert_eq!(again.cache().blocking().get("k").expect("get").as_deref(), Some("v"));
    let clone = handle.clone();
    assert_eq!(kind_of(Contract::<u64>::new(&fixture.namespace, clone.clone())), ErrorKind::Config, "type");
    assert_eq!(kind_of(Contract::<String>::raw(&fixture.namespace, clone.clone())), ErrorKind::Config, "raw");
    let other = Contract::<String>::with_codec(&fixture.namespace, clone.clone(), Other);
    assert_eq!(kind_of(other), ErrorKind::Config, "codec");
    assert_eq!(kind_of(Contract::counter(&fixture.namespace, clone)), ErrorKind::Config, "counter");
    let kept = first.clone();
    drop(first);
    assert_eq!(
        kind_of(Contract::<u64>::new(&fixture.namespace, handle.clone())),
        ErrorKind::Config,
        "a clone"
    );
    drop(kept);
    let other =
        Contract::<u64>::new(&fixture.namespace, handle).expect("no contract of this namespace is left");
    assert_eq!(other.cache().blocking().get("k").expect("get"), None, "another type's bytes are a miss");
    Ok(())
}
