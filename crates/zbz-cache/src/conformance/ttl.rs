//! Cases about the meaning of a TTL, and about the verbs that read and change it.

use std::time::Duration;

use super::fixture::{
    Bytes, Case, Fixture, LONG, SHORT, Time, Verdict, assert_absent, bytes, case, look, stored,
};
use crate::{Contract, TTL_HORIZON, Ttl, TtlState};

pub(super) const CASES: &[Case] = &[
    case("a duration gives a deadline, never gives none, and the default is the contract's", arguments),
    case("a TTL of zero leaves the entry absent", zero),
    case("less than a millisecond is rounded up to one", rounded_up),
    case("a TTL beyond the horizon means never, and one of 99 years is a deadline", horizon),
    case("a read returns the remaining TTL of the same moment", remaining_of_a_read),
    case("an overwrite replaces the deadline", overwrite),
    case("expire and persist change the deadline and nothing else", expire_and_persist),
    case("an entry with a changed deadline goes by the new one", moved_deadlines),
];

const NANO: Duration = Duration::from_nanos(1);
const YEAR: Duration = Duration::from_secs(31_557_600);

fn state(cache: &Bytes, name: &str) -> TtlState {
    cache.ttl(name).expect("ttl")
}

/// Checks that the remaining TTL fits this TTL, given when `time` began.
fn assert_left(time: &Time<'_>, state: TtlState, ttl: Duration) {
    let TtlState::Remaining(left) = state else { panic!("the TTL was {ttl:?}, and ttl returns {state:?}") };
    assert!(left <= ttl && !left.is_zero(), "{left:?} are left of {ttl:?}");
    let least = if time.is_exact() { ttl } else { ttl.saturating_sub(Duration::from_secs(600)) };
    assert!(left >= least, "{left:?} are left of {ttl:?}");
}

fn arguments(fixture: &Fixture<'_>) -> Verdict {
    let (handle, value) = (fixture.provider(), b"v".to_vec());
    let plain = bytes(&fixture.namespace, &handle);
    let contract = Contract::<Vec<u8>>::raw(&format!("{}-default", fixture.namespace), handle);
    let with_default = contract
        .expect("a raw contract opens")
        .default_ttl(LONG * 2)
        .cache()
        .expect("a default ttl")
        .blocking();
    for cache in [&plain, &with_default] {
        let time = fixture.time();
        cache.set("after", &value, LONG).expect("set");
        cache.set_multi([("after-multi", &value)], LONG).expect("set_multi");
        cache.set("never", &value, Ttl::Never).expect("set");
        cache.set_multi([("never-multi", &value)], Ttl::Never).expect("set_multi");
        for name in ["after", "after-multi"] {
            assert_left(&time, state(cache, name), LONG);
        }
        for name in ["never", "never-multi"] {
            assert_eq!(state(cache, name), TtlState::Never);
        }
        assert_eq!(state(cache, "missing"), TtlState::Missing);
    }
    let time = fixture.time();
    with_default.set("default", &value, Ttl::Default).expect("set");
    with_default.set_multi([("default-multi", &value)], Ttl::Default).expect("set_multi");
    assert!(with_default.expire("never", Ttl::Default).expect("expire"));
    for name in ["default", "default-multi", "never"] {
        assert_left(&time, state(&with_default, name), LONG * 2);
    }
    plain.set("default", &value, Ttl::Default).expect("set");
    assert_ne!(state(&plain, "default"), TtlState::Missing, "it has the provider's default TTL, or none");
    Ok(())
}

fn zero(fixture: &Fixture<'_>) -> Verdict {
    let (cache, value) = (fixture.cache(), b"v".to_vec());
    for ttl in [Ttl::Never, Ttl::After(LONG)] {
        cache.set("old", &value, ttl).expect("set");
        cache.set("old-multi", &value, ttl).expect("set");
        cache.set("old", &value, Duration::ZERO).expect("set");
        cache.set("new", &value, Duration::ZERO).expect("set");
        let entries = [("old-multi", &value), ("new-multi", &value)];
        cache.set_multi(entries, Duration::ZERO).expect("set_multi");
        for name in ["old", "new", "old-multi", "new-multi"] {
            assert_absent(&cache, name);
        }
    }
    assert!(cache.keys("*").expect("keys").is_empty());
    Ok(())
}

fn rounded_up(fixture: &Fixture<'_>) -> Verdict {
    let (cache, value, milli) = (fixture.cache(), b"v".to_vec(), Duration::from_millis(1));
    let time = fixture.time();
    for (number, ttl) in [NANO, Duration::from_micros(999), milli].into_iter().enumerate() {
        cache.set(&format!("{number}"), &value, ttl).expect("set");
    }
    cache.set("expired", &value, Ttl::Never).expect("set");
    cache.expire("expired", NANO).expect("expire");
    time.go_just_before(milli);
    for name in ["0", "1", "2", "expired"] {
        time.before(milli, cache.get(name).expect("get").is_some(), name);
    }
    time.go(milli);
    for name in ["0", "1", "2", "expired"] {
        assert_absent(&cache, name);
    }
    Ok(())
}

fn horizon(fixture: &Fixture<'_>) -> Verdict {
    let (cache, value) = (fixture.cache(), b"v".to_vec());
    let time = fixture.time();
    for ttl in [Duration::MAX, Duration::from_secs(u64::MAX / 1000), YEAR * 1000, TTL_HORIZON + NANO] {
        cache.set("far", &value, ttl).expect("set");
        assert_eq!(state(&cache, "far"), TtlState::Never, "{ttl:?}");
        cache.set("moved", &value, LONG).expect("set");
        assert!(cache.expire("moved", ttl).expect("expire"));
        assert_eq!(state(&cache, "moved"), TtlState::Never, "expire {ttl:?}");
    }
    for ttl in [TTL_HORIZON, YEAR * 99, YEAR, Duration::from_secs(86_400 * 50)] {
        cache.set("near", &value, ttl).expect("set");
        assert_left(&time, state(&cache, "near"), ttl);
    }
    Ok(())
}

fn remaining_of_a_read(fixture: &Fixture<'_>) -> Verdict {
    let (cache, value) = (fixture.cache(), b"v".to_vec());
    let time = fixture.time();
    cache.set("after", &value, LONG).expect("set");
    cache.set("never", &value, Ttl::Never).expect("set");
    let provider = cache.cache().handle().provider();
    let (bytes, found) = look(&**provider, &stored(&fixture.namespace, "after")).expect("the entry exists");
    assert_eq!(bytes, value);
    assert_left(&time, found.remaining.map_or(TtlState::Never, TtlState::Remaining), LONG);
    let (_, found) = look(&**provider, &stored(&fixture.namespace, "never")).expect("the entry exists");
    assert_eq!(found.remaining, None);
    Ok(())
}

fn overwrite(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let (short, never, long) = (Ttl::After(SHORT), Ttl::Never, Ttl::After(LONG));
    let cases = [
        ("short, never", short, never),
        ("short, long", short, long),
        ("never, long", never, long),
        ("never, short", never, short),
        ("long, short", long, short),
        ("short, short", short, short),
    ];
    for (name, first, _) in cases {
        cache.set(name, &b"first".to_vec(), first).expect("set");
    }
    let time = fixture.time();
    for (number, (name, _, second)) in cases.into_iter().enumerate() {
        // With another length too, which may move the entry.
        cache.set(name, &vec![b's'; 3 + number % 2 * 500], second).expect("set");
    }
    assert_eq!(state(&cache, "short, never"), TtlState::Never);
    assert_left(&time, state(&cache, "never, long"), LONG);
    time.go(SHORT);
    for (name, _, second) in cases {
        assert_eq!(cache.exists(name).expect("exists"), second != short, "{name}");
    }
    Ok(())
}

fn expire_and_persist(fixture: &Fixture<'_>) -> Verdict {
    let (cache, value) = (fixture.cache(), b"kept as it is".to_vec());
    assert!(!cache.expire("k", LONG).expect("expire"), "missing");
    assert!(!cache.persist("k").expect("persist"), "missing");
    assert!(!cache.expire("k", Duration::ZERO).expect("expire"), "missing");
    assert_absent(&cache, "k");

    let time = fixture.time();
    cache.set("k", &value, Ttl::Never).expect("set");
    assert!(cache.persist("k").expect("persist"), "persist is true without a deadline too");
    assert!(cache.expire("k", LONG).expect("expire"));
    assert_left(&time, state(&cache, "k"), LONG);
    assert!(cache.expire("k", LONG * 3).expect("expire"), "later");
    assert_left(&time, state(&cache, "k"), LONG * 3);
    assert!(cache.expire("k", LONG / 2).expect("expire"), "sooner");
    assert_left(&time, state(&cache, "k"), LONG / 2);
    assert!(cache.persist("k").expect("persist"));
    assert_eq!(state(&cache, "k"), TtlState::Never);
    assert!(cache.expire("k", LONG).expect("expire"));
    assert!(cache.expire("k", Ttl::Never).expect("expire"), "expire with never is persist");
    assert_eq!(state(&cache, "k"), TtlState::Never);
    assert_eq!(cache.get("k").expect("get"), Some(value), "the value is unchanged");

    assert!(cache.expire("k", Duration::ZERO).expect("expire"), "zero deletes the entry");
    assert_absent(&cache, "k");
    Ok(())
}

fn moved_deadlines(fixture: &Fixture<'_>) -> Verdict {
    let (cache, value) = (fixture.cache(), b"v".to_vec());
    let time = fixture.time();
    for name in ["persisted", "prolonged"] {
        cache.set(name, &value, SHORT).expect("set");
    }
    for name in ["shortened", "ended"] {
        cache.set(name, &value, if name == "ended" { Ttl::Never } else { Ttl::After(LONG) }).expect("set");
    }
    // On a machine that was suspended these two may be gone already, which is right.
    let persisted = cache.persist("persisted").expect("persist");
    let prolonged = cache.expire("prolonged", LONG).expect("expire");
    time.before(SHORT, persisted && prolonged, "persist and expire find live entries");
    for name in ["shortened", "ended"] {
        assert!(cache.expire(name, SHORT).expect("expire"), "{name}");
    }
    time.go_just_before(SHORT);
    for name in ["shortened", "ended"] {
        time.before(SHORT, cache.get(name).expect("get").is_some(), name);
    }
    time.go(SHORT);
    assert_eq!(cache.exists("persisted").expect("exists"), persisted);
    assert_eq!(cache.exists("prolonged").expect("exists"), prolonged);
    for name in ["shortened", "ended"] {
        assert_absent(&cache, name);
    }
    Ok(())
}
