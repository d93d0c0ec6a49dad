//! Rows on versions: a swap never succeeds after the bytes changed.

use super::conditions::assert_unsupported;
use super::ground::{Ground, LONG, Row, Verdict, look, put, put_always, race, row, stored, value_at};
use crate::Ttl;
use crate::provider::{Condition, Provider, ReadBatch, SetOptions, SetOutcome, Version};

pub(super) const ROWS: &[Row] = &[
    row("a swap by version stores if nothing changed, and else changes nothing", swap),
    row("a version is refused after the bytes changed and came back", came_back),
    row("after expire and persist a swap is done whole or refused", after_a_new_deadline),
    row("increments by racing swaps are all counted", racing_swaps),
];

const UNDECLARED: &str = "not declared: reads bring none, and a swap says Unsupported";

fn version_of(provider: &dyn Provider, key: &[u8]) -> Version {
    let (_, found) = look(provider, key).expect("it is there");
    found.version().expect("versions are declared, so a read brings one")
}

fn swap_to(provider: &dyn Provider, key: &[u8], value: &[u8], version: Version) -> SetOutcome {
    put(provider, key, value, SetOptions::new(Ttl::Never).when(Condition::Version(version)))
}

fn swap(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let (provider, key) = (&**handle.provider(), stored(&ground.space, "k"));
    put_always(provider, &key, b"1");
    if !provider.capabilities().versions {
        let (_, found) = look(provider, &key).expect("it is there");
        assert_eq!(found.version(), None, "versions are not declared, so a read brings none");
        let condition = Condition::Version(Version::from_u128(1));
        assert_unsupported(provider, &ground.space, &SetOptions::new(Ttl::Never).when(condition));
        return Err(UNDECLARED);
    }
    let first = version_of(provider, &key);
    assert_eq!(version_of(provider, &key), first, "reading changes no version");
    let mut batch = ReadBatch::default();
    batch = provider.get_multi(&[&key], batch).wait().expect("get_multi");
    let (_, found) = batch.get(0).expect("it is there");
    assert_eq!(found.version(), Some(first), "a batch brings it too");
    assert_eq!(swap_to(provider, &key, b"2", first), SetOutcome::Stored);
    let second = version_of(provider, &key);
    assert_eq!(swap_to(provider, &key, b"3", first), SetOutcome::ConditionFailed);
    assert_eq!(value_at(provider, &key).as_deref(), Some(&b"2"[..]), "nothing was changed");
    assert_eq!(swap_to(provider, &key, b"4", second), SetOutcome::Stored);
    for made_up in [0, 1, u128::MAX] {
        let outcome = swap_to(provider, &key, b"5", Version::from_u128(made_up));
        assert_eq!(outcome, SetOutcome::ConditionFailed, "a made-up version");
    }
    let last = version_of(provider, &key);
    let other = stored(&ground.space, "other");
    put_always(provider, &other, b"other");
    assert_eq!(swap_to(provider, &other, b"6", last), SetOutcome::ConditionFailed, "another key's version");
    assert!(provider.delete(&key).wait().expect("delete"));
    assert_eq!(swap_to(provider, &key, b"7", last), SetOutcome::ConditionFailed, "deleted");
    assert_eq!(value_at(provider, &key), None, "nothing was stored");
    Ok(())
}

fn came_back(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let (provider, key) = (&**handle.provider(), stored(&ground.space, "k"));
    if !provider.capabilities().versions {
        return Err(UNDECLARED);
    }
    for round in 0..50 {
        put_always(provider, &key, b"a");
        let version = version_of(provider, &key);
        if round % 2 == 0 {
            provider.delete(&key).wait().expect("delete");
        }
        put_always(provider, &key, &[b'b'; 100]);
        assert_eq!(swap_to(provider, &key, b"c", version), SetOutcome::ConditionFailed, "round {round}");
        put_always(provider, &key, b"a");
        // Equal bytes set again may match; what must not be is a value that nobody set.
        let outcome = swap_to(provider, &key, b"d", version);
        let expected = if outcome == SetOutcome::Stored { b"d" } else { b"a" };
        assert_eq!(value_at(provider, &key).as_deref(), Some(&expected[..]), "round {round}");
    }
    Ok(())
}

fn after_a_new_deadline(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let (provider, key) = (&**handle.provider(), stored(&ground.space, "k"));
    if !provider.capabilities().versions {
        return Err(UNDECLARED);
    }
    for ttl in [Ttl::After(LONG), Ttl::Never] {
        put_always(provider, &key, b"1");
        let version = version_of(provider, &key);
        assert!(provider.expire(&key, ttl).wait().expect("expire"));
        let outcome = swap_to(provider, &key, b"2", version);
        let expected = if outcome == SetOutcome::Stored { b"2" } else { b"1" };
        assert_eq!(value_at(provider, &key).as_deref(), Some(&expected[..]), "{ttl:?}");
        let version = version_of(provider, &key);
        assert_eq!(swap_to(provider, &key, b"3", version), SetOutcome::Stored, "a fresh version works");
    }
    Ok(())
}

fn racing_swaps(ground: &Ground<'_>) -> Verdict {
    const EACH: u64 = 100;
    let handle = ground.provider();
    let (provider, key) = (&**handle.provider(), stored(&ground.space, "sum"));
    if !provider.capabilities().versions {
        return Err(UNDECLARED);
    }
    put_always(provider, &key, b"0");
    race(4, |_| {
        let mut done = 0;
        while done < EACH {
            let (value, found) = look(provider, &key).expect("it is there throughout");
            let version = found.version().expect("versions are declared");
            let number: u64 = String::from_utf8_lossy(&value).parse().expect("a number");
            let next = (number + 1).to_string();
            if swap_to(provider, &key, next.as_bytes(), version) == SetOutcome::Stored {
                done += 1;
            }
        }
    });
    let sum = value_at(provider, &key).expect("it is there");
    assert_eq!(String::from_utf8_lossy(&sum), (4 * EACH).to_string(), "no increment is lost");
    Ok(())
}
