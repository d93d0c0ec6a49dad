//! Cases about the verbs that read and write in one step: take and add.

use std::time::Duration;

use super::fixture::{
    Case, Fixture, LONG, SHORT, Verdict, bytes, case, kind_of, put, put_always, race, stored, value_at,
};
use crate::provider::{Provider, Read, SetOptions};
use crate::{Contract, ErrorKind, Ttl, TtlState};

pub(super) const CASES: &[Case] = &[
    case("take returns the entry and removes it", take),
    case("exactly one of several racing takes gets the entry", racing_takes),
    case("add starts at 0, adds, and returns the sum", add),
    case(
        "add refuses values that are not counters and sums that do not fit, and changes nothing",
        add_refuses,
    ),
    case("add gives a new counter a deadline and keeps the deadline of an existing one", add_and_deadlines),
    case("racing adds are all counted", racing_adds),
];

const UNDECLARED: &str = "not declared; it returns Unsupported";

fn take_from(provider: &dyn Provider, key: &[u8]) -> Option<Vec<u8>> {
    let Read { buffer, found } = provider.take(key, b"old contents".to_vec()).wait().expect("take");
    assert!(found.is_some() || buffer.is_empty(), "a miss empties the buffer");
    found.map(|_| buffer)
}

fn take(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (provider, key) = (&**handle.provider(), stored(&fixture.namespace, "k"));
    put_always(provider, &key, b"v");
    if !provider.capabilities().take {
        assert_eq!(kind_of(provider.take(&key, Vec::new()).wait()), ErrorKind::Unsupported);
        assert_eq!(value_at(provider, &key).as_deref(), Some(&b"v"[..]), "nothing was taken");
        return Err(UNDECLARED);
    }
    let before = provider.stats().wait().expect("stats");
    assert_eq!(take_from(provider, &key).as_deref(), Some(&b"v"[..]));
    assert_eq!(take_from(provider, &key), None);
    assert_eq!(value_at(provider, &key), None);
    let after = provider.stats().wait().expect("stats");
    assert_eq!(after.deletes - before.deletes, 1, "counts a delete");
    assert_eq!((after.hits, after.misses), (before.hits, before.misses), "counts no lookup");
    let _ = put(provider, &key, &[0; 5000], SetOptions::new(Ttl::After(LONG)));
    let taken = provider.take(&key, Vec::new()).wait().expect("take");
    assert_eq!(taken.buffer, [0; 5000]);
    let left = taken.found.and_then(|found| found.remaining).expect("it had a deadline");
    assert!(left <= LONG && left > LONG / 2);
    assert!(bytes(&fixture.namespace, &handle).keys("*").expect("keys").is_empty());
    Ok(())
}

fn racing_takes(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let provider = &**handle.provider();
    if !provider.capabilities().take {
        return Err(UNDECLARED);
    }
    for round in 0..50 {
        let key = stored(&fixture.namespace, &format!("k{}", round % 3));
        put_always(provider, &key, &[round]);
        let taken = race(4, |_| take_from(provider, &key));
        let taken: Vec<_> = taken.into_iter().flatten().collect();
        assert_eq!(taken, [vec![round]], "exactly one take got it");
    }
    Ok(())
}

fn plus(provider: &dyn Provider, key: &[u8], delta: i64) -> i64 {
    provider.add(key, delta, Ttl::Never).wait().expect("add")
}

fn add(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (provider, key) = (&**handle.provider(), stored(&fixture.namespace, "k"));
    if !provider.capabilities().counters {
        assert_eq!(kind_of(provider.add(&key, 1, Ttl::Never).wait()), ErrorKind::Unsupported);
        assert_eq!(value_at(provider, &key), None, "nothing was stored");
        return Err(UNDECLARED);
    }
    let counters =
        Contract::counter(&fixture.namespace, handle.clone()).expect("the contract opens").cache().blocking();
    for (delta, sum) in [(1, 1), (41, 42), (-50, -8), (0, -8), (8, 0), (i64::MAX, i64::MAX)] {
        assert_eq!(plus(provider, &key, delta), sum);
        assert_eq!(counters.get("k").expect("get"), Some(sum));
        assert_eq!(value_at(provider, &key), Some(sum.to_string().into_bytes()), "a bare decimal");
    }
    counters.set("k", &-5, Ttl::Never).expect("set");
    assert_eq!(plus(provider, &key, -2), -7, "adds to the value that was set");
    assert_eq!(plus(provider, &stored(&fixture.namespace, "least"), i64::MIN), i64::MIN);
    assert!(counters.delete("k").expect("delete"));
    assert_eq!(plus(provider, &key, 3), 3, "from 0 after a delete");
    Ok(())
}

fn add_refuses(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (provider, key) = (&**handle.provider(), stored(&fixture.namespace, "k"));
    if !provider.capabilities().counters {
        return Err(UNDECLARED);
    }
    let texts = ["", "x", "1.5", " 1", "1 ", "+1", "0x1", "9223372036854775808", "-9223372036854775809"];
    for value in texts.iter().map(|text| text.as_bytes()).chain([&[0xff, 0xfe][..], &[b'1'; 300]]) {
        put_always(provider, &key, value);
        let answer = provider.add(&key, 1, Ttl::After(LONG)).wait();
        assert_eq!(kind_of(answer), ErrorKind::InvalidValue, "{value:?}");
        assert_eq!(value_at(provider, &key).as_deref(), Some(value), "nothing was changed");
        assert_eq!(provider.ttl(&key).wait().expect("ttl"), TtlState::Never);
    }
    for (start, delta) in [(i64::MAX, 1), (i64::MIN, -1), (1, i64::MAX), (-2, i64::MIN)] {
        let bytes = start.to_string().into_bytes();
        put_always(provider, &key, &bytes);
        let answer = provider.add(&key, delta, Ttl::Never).wait();
        assert_eq!(kind_of(answer), ErrorKind::InvalidValue, "{start} + {delta}");
        assert_eq!(value_at(provider, &key), Some(bytes), "nothing was changed");
    }
    Ok(())
}

fn add_and_deadlines(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let provider = &**handle.provider();
    if !provider.capabilities().counters {
        return Err(UNDECLARED);
    }
    let key = |name: &str| stored(&fixture.namespace, name);
    let add = |name: &str, ttl| provider.add(&key(name), 1, ttl).wait().expect("add");
    let ttl = |name: &str| provider.ttl(&key(name)).wait().expect("ttl");
    let time = fixture.time();
    assert_eq!(add("short", Ttl::After(SHORT)), 1);
    let second = add("short", Ttl::After(LONG));
    time.before(SHORT, second == 2, "the second add");
    assert_eq!(add("long", Ttl::After(LONG)), 1);
    assert_eq!(add("long", Ttl::Never), 2);
    assert!(matches!(ttl("long"), TtlState::Remaining(left) if left <= LONG && left > LONG / 2));
    assert_eq!(add("never", Ttl::Never), 1);
    assert_eq!(add("never", Ttl::After(SHORT)), 2);
    assert_eq!(ttl("never"), TtlState::Never, "an existing counter keeps its deadline");
    assert_eq!(add("gone", Ttl::After(Duration::ZERO)), 1);
    assert_eq!(ttl("gone"), TtlState::Missing, "a TTL of zero leaves it absent");
    time.go(SHORT);
    if second == 2 {
        assert_eq!(value_at(provider, &key("short")), None, "gone at its first deadline");
    }
    assert_eq!(value_at(provider, &key("never")).as_deref(), Some(&b"2"[..]));
    Ok(())
}

fn racing_adds(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (provider, key) = (&**handle.provider(), stored(&fixture.namespace, "k"));
    if !provider.capabilities().counters {
        return Err(UNDECLARED);
    }
    let answers = race(4, |_| (0..200).map(|_| plus(provider, &key, 1)).collect::<Vec<_>>());
    for sums in &answers {
        assert!(sums.is_sorted(), "the sums of one thread increase");
    }
    let mut all = answers.concat();
    all.sort_unstable();
    assert!(all.iter().copied().eq(1..=800), "every sum is returned exactly once");
    assert_eq!(plus(provider, &key, 0), 800);
    Ok(())
}
