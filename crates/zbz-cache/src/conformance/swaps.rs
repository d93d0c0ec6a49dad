//! Rows on the typed verbs that depend on what is there.

use super::ground::{Ground, LONG, Row, Verdict, kind_of, race, row, values_of};
use super::loader::texts;
use crate::provider::SetOutcome::{ConditionFailed, Stored};
use crate::provider::{Condition, SetOptions};
use crate::{Contract, ErrorKind, LoadOptions, Loaded, Ttl, TtlState};

pub(super) const ROWS: &[Row] = &[
    row("set_if_absent and replace do so, or change nothing", absent_and_present),
    row("a known absence is absent to both", known_absence),
    row("a set with options keeps the deadline, judges a condition, or does both", set_with_options),
    row("a swap by the version of a read stores if nothing changed", swaps),
    row("racing swaps of typed values lose none", racing_swaps),
    row("take answers the value and removes it", take),
    row("counters go up and down, and refuse what does not fit", counters),
];

fn absent_and_present(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let cache = texts(ground, &handle).blocking();
    let text = |text: &str| text.to_owned();
    if !handle.provider().capabilities().conditions {
        let kind = kind_of(cache.set_if_absent("k", &text("a"), Ttl::Never));
        assert_eq!(kind, ErrorKind::Unsupported);
        assert_eq!(kind_of(cache.replace("k", &text("a"), Ttl::Never)), ErrorKind::Unsupported);
        return Err("not declared, and they say Unsupported");
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

fn known_absence(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let able = handle.provider().capabilities();
    if !able.conditions || !able.versions {
        return Err("conditions or versions are not declared");
    }
    let cache = texts(ground, &handle).blocking();
    let options = LoadOptions::builder().absent_ttl(LONG).build().expect("right options");
    let load = || cache.get_or_load_opts("k", &options, || Ok::<_, crate::Error>(Loaded::absent()));
    assert_eq!(load().expect("it loads").value, None);
    let text = |text: &str| text.to_owned();
    assert_eq!(cache.replace("k", &text("a"), Ttl::Never).expect("replace"), ConditionFailed);
    assert_eq!(cache.set_if_absent("k", &text("b"), Ttl::Never).expect("set"), Stored);
    assert_eq!(cache.get("k").expect("get").as_deref(), Some("b"));
    assert_eq!(cache.set_if_absent("k", &text("c"), Ttl::Never).expect("set"), ConditionFailed);
    Ok(())
}

fn set_with_options(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let able = handle.provider().capabilities();
    let cache = texts(ground, &handle).blocking();
    let kept = SetOptions::new(Ttl::Never).keep_deadline();
    let text = |text: &str| text.to_owned();
    cache.set("k", &text("a"), LONG).expect("set");
    if !able.keep_deadline {
        assert_eq!(kind_of(cache.set_opts("k", &text("b"), kept)), ErrorKind::Unsupported);
        return Err("not declared, and it says Unsupported");
    }
    assert_eq!(cache.set_opts("k", &text("b"), kept.clone()).expect("set"), Stored);
    assert_eq!(cache.get("k").expect("get").as_deref(), Some("b"));
    assert!(matches!(cache.ttl("k").expect("ttl"), TtlState::Remaining(_)), "the deadline stays");
    assert_eq!(cache.set_opts("new", &text("c"), kept.clone()).expect("set"), Stored);
    assert_eq!(cache.ttl("new").expect("ttl"), TtlState::Never, "a new entry has the ttl");
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
        assert_eq!(cache.set_opts("nobody", &text("f"), present).expect("set"), ConditionFailed);
    }
    assert_eq!(cache.get("nobody").expect("get"), None);
    Ok(())
}

fn swaps(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let cache = texts(ground, &handle).blocking();
    let text = |text: &str| text.to_owned();
    cache.set("k", &text("a"), LONG).expect("set");
    if !handle.provider().capabilities().versions {
        assert_eq!(kind_of(cache.get_versioned("k")), ErrorKind::Unsupported);
        return Err("not declared, and it says Unsupported");
    }
    let read = cache.get_versioned("k").expect("get_versioned").expect("it is there");
    assert_eq!(read.value, "a");
    assert!(matches!(read.ttl, TtlState::Remaining(left) if left <= LONG));
    let swap = |version, value: &str| cache.compare_and_swap("k", version, &text(value), Ttl::Never);
    assert_eq!(swap(read.version, "b").expect("swap"), Stored);
    assert_eq!(swap(read.version, "c").expect("swap"), ConditionFailed, "it changed");
    assert_eq!(cache.get("k").expect("get").as_deref(), Some("b"));
    let read = cache.get_versioned("k").expect("get_versioned").expect("it is there");
    assert!(cache.delete("k").expect("delete"));
    assert_eq!(swap(read.version, "d").expect("swap"), ConditionFailed, "it vanished");
    assert_eq!(cache.get("k").expect("get"), None);
    assert_eq!(cache.get_versioned("k").expect("get_versioned"), None);
    Ok(())
}

fn racing_swaps(ground: &Ground<'_>) -> Verdict {
    const EACH: u64 = 50;
    let handle = ground.provider();
    if !handle.provider().capabilities().versions {
        return Err("versions are not declared");
    }
    let contract = Contract::<u64>::new(&ground.space, handle).expect("a contract opens");
    let cache = contract.cache().blocking();
    cache.set("sum", &0, Ttl::Never).expect("set");
    race(4, |_| {
        let mut done = 0;
        while done < EACH {
            let read = cache.get_versioned("sum").expect("get_versioned").expect("it is there");
            let swapped = cache.compare_and_swap("sum", read.version, &(read.value + 1), Ttl::Never);
            done += u64::from(swapped.expect("swap") == Stored);
        }
    });
    assert_eq!(cache.get("sum").expect("get"), Some(4 * EACH));
    Ok(())
}

fn take(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let cache = texts(ground, &handle).blocking();
    cache.set("k", &"a".to_owned(), LONG).expect("set");
    if !handle.provider().capabilities().take {
        assert_eq!(kind_of(cache.take("k")), ErrorKind::Unsupported);
        return Err("not declared, and it says Unsupported");
    }
    let before = cache.stats().expect("stats");
    assert_eq!(cache.take("k").expect("take").as_deref(), Some("a"));
    assert_eq!(cache.take("k").expect("take"), None);
    let after = cache.stats().expect("stats");
    assert_eq!((after.hits, after.misses), (before.hits, before.misses), "it counts no lookup");
    for round in 0..30 {
        cache.set("k", &format!("{round}"), Ttl::Never).expect("set");
        let taken = race(3, |_| cache.take("k").expect("take"));
        assert_eq!(taken.into_iter().flatten().count(), 1, "exactly one has it");
    }
    Ok(())
}

fn counters(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let counters = Contract::counter(&ground.space, handle.clone()).expect("it opens").cache().blocking();
    if !handle.provider().capabilities().counters {
        assert_eq!(kind_of(counters.add("k", 1, Ttl::Never)), ErrorKind::Unsupported);
        return Err("not declared, and they say Unsupported");
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
    let space = format!("{}-encoded", ground.space);
    let encoded = Contract::<i64>::new(&space, handle).expect("it opens").cache().blocking();
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
