use std::future::Future;

use super::*;
use crate::provider::Invalidation;

const PLAN: Plan = Plan { timeout: None, cool_down: None, blocking: true };

/// Joins the flight of one key; also returns the flight if this call leads it.
fn join(
    flights: &Arc<Flights>,
    key: &[u8],
    stale: Option<Duration>,
    plan: Plan,
) -> (Role, Option<Arc<Work>>) {
    let seen = Seen::All(flights.ended());
    match flights.join(&[Requested { key, stale, is_unread: false }], &seen, plan) {
        Join::Done { mut roles, lead } => (roles.pop().unwrap(), lead),
        _ => panic!("nothing ended and nobody closed it"),
    }
}

fn lead(flights: &Arc<Flights>, key: &[u8]) -> Arc<Work> {
    join(flights, key, None, PLAN).1.expect("nobody else loads it")
}

fn loaded() -> Vec<Result<LoadedKey, Error>> {
    vec![Ok(LoadedKey { payload: None, stored: None })]
}

fn loads(flights: &Flights) -> u64 {
    flights.words.iter().map(|word| word.load(Ordering::SeqCst)).sum()
}

#[test]
fn a_write_voids_the_load_it_overlaps_whichever_began_first() {
    let flights = Flights::new();
    let first = lead(&flights, b"k");
    assert!(first.keys[0].token.is_valid());
    let writing = flights.write(b"k");
    assert!(!first.keys[0].token.is_valid(), "revoked by the write");
    first.run(loaded);
    let second = lead(&flights, b"k");
    assert!(!second.keys[0].token.is_valid(), "the write is still under way");
    second.run(loaded);
    drop(writing);
    let third = lead(&flights, b"k");
    assert!(third.keys[0].token.is_valid());
    drop(flights.write(b"another key"));
    assert!(third.keys[0].token.is_valid(), "another key's write is none of its concern");
    third.run(loaded);
    assert_eq!((flights.under_way(), loads(&flights)), (0, 0), "nothing is left behind");
}

#[test]
fn a_clear_voids_what_is_under_its_prefix_and_what_begins_meanwhile() {
    let flights = Flights::new();
    let (inside, outside) = (lead(&flights, b"a:1"), lead(&flights, b"b:1"));
    let clearing = flights.clear(b"a:");
    assert!(!inside.keys[0].token.is_valid());
    assert!(outside.keys[0].token.is_valid());
    let meanwhile = lead(&flights, b"a:2");
    assert!(!meanwhile.keys[0].token.is_valid());
    drop(clearing);
    assert!(lead(&flights, b"a:3").keys[0].token.is_valid());
    flights.told(Invalidation::Alive(Duration::ZERO));
    assert!(outside.keys[0].token.is_valid());
    flights.told(Invalidation::Lost);
    assert!(!outside.keys[0].token.is_valid());
    flights.close();
    assert_eq!((flights.under_way(), loads(&flights)), (0, 0), "nothing is left behind");
    let joined = flights.join(&[Requested { key: b"k", stale: None, is_unread: false }], &Seen::All(0), PLAN);
    assert!(matches!(joined, Join::Closed));
}

#[test]
fn who_looked_before_a_flight_ended_looks_again() {
    let flights = Flights::new();
    let seen = Seen::All(flights.ended());
    lead(&flights, b"k").run(loaded);
    let requested = [Requested { key: b"k", stale: None, is_unread: false }];
    let Join::LookAgain(newer) = flights.join(&requested, &seen, PLAN) else {
        panic!("its look is older than what that flight stored");
    };
    // Flights of keys in other shards do not make the second look too old.
    let shard = shard_of(flights.hasher.hash_one(b"k".as_slice()));
    let elsewhere = (0..100_u8).find(|n| shard_of(flights.hasher.hash_one([*n].as_slice())) != shard);
    lead(&flights, &[elsewhere.unwrap()]).run(loaded);
    let Join::Done { lead: Some(work), .. } = flights.join(&requested, &newer, PLAN) else {
        panic!("nothing of its own shard ended since");
    };
    work.run(loaded);
}

#[test]
fn a_key_that_failed_while_stale_cools_until_its_time_or_a_write() {
    let flights = Flights::new();
    let plan = Plan { cool_down: Some(Duration::from_secs(5)), ..PLAN };
    let secs = |secs| Some(Duration::from_secs(secs));
    let fail = || {
        let (_, work) = join(&flights, b"k", secs(60), plan);
        work.unwrap().run(|| vec![Err(Error::closed())]);
    };
    fail();
    assert_eq!((flights.under_way(), loads(&flights)), (0, 1), "the mark can be met by a write");
    assert!(matches!(join(&flights, b"k", secs(60), plan).0, Role::Cooling));
    assert!(matches!(join(&flights, b"k", secs(56), plan).0, Role::Cooling));
    let (place, work) = join(&flights, b"k", secs(54), plan);
    assert!(matches!(place, Role::Lead(0)), "it has cooled");
    work.unwrap().run(loaded);
    assert_eq!(loads(&flights), 0, "a try takes the mark away");
    fail();
    drop(flights.write(b"k"));
    assert_eq!(loads(&flights), 0, "and so does a write");
    fail();
    drop(flights.clear(b""));
    assert_eq!(loads(&flights), 0, "and a clear");
    fail();
    join(&flights, b"k", None, plan).1.expect("a missing entry does not cool").run(loaded);
    assert_eq!(loads(&flights), 0);
}

#[test]
fn marks_that_are_of_no_use_go_before_the_table_grows() {
    let flights = Flights::new();
    let plan = Plan { cool_down: Some(Duration::from_nanos(1)), ..PLAN };
    for number in 0..20_000_u32 {
        let key = number.to_le_bytes();
        let (_, work) = join(&flights, &key, Some(Duration::from_secs(60)), plan);
        work.unwrap().run(|| vec![Err(Error::closed())]);
    }
    assert!(loads(&flights) < 1000, "{} marks are kept", loads(&flights));
}

#[test]
fn a_batch_shares_the_loads_of_others() {
    let flights = Flights::new();
    let single = lead(&flights, b"b");
    let keys: [&[u8]; 3] = [b"a", b"b", b"c"];
    let requested = keys.map(|key| Requested { key, stale: None, is_unread: false });
    let Join::Done { roles, lead: Some(batch) } = flights.join(&requested, &Seen::All(flights.ended()), PLAN)
    else {
        panic!("two of them are free");
    };
    assert!(matches!(&roles[..], [Role::Lead(0), Role::Join(_, 0), Role::Lead(1)]));
    assert_eq!((batch.keys.len(), flights.under_way()), (2, 3));
    drop(flights.write(b"c"));
    assert_eq!(batch.keys.iter().filter(|key| key.token.is_valid()).count(), 1, "a token for each");
    batch.run(|| vec![loaded().remove(0), loaded().remove(0)]);
    single.run(loaded);
    assert_eq!((flights.under_way(), loads(&flights)), (0, 0));
}

#[test]
fn a_refresh_that_its_executor_does_not_begin_is_lost_in_the_end() {
    let (flights, losses) = (Flights::new(), Arc::new(Losses::default()));
    let stale = Some(Duration::from_secs(60));
    let plan = Plan { blocking: false, ..PLAN };
    let work = join(&flights, b"k", stale, plan).1.unwrap();
    let waiter = Waiter::lead(Arc::clone(&work));
    work.launch(std::future::pending);
    let waiter = waiter.hand_over(&losses);
    let (place, _) = join(&flights, b"k", stale, plan);
    assert!(!place.end_if_forgotten(), "it has its time");
    std::thread::sleep(Duration::from_millis(110));
    assert!(losses.are_over());
    assert!(place.end_if_forgotten());
    assert!(!losses.are_over() && !place.end_if_forgotten(), "once");
    assert_eq!((flights.counters.read(0).failed, flights.under_way(), loads(&flights)), (1, 0, 0));
    drop(waiter);
}

#[test]
fn a_refresh_that_is_begun_is_not_forgotten() {
    let (flights, losses) = (Flights::new(), Arc::new(Losses::default()));
    let plan = Plan { blocking: false, ..PLAN };
    let work = join(&flights, b"k", Some(Duration::from_secs(60)), plan).1.unwrap();
    let waiter = Waiter::lead(Arc::clone(&work));
    work.launch(std::future::pending);
    let mut waiter = Box::pin(waiter.hand_over(&losses));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiter.as_mut().poll(&mut context).is_pending());
    std::thread::sleep(Duration::from_millis(110));
    let (place, _) = join(&flights, b"k", Some(Duration::from_secs(60)), plan);
    assert!(!place.end_if_forgotten());
    assert_eq!(work.wait().unwrap_err().kind(), crate::ErrorKind::LoadDeadlock, "this thread polled it");
    drop(waiter);
    assert_eq!((flights.counters.read(0).failed, losses.are_over()), (1, false), "dropped before its end");
}
