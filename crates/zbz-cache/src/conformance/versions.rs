//! Cases about versions: a swap never succeeds after the bytes changed.

use super::conditions::assert_unsupported;
use super::fixture::{Case, Fixture, LONG, Verdict, case, look, put, put_always, race, stored, value_at};
use crate::Ttl;
use crate::provider::{Condition, Provider, ReadBatch, SetOptions, SetOutcome, Version};

pub(super) const CASES: &[Case] = &[
    case("a swap by version stores if the bytes are unchanged, and otherwise changes nothing", swap),
    case("after the bytes changed and changed back an old version is refused", came_back),
    case("after expire and persist a swap is done completely or refused", after_a_new_deadline),
    case("racing swaps lose no increment", racing_swaps),
];

const UNDECLARED: &str = "not declared; reads return no version, and a swap returns Unsupported";

fn version_of(provider: &dyn Provider, key: &[u8]) -> Version {
    let (_, found) = look(provider, key).expect("the entry exists");
    found.version().expect("versions are declared, so a read returns one")
}

fn swap_to(provider: &dyn Provider, key: &[u8], value: &[u8], version: Version) -> SetOutcome {
    put(provider, key, value, SetOptions::new(Ttl::Never).when(Condition::Version(version)))
}

fn swap(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (provider, key) = (&**handle.provider(), stored(&fixture.namespace, "k"));
    put_always(provider, &key, b"1");
    if !provider.capabilities().versions {
        let (_, found) = look(provider, &key).expect("the entry exists");
        assert_eq!(found.version(), None, "versions are not declared, so a read returns none");
        let condition = Condition::Version(Version::from_u128(1));
        assert_unsupported(provider, &fixture.namespace, &SetOptions::new(Ttl::Never).when(condition));
        return Err(UNDECLARED);
    }
    let first = version_of(provider, &key);
    assert_eq!(version_of(provider, &key), first, "a read does not change the version");
    let mut batch = ReadBatch::default();
    batch = provider.get_multi(&[&key], batch).wait().expect("get_multi");
    let (_, found) = batch.get(0).expect("the entry exists");
    assert_eq!(found.version(), Some(first), "a batch returns it too");
    assert_eq!(swap_to(provider, &key, b"2", first), SetOutcome::Stored);
    let second = version_of(provider, &key);
    assert_eq!(swap_to(provider, &key, b"3", first), SetOutcome::ConditionFailed);
    assert_eq!(value_at(provider, &key).as_deref(), Some(&b"2"[..]), "nothing was changed");
    assert_eq!(swap_to(provider, &key, b"4", second), SetOutcome::Stored);
    for made_up in [0, 1, u128::MAX] {
        let outcome = swap_to(provider, &key, b"5", Version::from_u128(made_up));
        assert_eq!(outcome, SetOutcome::ConditionFailed, "an invented version");
    }
    let last = version_of(provider, &key);
    let other = stored(&fixture.namespace, "other");
    put_always(provider, &other, b"other");
    assert_eq!(swap_to(provider, &other, b"6", last), SetOutcome::ConditionFailed, "another key's version");
    assert!(provider.delete(&key).wait().expect("delete"));
    assert_eq!(swap_to(provider, &key, b"7", last), SetOutcome::ConditionFailed, "deleted");
    assert_eq!(value_at(provider, &key), None, "nothing was stored");
    Ok(())
}

fn came_back(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (provider, key) = (&**handle.provider(), stored(&fixture.namespace, "k"));
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
        // Equal bytes that were set again may match; the value must be one that was set.
        let outcome = swap_to(provider, &key, b"d", version);
        let expected = if outcome == SetOutcome::Stored { b"d" } else { b"a" };
        assert_eq!(value_at(provider, &key).as_deref(), Some(&expected[..]), "round {round}");
    }
    Ok(())
}

fn after_a_new_deadline(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (provider, key) = (&**handle.provider(), stored(&fixture.namespace, "k"));
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

fn racing_swaps(fixture: &Fixture<'_>) -> Verdict {
    const EACH: u64 = 100;
    let handle = fixture.provider();
    let (provider, key) = (&**handle.provider(), stored(&fixture.namespace, "sum"));
    if !provider.capabilities().versions {
        return Err(UNDECLARED);
    }
    put_always(provider, &key, b"0");
    race(4, |_| {
        let mut done = 0;
        while done < EACH {
            let (value, found) = look(provider, &key).expect("the entry always exists");
            let version = found.version().expect("versions are declared");
            let number: u64 = String::from_utf8_lossy(&value).parse().expect("a number");
            let next = (number + 1).to_string();
            if swap_to(provider, &key, next.as_bytes(), version) == SetOutcome::Stored {
                done += 1;
            }
        }
    });
    let sum = value_at(provider, &key).expect("the entry exists");
    assert_eq!(String::from_utf8_lossy(&sum), (4 * EACH).to_string(), "no increment is lost");
    Ok(())
}
