//! Every key once, page by page.

use std::collections::HashSet;

use super::*;

/// All keys, page by page, with `between` called after each page and inside each visit.
pub(super) fn visit_all(index: &Index, mut between: impl FnMut()) -> Vec<u64> {
    let (mut met, mut at) = (Vec::new(), Some(0));
    while let Some(from) = at {
        let page = std::cell::RefCell::new(Vec::new());
        at = index.visit_group(
            from,
            || page.borrow_mut().clear(),
            |locked| {
                let items = locked.items().map(|(_, slot)| (locked.point_of(slot), key_of(slot)));
                page.borrow_mut().extend(items.filter(|&(point, _)| point >= from).map(|(_, key)| key));
            },
        );
        assert!(at.is_none_or(|at| at > from));
        met.extend(page.into_inner());
        between();
    }
    met
}

#[test]
fn a_visit_meets_every_key_once_while_the_table_grows_and_shrinks() {
    for seed in 0..40_u64 {
        let index = table((seed % 3) as u32, 400);
        (0..seed * 7 % 100).for_each(|_| drop(grow(&index)));
        let keys: Vec<u64> = (1..=300).filter(|&key| set(&index, key, key).is_ok()).collect();
        let mut state = hash(seed);
        let mut lost = Vec::new();
        let mut met = visit_all(&index, || {
            state = hash(state);
            for _ in 0..state % 50 {
                let step = if state >> 32 & 1 == 0 { grow(&index) } else { shrink(&index) };
                lost.extend(step.into_iter().flat_map(|step| step.lost).map(key_of));
            }
        });
        met.sort_unstable();
        if lost.is_empty() {
            assert_eq!(met, keys, "seed {seed}");
        }
        let points: HashSet<u64> = keys.iter().map(|&key| index.point_of(hash(key))).collect();
        assert_eq!(points.len(), keys.len());
    }
}

#[test]
fn a_visit_begins_anew_when_its_group_changes() {
    let index = table(0, 64);
    (1..=40).for_each(|key| assert_eq!(set(&index, key, key), Ok(None)));
    let (mut begun, mut met) = (0, Vec::new());
    let end = index.visit_group(
        0,
        || {
            begun += 1;
            if begun < 4 {
                assert_nothing_lost(grow(&index));
            }
        },
        |locked| met.extend(locked.items().map(|(_, slot)| key_of(slot))),
    );
    met.sort_unstable();
    assert_eq!((begun, met), (4, (1..=40).collect()));
    assert_eq!(end, None);
}
