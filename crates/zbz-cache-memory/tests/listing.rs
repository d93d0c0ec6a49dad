//! Listing and clearing: every key that stays is met exactly once, whatever happens around it.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use zbz_cache_memory::{Cursor, MemoryCache, Page};

fn cache() -> MemoryCache {
    MemoryCache::builder().build().unwrap()
}

fn list(cache: &MemoryCache, prefix: &[u8], limit: usize) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut cursor = Some(Cursor::START);
    while let Some(from) = cursor {
        let page = cache.scan(prefix, from, limit, |_| true).unwrap();
        cursor = page.next.map(|next| Cursor::from_u64(next.as_u64()));
        pages.push(page);
    }
    pages
}

fn count(pages: &[Page]) -> HashMap<Vec<u8>, u32> {
    let mut met = HashMap::new();
    for key in pages.iter().flat_map(|page| &page.keys) {
        *met.entry(key.clone()).or_default() += 1;
    }
    met
}

#[test]
fn every_key_is_met_once_at_any_page_size() {
    let cache = cache();
    for n in 0..1000u32 {
        cache.set(format!("key {n}").as_bytes(), b"", None).unwrap();
    }
    for limit in [0, 1, 7, 256, 1000, 5000, usize::MAX] {
        let met = count(&list(&cache, b"", limit));
        assert_eq!(met.len(), 1000, "limit {limit}");
        assert!(met.values().all(|&times| times == 1), "limit {limit}");
    }
    let pages = list(&cache, b"", 100);
    assert!(pages.len() >= 10 && pages.iter().all(|page| page.keys.len() <= 100));
}

#[test]
fn a_prefix_and_a_predicate_both_choose() {
    let cache = cache();
    for key in ["a:1", "a:2", "a:12", "b:1", "a"] {
        cache.set(key.as_bytes(), b"", None).unwrap();
    }
    assert_eq!(count(&list(&cache, b"a:", 2)).len(), 3);
    assert_eq!(count(&list(&cache, b"zzz", 2)).len(), 0);
    let mut page = cache.scan(b"a:", Cursor::START, 10, |key| key.ends_with(b"2")).unwrap();
    page.keys.sort();
    assert_eq!(page.keys, [b"a:12".to_vec(), b"a:2".to_vec()]);
    assert_eq!(page.next, None);
}

#[test]
fn the_predicate_may_call_the_cache() {
    let cache = cache();
    cache.set_multi(&[("a", "1"), ("b", "2")], None).unwrap();
    let page = cache.scan(b"", Cursor::START, 10, |key| cache.delete(key).unwrap()).unwrap();
    assert_eq!(page.keys.len(), 2);
    assert!(cache.is_empty());
}

#[test]
fn a_made_up_cursor_does_no_harm() {
    let cache = cache();
    for n in 0..100u32 {
        cache.set(&n.to_be_bytes(), b"", None).unwrap();
    }
    for shift in 0..64 {
        for bits in [1u64 << shift, u64::MAX >> shift, u64::MAX << shift] {
            let page = cache.scan(b"", Cursor::from_u64(bits), 1000, |_| true).unwrap();
            assert!(page.keys.len() <= 100);
        }
    }
}

#[test]
fn keys_that_stay_are_met_once_while_others_come_and_go() {
    let cache = cache();
    let done = AtomicBool::new(false);
    for n in 0..2000u32 {
        cache.set(format!("stays {n}").as_bytes(), b"0", None).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0u32;
            while !done.load(Ordering::Relaxed) {
                n = n.wrapping_add(1);
                let fleeting = format!("fleeting {}", n % 3000);
                cache.set(fleeting.as_bytes(), &[0; 50], None).unwrap();
                cache.delete(format!("fleeting {}", (n + 1500) % 3000).as_bytes()).unwrap();
                cache.set(format!("stays {}", n % 2000).as_bytes(), b"again", None).unwrap();
            }
        });
        for _ in 0..20 {
            let met = count(&list(&cache, b"", 33));
            let stayed = met.iter().filter(|(key, _)| key.starts_with(b"stays"));
            let times: Vec<u32> = stayed.map(|(_, &times)| times).collect();
            assert_eq!(times.len(), 2000);
            assert!(times.iter().all(|&times| times == 1));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn clear_removes_everything_or_one_prefix() {
    let cache = cache();
    for n in 0..100u32 {
        cache.set(format!("a:{n}").as_bytes(), b"", None).unwrap();
        cache.set(format!("ab:{n}").as_bytes(), b"", None).unwrap();
    }
    let empty = MemoryCache::builder().build().unwrap().stats().memory_bytes;
    assert_eq!(cache.clear_prefix(b"a:").unwrap(), 100);
    assert_eq!(cache.len(), 100);
    assert!(cache.exists(b"ab:1").unwrap() && !cache.exists(b"a:1").unwrap());
    assert_eq!(cache.clear().unwrap(), 100);
    assert_eq!(cache.clear().unwrap(), 0);
    let stats = cache.stats();
    assert_eq!((stats.keys, stats.deletes, stats.payload_bytes), (0, 200, 0));
    assert_eq!(stats.memory_bytes, empty);
    cache.set(b"a:1", b"", None).unwrap();
    assert!(cache.exists(b"a:1").unwrap());
}
