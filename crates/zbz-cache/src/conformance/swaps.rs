//! Cases about the conditional typed verbs.

use super::fixture::{Case, Fixture, LONG, Verdict, case, kind_of, race, values_of};
use super::loader::texts;
use crate::provider::SetOutcome::{ConditionFailed, Stored};
use crate::provider::{Condition, SetOptions};
use crate::{Contract, ErrorKind, LoadOptions, Loaded, Ttl, TtlState};

pub(super) const CASES: &[Case] = &[
    case("set_if_absent and replace store or change nothing", absent_and_present),
    case("set_if_absent and replace take a known absence for absent", known_absence),
    case("a set with options keeps the deadline, checks a condition, or does both", set_with_options),
    case("a compare_and_swap with the version of a read stores if nothing changed", swaps),
    case("racing swaps of typed values lose no update", racing_swaps),
    case("take returns the value and removes it", take),
    case("counters go up and down, and refuse sums that do not fit", counters),
];

fn absent_and_present(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle).blocking();
    let text = |text: &str| text.to_owned();
    if !handle.provider().capabilities().conditions {
        let kind = kind_of(cache.set_if_absent("k", &text("a"), Ttl::Never));
        assert_eq!(kind, ErrorKind::Unsupported);
        assert_eq!(kind_of(cache.replace("k", &text("a"), Ttl::Never)), ErrorKind::Unsupported);
        return Err("not declared; they return Unsupported");
    }
    assert_eq!(cache.replace("k", &text("a"), Ttl::Never).expect("replace"), ConditionFailed);
    assert_eq!(cache.get("k").expect("get"), None);
    assert_eq!(cache.set_if_absent("k", &text("b"), LONG).expect("set"), Stored);
    assert_eq!(cache.set_if_absent("k", &text("c"), Ttl::Never).expect("set"), ConditionFailed);
    assert_eq!(cache.get("k").expect("get").as_deref(), Some("b"));
    assert!(matches!(cache.ttl("k").expect("ttl"), TtlState::Remaining(_)));
    assert_eq!(cache.replace("k", &text("d"), Ttl::Never).expect("replace"), Stored);
    assert_eq!(cache.get("k").expect("get").as_deref(), Some("d"));
    assert_eq!(kind_of(cache.set_if_absent("", &text("e"), Ttl::Never)), ErrorKind::InvalidKey);
    Ok(())
}

fn known_absence(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let able = handle.provider().capabilities();
    if !able.conditions || !able.versions {
        return Err("conditions or versions are not declared");
    }
    let cache = texts(fixture, &handle).blocking();
    let options = LoadOptions::builder().absent_ttl(LONG).build().expect("valid options");
    let load = || cache.get_or_load_opts("k", &options, || Ok::<_, crate::Error>(Loaded::absent()));
    assert_eq!(load().expect("the load succeeds").value, None);
    let text = |text: &str| text.to_owned();
    assert_eq!(cache.replace("k", &text("a"), Ttl::Never).expect("replace"), ConditionFailed);
    assert_eq!(cache.set_if_absent("k", &text("b"), Ttl::Never).expect("set"), Stored);
    assert_eq!(cache.get("k").expect("get").as_deref(), Some("b"));
    assert_eq!(cache.set_if_absent("k", &text("c"), Ttl::Never).expect("set"), ConditionFailed);
    Ok(())
}

fn set_with_options(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let able = handle.provider().capabilities();
    let cache = texts(fixture, &handle).blocking();
    let kept = SetOptions::new(Ttl::Never).keep_deadline();
    let text = |text: &str| text.to_owned();
    cache.set("k", &text("a"), LONG).expect("set");
    if !able.keep_deadline {
        assert_eq!(kind_of(cache.set_opts("k", &text("b"), kept)), ErrorKind::Unsupported);
        return Err("not declared; it returns Unsupported");
    }
    assert_eq!(cache.set_opts("k", &text("b"), kept.clone()).expect("set"), Stored);
    assert_eq!(cache.get("k").expect("get").as_deref(), Some("b"));
    assert!(matches!(cache.ttl("k").expect("ttl"), TtlState::Remaining(_)), "the deadline stays");
    assert_eq!(cache.set_opts("new", &text("c"), kept.clone()).expect("set"), Stored);
    assert_eq!(cache.ttl("new").expect("ttl"), TtlState::Never, "a new entry gets the TTL");
    let plain = SetOptions::new(Ttl::Never);
    assert_eq!(cache.set_opts("k", &text("d"), plain).expect("set"), Stored);
    assert_eq!(cache.ttl("k").expect("ttl"), TtlState::Never);
    if able.conditions {
        let absent = SetOptions::new(Ttl::Never).when(Condition::Absent);
        assert_eq!(cache.set_opts("k", &text("e"), absent.clone()).expect("set"), ConditionFailed);
        assert_eq!(cache.set_opts("absent", &text("e"), absent).expect("set"), Stored);
        cache.expire("k", LONG).expect("expire");
        let present = kept.when(Condition::Present);
        assert_eq!(cache.set_opts("k", &text("f"), present.clone()).expect("set"), Stored);
        assert!(matches!(cache.ttl("k").expect("ttl"), TtlState::Remaining(_)), "both at once");
        assert_eq!(cache.set_opts("no-entry", &text("f"), present).expect("set"), ConditionFailed);
    }
    assert_eq!(cache.get("no-entry").expect("get"), None);
    Ok(())
}

fn swaps(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle).blocking();
    let text = |text: &str| text.to_owned();
    cache.set("k", &text("a"), LONG).expect("set");
    if !handle.provider().capabilities().versions {
        assert_eq!(kind_of(cache.get_versioned("k")), ErrorKind::Unsupported);
        return Err("not declared; it returns Unsupported");
    }
    let read = cache.get_versioned("k").expect("get_versioned").expect("the entry exists");
    assert_eq!(read.value, "a");
    assert!(matches!(read.ttl, TtlState::Remaining(left) if left <= LONG));
    let swap = |version, value: &str| cache.compare_and_swap("k", version, &text(value), Ttl::Never);
    assert_eq!(swap(read.version, "b").expect("swap"), Stored);
    assert_eq!(swap(read.version, "c").expect("swap"), ConditionFailed, "it changed");
    assert_eq!(cache.get("k").expect("get").as_deref(), Some("b"));
    let read = cache.get_versioned("k").expect("get_versioned").expect("the entry exists");
    assert!(cache.delete("k").expect("delete"));
    assert_eq!(swap(read.version, "d").expect("swap"), ConditionFailed, "it vanished");
    assert_eq!(cache.get("k").expect("get"), None);
    assert_eq!(cache.get_versioned("k").expect("get_versioned"), None);
    Ok(())
}

fn racing_swaps(fixture: &Fixture<'_>) -> Verdict {
    const EACH: u64 = 50;
    let handle = fixture.provider();
    if !handle.provider().capabilities().versions {
        return Err("versions are not declared");
    }
    let contract = Contract::<u64>::new(&fixture.namespace, handle).expect("the contract opens");
    let cache = contract.cache().blocking();
    cache.set("sum", &0, Ttl::Never).expect("set");
    race(4, |_| {
        let mut done = 0;
        while done < EACH {
            let read = cache.get_versioned("sum").expect("get_versioned").expect("the entry exists");
            let swapped = cache.compare_and_swap("sum", read.version, &(read.value + 1), Ttl::Never);
            done += u64::from(swapped.expect("swap") == Stored);
        }
    });
    assert_eq!(cache.get("sum").expect("get"), Some(4 * EACH));
    Ok(())
}

fn take(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle).blocking();
    cache.set("k", &"a".to_owned(), LONG).expect("set");
    if !handle.provider().capabilities().take {
        assert_eq!(kind_of(cache.take("k")), ErrorKind::Unsupported);
        return Err("not declared; it returns Unsupported");
    }
    let before = cache.stats().expect("stats");
    assert_eq!(cache.take("k").expect("take").as_deref(), Some("a"));
    assert_eq!(cache.take("k").expect("take"), None);
    let after = cache.stats().expect("stats");
    assert_eq!((after.hits, after.misses), (before.hits, before.misses), "it counts no lookup");
    for round in 0..30 {
        cache.set("k", &format!("{round}"), Ttl::Never).expect("set");
        let taken = race(3, |_| cache.take("k").expect("take"));
        assert_eq!(taken.into_iter().flatten().count(), 1, "exactly one take got it");
    }
    Ok(())
}

fn counters(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let counters =
        Contract::counter(&fixture.namespace, handle.clone()).expect("the contract opens").cache().blocking();
    if !handle.provider().capabilities().counters {
        assert_eq!(kind_of(counters.add("k", 1, Ttl::Never)), ErrorKind::Unsupported);
        return Err("not declared; they return Unsupported");
    }
    assert_eq!(counters.add("k", 5, LONG).expect("add"), 5);
    assert_eq!(counters.add("k", -7, Ttl::Never).expect("add"), -2);
    assert!(matches!(counters.ttl("k").expect("ttl"), TtlState::Remaining(_)), "the first deadline stays");
    counters.set("most", &i64::MAX, Ttl::Never).expect("set");
    counters.set("least", &i64::MIN, Ttl::Never).expect("set");
    assert_eq!(kind_of(counters.add("most", 1, Ttl::Never)), ErrorKind::InvalidValue);
    assert_eq!(kind_of(counters.add("least", -1, Ttl::Never)), ErrorKind::InvalidValue);
    assert_eq!(kind_of(counters.add("k", i64::MIN, Ttl::Never)), ErrorKind::InvalidValue);
    assert_eq!(
        values_of(counters.get_each(["most", "least", "k"]), "get_each"),
        [Some(i64::MAX), Some(i64::MIN), Some(-2)]
    );
    let space = format!("{}-encoded", fixture.namespace);
    let encoded = Contract::<i64>::new(&space, handle).expect("the contract opens").cache().blocking();
    encoded.set("k", &1, Ttl::Never).expect("set");
    for name in ["k", "absent"] {
        let kind = kind_of(encoded.add(name, 1, Ttl::Never));
        assert_eq!(kind, ErrorKind::InvalidValue, "a contract of encoded numbers has no counters");
    }
    assert_eq!(
        values_of(encoded.get_each(["k", "absent"]), "get_each"),
        [Some(1), None],
        "nothing was changed"
    );
    Ok(())
}
