//! Fills, writes, losses and pushes in the orders that go wrong elsewhere, each placed by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use zbz_cache::provider::{Condition, Read, ReadBatch, SetOptions, SetOutcome};
use zbz_cache::providers::memory::MemoryProvider;
use zbz_cache::providers::tiered::{TieredProvider, Tiers};
use zbz_cache::{
    Clock, Contract, ErrorKind, ManualClock, MemoryCache, Provider, ProviderHandle, Reply, Ttl, TtlState,
};

use crate::far::{Far, Told, Wire};

const KEY: &[u8] = b"t:k";
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// A tier on a clock moved by hand.
pub struct Tier {
    pub handle: ProviderHandle,
    pub wire: Arc<Wire>,
    pub hand: ManualClock,
}

impl Tier {
    /// One whose space is live for an hour.
    pub fn live() -> Tier {
        let tier = Tier::new();
        tier.enter("t");
        tier
    }

    pub fn new() -> Tier {
        let (clock, hand) = Clock::manual();
        let cache = |clock: &Clock| MemoryCache::builder().clock(clock.clone()).build().unwrap();
        let wire = Arc::<Wire>::default();
        let far = Far { memory: MemoryProvider::new(cache(&clock)), wire: Arc::clone(&wire) };
        let builder = TieredProvider::builder(cache(&clock), ProviderHandle::new(far));
        let tier = builder.max_near_ttl(MINUTE).clock(clock).build().unwrap();
        Tier { handle: ProviderHandle::new(tier), wire, hand }
    }

    /// The first read of a namespace, which subscribes to it.
    fn enter(&self, namespace: &str) {
        let key = format!("{namespace}:nothing");
        assert!(self.provider().get(key.as_bytes(), Vec::new()).wait().unwrap().found.is_none());
    }

    pub fn provider(&self) -> &dyn Provider {
        &**self.handle.provider()
    }

    /// The far side, past the tier: another process.
    fn elsewhere(&self) -> &dyn Provider {
        &**self.handle.native::<Tiers>().unwrap().far.provider()
    }

    fn write_elsewhere(&self, value: &str) {
        let set = self.elsewhere().set(KEY, value.as_bytes(), SetOptions::new(Ttl::Never)).wait();
        assert_eq!(set.unwrap(), SetOutcome::Stored);
    }

    fn read(&self) -> Option<String> {
        let read = self.provider().get_value(KEY, Vec::new()).wait().unwrap();
        read.found.map(|_| String::from_utf8(read.buffer).unwrap())
    }

    /// Whether a copy answers.
    fn is_near(&self) -> bool {
        let before = self.wire.reads();
        let reply = self.provider().get_value(KEY, Vec::new());
        let is_ready = reply.is_ready();
        drop(reply);
        assert_eq!(self.wire.reads(), before, "what is not polled reads nothing");
        is_ready
    }
}

/// A reply that is polled by hand.
fn poll<T>(reply: &mut Reply<'_, T>) -> Option<zbz_cache::Result<T>> {
    match Pin::new(reply).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// A read that the far side has answered, while the answer is on its way.
fn begin_read(tier: &Tier) -> Reply<'_, Read> {
    tier.wire.hold();
    let mut read = tier.provider().get_value(KEY, Vec::new());
    assert!(poll(&mut read).is_none());
    read
}

fn end_read(tier: &Tier, mut read: Reply<'_, Read>) -> Option<String> {
    tier.wire.let_go();
    let read = poll(&mut read).expect("it was let go").unwrap();
    read.found.map(|_| String::from_utf8(read.buffer).unwrap())
}

#[test]
fn what_was_read_is_near_until_it_is_changed_anywhere() {
    let tier = Tier::live();
    tier.write_elsewhere("1");
    assert_eq!(tier.read().as_deref(), Some("1"));
    assert!(tier.is_near());
    assert_eq!(tier.read().as_deref(), Some("1"));
    tier.write_elsewhere("2");
    assert!(!tier.is_near());
    assert_eq!(tier.read().as_deref(), Some("2"));
    assert!(tier.elsewhere().delete(KEY).wait().unwrap());
    assert_eq!(tier.read(), None);
    assert!(!tier.is_near(), "an absence is not kept");
}

#[test]
fn a_read_that_a_change_overtook_is_not_kept() {
    for told in [Told::Key(KEY.to_vec()), Told::All, Told::Lost] {
        let tier = Tier::live();
        tier.write_elsewhere("old");
        let read = begin_read(&tier);
        tier.wire.by_hand();
        tier.wire.let_go();
        tier.write_elsewhere("new");
        tier.wire.tell(&told);
        if told == Told::Lost {
            tier.wire.tell(&Told::Alive(MINUTE));
        }
        assert_eq!(end_read(&tier, read).as_deref(), Some("old"), "its call overlaps the write");
        assert!(!tier.is_near(), "{told:?}");
        assert_eq!(tier.read().as_deref(), Some("new"), "{told:?}");
        assert!(tier.is_near(), "{told:?}: the next one is kept");
    }
}

#[test]
fn changes_told_of_other_keys_and_of_other_namespaces_take_nothing() {
    let tier = Tier::live();
    tier.write_elsewhere("1");
    tier.read();
    // Not 1,024 of them: two in a stripe would void a token, not a copy.
    for other in ["t:kk", "t:", "u:k", "t"] {
        tier.wire.tell(&Told::Key(other.as_bytes().to_vec()));
    }
    assert!(tier.is_near());
}

#[test]
fn a_flush_and_a_loss_take_every_copy_of_the_namespace() {
    let tier = Tier::live();
    for told in [Told::All, Told::Lost] {
        tier.write_elsewhere("1");
        tier.read();
        assert!(tier.is_near());
        tier.wire.tell(&told);
        assert!(!tier.is_near(), "{told:?}");
        tier.wire.tell(&Told::Alive(MINUTE));
        assert!(!tier.is_near(), "{told:?}, and not by the next proof");
    }
}

#[test]
fn between_a_loss_and_the_next_proof_reads_go_through_and_nothing_is_kept() {
    let tier = Tier::live();
    tier.write_elsewhere("1");
    tier.read();
    tier.wire.tell(&Told::Lost);
    tier.wire.die(true);
    for value in ["2", "3"] {
        tier.write_elsewhere(value);
        assert_eq!(tier.read().as_deref(), Some(value));
        assert!(!tier.is_near());
    }
    let read = begin_read(&tier);
    tier.wire.let_go();
    tier.write_elsewhere("4");
    // What comes late does no harm.
    tier.wire.tell(&Told::Key(KEY.to_vec()));
    tier.wire.die(false);
    tier.wire.tell(&Told::Alive(MINUTE));
    assert_eq!(end_read(&tier, read).as_deref(), Some("3"));
    assert!(!tier.is_near(), "it was sent before the proof");
    assert_eq!(tier.read().as_deref(), Some("4"));
    assert!(tier.is_near());
}

#[test]
fn a_silent_link_is_not_believed_past_its_proof() {
    let tier = Tier::new();
    tier.wire.by_hand();
    tier.enter("t");
    tier.write_elsewhere("1");
    tier.wire.tell(&Told::Alive(SECOND));
    tier.read();
    assert!(tier.is_near());
    tier.wire.die(true);
    tier.write_elsewhere("2");
    tier.hand.advance(SECOND - Duration::from_nanos(1));
    assert!(tier.is_near(), "within the bound nobody can know");
    tier.hand.advance(Duration::from_nanos(1));
    assert_eq!(tier.read().as_deref(), Some("2"));
    assert!(!tier.is_near());
    tier.wire.tell(&Told::Alive(SECOND));
    assert!(!tier.is_near(), "a proof that comes too late begins anew");
    tier.read();
    tier.hand.advance(SECOND / 2);
    tier.wire.tell(&Told::Alive(SECOND));
    tier.hand.advance(SECOND - Duration::from_nanos(1));
    assert!(tier.is_near(), "and one in time goes on");
}

#[test]
fn nothing_is_kept_before_the_first_proof() {
    let tier = Tier::new();
    tier.wire.by_hand();
    tier.write_elsewhere("1");
    assert_eq!(tier.read().as_deref(), Some("1"));
    assert_eq!(tier.wire.subscribers(), 1);
    assert!(!tier.is_near());
    tier.wire.tell(&Told::Alive(MINUTE));
    tier.read();
    assert!(tier.is_near());
    assert_eq!(tier.wire.subscribers(), 1, "one for the namespace");
}

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
fn a_copy_ends_before_the_entry_does_and_within_the_longest_near_time() {
    let tier = Tier::live();
    let set = |ttl| {
        tier.elsewhere().set(KEY, b"1", SetOptions::new(ttl)).wait().unwrap();
        tier.read();
        assert!(tier.is_near());
    };
    set(Ttl::After(SECOND));
    let read = tier.provider().get(KEY, Vec::new()).wait().unwrap();
    assert_eq!(read.found.unwrap().remaining, Some(SECOND));
    tier.hand.advance(SECOND - Duration::from_millis(1));
    assert!(!tier.is_near(), "a server tells whole milliseconds");
    tier.hand.advance(Duration::from_millis(1));
    assert_eq!(tier.read(), None);
    set(Ttl::Never);
    let read = tier.provider().get(KEY, Vec::new()).wait().unwrap();
    assert_eq!(read.found.unwrap().remaining, None);
    tier.hand.advance(MINUTE - Duration::from_nanos(1));
    assert!(tier.is_near());
    tier.hand.advance(Duration::from_nanos(1));
    assert!(!tier.is_near(), "whatever is not told");
    set(Ttl::After(2 * MINUTE));
    tier.hand.advance(MINUTE);
    assert!(!tier.is_near());
    assert_eq!(tier.read().as_deref(), Some("1"));
}

#[test]
fn an_answer_that_took_longer_than_the_entry_had_left_is_not_kept_nor_answered() {
    let tier = Tier::live();
    tier.elsewhere().set(KEY, b"1", SetOptions::new(Ttl::After(SECOND))).wait().unwrap();
    let read = begin_read(&tier);
    tier.hand.advance(SECOND);
    assert_eq!(end_read(&tier, read), None);
    assert!(!tier.is_near());
    tier.elsewhere().set(KEY, b"1", SetOptions::new(Ttl::After(SECOND))).wait().unwrap();
    let read = begin_read(&tier);
    tier.hand.advance(SECOND / 2);
    assert_eq!(end_read(&tier, read).as_deref(), Some("1"));
    tier.hand.advance(SECOND / 2 - Duration::from_millis(1));
    assert!(!tier.is_near(), "counted from before the read was sent");
}

#[test]
fn one_far_read_serves_all_who_ask_and_none_who_ask_after_a_change() {
    let tier = Tier::live();
    tier.write_elsewhere("old");
    tier.wire.hold();
    let before = tier.wire.reads();
    let mut callers: Vec<_> = (0..1000).map(|_| tier.provider().get_value(KEY, Vec::new())).collect();
    assert!(callers.iter_mut().all(|caller| poll(caller).is_none()));
    assert_eq!(tier.wire.reads(), before + 1);
    // Whoever began it may go: the others drive it.
    drop(callers.remove(0));
    tier.wire.let_go();
    tier.write_elsewhere("new");
    tier.wire.hold();
    let mut later = tier.provider().get_value(KEY, Vec::new());
    assert!(poll(&mut later).is_none());
    assert_eq!(tier.wire.reads(), before + 2, "it does not join what was read before");
    tier.wire.let_go();
    for caller in &mut callers {
        assert_eq!(poll(caller).expect("it was let go").unwrap().buffer, b"old");
    }
    assert!(!tier.is_near());
    assert_eq!(poll(&mut later).unwrap().unwrap().buffer, b"new");
    assert!(tier.is_near());
}

#[test]
fn a_caller_that_is_held_and_not_polled_keeps_nobody_waiting() {
    let tier = Tier::live();
    tier.write_elsewhere("1");
    let held = begin_read(&tier);
    tier.wire.let_go();
    assert_eq!(tier.read().as_deref(), Some("1"));
    drop(held);
    tier.write_elsewhere("2");
    drop(begin_read(&tier));
    let before = tier.wire.reads();
    tier.wire.let_go();
    assert_eq!(tier.read().as_deref(), Some("2"));
    assert_eq!(tier.wire.reads(), before + 1, "nothing is left of a read that was given up");
}

#[test]
fn a_batch_reads_each_missing_key_once_and_tells_which_failed() {
    let tier = Tier::live();
    tier.write_elsewhere("1");
    tier.read();
    let set = |key: &[u8], value: &[u8]| {
        tier.elsewhere().set(key, value, SetOptions::new(Ttl::Never)).wait().unwrap();
    };
    set(b"t:a", b"2");
    set(b"t:b", b"3");
    let before = tier.wire.reads();
    let keys: [&[u8]; 7] = [b"t:a", KEY, b"t:missing", b"t:a", b"t:broken", b"t:b", b"t:a"];
    let batch = tier.provider().get_values(&keys, ReadBatch::default()).wait().unwrap();
    let values: Vec<_> = (0..keys.len()).map(|index| batch.get(index).map(|(value, _)| value)).collect();
    let (one, two, three) = (Some(&b"1"[..]), Some(&b"2"[..]), Some(&b"3"[..]));
    assert_eq!(values, [two, one, None, two, None, three, two]);
    let failed: Vec<_> = batch.failed().iter().map(|(index, error)| (*index, error.kind())).collect();
    assert_eq!(failed, [(4, ErrorKind::Unavailable)]);
    assert_eq!(tier.wire.reads(), before + 4, "a, missing, broken, b");
    let again = tier.provider().get_values(&[KEY, b"t:a", b"t:b"], ReadBatch::default());
    assert!(again.is_ready(), "all of them are near");
    // One of the keys changes while a batch is read.
    set(b"t:a", b"4");
    set(b"t:b", b"4");
    tier.wire.hold();
    let mut batch = tier.provider().get_values(&[b"t:a", b"t:b"], ReadBatch::default());
    let mut joins = tier.provider().get_values(&[b"t:b", b"t:k", b"t:c"], ReadBatch::default());
    assert!(poll(&mut batch).is_none() && poll(&mut joins).is_none());
    tier.wire.let_go();
    set(b"t:a", b"5");
    assert_eq!(poll(&mut batch).unwrap().unwrap().get(0).unwrap().0, b"4");
    assert_eq!(poll(&mut joins).unwrap().unwrap().get(0).unwrap().0, b"4");
    let near = |key: &[u8]| tier.provider().get_value(key, Vec::new()).is_ready();
    assert!(!near(b"t:a") && near(b"t:b"));
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
    let swapped = tier.provider().set(KEY, b"4", swap(fresh.found.unwrap().version.unwrap())).wait();
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
                    by.set(*key, &round.to_le_bytes(), SetOptions::new(Ttl::Never)).wait().unwrap();
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
