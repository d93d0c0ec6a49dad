//! Moving an item that stays.

use super::Named;
use crate::WhenFull;
use crate::append::{Appended, Need};
use crate::engine::{Engine, HashedKey};
use crate::entry::{Entry, WriteKind};
use crate::item::Item;
use crate::lanes::Lane;
use crate::ttl::NEVER;

impl Engine {
    /// Copies an item to a lane and swaps its slot. True if it is not in its old place any more.
    pub(super) fn move_item(&self, item: &Item<'_>, named: Named, lane: Lane, hits: u64) -> bool {
        let Some(room) = self.append_moved(item, named, lane) else { return false };
        let held = self.index.hold(named.hash);
        // Else it went meanwhile, and its copy is dead.
        if let Some(place) = held.find_location(named.hash, named.location) {
            held.replace(&place, place.slot().moved_to(room.location(), hits));
            self.free_at(named.location, item.bytes().len());
            drop(held);
            room.publish();
        }
        true
    }

    /// Copies an item to a lane. Where nothing is evicted, one that is long is cut to fit the end of a
    /// segment, as when it came: what is left there is lost.
    fn append_moved(&self, item: &Item<'_>, named: Named, lane: Lane) -> Option<Appended<'_>> {
        let content = item.content();
        if self.when_full == WhenFull::Evict || content.head {
            return self.append_item(lane, &content, Need::Survivor).map(Appended::whole);
        }
        let key = HashedKey { hash: named.hash, bytes: content.key };
        let deadline = content.deadline.unwrap_or(NEVER);
        self.append_to(
            lane,
            &Entry { key, value: content.value, deadline, kind: WriteKind::Set },
            Need::Survivor,
        )
    }
}
