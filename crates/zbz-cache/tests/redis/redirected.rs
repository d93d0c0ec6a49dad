//! Tiers over servers that send callers elsewhere, are slow, or die.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::{Ttl, options};

use crate::cluster::{Cluster, begin_move, end_move};
use crate::server::{Server, texts, until};
use crate::tiered::tier;

/// Whether a key is served near within a while, read again and again.
fn gets_near(tier: &zbz_cache::ProviderHandle, key: &[u8], patience: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        let reply = tier.provider().get_value(key, Vec::new());
        if reply.is_ready() {
            return true;
        }
        reply.wait().unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    false
}

/// While a slot moves, keys of it are asked for at its new server all the time; the others stay near.
#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_tier_is_near_while_a_slot_moves_and_its_keys_are_asked_for() {
    let mut cluster = Cluster::start();
    cluster.add_empty();
    let (stays, goes) = ("t:{a}", "t:{b}goes");
    let handle = tier(&cluster.address(), options! {});
    let cache = texts("t", &handle);
    cache.set("{a}", &"v".to_owned(), Ttl::Never).unwrap();
    assert!(gets_near(&handle, stays.as_bytes(), Duration::from_secs(5)), "before");
    let (_, slot) = begin_move(&cluster, goes, 3);
    let (stop, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // It is not there: the old server says ASK.
                    handle.provider().get_value(goes.as_bytes(), Vec::new()).wait().unwrap();
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_secs(2));
        let begun = Instant::now();
        let is_near = gets_near(&handle, stays.as_bytes(), Duration::from_secs(8));
        println!("near: {is_near} after {:?}, {} asked", begun.elapsed(), asked.load(Ordering::Relaxed));
        println!("{}", cache.stats().unwrap());
        stop.store(true, Ordering::Relaxed);
        assert!(is_near, "the near side is off as long as keys are asked for aside");
    });
    end_move(&cluster, 3, &slot);
}

/// Two databases change places, which no server tells of: the longest near time ends what is old.
/// Of everything else servers tell.
#[test]
#[ignore = "starts redis-server: make test-redis"]
fn every_command_that_changes_a_key_is_told_but_one() {
    let server = Server::start();
    let handle = tier(&server.address(), options! { "max_near_ttl" => "3s" });
    let cache = texts("t", &handle);
    cache.set("k", &"old".to_owned(), Ttl::Never).unwrap();
    assert!(gets_near(&handle, b"t:k", Duration::from_secs(5)));
    server.tell(&["SWAPDB", "0", "1"]);
    until("what is old ends", || cache.get("k").unwrap().is_none().then_some(()));
    for (what, words) in [
        ("flushall", &["FLUSHALL"][..]),
        ("flushall async", &["FLUSHALL", "ASYNC"]),
        ("rename", &["RENAME", "t:k", "t:other"]),
        ("copy", &["COPY", "t:x", "t:k", "REPLACE"]),
        ("move", &["MOVE", "t:k", "2"]),
        (
            "restore",
            &[
                "EVAL",
                "local d = redis.call('DUMP','t:x') return redis.call('RESTORE','t:k',0,d,'REPLACE')",
                "0",
            ],
        ),
        ("sort", &["SORT", "t:l", "STORE", "t:k"]),
        ("getex", &["GETEX", "t:k", "PX", "1"]),
        ("expireat", &["EXPIREAT", "t:k", "1"]),
        ("function", &["EVAL", "redis.call('SET','t:k','z')", "0"]),
    ] {
        cache.set("k", &"old".to_owned(), Ttl::Never).unwrap();
        server.tell(&["SET", "t:x", "other"]);
        server.ask_or_error(&["RPUSH", "t:l", "1"]);
        assert!(gets_near(&handle, b"t:k", Duration::from_secs(5)), "{what}");
        server.ask_or_error(words);
        until(what, || (!handle.provider().get_value(b"t:k", Vec::new()).is_ready()).then_some(()));
    }
}

/// Two tiers and a writer of their server: no reader of a tier ever goes back, and what was
/// acknowledged a while ago is seen, while connections are killed and callers give up.
#[test]
#[ignore = "starts redis-server: make test-redis"]
fn nobody_goes_back_and_what_was_acknowledged_is_seen() {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Waker};
    use zbz_cache::provider::{ReadBatch, SetOptions};

    const KEYS: usize = 6;
    const LATE: Duration = Duration::from_millis(600);
    let seconds = std::env::var("SECONDS_EACH").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let server = Server::start();
    let tiers = [0, 1].map(|_| tier(&server.address(), options! { "near.max_size" => "1MiB" }));
    let keys: Vec<String> = (0..KEYS).map(|n| format!("t:{n}")).collect();
    // By key: what was acknowledged, and when since the beginning, the last two.
    let begun = Instant::now();
    let acked: Vec<std::sync::Mutex<Vec<(Duration, u64)>>> =
        keys.iter().map(|_| Default::default()).collect();
    let (stop, hits, reads) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let due = |key: usize, at: Duration| {
        let acked = acked[key].lock().unwrap();
        acked.iter().rev().find(|(when, _)| *when + LATE < at).map_or(0, |(_, number)| *number)
    };
    thread::scope(|scope| {
        for writer in 0..2 {
            let (server, tiers, keys, acked, stop) = (&server, &tiers, &keys, &acked, &stop);
            scope.spawn(move || {
                let mut connection = server.connection();
                for number in 1u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    for key in (writer..KEYS).step_by(2) {
                        let text = number.to_string();
                        let by = (number as usize + key) % 5;
                        if by < 2 {
                            let provider = tiers[by].provider();
                            if number % 7 == 0 {
                                // Given up, and then done.
                                let mut reply = provider.set(
                                    keys[key].as_bytes(),
                                    text.as_bytes(),
                                    SetOptions::new(Ttl::Never),
                                );
                                let _ = Pin::new(&mut reply).poll(&mut Context::from_waker(Waker::noop()));
                            }
                            let entry = [(keys[key].as_bytes(), text.as_bytes())];
                            let done = |number: u64| match number % 3 {
                                0 => provider
                                    .set_multi(&entry, Ttl::Never)
                                    .wait()
                                    .is_ok_and(|failed| failed.is_empty()),
                                _ => provider
                                    .set(entry[0].0, entry[0].1, SetOptions::new(Ttl::Never))
                                    .wait()
                                    .is_ok(),
                            };
                            while !done(number) {}
                            // A task reads its own writes.
                            if let Ok(read) = provider.get_value(keys[key].as_bytes(), Vec::new()).wait() {
                                assert_eq!(read.buffer, text.as_bytes(), "own write of {}", keys[key]);
                            }
                        } else {
                            while redis::cmd("SET").arg(&keys[key]).arg(&text).exec(&mut connection).is_err()
                            {
                                connection = server.connection();
                            }
                        }
                        let mut acked = acked[key].lock().unwrap();
                        acked.push((begun.elapsed(), number));
                        if acked.len() > 100_000 {
                            acked.drain(..50_000);
                        }
                    }
                    thread::sleep(Duration::from_micros(u64::from(number % 5 == 0) * 3000));
                }
            });
        }
        for reader in 0..4 {
            let (tiers, keys, stop, hits, reads, due) = (&tiers, &keys, &stop, &hits, &reads, &due);
            scope.spawn(move || {
                let provider = tiers[reader % 2].provider();
                let mut last = [0u64; KEYS];
                let number = |bytes: &[u8]| -> u64 { std::str::from_utf8(bytes).unwrap().parse().unwrap() };
                let mut turn = reader;
                while !stop.load(Ordering::Relaxed) {
                    turn = turn.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let key = (turn >> 33) % KEYS;
                    let at = begun.elapsed();
                    let mut seen = |key: usize, value: u64, how: &str| {
                        assert!(
                            value >= last[key],
                            "{how}: {} went back from {} to {value}",
                            keys[key],
                            last[key]
                        );
                        assert!(
                            value >= due(key, at),
                            "{how}: {} is old: {value}, due {}",
                            keys[key],
                            due(key, at)
                        );
                        last[key] = value;
                        reads.fetch_add(1, Ordering::Relaxed);
                    };
                    match (turn >> 40) % 8 {
                        0 => {
                            let all: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
                            if let Ok(batch) = provider.get_values(&all, ReadBatch::default()).wait() {
                                for key in 0..KEYS {
                                    if let Some((value, _)) = batch.get(key) {
                                        seen(key, number(value), "batch");
                                    }
                                }
                            }
                        }
                        1 => {
                            let mut reply = provider.get(keys[key].as_bytes(), Vec::new());
                            let _ = Pin::new(&mut reply).poll(&mut Context::from_waker(Waker::noop()));
                        }
                        _ => {
                            let reply = provider.get_value(keys[key].as_bytes(), Vec::new());
                            let is_near = reply.is_ready();
                            hits.fetch_add(u64::from(is_near), Ordering::Relaxed);
                            if let Ok(read) = reply.wait()
                                && read.found.is_some()
                            {
                                seen(key, number(&read.buffer), if is_near { "near" } else { "far" });
                            }
                        }
                    }
                }
            });
        }
        for turn in 0..seconds * 4 {
            thread::sleep(Duration::from_millis(250));
            if turn % 3 == 0 {
                server.ask_or_error(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{} reads, {} near", reads.load(Ordering::Relaxed), hits.load(Ordering::Relaxed));
}

/// A get of one key beside a batch that also needs a server that is silent.
#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_get_does_not_wait_for_another_callers_batch() {
    let cluster = Cluster::start();
    let on = |server| (0..).map(|n| format!("t:{n}")).find(|key| cluster.owner_of(key) == server).unwrap();
    let (healthy, silent) = (on(0), on(2));
    let handle = tier(&cluster.address(), options! {});
    let cache = texts("t", &handle);
    for key in [&healthy, &silent] {
        cache.set(key.strip_prefix("t:").unwrap(), &"v".to_owned(), Ttl::Never).unwrap();
    }
    assert!(gets_near(&handle, healthy.as_bytes(), Duration::from_secs(5)));
    cluster.servers[0].tell(&["SET", &healthy, "w"]);
    thread::sleep(Duration::from_millis(20));
    cluster.servers[2].signal("STOP");
    thread::scope(|scope| {
        scope.spawn(|| {
            let keys: [&[u8]; 2] = [healthy.as_bytes(), silent.as_bytes()];
            let _ = handle.provider().get_values(&keys, Default::default()).wait();
        });
        thread::sleep(Duration::from_millis(50));
        let begun = Instant::now();
        let read = handle.provider().get_value(healthy.as_bytes(), Vec::new()).wait();
        println!("{:?} after {:?}", read.map(|read| read.buffer), begun.elapsed());
        let took = begun.elapsed();
        cluster.servers[2].signal("CONT");
        assert!(took < Duration::from_millis(300), "{took:?}");
    });
}
