//! Cases about the deadline itself: for every verb an entry is live before it and gone at it.

use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{
    Bytes, Case, Fixture, LONG, SHORT, Verdict, assert_absent, case, look, sorted, stored, values_of,
};
use crate::provider::{Condition, Provider, SetOptions, SetOutcome};
use crate::{Ttl, TtlState};

pub(super) const CASES: &[Case] = &[
    case("every verb finds an entry before its deadline, and none at the deadline", every_verb_keeps_to_it),
    case("conditions, take and add find no entry at its deadline", provider_verbs_keep_to_it),
    case("of many deadlines each is kept", staggered),
    case("an expired entry can be set again, with and without a deadline", set_anew),
];

/// One entry for each verb that removes or changes an entry.
const VERBS: [&str; 10] =
    ["get", "multi", "each", "exists", "ttl", "expire", "persist", "delete", "deletes", "again"];

fn every_verb_keeps_to_it(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let value = b"short-lived".to_vec();
    let time = fixture.time();
    cache.set_multi(VERBS.map(|name| (name, &value)), SHORT).expect("set_multi");
    for name in ["live expire", "live persist", "live delete", "live deletes"] {
        cache.set(name, &value, SHORT).expect("set");
    }
    cache.set("stays", &value, LONG).expect("set");

    time.go_just_before(SHORT);
    let found = cache.get("get").expect("get");
    time.before(SHORT, found == Some(value.clone()), "get");
    time.before(SHORT, cache.get_multi(VERBS).expect("get_multi").len() == VERBS.len(), "get_multi");
    let each = values_of(cache.get_each(VERBS), "get_each");
    time.before(SHORT, each.iter().all(Option::is_some), "get_each");
    time.before(SHORT, cache.exists("exists").expect("exists"), "exists");
    time.before(SHORT, cache.keys("*").expect("keys").len() == VERBS.len() + 5, "keys");
    let state = cache.ttl("ttl").expect("ttl");
    time.before(SHORT, matches!(state, TtlState::Remaining(left) if left <= SHORT), "ttl");
    time.before(SHORT, cache.expire("live expire", SHORT).expect("expire"), "expire");
    time.before(SHORT, cache.persist("live persist").expect("persist"), "persist");
    time.before(SHORT, cache.delete("live delete").expect("delete"), "delete");
    time.before(SHORT, cache.delete_multi(["live deletes"]).expect("delete_multi") == 1, "delete_multi");
    for name in ["live expire", "live persist"] {
        cache.delete(name).expect("delete");
    }

    time.go(SHORT);
    assert_eq!(sorted(cache.keys("*").expect("keys")), ["stays"], "a listing shows no dead key");
    gone_for_every_verb(&cache);
    assert_eq!(cache.get("stays").expect("get"), Some(value));
    Ok(())
}

fn gone_for_every_verb(cache: &Bytes) {
    assert_eq!(cache.get("get").expect("get"), None);
    assert!(cache.get_multi(["multi"]).expect("get_multi").is_empty());
    assert_eq!(values_of(cache.get_each(["each"]), "get_each"), [None]);
    assert!(!cache.exists("exists").expect("exists"));
    assert_eq!(cache.ttl("ttl").expect("ttl"), TtlState::Missing);
    assert!(!cache.expire("expire", LONG).expect("expire"), "expire revives nothing");
    assert!(!cache.persist("persist").expect("persist"), "persist revives nothing");
    assert!(!cache.delete("delete").expect("delete"));
    assert_eq!(cache.delete_multi(["deletes"]).expect("delete_multi"), 0);
    for name in VERBS {
        assert_absent(cache, name);
    }
}

fn short_lived(provider: &dyn Provider, key: &[u8], value: &[u8]) {
    let _ = provider.set(key, value, SetOptions::new(Ttl::After(SHORT))).wait().expect("set");
}

fn provider_verbs_keep_to_it(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let provider = &**handle.provider();
    let able = provider.capabilities();
    let key = |name| stored(&fixture.namespace, name);
    let time = fixture.time();
    for name in ["get", "absent", "present", "version", "keep", "take", "add"] {
        short_lived(provider, &key(name), b"5");
    }
    let version = look(provider, &key("version")).and_then(|(_, found)| found.version());
    time.go(SHORT);
    assert_eq!(look(provider, &key("get")), None);
    assert!(!provider.exists(&key("get")).wait().expect("exists"));
    let set = |name, condition| {
        let options = SetOptions::new(Ttl::Never).when(condition);
        provider.set(&key(name), b"new", options).wait().expect("set")
    };
    if able.conditions {
        assert_eq!(set("absent", Condition::Absent), SetOutcome::Stored);
        assert_eq!(set("present", Condition::Present), SetOutcome::ConditionFailed);
        assert_eq!(look(provider, &key("present")), None);
    }
    if let Some(version) = version.filter(|_| able.versions) {
        assert_eq!(set("version", Condition::Version(version)), SetOutcome::ConditionFailed);
        assert_eq!(look(provider, &key("version")), None);
    }
    if able.keep_deadline {
        let options = SetOptions::new(Ttl::Never).keep_deadline();
        let _ = provider.set(&key("keep"), b"new", options).wait().expect("set");
        let state = provider.ttl(&key("keep")).wait().expect("ttl");
        assert_eq!(state, TtlState::Never, "the dead entry's deadline is not kept");
    }
    if able.take {
        let taken = provider.take(&key("take"), Vec::new()).wait().expect("take");
        assert_eq!(taken.found, None);
    }
    if able.counters {
        let sum = provider.add(&key("add"), 2, Ttl::Never).wait().expect("add");
        assert_eq!(sum, 2, "a dead counter is absent");
        assert_eq!(provider.ttl(&key("add")).wait().expect("ttl"), TtlState::Never);
    }
    Ok(())
}

fn staggered(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let (time, step) = (fixture.time(), Duration::from_millis(10));
    let names: Vec<String> = (1..=30).map(|number| format!("n{number}")).collect();
    let ttl = |at: usize| step * (at as u32 + 1);
    let spans: Vec<(Instant, Instant)> = (names.iter().enumerate())
        .map(|(at, name)| {
            let begun = Instant::now();
            cache.set(name, &vec![at as u8], ttl(at)).expect("set");
            (begun, Instant::now())
        })
        .collect();
    if time.is_exact() {
        for at in 0..names.len() {
            time.go_just_before(ttl(at));
            assert_eq!(cache.get_multi(&names).expect("get_multi").len(), names.len() - at);
            time.go(ttl(at));
            let left = cache.get_multi(&names).expect("get_multi");
            assert_eq!(left.len(), names.len() - at - 1);
            assert!(!left.contains_key(&names[at]));
            assert_eq!(cache.keys("n*").expect("keys").len(), left.len());
        }
        return Ok(());
    }
    // The rounding of a millisecond by a server and its client.
    let grain = Duration::from_millis(5);
    while spans[0].0.elapsed() < ttl(names.len()) + grain {
        for (at, name) in names.iter().enumerate() {
            let before = Instant::now();
            let found = cache.get(name).expect("get").is_some();
            let (set_begun, set_ended) = spans[at];
            let surely_alive = set_begun.elapsed() + grain < ttl(at);
            let surely_gone = before.duration_since(set_ended) > ttl(at) + grain;
            assert!(found || !surely_alive, "{name} was lost before its deadline");
            assert!(!found || !surely_gone, "{name} was returned after its deadline");
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn set_anew(fixture: &Fixture<'_>) -> Verdict {
    let (cache, first, second) = (fixture.cache(), b"first".to_vec(), b"second".to_vec());
    let time = fixture.time();
    for name in ["never", "long", "zero", "multi"] {
        cache.set(name, &first, SHORT).expect("set");
    }
    time.go(SHORT);
    cache.set("never", &second, Ttl::Never).expect("set");
    cache.set("long", &second, LONG).expect("set");
    cache.set("zero", &second, Duration::ZERO).expect("set");
    cache.set_multi([("multi", &second)], LONG).expect("set_multi");
    assert_eq!(cache.ttl("never").expect("ttl"), TtlState::Never);
    for name in ["never", "long", "multi"] {
        assert_eq!(cache.get(name).expect("get"), Some(second.clone()), "{name}");
    }
    assert_absent(&cache, "zero");
    assert_eq!(sorted(cache.keys("*").expect("keys")), ["long", "multi", "never"]);
    Ok(())
}
