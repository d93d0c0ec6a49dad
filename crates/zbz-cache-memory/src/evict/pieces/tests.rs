//! The windows between looking at a head and writing the one that takes its place.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::time::Duration;

use super::*;
use crate::WhenFull;
use crate::evict::How;
use crate::tests::plan::{Plan, Rig};

const KEY: &[u8] = b"cut";

/// A cache with a cut entry, of which a segment that holds a piece is drained.
fn walked(rig: &Rig) -> (Work, usize) {
    let engine = &rig.engine;
    rig.cache.set(KEY, &[7; 1500], None).unwrap();
    engine.lanes.close_lanes(&engine.log, |_| true);
    let draining = engine.lanes.pick_oldest(&engine.log, Side::Small).unwrap();
    let mut offset = 0;
    while let Some((item, _, next)) = engine.log.item_at(&draining, offset)
        && item.kind() != crate::item::Kind::Piece
    {
        offset = next;
    }
    (engine.work(draining, How::Forward), offset)
}

fn rig() -> Rig {
    let plan = Plan {
        segments: 16,
        segment_bits: 9,
        classes: 1,
        stripes: 1,
        evictors: 1,
        when_full: WhenFull::Evict,
        tight: false,
        beyond: 0,
        hash_mask: u64::MAX,
        grain: 1,
    };
    plan.build()
}

/// Looks at the piece, lets `meanwhile` happen, moves it, and then says that it must go.
fn judge_with(rig: &Rig, meanwhile: impl FnOnce()) -> (Moved, Fate) {
    let engine = &rig.engine;
    let (work, offset) = walked(rig);
    let now = engine.moment();
    let (item, location, _) = engine.log.item_at(&work.draining, offset).unwrap();
    let piece = Walked { hash: item.piece_hash(), location };
    let Judged::Move(moving) = engine.try_judge_piece(piece, false, &work, &now) else {
        panic!("a piece of a live entry moves on")
    };
    meanwhile();
    let moved = engine.move_piece(&item, &moving);
    let Judged::Done(fate) = engine.try_judge_piece(piece, true, &work, &now) else {
        panic!("what must go goes")
    };
    engine.lanes.requeue(&engine.log, work.draining);
    engine.check();
    (moved, fate)
}

#[test]
fn a_piece_that_was_moved_is_named_by_nothing_in_its_old_place() {
    let rig = rig();
    assert_eq!(judge_with(&rig, || ()), (Moved::Done, Fate::Dead));
    assert_eq!(rig.cache.get(KEY).unwrap().as_deref(), Some(&[7; 1500][..]));
}

#[test]
fn a_piece_goes_with_the_head_that_names_it_wherever_that_was_moved() {
    let rig = rig();
    let (moved, fate) = judge_with(&rig, || {
        assert!(rig.cache.expire(KEY, Duration::from_secs(60)).unwrap(), "writes the head anew");
    });
    assert_eq!(moved, Moved::Changed);
    assert!(matches!(fate, Fate::Dropped(_)), "{fate:?}: the new head names the piece, too");
    assert_eq!(rig.cache.get(KEY).unwrap(), None);
}

#[test]
fn what_came_to_stand_where_a_head_stood_is_left_alone() {
    let rig = rig();
    let (moved, fate) = judge_with(&rig, || {
        rig.cache.set(KEY, b"whole", None).unwrap();
    });
    assert_eq!((moved, fate), (Moved::Changed, Fate::Dead));
    assert_eq!(rig.cache.get(KEY).unwrap().as_deref(), Some(&b"whole"[..]));
}
