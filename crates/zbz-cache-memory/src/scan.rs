//! Listing keys page by page without stopping writers.
//!
//! A cursor names a shard and a place in it. A key keeps its place while it is present, and a
//! listing visits every place once, so such a key is met exactly once.

use crate::Error;
use crate::engine::Engine;

/// Keys looked at under one lock.
const STRETCH: usize = 256;

const PLACE_BITS: u32 = 48;

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

    fn at(shard: usize, place: usize) -> Cursor {
        Cursor((shard as u64) << PLACE_BITS | place as u64)
    }

    fn shard_and_place(self) -> (usize, usize) {
        ((self.0 >> PLACE_BITS) as usize, (self.0 & ((1 << PLACE_BITS) - 1)) as usize)
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
        let (mut index, mut place) = cursor.shard_and_place();
        while index < self.shard_count() {
            let room = limit - page.keys.len();
            if room == 0 {
                page.next = Some(Cursor::at(index, place));
                break;
            }
            let stretch = {
                let shard = self.lock_any(index)?;
                shard.stretch(place, room.min(STRETCH), prefix, self.clock.now())
            };
            let met = stretch.keys.iter().filter(|key| matches(key));
            page.keys.extend(met.map(|key| key.to_vec()));
            (index, place) = match stretch.next {
                Some(place) => (index, place),
                None => (index + 1, 0),
            };
        }
        Ok(page)
    }
}
