//! Cases about values: misses, exact bytes, and visibility between threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use super::fixture::{Bytes, Case, Done, Fixture, Verdict, assert_absent, case, made_for, race, values_of};
use crate::Ttl;

pub(super) const CASES: &[Case] = &[
    case("a key that was never set is a miss for every verb", never_set),
    case("values of every size and every byte come back exactly, also after overwrites", exact_values),
    case("thousands of similar keys keep their own values", similar_keys),
    case(
        "after a set returned every thread sees it, and after a delete returned every get is a miss",
        acknowledged,
    ),
    case(
        "readers of one writer never see an older value after a newer one, nor a mix of two",
        numbers_never_go_back,
    ),
    case("after threads raced on one key it holds a value that one of them set", one_key_for_all),
];

fn never_set(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    assert_absent(&cache, "never");
    assert!(cache.keys("*").expect("keys").is_empty(), "nothing is listed");
    cache.set("other", &b"x".to_vec(), Ttl::Never).expect("set");
    assert_absent(&cache, "never");
    Ok(())
}

fn exact_values(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let sizes = [0, 1, 4095, 4096, 4097, 65_536];
    for first in sizes {
        for second in sizes {
            for (number, len) in [first, second].into_iter().enumerate() {
                let value = made_for("size", number, len);
                cache.set("size", &value, Ttl::Never).expect("set");
                assert!(cache.get("size").expect("get") == Some(value), "{first} then {second} bytes");
            }
        }
    }
    for byte in 0..=u8::MAX {
        for value in [vec![byte], vec![byte; 300]] {
            cache.set("byte", &value, Ttl::Never).expect("set");
            assert_eq!(cache.get("byte").expect("get"), Some(value));
        }
    }
    let all: Vec<u8> = (0..=u8::MAX).collect();
    cache.set("all", &all, Ttl::Never).expect("set");
    assert_eq!(cache.get("all").expect("get"), Some(all));
    assert!(cache.exists("size").expect("exists"), "the first key still exists");
    Ok(())
}

fn similar_keys(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let names: Vec<String> = (0..1000)
        .flat_map(|n| [format!("k{n}"), format!("{n}k"), format!("k{n}:"), format!("K{n:08}")])
        .collect();
    for names in names.chunks(500) {
        let entries = names.iter().map(|name| (name, made_for(name, 0, name.len() * 3)));
        cache.set_multi(entries, Ttl::Never).expect("set_multi");
    }
    for (number, name) in names.iter().enumerate().filter(|(number, _)| number % 3 == 0) {
        assert!(cache.delete(name).expect("delete"), "{number}: {name:?} was there");
    }
    for (chunk, names) in names.chunks(500).enumerate() {
        let values = values_of(cache.get_each(names), "get_each");
        for (at, (name, value)) in names.iter().zip(values).enumerate() {
            let kept = (chunk * 500 + at) % 3 != 0;
            assert_eq!(value, kept.then(|| made_for(name, 0, name.len() * 3)), "{name:?}");
        }
    }
    Ok(())
}

fn acknowledged(fixture: &Fixture<'_>) -> Verdict {
    let cache = &fixture.cache();
    let ((to_reader, told), (to_writer, answered)) = (channel::<String>(), channel::<()>());
    thread::scope(|scope| {
        scope.spawn(move || {
            for name in told {
                let seen = cache.get(&name).expect("get");
                assert_eq!(seen, Some(made_for(&name, 1, 40)), "{name:?} was set before");
                assert!(cache.delete(&name).expect("delete"), "{name:?} was there");
                if to_writer.send(()).is_err() {
                    return;
                }
            }
        });
        for round in 0..500 {
            let name = format!("round-{}", round % 7);
            cache.set(&name, &made_for(&name, 1, 40), Ttl::Never).expect("set");
            assert!(cache.exists(&name).expect("exists"), "the writer sees its own set");
            to_reader.send(name.clone()).expect("the reader listens");
            answered.recv().expect("the reader answers");
            assert_eq!(cache.get(&name).expect("get"), None, "{name:?} was deleted before");
        }
        drop(to_reader);
    });
    Ok(())
}

/// A number in a form whose length varies, so that a mix of two would be noticed.
fn spelled(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(1 + (number % 601) as usize)
}

fn read_number(cache: &Bytes, name: &str) -> u64 {
    let value = cache.get(name).expect("get").expect("the entry always exists");
    let first = value.first_chunk().expect("at least one number");
    let number = u64::from_le_bytes(*first);
    assert!(value == spelled(number), "the value is a mix: begins with {number}");
    number
}

fn numbers_never_go_back(fixture: &Fixture<'_>) -> Verdict {
    const LAST: u64 = 2000;
    let cache = fixture.cache();
    cache.set("n", &spelled(0), Ttl::Never).expect("set");
    let (acknowledged, done) = (AtomicU64::new(0), AtomicBool::new(false));
    race(4, |index| {
        if index == 0 {
            let _done = Done(&done);
            for number in 1..=LAST {
                cache.set("n", &spelled(number), Ttl::Never).expect("set");
                acknowledged.store(number, Ordering::SeqCst);
            }
            return;
        }
        let mut last = 0;
        while !done.load(Ordering::SeqCst) {
            let least = acknowledged.load(Ordering::SeqCst).max(last);
            last = read_number(&cache, "n");
            assert!(last >= least, "read {last} after {least}");
        }
    });
    assert_eq!(read_number(&cache, "n"), LAST);
    Ok(())
}

fn one_key_for_all(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    for round in 0..20 {
        race(4, |thread| {
            for step in 0..25 {
                let number = (thread * 100 + step) as u64;
                cache.set("shared", &spelled(number), Ttl::Never).expect("set");
                if let Some(value) = cache.get("shared").expect("get") {
                    let first = value.first_chunk().expect("a whole number");
                    assert!(value == spelled(u64::from_le_bytes(*first)), "a mix of two values");
                }
                if step % 5 == 0 {
                    cache.delete("shared").expect("delete");
                }
            }
        });
        let last = read_number(&cache, "shared");
        assert!((0..4).any(|thread| last == thread * 100 + 24), "round {round}: ended with {last}");
    }
    Ok(())
}
