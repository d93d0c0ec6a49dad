//! Cases about listings: patterns, pages, and concurrent writes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::fixture::{Bytes, Case, Done, Fixture, Verdict, bytes, case, kind_of, made_for, race, sorted};
use crate::{Cursor, ErrorKind, MAX_PATTERN_BYTES, Ttl};

pub(super) const CASES: &[Case] = &[
    case("patterns match as in Redis, over the whole key", patterns),
    case("malformed and overlong patterns are refused", malformed),
    case("a hostile pattern costs at most pattern length times name length", hostile),
    case(
        "a listing during writes shows each lasting key once, and no key that never existed",
        while_others_write,
    ),
    case("a listing by pages is the same listing", pages),
    case("a cursor of arbitrary bytes is harmless", garbage_cursors),
];

const NAMES: [&str; 16] = [
    "a",
    "b",
    "ab",
    "abc",
    "a/b",
    "a:b:c",
    "hello",
    "hallo",
    "h\u{e9}llo",
    "*",
    "a*c",
    "[x]",
    "\\",
    "line\nbreak",
    "nul\0",
    "\u{1f600}",
];

fn patterns(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    cache.set_multi(NAMES.map(|name| (name, name.as_bytes().to_vec())), Ttl::Never).expect("set_multi");
    let long = format!("{}*", "?*".repeat(200));
    let cases: [(&str, &[&str]); 28] = [
        ("*", &NAMES),
        ("**", &NAMES),
        ("", &[]),
        ("?", &["a", "b", "*", "\\", "\u{1f600}"]),
        ("??", &["ab"]),
        ("a*", &["a", "ab", "abc", "a/b", "a:b:c", "a*c"]),
        ("*c", &["abc", "a:b:c", "a*c"]),
        ("a*c", &["abc", "a:b:c", "a*c"]),
        ("a\\*c", &["a*c"]),
        ("\\*", &["*"]),
        ("a?b", &["a/b"]),
        ("a?b*", &["a/b", "a:b:c"]),
        ("h?llo", &["hello", "hallo", "h\u{e9}llo"]),
        ("h[ae]llo", &["hello", "hallo"]),
        ("h[^e]llo", &["hallo", "h\u{e9}llo"]),
        ("h[a-e]llo", &["hello", "hallo"]),
        ("h[e-a]llo", &["hello", "hallo"]),
        ("h[\u{e8}-\u{ea}]llo", &["h\u{e9}llo"]),
        ("h\u{e9}*", &["h\u{e9}llo"]),
        ("\\[x\\]", &["[x]"]),
        ("[[]x]", &["[x]"]),
        ("[\\[]x[\\]]", &["[x]"]),
        ("\\\\", &["\\"]),
        ("line?break", &["line\nbreak"]),
        ("*\0", &["nul\0"]),
        ("[\u{1f5ff}-\u{1f601}]", &["\u{1f600}"]),
        ("ABC", &[]),
        (&long, &[]),
    ];
    for (pattern, expected) in cases {
        let expected = sorted(expected.iter().map(|&name| name.to_owned()).collect());
        let listed = sorted(cache.keys(pattern).expect("a good pattern"));
        assert_eq!(listed, expected, "{pattern:?}");
    }
    Ok(())
}

fn malformed(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let longest = "x".repeat(MAX_PATTERN_BYTES);
    assert!(cache.keys(&longest).expect("a pattern of 1 KiB").is_empty());
    let longer = format!("{longest}x");
    let wide = "\u{e9}".repeat(MAX_PATTERN_BYTES / 2 + 1);
    for pattern in ["[", "a[bc", "[]", "[^]", "[a-", "[\\", "x\\", &longer, &wide] {
        assert_eq!(kind_of(cache.keys(pattern)), ErrorKind::InvalidPattern, "{pattern:?}");
        assert_eq!(kind_of(cache.keys_page(pattern, None)), ErrorKind::InvalidPattern, "{pattern:?}");
    }
    Ok(())
}

fn hostile(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let max = cache.cache().handle().provider().limits().max_key_bytes.min(1024);
    let name = "a".repeat(max);
    cache.set(&name, &b"v".to_vec(), Ttl::Never).expect("set");
    let begun = Instant::now();
    for end in ["b", "[^a]", "?b", "a"] {
        let pattern = format!("{}{end}", "a*".repeat(500));
        let expected = usize::from(end == "a" && max > 500);
        assert_eq!(cache.keys(&pattern).expect("a good pattern").len(), expected);
    }
    // A matcher that tries every split would take longer than the universe has lasted.
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "the time is linear in pattern length times name length"
    );
    Ok(())
}

/// How often each name was listed over all pages.
fn met_by_page(cache: &Bytes, pattern: &str) -> HashMap<String, u32> {
    let (mut met, mut cursor) = (HashMap::new(), None);
    loop {
        let page = cache.keys_page(pattern, cursor.as_ref()).expect("keys_page");
        for name in page.names {
            *met.entry(name).or_default() += 1;
        }
        // A cursor is fully described by its bytes.
        cursor = page.next.map(|next| Cursor::from_bytes(next.as_bytes().to_vec()));
        if cursor.is_none() {
            return met;
        }
    }
}

fn met_at_once(cache: &Bytes, pattern: &str) -> HashMap<String, u32> {
    let mut met = HashMap::new();
    for name in cache.keys(pattern).expect("keys") {
        *met.entry(name).or_default() += 1;
    }
    met
}

fn while_others_write(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (cache, neighbour) =
        (bytes(&fixture.namespace, &handle), bytes(&format!("{}x", fixture.namespace), &handle));
    let exact = handle.provider().capabilities().exact_listing;
    let staying: Vec<String> = (0..400).map(|number| format!("stays {number}")).collect();
    cache.set_multi(staying.iter().map(|name| (name, b"s".to_vec())), Ttl::Never).expect("set_multi");
    let done = AtomicBool::new(false);
    race(4, |thread| {
        let _done = (thread == 0).then(|| Done(&done));
        let mut round = 0;
        while thread > 0 && !done.load(Ordering::SeqCst) {
            round += 1;
            let number = round % 300;
            let name = format!("goes {thread} {number}");
            cache.set(&name, &made_for(&name, round, number), Ttl::Never).expect("set");
            neighbour.set(&name, &b"elsewhere".to_vec(), Ttl::Never).expect("set");
            if round % 3 != 0 {
                cache.delete(&format!("goes {thread} {}", (round * 7) % 300)).expect("delete");
            }
            // Overwritten with another size, so that it may move.
            let name = &staying[(round * 13 + thread) % staying.len()];
            cache.set(name, &made_for(name, round, round % 900), Ttl::Never).expect("set");
        }
        for pass in 0..if thread == 0 { 20 } else { 0 } {
            let paged = pass % 2 == 0;
            let met = if paged { met_by_page(&cache, "*") } else { met_at_once(&cache, "*") };
            for name in &staying {
                let times = met.get(name).copied().unwrap_or(0);
                let fine = if exact || !paged { times == 1 } else { times > 0 };
                assert!(fine, "{name:?} stays and was listed {times} times (pages: {paged})");
            }
            let known = |name: &String| name.starts_with("stays ") || name.starts_with("goes ");
            assert!(met.keys().all(known), "a name that never existed");
        }
    });
    let listed = met_at_once(&cache, "stays*");
    assert_eq!(listed.len(), staying.len());
    Ok(())
}

fn pages(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (cache, neighbour) =
        (bytes(&fixture.namespace, &handle), bytes(&format!("{}x", fixture.namespace), &handle));
    assert!(met_by_page(&cache, "*").is_empty(), "an empty listing ends");
    let names: Vec<String> = (0..5000).map(|number| format!("{number}")).collect();
    for names in names.chunks(1000) {
        for cache in [&cache, &neighbour] {
            cache.set_multi(names.iter().map(|name| (name, b"v".to_vec())), Ttl::Never).expect("set_multi");
        }
    }
    for pattern in ["*", "1*", "*9", "12?4", "4999"] {
        let (paged, whole) = (met_by_page(&cache, pattern), met_at_once(&cache, pattern));
        let keys = |met: &HashMap<String, u32>| sorted(met.keys().cloned().collect());
        assert_eq!(keys(&paged), keys(&whole), "{pattern:?}");
        assert!(whole.values().all(|&times| times == 1), "{pattern:?}: listed twice");
        if handle.provider().capabilities().exact_listing {
            assert!(paged.values().all(|&times| times == 1), "{pattern:?}: listed twice over pages");
        }
    }
    assert_eq!(met_at_once(&cache, "*").len(), names.len());
    assert_eq!(met_at_once(&cache, "1*").len(), 1111);
    Ok(())
}

fn garbage_cursors(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (cache, neighbour) =
        (bytes(&fixture.namespace, &handle), bytes(&format!("{}x", fixture.namespace), &handle));
    let mine: Vec<String> = (0..300).map(|number| format!("mine {number}")).collect();
    cache.set_multi(mine.iter().map(|name| (name, b"v".to_vec())), Ttl::Never).expect("set_multi");
    neighbour.set("theirs", &b"v".to_vec(), Ttl::Never).expect("set");
    let mut cursors: Vec<Vec<u8>> = vec![Vec::new(), b"0".to_vec(), b"-1".to_vec(), b"not a cursor".to_vec()];
    cursors.extend([1, 2, 4, 7, 8, 9, 16, 17, 64, 1000].map(|len| vec![u8::MAX; len]));
    cursors.extend([1, 8, 16].map(|len| vec![0; len]));
    cursors.extend((0..100).map(|number| made_for("cursor", number, number % 24)));
    for cursor in cursors {
        // Refused, or taken for some position; then it lists this namespace only.
        if let Ok(page) = cache.keys_page("*", Some(&Cursor::from_bytes(cursor.clone()))) {
            assert!(page.names.iter().all(|name| name.starts_with("mine ")), "{cursor:?}");
        }
    }
    assert_eq!(met_at_once(&cache, "*").len(), mine.len(), "listings still work");
    Ok(())
}
