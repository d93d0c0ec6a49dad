//! Listing keys page by page without stopping writers.
//!
//! A cursor is a point of the index's order of visiting (`index/visit.rs`). A key's point never changes,
//! and a listing passes every point once, so a key that is present throughout is met exactly once.

use std::cell::RefCell;

use crate::base::error::Error;
use crate::index::LockedBucket;
use crate::verbs::store::Store;

/// Where a listing goes on. Good for the cache that gave it, as long as that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(u64);

impl Cursor {
    /// The beginning.
    pub const START: Cursor = Cursor(0);

    /// The cursor that [`as_u64`](Cursor::as_u64) gave. One that is made up begins somewhere, or
    /// lists nothing.
    pub const fn from_u64(bits: u64) -> Cursor {
        Cursor(bits)
    }

    /// A number to carry the cursor in.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// One part of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Keys that were live when they were met, in no order. May be fewer than asked for.
    pub keys: Vec<Vec<u8>>,
    /// Where to go on; `None` when the listing is complete.
    pub next: Option<Cursor>,
}

pub(crate) fn scan(
    store: &Store,
    prefix: &[u8],
    cursor: Cursor,
    limit: usize,
    mut matches: impl FnMut(&[u8]) -> bool,
) -> Result<Page, Error> {
    store.limits.check_open()?;
    let limit = limit.max(1);
    let mut page = Page::default();
    let mut next = Some(cursor.0);
    let mut met = Vec::new();
    while let Some(from) = next {
        next = {
            let met = RefCell::new(&mut met);
            let begin = || met.borrow_mut().clear();
            let meet = |bucket: &LockedBucket<'_>| meet(store, bucket, prefix, from, &mut met.borrow_mut());
            store.entries.index.visit_group(from, begin, meet)
        };
        store.limits.check_open()?;
        met.sort_unstable();
        // Points are met in order, so a page can end at any.
        let mut last = None;
        for (point, key) in met.drain(..) {
            if page.keys.len() >= limit && last != Some(point) {
                page.next = Some(Cursor(point));
                return Ok(page);
            }
            last = Some(point);
            if matches(&key) {
                page.keys.push(key);
            }
        }
        if page.keys.len() >= limit {
            break;
        }
    }
    page.next = next.map(Cursor);
    Ok(page)
}

/// Collects the live keys of a locked bucket that begin with `prefix` and whose points are not before
/// `from`.
fn meet(store: &Store, bucket: &LockedBucket<'_>, prefix: &[u8], from: u64, met: &mut Vec<(u64, Vec<u8>)>) {
    let now = store.entries.call_time();
    for (_, slot) in bucket.items() {
        let view = store.entries.view(bucket, slot);
        let is_live = view.item().deadline().is_none_or(|deadline| now.get() < deadline);
        let point = bucket.point_of(slot);
        if is_live && point >= from && view.key_begins_with(prefix) {
            met.push((point, view.key()));
        }
    }
}
