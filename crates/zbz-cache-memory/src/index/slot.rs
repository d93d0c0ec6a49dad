//! [`Slot`]: one word of the index: where an item is, and what is known of it without looking.
//!
//! ```text
//!   63            40 39    38 37                                    0
//!   | tag: 24 bits  | hits: 2 | location: 38 bits                    |
//! ```
//!
//! Zero is the empty slot. The tag is never zero, so a word with tag zero that is not empty is
//! something else (a link) and matches no key.

/// Bits of a tag.
pub(crate) const TAG_BITS: u32 = 24;
const LOCATION_BITS: u32 = 38;
const HITS_BITS: u32 = 2;
const TAG_SHIFT: u32 = LOCATION_BITS + HITS_BITS;
const LOCATION_MASK: u64 = (1 << LOCATION_BITS) - 1;
const HITS_MASK: u64 = ((1 << HITS_BITS) - 1) << LOCATION_BITS;

const _: () = assert!(TAG_SHIFT + TAG_BITS == 64);

/// The most hits a slot counts; a slot that has them is not written by reads.
pub(crate) const MAX_HITS: u64 = (1 << HITS_BITS) - 1;

/// Where an item begins, in bytes from the start of the log, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Location(u64);

impl Location {
    /// The locations there are.
    pub(crate) const COUNT: u64 = 1 << LOCATION_BITS;

    /// `None` out of range.
    pub(crate) fn new(units: u64) -> Option<Location> {
        (units > 0 && units < Self::COUNT).then_some(Location(units))
    }

    pub(crate) fn units(self) -> u64 {
        self.0
    }
}

/// The tag of a key: 24 bits of its hash, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(u64);

impl Tag {
    /// Of the lowest bits; zero becomes one.
    #[inline(always)]
    pub(crate) fn new(bits: u64) -> Tag {
        Tag((bits & ((1 << TAG_BITS) - 1)).max(1))
    }

    /// The highest bits of a slot whose key has this tag.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

/// A word of a bucket, as it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(u64);

impl Slot {
    pub(crate) const EMPTY: Slot = Slot(0);

    /// An item that was not hit yet.
    pub(crate) fn new(tag: Tag, location: Location) -> Slot {
        Slot(tag.0 << TAG_SHIFT | location.0)
    }

    #[inline(always)]
    pub(crate) fn from_word(word: u64) -> Slot {
        Slot(word)
    }

    #[inline(always)]
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it may be the slot of a key with this tag. Never true of an empty slot or a link.
    #[inline(always)]
    pub(crate) fn has(self, tag: Tag) -> bool {
        self.0 >> TAG_SHIFT == tag.0
    }

    /// Whether it holds an item; else it is empty or a link.
    pub(crate) fn is_item(self) -> bool {
        self.0 >> TAG_SHIFT != 0
    }

    /// The tag of its key; of an item only.
    #[inline(always)]
    pub(crate) fn tag(self) -> Tag {
        Tag(self.0 >> TAG_SHIFT)
    }

    #[inline(always)]
    pub(crate) fn location(self) -> Location {
        Location(self.0 & LOCATION_MASK)
    }

    pub(crate) fn hits(self) -> u64 {
        (self.0 & HITS_MASK) >> LOCATION_BITS
    }

    /// Whether it has all hits that are counted.
    #[inline(always)]
    pub(crate) fn is_hot(self) -> bool {
        self.0 & HITS_MASK == HITS_MASK
    }

    /// This item with one hit more, as far as they are counted.
    pub(crate) fn hotter(self) -> Slot {
        if self.is_hot() { self } else { Slot(self.0 + (1 << LOCATION_BITS)) }
    }

    /// This item with all hits that are counted.
    pub(crate) fn hottest(self) -> Slot {
        Slot(self.0 | HITS_MASK)
    }

    /// This item at another place, with so many hits.
    pub(crate) fn moved_to(self, location: Location, hits: u64) -> Slot {
        let tag = self.0 >> TAG_SHIFT << TAG_SHIFT;
        Slot(tag | hits.min(MAX_HITS) << LOCATION_BITS | location.0)
    }

    /// Whether both are the same item at the same place, whatever their hits.
    #[inline(always)]
    pub(crate) fn is_same_item(self, other: Slot) -> bool {
        (self.0 ^ other.0) & !HITS_MASK == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_slot_do_not_touch() {
        for bits in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            for units in [1, Location::COUNT - 1] {
                let (tag, location) = (Tag::new(bits), Location::new(units).unwrap());
                let mut slot = Slot::new(tag, location);
                assert_eq!(slot.tag(), tag);
                for hits in 0..MAX_HITS {
                    assert_eq!((slot.hits(), slot.location(), slot.has(tag)), (hits, location, true));
                    assert!(!slot.is_hot() && slot.hottest().is_hot());
                    slot = slot.hotter();
                }
                assert_eq!((slot.hotter(), slot.hits(), slot.is_hot()), (slot, MAX_HITS, true));
                assert!(slot.is_item() && slot.is_same_item(Slot::new(tag, location)));
                let moved = slot.moved_to(Location::new(7).unwrap(), 9);
                assert_eq!((moved.hits(), moved.location().units(), moved.has(tag)), (MAX_HITS, 7, true));
                assert!(!moved.is_same_item(slot));
            }
        }
    }

    #[test]
    fn no_tag_matches_an_empty_slot_or_a_link() {
        for bits in [0, 1, 1 << TAG_BITS, u64::MAX] {
            assert!(!Slot::EMPTY.has(Tag::new(bits)));
            assert!(!Slot::from_word(LOCATION_MASK).has(Tag::new(bits)));
        }
        assert!(Slot::EMPTY.is_empty() && !Slot::EMPTY.is_item() && !Slot::from_word(5).is_item());
        assert_eq!(Location::new(0), None);
        assert_eq!(Location::new(Location::COUNT), None);
    }
}
