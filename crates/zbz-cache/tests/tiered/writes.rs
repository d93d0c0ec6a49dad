//! Own writes, and what is read and loaded while somebody writes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zbz_cache::provider::{Condition, Read, SetOptions, SetOutcome};
use zbz_cache::{Contract, ErrorKind, Provider, Reply, Ttl, TtlState};

use crate::far::Told;
use crate::tier::{KEY, MINUTE, Tier, poll};

#[test]
fn an_own_write_is_read_at_once_whatever_its_answer() {
    for fails in [None, Some(ErrorKind::Timeout), Some(ErrorKind::Unavailable)] {
        let tier = Tier::live();
        tier.write_elsewhere("1");
        tier.read();
        // Nothing is told: the tier knows of its own.
        tier.wire.die(true);
        if let Some(kind) = fails {
            tier.wire.fail_next(kind);
        }
        let set = tier.provider().set(KEY, b"2", SetOptions::new(Ttl::Never)).wait();
        assert_eq!(set.err().map(|error| error.kind()), fails);
        assert!(!tier.is_near());
        assert_eq!(tier.read().as_deref(), Some("2"), "{fails:?}");
    }
}

/// Begins something, takes it to where the far side has done it, and gives it up.
fn give_up<'a, T>(tier: &'a Tier, verb: impl FnOnce(&'a dyn Provider) -> Reply<'a, T>) {
    tier.wire.hold();
    let mut reply = verb(tier.provider());
    assert!(poll(&mut reply).is_none());
    drop(reply);
    tier.wire.let_go();
}

#[test]
fn a_write_whose_caller_gave_up_is_read_too() {
    type Verb = for<'a> fn(&'a dyn Provider) -> Reply<'a, bool>;
    let verbs: [(&str, Verb); 7] = [
        ("set", |tier| tier.set(KEY, b"2", SetOptions::new(Ttl::Never)).map(|_| true)),
        ("delete", |tier| tier.delete(KEY)),
        ("expire", |tier| tier.expire(KEY, Ttl::After(Duration::ZERO))),
        ("take", |tier| tier.take(KEY, Vec::new()).map(|_| true)),
        ("set_multi", |tier| tier.set_multi(&[(KEY, b"2")], Ttl::Never).map(|_| true)),
        ("delete_multi", |tier| tier.delete_multi(&[KEY]).map(|_| true)),
        ("clear", |tier| tier.clear(b"t:").map(|()| true)),
    ];
    for (name, verb) in verbs {
        let tier = Tier::live();
        tier.write_elsewhere("1");
        tier.read();
        tier.wire.die(true);
        give_up(&tier, verb);
        assert!(!tier.is_near(), "{name}");
        assert_ne!(tier.read().as_deref(), Some("1"), "{name}");
    }
}

#[test]
fn what_was_filled_while_a_write_was_under_way_goes_with_its_end() {
    let tier = Tier::live();
    tier.write_elsewhere("1");
    tier.read();
    assert!(tier.is_near());
    tier.wire.die(true);
    tier.wire.hold();
    let mut write = tier.provider().set(KEY, b"2", SetOptions::new(Ttl::Never));
    assert!(!tier.is_near(), "from its beginning");
    let mut read = tier.provider().get_value(KEY, Vec::new());
    assert!(poll(&mut read).is_none(), "it has read the old value");
    assert!(poll(&mut write).is_none(), "it is done, and not answered");
    tier.wire.let_go();
    assert_eq!(poll(&mut read).unwrap().unwrap().buffer, b"1");
    assert!(tier.is_near());
    assert_eq!(poll(&mut write).unwrap().unwrap(), SetOutcome::Stored);
    assert!(!tier.is_near());
    assert_eq!(tier.read().as_deref(), Some("2"));
}

#[test]
fn a_clear_takes_the_copies_of_its_namespace_and_what_was_read_meanwhile() {
    let tier = Tier::live();
    for prefix in [&b"t:"[..], b"", b"t:k"] {
        tier.write_elsewhere("1");
        tier.read();
        assert!(tier.is_near());
        let mut clear = tier.provider().clear(prefix);
        assert!(!tier.is_near(), "{prefix:?}: it has begun");
        assert_eq!(tier.read().as_deref(), Some("1"), "and was not sent");
        assert!(tier.is_near());
        poll(&mut clear).expect("nothing is held").unwrap();
        assert!(!tier.is_near(), "{prefix:?}");
        assert_eq!(tier.read(), None);
    }
    tier.write_elsewhere("1");
    tier.read();
    tier.provider().clear(b"u:").wait().unwrap();
    assert!(tier.is_near(), "another namespace");
}

#[test]
fn versions_and_times_come_with_a_copy_and_a_swap_is_judged_far() {
    let tier = Tier::live();
    let cache = Contract::<String>::new("t", tier.handle.clone()).unwrap().cache().blocking();
    cache.set("k", &"1".to_owned(), MINUTE).unwrap();
    cache.get("k").unwrap();
    let reads = tier.wire.reads();
    let near = cache.get_versioned("k").unwrap().unwrap();
    assert_eq!(tier.wire.reads(), reads, "from memory");
    assert_eq!((near.value.as_str(), near.ttl), ("1", TtlState::Remaining(MINUTE)));
    let swapped = cache.compare_and_swap("k", near.version, &"2".to_owned(), MINUTE).unwrap();
    assert_eq!(swapped, SetOutcome::Stored);
    // Somebody changes it, and that is not told yet.
    tier.wire.by_hand();
    let stale = cache.get_versioned("k").unwrap().unwrap();
    tier.write_elsewhere("3");
    let swap = |version| SetOptions::new(Ttl::Never).when(Condition::Version(version));
    let refused = tier.provider().set(KEY, b"4", swap(stale.version)).wait().unwrap();
    assert_eq!(refused, SetOutcome::ConditionFailed);
    let fresh = tier.provider().get(KEY, Vec::new()).wait().unwrap();
    assert_eq!(fresh.buffer, b"3", "the refused swap took the copy away");
    let swapped = tier.provider().set(KEY, b"4", swap(fresh.found.unwrap().version().unwrap())).wait();
    assert_eq!(swapped.unwrap(), SetOutcome::Stored);
}

#[test]
fn a_load_is_not_stored_over_a_change_made_elsewhere() {
    let tier = Tier::live();
    let cache = Contract::<String>::raw("t", tier.handle.clone()).unwrap().cache().blocking();
    let loaded = cache.get_or_load("k", || {
        tier.write_elsewhere("theirs");
        Ok::<_, std::io::Error>("loaded".to_owned())
    });
    assert_eq!(loaded.unwrap().as_deref(), Some("loaded"));
    assert_eq!(cache.get("k").unwrap().as_deref(), Some("theirs"));
    cache.delete("k").unwrap();
    let load = || Ok::<_, std::io::Error>("loaded".to_owned());
    assert_eq!(cache.get_or_load("k", load).unwrap().as_deref(), Some("loaded"));
    assert_eq!(cache.get("k").unwrap().as_deref(), Some("loaded"));
    assert!(tier.is_near(), "what was loaded is read back, and kept");
}

#[test]
fn threads_that_write_here_and_elsewhere_find_nothing_old() {
    const ROUNDS: u64 = 20_000;
    let tier = Tier::live();
    let (done, keys) = (AtomicBool::new(false), [b"t:0", b"t:1", b"t:2", b"t:3"]);
    let number = |read: Read| read.found.map(|_| u64::from_le_bytes(read.buffer.try_into().unwrap()));
    let get = |key: &[u8; 3]| number(tier.provider().get_value(key, Vec::new()).wait().unwrap());
    std::thread::scope(|scope| {
        for (at, key) in keys.iter().enumerate() {
            let (tier, get, done) = (&tier, &get, &done);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let by = if at % 2 == 0 { tier.provider() } else { tier.elsewhere() };
                    let _ = by.set(*key, &round.to_le_bytes(), SetOptions::new(Ttl::Never)).wait().unwrap();
                    // The far side tells before it answers.
                    assert_eq!(get(key), Some(round), "{key:?}");
                    assert!(get(keys[at ^ 1]).is_none_or(|other| other < ROUNDS));
                }
                done.store(true, Ordering::SeqCst);
            });
        }
        scope.spawn(|| {
            let mut turn = 0;
            while !done.load(Ordering::SeqCst) {
                let told = [Told::Lost, Told::Alive(MINUTE), Told::All, Told::Alive(MINUTE)];
                tier.wire.tell(&told[turn % 4]);
                turn += 1;
                std::thread::yield_now();
            }
            tier.wire.tell(&Told::Alive(MINUTE));
        });
    });
    for key in keys {
        assert_eq!((get(key), get(key)), (Some(ROUNDS - 1), Some(ROUNDS - 1)));
    }
}
