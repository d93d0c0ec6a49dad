//! Every contestant, one file each: how its API is reached, what it stores, and how it was set up.

use crate::contestant::Card;

mod dashmap;
mod foyer;
mod locked_map;
mod moka;
mod papaya;
mod quick_cache;
mod segcache;
mod tinyufo;
#[cfg(feature = "zbz")]
mod zbz;

/// All contestants in the order of the tables.
pub const CARDS: &[Card] = &[
    #[cfg(feature = "zbz")]
    zbz::CARD,
    quick_cache::CARD,
    moka::CARD,
    foyer::CARD_LRU,
    foyer::CARD_LFU,
    foyer::CARD_S3FIFO,
    segcache::CARD_RANDOM,
    segcache::CARD_MERGE,
    segcache::CARD_S3FIFO,
    tinyufo::CARD,
    tinyufo::CARD_COMPACT,
    dashmap::CARD,
    papaya::CARD,
    locked_map::CARD,
];

/// The card with this name.
pub fn find(name: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::Kind;
    use std::collections::HashSet;

    #[test]
    fn names_are_distinct_and_kinds_agree_with_limits() {
        let names: HashSet<_> = CARDS.iter().map(|card| card.name).collect();
        assert_eq!(names.len(), CARDS.len());
        for card in CARDS {
            assert_eq!(card.kind == Kind::Map, !card.evicts(), "{}", card.name);
        }
    }
}
