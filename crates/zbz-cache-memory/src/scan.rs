//! Listing keys page by page without stopping writers.
//!
//! A cursor is a point of the index's order of visiting (`index/visit.rs`). A key's point never changes,
//! and a listing passes every point once, so a key that is present throughout is met exactly once.

use std::cell::RefCell;

use crate::Error;
use crate::engine::Engine;
use crate::index::Held;
use crate::large::Head;
use crate::slot::Slot;

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
pub struct Page {
    /// Keys that were live when they were met, in no order. May be fewer than asked for.
    pub keys: Vec<Vec<u8>>,
    /// Where to go on; `None` when the listing is complete.
    pub next: Option<Cursor>,
}

impl Engine {
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        cursor: Cursor,
        limit: usize,
        mut matches: impl FnMut(&[u8]) -> bool,
    ) -> Result<Page, Error> {
        self.check_open()?;
        let limit = limit.max(1);
        let mut page = Page::default();
        let mut next = Some(cursor.0);
        let mut met = Vec::new();
        while let Some(from) = next {
            next = {
                let met = RefCell::new(&mut met);
                let begin = || met.borrow_mut().clear();
                self.index
                    .visit_group(from, begin, |held| self.meet(held, prefix, from, &mut met.borrow_mut()))
            };
            self.check_open()?;
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

    /// Collects the live keys of a held bucket whose points are not behind.
    fn meet(&self, held: &Held<'_>, prefix: &[u8], from: u64, met: &mut Vec<(u64, Vec<u8>)>) {
        let now = self.moment();
        for (_, slot) in held.items() {
            let item = self.log.read_held(held, slot);
            let is_live = item.deadline().is_none_or(|deadline| now.get() < deadline);
            let point = held.point_of(slot);
            if is_live && point >= from && self.begins_with(held, slot, prefix) {
                met.push((point, self.key_of(held, slot)));
            }
        }
    }

    /// Whether the key that a slot of a held bucket names begins so.
    pub(crate) fn begins_with(&self, held: &Held<'_>, slot: Slot, prefix: &[u8]) -> bool {
        let item = self.log.read_held(held, slot);
        item.key().starts_with(prefix) || (item.is_head() && self.key_of(held, slot).starts_with(prefix))
    }

    fn key_of(&self, held: &Held<'_>, slot: Slot) -> Vec<u8> {
        let item = self.log.read_held(held, slot);
        let mut key = item.key().to_vec();
        if let Some(head) = Head::parse(item.value()).filter(|_| item.is_head()) {
            let mut missing = head.key_len;
            let pieces = head.pieces().map(|piece| self.log.read_piece_held(held, piece));
            for piece in pieces {
                let part = &piece[..piece.len().min(missing)];
                key.extend_from_slice(part);
                missing -= part.len();
            }
        }
        key
    }
}
