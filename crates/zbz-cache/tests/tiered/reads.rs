//! Far reads that many callers share.

use zbz_cache::provider::{ReadBatch, SetOptions};
use zbz_cache::{ErrorKind, Ttl};

use crate::tier::{KEY, Tier, begin_read, poll};

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
fn a_thread_that_polled_a_far_read_may_sleep_on_it_since_asleep_it_drives_it() {
    let tier = Tier::live();
    tier.write_elsewhere("1");
    let before = tier.wire.reads();
    let polled_here = begin_read(&tier);
    std::thread::scope(|scope| {
        scope.spawn(|| tier.wire.let_go());
        assert_eq!(tier.read().as_deref(), Some("1"));
    });
    assert_eq!(tier.wire.reads(), before + 1, "one read, shared");
    drop(polled_here);
}

#[test]
fn a_batch_reads_each_missing_key_once_and_tells_which_failed() {
    let tier = Tier::live();
    tier.write_elsewhere("1");
    tier.read();
    let set = |key: &[u8], value: &[u8]| {
        let _ = tier.elsewhere().set(key, value, SetOptions::new(Ttl::Never)).wait().unwrap();
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
