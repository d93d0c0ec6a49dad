//! The windows between looking at a chunk header and writing the one that takes its place.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::time::Duration;

use super::*;
use crate::WhenFull;
use crate::space::walk::Mode;
use crate::tests::plan::{Plan, Rig};

const KEY: &[u8] = b"chunked";

fn walker(rig: &Rig) -> Walker<'_> {
    rig.engine.store.space.walker(&rig.engine.store.entries)
}

/// A cache with a chunked entry, of which a segment that holds a chunk is drained.
fn walked(rig: &Rig) -> (Walk, usize) {
    let walker = walker(rig);
    let (log, streams) = (&walker.entries.log, &walker.room.streams);
    rig.cache.set(KEY, &[7; 1500], None).unwrap();
    streams.close_streams(log, |_| true);
    let draining = streams.pick_oldest(log, Queue::Small).unwrap();
    let mut offset = 0;
    while let Some((item, _, next)) = log.item_at(&draining, offset)
        && item.kind() != crate::log::item::Kind::Chunk
    {
        offset = next;
    }
    (walker.walk(draining, Mode::Forward), offset)
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

/// Looks at the chunk, lets `meanwhile` happen, moves it, and then says that it must go.
fn judge_with(rig: &Rig, meanwhile: impl FnOnce()) -> (Moved, ItemOutcome) {
    let walker = walker(rig);
    let (walk, offset) = walked(rig);
    let mut call = walker.entries.begin_call();
    let (item, location, _) = walker.entries.log.item_at(&walk.draining, offset).unwrap();
    let chunk = ChunkAt { hash: item.chunk_hash(), location };
    let Judged::Move(moving) = walker.try_judge_chunk(chunk, Stay::IfJudged, &walk, &mut call) else {
        panic!("a chunk of a live entry moves on")
    };
    meanwhile();
    let moved = walker.move_chunk(&item, &moving);
    let Judged::Done(outcome) = walker.try_judge_chunk(chunk, Stay::No, &walk, &mut call) else {
        panic!("what must go goes")
    };
    walker.room.streams.requeue(&walker.entries.log, walk.draining);
    rig.engine.check();
    (moved, outcome)
}

#[test]
fn a_chunk_that_was_moved_is_named_by_nothing_in_its_old_place() {
    let rig = rig();
    assert_eq!(judge_with(&rig, || ()), (Moved::Done, ItemOutcome::Dead));
    assert_eq!(rig.cache.get(KEY).unwrap().as_deref(), Some(&[7; 1500][..]));
}

#[test]
fn a_chunk_goes_with_the_header_that_names_it_wherever_that_was_moved() {
    let rig = rig();
    let (moved, outcome) = judge_with(&rig, || {
        assert!(rig.cache.expire(KEY, Duration::from_secs(60)).unwrap(), "writes the header anew");
    });
    assert_eq!(moved, Moved::Changed);
    assert!(
        matches!(outcome, ItemOutcome::Removed { .. }),
        "{outcome:?}: the new header names the chunk, too"
    );
    assert_eq!(rig.cache.get(KEY).unwrap(), None);
}

#[test]
fn what_came_to_stand_where_a_header_stood_is_left_alone() {
    let rig = rig();
    let (moved, outcome) = judge_with(&rig, || {
        rig.cache.set(KEY, b"whole", None).unwrap();
    });
    assert_eq!((moved, outcome), (Moved::Changed, ItemOutcome::Dead));
    assert_eq!(rig.cache.get(KEY).unwrap().as_deref(), Some(&b"whole"[..]));
}
