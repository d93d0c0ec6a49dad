use super::balance::Balance;
use super::ghosts::{GhostWords, Ghosts, Recall};
use super::keyed::spread;
use super::rules::Rules;
use super::{Capacity, Counts, NAMES, Outcome, Policy, Request, by_name};

/// Every policy, and the log forms in a few shapes.
fn all() -> Vec<String> {
    let shapes = [
        "tide-log-16",
        "tide-log-1024",
        "tide-log-16-tight",
        "tide-log-64-tight",
        "s3-fifo-log-16-tight",
        "tide:line=off:reuse=off",
        "tide-log-64-tight:overwrites=30%:clean=1/2",
        "tide-log:ghost-bits=8:ghost-keys=8:young=1/8",
    ];
    NAMES.iter().chain(&shapes).map(|name| (*name).to_string()).collect()
}

fn build(name: &str, capacity: Capacity) -> Box<dyn Policy> {
    by_name(name, capacity).unwrap_or_else(|problem| panic!("{name}: {problem}"))
}

fn entries(name: &str, capacity: u64) -> Box<dyn Policy> {
    build(name, Capacity::Entries(capacity))
}

fn read(key: u64) -> Request {
    Request { key, bytes: 1, now_ms: 0, ttl_ms: None }
}

/// Whether each key of a sequence was a hit.
fn hits(policy: &mut dyn Policy, keys: &[u64]) -> Vec<bool> {
    keys.iter().map(|&key| policy.request(&read(key)) == Outcome::Hit).collect()
}

fn tide() -> Rules {
    Rules::by_name("tide").expect("the engine's policy")
}

fn ghost_words(capacity: Capacity) -> GhostWords {
    GhostWords::for_capacity(capacity, &tide())
}

/// Hit ratio over a stream of keys.
fn ratio(policy: &mut dyn Policy, keys: impl Iterator<Item = u64>) -> f64 {
    let (mut requests, mut hits) = (0.0, 0.0);
    for key in keys {
        requests += 1.0;
        if policy.request(&read(spread(key))) == Outcome::Hit {
            hits += 1.0;
        }
    }
    hits / requests
}

/// Keys below `keys`, the low ones far more often, from a seed.
fn skewed(seed: u64, keys: u64, requests: u64) -> impl Iterator<Item = u64> {
    (0..requests).map(move |at| {
        let draw = (spread(seed << 32 | at) >> 11) as f64 / (1u64 << 53) as f64;
        ((keys as f64).powf(draw) - 1.0) as u64
    })
}

#[test]
fn every_name_builds_and_others_do_not() {
    for name in all() {
        assert!(by_name(&name, Capacity::Entries(100)).is_ok(), "{name}");
    }
    for name in [
        "",
        "lruu",
        "lru-log",
        "tide-log-",
        "tide-log-3",
        "tide-log-x",
        "tide-log16",
        "tide-tight",
        "-log",
        "lru:window=1",
        "tide:",
        "tide:window",
        "tide-log:window=x",
        "merlin-like:small=1/4",
    ] {
        assert!(by_name(name, Capacity::Entries(100)).is_err(), "{name}");
    }
}

#[test]
fn a_key_read_twice_in_a_row_is_a_miss_and_a_hit() {
    for name in all() {
        for capacity in [1, 2, 3, 7, 64, 1000] {
            let mut policy = entries(&name, capacity);
            let found = hits(policy.as_mut(), &[5, 5]);
            // Four segments or more in a capacity of a few entries leave a budget no spare segment to open.
            if !name.contains("-tight") || capacity >= 64 {
                assert_eq!(found, [false, true], "{name} {capacity}");
            }
        }
    }
}

#[test]
fn the_capacity_holds_and_every_entry_is_accounted_for() {
    for name in all() {
        for capacity in
            [Capacity::Entries(1), Capacity::Entries(3), Capacity::Entries(200), Capacity::Bytes(10_000)]
        {
            let mut policy = build(&name, capacity);
            let mut present = 0;
            for (at, key) in skewed(1, 2_000, 20_000).enumerate() {
                let ttl_ms = (key % 3 == 0).then_some(50 + key % 7);
                let request = Request { key: spread(key), bytes: 1 + key % 700, now_ms: at as u64, ttl_ms };
                let before = policy.counts();
                let outcome = policy.request(&request);
                let counts = policy.counts();
                assert!(counts.live_bytes <= capacity.units(), "{name} {capacity:?} {counts:?}");
                let gone = (counts.evictions - before.evictions) + (counts.expirations - before.expirations);
                let inserted = counts.live_entries + gone - before.live_entries;
                assert!(inserted <= 1, "{name} {capacity:?}");
                let may_evict = outcome == Outcome::Miss || name.contains("overwrites");
                assert!(may_evict || (inserted == 0 && gone == 0), "{name} {capacity:?}");
                present += inserted;
            }
            let counts = policy.counts();
            assert_eq!(
                present,
                counts.live_entries + counts.evictions + counts.expirations,
                "{name} {capacity:?}"
            );
        }
    }
}

#[test]
fn an_expired_entry_is_a_miss_and_counted_as_expired() {
    for name in all() {
        let mut policy = entries(&name, 1000);
        let at = |now_ms| Request { key: 9, bytes: 1, now_ms, ttl_ms: Some(10) };
        assert_eq!(policy.request(&at(100)), Outcome::Miss, "{name}");
        assert_eq!(policy.request(&at(109)), Outcome::Hit, "{name}");
        assert_eq!(policy.request(&at(110)), Outcome::Miss, "{name}");
        assert_eq!(policy.request(&at(119)), Outcome::Hit, "{name}");
        let expected = Counts { evictions: 0, expirations: 1, live_entries: 1, live_bytes: 1 };
        assert_eq!(policy.counts(), expected, "{name}");
    }
}

#[test]
fn an_object_larger_than_the_capacity_is_never_cached() {
    for name in all() {
        let mut policy = build(&name, Capacity::Bytes(1000));
        let request = Request { key: 9, bytes: 1001, now_ms: 0, ttl_ms: None };
        assert_eq!(policy.request(&request), Outcome::Miss, "{name}");
        assert_eq!(policy.request(&request), Outcome::Miss, "{name}");
        assert_eq!(policy.counts(), Counts::default(), "{name}");
    }
}

#[test]
fn a_full_cache_holds_its_capacity() {
    for name in NAMES {
        let mut policy = entries(name, 500);
        ratio(policy.as_mut(), 0..5_000);
        assert_eq!(policy.counts().live_entries, 500, "{name}");
    }
}

#[test]
fn fifo_drops_the_oldest_whatever_was_hit() {
    let found = hits(entries("fifo", 2).as_mut(), &[1, 2, 1, 3, 1, 3]);
    assert_eq!(found, [false, false, true, false, false, true]);
}

#[test]
fn lru_drops_the_least_recently_used() {
    let found = hits(entries("lru", 2).as_mut(), &[1, 2, 1, 3, 1, 2]);
    assert_eq!(found, [false, false, true, false, true, false]);
}

#[test]
fn lru_forgets_stale_places_of_a_hot_key() {
    let mut policy = entries("lru", 2);
    let keys: Vec<u64> = std::iter::once(2).chain(std::iter::repeat_n(1, 10_000)).chain([3, 1, 2]).collect();
    let found = hits(policy.as_mut(), &keys);
    assert_eq!(found[found.len() - 3..], [false, true, false]);
}

#[test]
fn the_hand_of_sieve_passes_what_was_visited_and_stays() {
    // 4 drops 2 (1 was visited, the hand stands on 3), 5 drops 3, 6 drops 4, 7 drops 5: 1 outlives them.
    let found = hits(entries("sieve", 3).as_mut(), &[1, 2, 3, 1, 4, 5, 6, 7, 1, 2]);
    assert_eq!(found, [false, false, false, true, false, false, false, false, true, false]);
}

#[test]
fn s3_fifo_brings_a_ghost_back_to_the_main_queue() {
    let mut policy = entries("s3-fifo", 20);
    // 20 keys fill it, 2 of them small; 100 pushes the older small key out, which comes back and outlives a
    // scan.
    hits(policy.as_mut(), &(0..20).collect::<Vec<_>>());
    hits(policy.as_mut(), &[100, 0]);
    let scan: Vec<u64> = (200..215).collect();
    hits(policy.as_mut(), &scan);
    assert_eq!(hits(policy.as_mut(), &[0]), [true]);
}

#[test]
fn a_ghost_is_remembered_with_its_age_and_forgotten_once_taken() {
    let mut ghosts = ghost_words(Capacity::Entries(1600));
    ghosts.push_small(7, 1600);
    assert_eq!(ghosts.take(7), Recall { small_age: Some(150), small_young: true, main_young: false });
    assert_eq!(ghosts.take(7), Recall::default());
    ghosts.push_main(7, 1600);
    assert_eq!(ghosts.take(7), Recall { small_age: None, small_young: false, main_young: true });
    assert_eq!(ghosts.take(7), Recall::default());
}

#[test]
fn ghosts_age_and_leave_in_order() {
    let mut ghosts = ghost_words(Capacity::Entries(1600));
    (0..300 * 20).for_each(|key| ghosts.push_small(key, 1600));
    let age = |key: u64, ghosts: &mut GhostWords| ghosts.take(key).small_age;
    let recent = (5_700..6_000).filter(|&key| age(key, &mut ghosts).is_some()).count();
    let middle: Vec<u64> = (4_800..5_100).filter_map(|key| age(key, &mut ghosts)).collect();
    let ancient = (0..2_000).filter(|&key| age(key, &mut ghosts).is_some()).count();
    assert!(recent > 290, "{recent}");
    assert!(middle.len() > 200, "{}", middle.len());
    let mean = middle.iter().sum::<u64>() / middle.len() as u64;
    assert!((700..1400).contains(&mean), "{mean}");
    assert!(ancient < 40, "{ancient}");
}

#[test]
fn ghosts_survive_the_growth_of_their_table() {
    let mut ghosts = ghost_words(Capacity::Bytes(1 << 20));
    (0..50).for_each(|key| ghosts.push_small(key, 32 + key * 100));
    assert!((40..50).all(|key| ghosts.take(key).small_age.is_some()));
}

#[test]
fn the_small_queue_grows_on_credit_only_and_keeps_its_bounds() {
    let mut balance = Balance::new(2048, tide().line);
    balance.small_returned(1);
    assert_eq!(balance.small(), 128);
    balance.promoted(2048);
    balance.small_returned(1);
    balance.small_returned(1);
    assert_eq!((balance.small(), balance.main()), (130, 1918));
    (0..9999).for_each(|_| balance.main_returned(1));
    assert_eq!(balance.small(), 32);
    for _ in 0..9999 {
        balance.promoted(2048);
        balance.small_returned(1);
    }
    assert_eq!(balance.small(), 1792);
}

#[test]
fn a_loop_larger_than_the_cache_still_hits() {
    for (name, floor) in
        [("tide", 0.85), ("tide-log", 0.8), ("tide-log-16", 0.75), ("tide-log-64-tight", 0.75)]
    {
        for (keys, rounds) in [(1_050, 200), (1_500, 200), (8_000, 60)] {
            let mut policy = entries(name, 1_000);
            let found = ratio(policy.as_mut(), (0..keys * rounds).map(|at| at % keys));
            let best = 1_000.0 / keys as f64;
            assert!(found > floor * best, "{name}: {found:.3} of {best:.3} in a loop of {keys}");
        }
    }
}

#[test]
fn a_scan_leaves_the_hot_keys() {
    for name in ["tide", "tide-log", "tide-log-64-tight"] {
        let mut policy = entries(name, 1_000);
        ratio(policy.as_mut(), skewed(3, 2_000, 50_000));
        ratio(policy.as_mut(), 1 << 40..(1 << 40) + 5_000);
        let after = ratio(policy.as_mut(), skewed(4, 500, 500));
        assert!(after > 0.9, "{name}: {after:.3}");
    }
}

#[test]
fn the_line_between_the_queues_follows_the_load() {
    // New keys hit several times within a window that only a large small queue or LRU can hold.
    let recency = |at: u64| at / 4 + spread(at) % 900;
    let lru = ratio(entries("lru", 1_000).as_mut(), (0..400_000).map(recency));
    let tide = ratio(entries("tide-log", 1_000).as_mut(), (0..400_000).map(recency));
    let fixed = ratio(entries("s3-fifo-log", 1_000).as_mut(), (0..400_000).map(recency));
    assert!(tide > fixed + 0.01 && tide > lru - 0.06, "lru {lru:.3} tide {tide:.3} fixed {fixed:.3}");
}

#[test]
fn a_setting_with_the_value_it_has_changes_nothing_and_another_does() {
    let hits = |name: &str| ratio(entries(name, 1_000).as_mut(), skewed(5, 20_000, 100_000));
    let shipped = hits("tide-log");
    let same = "tide-log:window=1/4:small=6.25%:reach=1.5:credit=on:ghost-keys=16/3:ghost-bits=10:young=1/16";
    assert_eq!(shipped, hits(same));
    for other in ["window=0", "promote=2", "reuse=off", "line=off", "kept=1", "ghost-bits=6", "young=1/2"] {
        assert_ne!(shipped, hits(&format!("tide-log:{other}")), "{other}");
    }
}

#[test]
fn s4_fifo_does_not_count_the_hits_of_what_is_new() {
    for (name, stays) in [("s4-fifo", false), ("s3-fifo:promote=1", true)] {
        let mut policy = entries(name, 1_000);
        hits(policy.as_mut(), &(0..1_100).collect::<Vec<_>>());
        hits(policy.as_mut(), &[5_000, 5_000]);
        hits(policy.as_mut(), &(6_000..6_150).collect::<Vec<_>>());
        assert_eq!(hits(policy.as_mut(), &[5_000]), [stays], "{name}");
    }
}

#[test]
fn merlin_brings_what_is_asked_for_often_through_a_scan_and_a_ghost_to_the_core() {
    let mut policy = entries("merlin-like", 100);
    let hot: Vec<u64> = (0..20).cycle().take(200).collect();
    hits(policy.as_mut(), &hot);
    hits(policy.as_mut(), &(1_000..1_500).collect::<Vec<_>>());
    let found = hits(policy.as_mut(), &(0..20).collect::<Vec<_>>());
    assert!(found.iter().filter(|&&hit| hit).count() >= 18, "{found:?}");
    // 1499 was dropped not long ago: it comes back to the core and outlives the next scan.
    let ghost = 1_440;
    assert_eq!(hits(policy.as_mut(), &[ghost]), [false]);
    hits(policy.as_mut(), &(2_000..2_080).collect::<Vec<_>>());
    assert_eq!(hits(policy.as_mut(), &[ghost]), [true]);
}

#[test]
fn overwrites_cost_a_tight_log_hits_and_cleaning_gives_some_back() {
    let hits = |settings: &str| {
        let name = format!("tide-log-64-tight{settings}");
        ratio(entries(&name, 2_000).as_mut(), skewed(6, 20_000, 200_000))
    };
    let (none, holes, cleaned) = (hits(""), hits(":overwrites=30%"), hits(":overwrites=30%:clean=3/4"));
    assert!(
        none > cleaned && cleaned > holes + 0.005,
        "none {none:.3} cleaned {cleaned:.3} holes {holes:.3}"
    );
    // Where live entries are bounded, holes are free.
    let roomy = |settings: &str| {
        ratio(entries(&format!("tide-log{settings}"), 2_000).as_mut(), skewed(6, 20_000, 200_000))
    };
    assert!((roomy("") - roomy(":overwrites=30%")).abs() < 0.01);
}
