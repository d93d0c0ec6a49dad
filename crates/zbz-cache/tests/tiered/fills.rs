//! Fills, losses, pushes and deadlines in the orders that go wrong elsewhere, each placed by hand.

use std::time::Duration;

use zbz_cache::Ttl;
use zbz_cache::provider::SetOptions;

use crate::far::Told;
use crate::tier::{KEY, MINUTE, SECOND, Tier, begin_read, end_read};

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
fn a_copy_ends_before_the_entry_does_and_within_the_longest_near_time() {
    let tier = Tier::live();
    let set = |ttl| {
        let _ = tier.elsewhere().set(KEY, b"1", SetOptions::new(ttl)).wait().unwrap();
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
    let _ = tier.elsewhere().set(KEY, b"1", SetOptions::new(Ttl::After(SECOND))).wait().unwrap();
    let read = begin_read(&tier);
    tier.hand.advance(SECOND);
    assert_eq!(end_read(&tier, read), None);
    assert!(!tier.is_near());
    let _ = tier.elsewhere().set(KEY, b"1", SetOptions::new(Ttl::After(SECOND))).wait().unwrap();
    let read = begin_read(&tier);
    tier.hand.advance(SECOND / 2);
    assert_eq!(end_read(&tier, read).as_deref(), Some("1"));
    tier.hand.advance(SECOND / 2 - Duration::from_millis(1));
    assert!(!tier.is_near(), "counted from before the read was sent");
}
