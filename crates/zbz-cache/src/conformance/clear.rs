//! Cases about clearing one namespace.

use std::sync::atomic::{AtomicBool, Ordering};

use super::fixture::{Case, Done, Fixture, LONG, Verdict, assert_absent, bytes, case, race};
use crate::Ttl;

pub(super) const CASES: &[Case] = &[
    case("clear removes the earlier entries of this namespace, and no others", this_namespace),
    case(
        "while other threads write, entries set before a clear go and entries set after it stay",
        while_others_write,
    ),
];

fn this_namespace(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let mine = bytes(&fixture.namespace, &handle);
    let others = ["", "x", ":", "*"].map(|sign| format!("{}{sign}a", fixture.namespace));
    let others = others.map(|namespace| bytes(&namespace, &handle));
    mine.clear().expect("an empty namespace can be cleared");
    let names: Vec<String> = (0..2500).map(|number| format!("{number}")).collect();
    for names in names.chunks(500) {
        mine.set_multi(names.iter().map(|name| (name, name.as_bytes().to_vec())), LONG).expect("set_multi");
    }
    for other in &others {
        other.set_multi(names.iter().take(50).map(|name| (name, b"o".to_vec())), Ttl::Never).expect("set");
    }
    mine.clear().expect("clear");
    for names in names.chunks(500) {
        assert!(mine.get_multi(names).expect("get_multi").is_empty(), "all are gone");
    }
    assert!(mine.keys("*").expect("keys").is_empty());
    assert_absent(&mine, "7");
    for other in &others {
        assert_eq!(other.get_multi(&names).expect("get_multi").len(), 50, "{}", other.cache().name());
        assert_eq!(other.keys("*").expect("keys").len(), 50, "{}", other.cache().name());
    }
    mine.set("7", &b"again".to_vec(), Ttl::Never).expect("set");
    assert_eq!(mine.get("7").expect("get"), Some(b"again".to_vec()));
    mine.clear().expect("clear");
    mine.clear().expect("clearing twice");
    assert_absent(&mine, "7");
    Ok(())
}

fn while_others_write(fixture: &Fixture<'_>) -> Verdict {
    const CLEARS: usize = 10;
    let handle = fixture.provider();
    let (cache, other) =
        (bytes(&fixture.namespace, &handle), bytes(&format!("{}x", fixture.namespace), &handle));
    let done = AtomicBool::new(false);
    let surviving = race(4, |thread| {
        let mut last_ones = Vec::new();
        if thread == 0 {
            let _done = Done(&done);
            for round in 0..CLEARS {
                let old: Vec<String> = (0..100).map(|number| format!("old {round} {number}")).collect();
                let entries = old.iter().map(|name| (name, b"old".to_vec()));
                cache.set_multi(entries, Ttl::Never).expect("set_multi");
                cache.clear().expect("clear");
                let left = cache.get_multi(&old).expect("get_multi");
                assert!(left.is_empty(), "{} keys of before the clear are left", left.len());
            }
            return last_ones;
        }
        let mut number = 0;
        while last_ones.len() < 50 {
            let over = done.load(Ordering::SeqCst);
            let name = format!("{thread} {number}");
            cache.set(&name, &b"v".to_vec(), Ttl::Never).expect("set");
            other.set(&name, &b"v".to_vec(), Ttl::Never).expect("set");
            if over {
                last_ones.push(name);
            }
            number = (number + 1) % 2000;
        }
        last_ones
    });
    for name in surviving.iter().flatten() {
        assert!(cache.exists(name).expect("exists"), "{name:?} was set after the last clear returned");
    }
    for thread in 1..4 {
        let first = format!("{thread} 0");
        assert!(other.exists(&first).expect("exists"), "another namespace is not cleared");
    }
    Ok(())
}
