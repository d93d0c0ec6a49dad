//! Cases about the batch verbs.

use super::fixture::{Case, Fixture, Verdict, case, kind_of, made_for, sorted, values_of};
use crate::{BatchOutcome, Error, ErrorKind, Ttl};

pub(super) const CASES: &[Case] = &[
    case("an empty batch changes nothing", empty),
    case("of duplicate names the last set wins, and a get answers each", duplicates),
    case("get_each answers in input order, get_multi by name", order),
    case("a batch that fails for some names does the others, and reports both by name", partial),
    case("a batch of 1,000 has the effects of 1,000 calls", thousand),
];

const NOTHING: [&str; 0] = [];

fn empty(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    cache.set("k", &b"v".to_vec(), Ttl::Never).expect("set");
    let before = cache.stats().expect("stats");
    assert!(cache.get_multi(NOTHING).expect("get_multi").is_empty());
    assert!(values_of(cache.get_each(NOTHING), "get_each").is_empty());
    cache.set_multi([] as [(&str, Vec<u8>); 0], Ttl::Never).expect("set_multi");
    assert_eq!(cache.delete_multi(NOTHING).expect("delete_multi"), 0);
    let after = cache.stats().expect("stats");
    assert_eq!((after.hits, after.misses, after.sets), (before.hits, before.misses, before.sets));
    assert_eq!(after.deletes, before.deletes);
    assert_eq!(cache.keys("*").expect("keys"), ["k"]);
    Ok(())
}

fn duplicates(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let entries = [("a", b"1"), ("b", b"2"), ("a", b"3"), ("a", b"4"), ("b", b"5")];
    cache.set_multi(entries.map(|(name, value)| (name, value.to_vec())), Ttl::Never).expect("set_multi");
    let names = ["a", "b", "a", "gone", "a", "gone"];
    let each = values_of(cache.get_each(names), "get_each");
    let (four, five) = (Some(b"4".to_vec()), Some(b"5".to_vec()));
    assert_eq!(each, [four.clone(), five, four.clone(), None, four, None]);
    let many = cache.get_multi(names).expect("get_multi");
    assert_eq!(sorted(many.into_keys().collect()), ["a", "b"]);
    assert_eq!(cache.delete_multi(["a", "a", "gone", "b"]).expect("delete_multi"), 2, "each once");
    assert!(cache.keys("*").expect("keys").is_empty());
    Ok(())
}

fn order(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let names: Vec<String> = (0..50).map(|number| format!("{}", (number * 37) % 50)).collect();
    let there = |name: &&String| name.len() == 2;
    let entries = names.iter().filter(there).map(|name| (name, name.as_bytes().to_vec()));
    cache.set_multi(entries, Ttl::Never).expect("set_multi");
    let expected = names.iter().map(|name| there(&name).then(|| name.as_bytes().to_vec()));
    assert_eq!(values_of(cache.get_each(&names), "get_each"), expected.collect::<Vec<_>>());
    let many = cache.get_multi(&names).expect("get_multi");
    assert_eq!(many.len(), names.iter().filter(there).count());
    assert!(many.iter().all(|(name, value)| name.as_bytes() == value));
    Ok(())
}

/// Checks that a batch error names exactly these names.
fn assert_outcome(error: &Error, done: &[&str], failed: &[&str]) {
    let outcome: &BatchOutcome = error.batch_outcome().expect("a batch error has an outcome");
    let owned = |names: &[&str]| sorted(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(sorted(outcome.done.clone()), owned(done), "done");
    let named = outcome.failed.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(sorted(named), owned(failed), "failed");
    for (_, error) in &outcome.failed {
        assert_eq!(error.kind(), ErrorKind::InvalidKey);
    }
}

fn partial(fixture: &Fixture<'_>) -> Verdict {
    let (cache, value) = (fixture.cache(), b"v".to_vec());
    let long = "x".repeat(cache.cache().handle().provider().limits().max_key_bytes + 1);
    let names = ["a", "", "b", long.as_str(), "c"];
    let (done, failed) = (["a", "b", "c"], ["", long.as_str()]);

    let error = cache.set_multi(names.map(|name| (name, &value)), Ttl::Never).expect_err("two names fail");
    assert_eq!(error.kind(), ErrorKind::InvalidKey);
    assert_outcome(&error, &done, &failed);
    assert_eq!(sorted(cache.keys("*").expect("keys")), done);
    assert_outcome(&cache.get_multi(names).expect_err("two names fail"), &done, &failed);
    for name in done {
        assert_eq!(cache.get(name).expect("get"), Some(value.clone()), "{name} was set");
    }
    let each = cache.get_each(names).into_iter().map(|answer| answer.map_err(|error| error.kind()));
    let (found, invalid) = (Ok(Some(value.clone())), Err(ErrorKind::InvalidKey));
    let own = [found.clone(), invalid.clone(), found.clone(), invalid, found];
    assert_eq!(each.collect::<Vec<_>>(), own, "each has its own answer, in order");
    assert_outcome(&cache.delete_multi(names).expect_err("two names fail"), &done, &failed);
    assert!(cache.keys("*").expect("keys").is_empty(), "the others were deleted");
    assert_eq!(kind_of(cache.get_multi([""])), ErrorKind::InvalidKey, "no name was valid");
    Ok(())
}

fn thousand(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let names: Vec<String> = (0..1000).map(|number| format!("key {number}")).collect();
    let value = |at: usize| made_for(&names[at], at, at % 700);
    cache.set_multi(names.iter().enumerate().map(|(at, name)| (name, value(at))), Ttl::Never).expect("set");
    let each = values_of(cache.get_each(&names), "get_each");
    for (at, found) in each.into_iter().enumerate() {
        assert_eq!(found, Some(value(at)), "{}", names[at]);
    }
    assert_eq!(cache.get_multi(&names).expect("get_multi").len(), 1000);
    assert_eq!(cache.keys("*").expect("keys").len(), 1000);
    let evens = names.iter().step_by(2);
    assert_eq!(cache.delete_multi(evens).expect("delete_multi"), 500);
    let left = cache.get_multi(&names).expect("get_multi");
    assert_eq!(left.len(), 500);
    assert!(names.iter().skip(1).step_by(2).all(|name| left.contains_key(name)));
    assert_eq!(cache.delete_multi(&names).expect("delete_multi"), 500);
    Ok(())
}
