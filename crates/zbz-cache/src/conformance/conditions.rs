//! Cases about conditional writes: absent, present, a token, the old deadline.

use super::fixture::{
    Case, Fixture, LONG, SHORT, Verdict, assert_absent, bytes, case, kind_of, put, put_always, race, stored,
    value_at,
};
use crate::provider::{Condition, Provider, SetOptions, SetOutcome, Token};
use crate::{ErrorKind, Ttl, TtlState};

pub(super) const CASES: &[Case] = &[
    case("a set if absent or if present stores or changes nothing", absent_and_present),
    case("exactly one of several racing sets if absent stores", racing_absent),
    case("a set with a revoked token changes nothing", tokens),
    case("after a token is revoked and its key written, no older value is stored", racing_tokens),
    case("a set with keep_deadline keeps the deadline", keep_deadline),
];

const UNDECLARED: &str = "not declared; it returns Unsupported";

fn when(condition: Condition) -> SetOptions {
    SetOptions::new(Ttl::Never).when(condition)
}

/// Checks on a key with an entry and on one without that such a set is refused and changes nothing.
pub(super) fn assert_unsupported(provider: &dyn Provider, space: &str, options: &SetOptions) {
    let (held, free) = (stored(space, "unsupported held"), stored(space, "unsupported free"));
    put_always(provider, &held, b"old");
    for key in [&held, &free] {
        let answer = provider.set(key, b"new", options.clone()).wait();
        assert_eq!(kind_of(answer), ErrorKind::Unsupported, "{options:?}");
    }
    assert_eq!(value_at(provider, &held).as_deref(), Some(&b"old"[..]), "nothing was changed");
    assert_eq!(value_at(provider, &free), None, "nothing was stored");
}

fn absent_and_present(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (provider, key) = (&**handle.provider(), stored(&fixture.namespace, "k"));
    if !provider.capabilities().conditions {
        assert_unsupported(provider, &fixture.namespace, &when(Condition::Absent));
        assert_unsupported(provider, &fixture.namespace, &when(Condition::Present));
        return Err(UNDECLARED);
    }
    let before = provider.stats().wait().expect("stats");
    assert_eq!(put(provider, &key, b"1", when(Condition::Present)), SetOutcome::ConditionFailed);
    assert_eq!(value_at(provider, &key), None, "nothing was stored");
    assert_eq!(put(provider, &key, b"2", when(Condition::Absent)), SetOutcome::Stored);
    let with_deadline = SetOptions::new(Ttl::After(LONG)).when(Condition::Absent);
    assert_eq!(put(provider, &key, b"3", with_deadline), SetOutcome::ConditionFailed);
    assert_eq!(value_at(provider, &key).as_deref(), Some(&b"2"[..]), "nothing was changed");
    assert_eq!(provider.ttl(&key).wait().expect("ttl"), TtlState::Never, "the deadline was not changed");
    let gone = SetOptions::new(Ttl::After(std::time::Duration::ZERO)).when(Condition::Absent);
    assert_eq!(put(provider, &key, b"4", gone), SetOutcome::ConditionFailed);
    assert_eq!(value_at(provider, &key).as_deref(), Some(&b"2"[..]));
    let with_deadline = SetOptions::new(Ttl::After(LONG)).when(Condition::Present);
    assert_eq!(put(provider, &key, b"5", with_deadline), SetOutcome::Stored);
    assert_eq!(value_at(provider, &key).as_deref(), Some(&b"5"[..]));
    assert!(matches!(provider.ttl(&key).wait().expect("ttl"), TtlState::Remaining(left) if left <= LONG));
    let after = provider.stats().wait().expect("stats");
    assert_eq!(after.sets - before.sets, 2, "a set whose condition failed does not count");
    assert!(provider.delete(&key).wait().expect("delete"));
    assert_eq!(put(provider, &key, b"6", when(Condition::Absent)), SetOutcome::Stored, "absent again");
    let cache = bytes(&fixture.namespace, &handle);
    assert_eq!(cache.get("k").expect("get"), Some(b"6".to_vec()));
    cache.clear().expect("clear");
    assert_absent(&cache, "k");
    Ok(())
}

fn racing_absent(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let provider = &**handle.provider();
    if !provider.capabilities().conditions {
        return Err(UNDECLARED);
    }
    for round in 0..50 {
        let key = stored(&fixture.namespace, &format!("k{round}"));
        let outcomes = race(4, |thread| put(provider, &key, &[thread as u8], when(Condition::Absent)));
        let winners: Vec<_> = (0..4).filter(|&thread| outcomes[thread] == SetOutcome::Stored).collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        assert_eq!(value_at(provider, &key), Some(vec![winners[0] as u8]), "the winner's value");
    }
    Ok(())
}

fn tokens(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (provider, key) = (&**handle.provider(), stored(&fixture.namespace, "k"));
    let token = Token::new();
    if !provider.capabilities().tokens {
        assert_unsupported(provider, &fixture.namespace, &when(Condition::Token(token)));
        return Err(UNDECLARED);
    }
    let twin = token.clone();
    assert_eq!(put(provider, &key, b"1", when(Condition::Token(token.clone()))), SetOutcome::Stored);
    assert_eq!(put(provider, &key, b"2", when(Condition::Token(token.clone()))), SetOutcome::Stored);
    twin.revoke();
    for key in [&key, &stored(&fixture.namespace, "free")] {
        let before = value_at(provider, key);
        let with_deadline = SetOptions::new(Ttl::After(LONG)).when(Condition::Token(token.clone()));
        assert_eq!(put(provider, key, b"3", with_deadline), SetOutcome::ConditionFailed);
        assert_eq!(value_at(provider, key), before, "nothing was changed");
    }
    assert_eq!(provider.ttl(&key).wait().expect("ttl"), TtlState::Never);
    assert_eq!(put(provider, &key, b"4", when(Condition::Token(Token::new()))), SetOutcome::Stored);
    assert_eq!(value_at(provider, &key).as_deref(), Some(&b"4"[..]));
    Ok(())
}

fn racing_tokens(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let provider = &**handle.provider();
    if !provider.capabilities().tokens {
        return Err(UNDECLARED);
    }
    for round in 0..100 {
        let (key, token) = (stored(&fixture.namespace, &format!("k{}", round % 5)), Token::new());
        race(2, |thread| {
            if thread == 0 {
                token.revoke();
                put_always(provider, &key, b"newer");
            } else {
                let _ = put(provider, &key, b"older", when(Condition::Token(token.clone())));
            }
        });
        let value = value_at(provider, &key);
        assert_eq!(value.as_deref(), Some(&b"newer"[..]), "round {round}: an old value came last");
    }
    Ok(())
}

fn keep_deadline(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let provider = &**handle.provider();
    let key = |name: &str| stored(&fixture.namespace, name);
    if !provider.capabilities().keep_deadline {
        assert_unsupported(provider, &fixture.namespace, &SetOptions::new(Ttl::Never).keep_deadline());
        return Err(UNDECLARED);
    }
    let ttl = |name: &str| provider.ttl(&key(name)).wait().expect("ttl");
    let time = fixture.time();
    let _ = put(provider, &key("short"), b"1", SetOptions::new(Ttl::After(SHORT)));
    let keep = SetOptions::new(Ttl::After(LONG)).keep_deadline();
    put_always(provider, &key("never"), b"1");
    let _ = put(provider, &key("new"), b"2", keep.clone());
    let _ = put(provider, &key("never"), b"2", keep.clone());
    assert_eq!(ttl("never"), TtlState::Never, "an entry without a deadline stays without");
    assert!(matches!(ttl("new"), TtlState::Remaining(left) if left <= LONG && left > LONG / 2));
    let _ = put(provider, &key("long"), b"1", SetOptions::new(Ttl::After(LONG * 4)));
    let _ = put(provider, &key("long"), b"2", SetOptions::new(Ttl::Never).keep_deadline());
    assert!(matches!(ttl("long"), TtlState::Remaining(left) if left > LONG * 3 && left <= LONG * 4));
    for name in ["never", "new", "long"] {
        assert_eq!(value_at(provider, &key(name)).as_deref(), Some(&b"2"[..]), "{name}");
    }
    if time.is_exact() {
        time.go(SHORT / 2);
        let _ = put(provider, &key("short"), &[b'2'; 700], keep);
        assert_eq!(ttl("short"), TtlState::Remaining(SHORT / 2));
        time.go_just_before(SHORT);
        assert_eq!(value_at(provider, &key("short")), Some(vec![b'2'; 700]));
        time.go(SHORT);
        assert_eq!(value_at(provider, &key("short")), None, "gone at the kept deadline");
    }
    Ok(())
}
