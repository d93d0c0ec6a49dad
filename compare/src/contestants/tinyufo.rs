//! TinyUFO: S3-FIFO with a TinyLFU admission, from Pingora.
//!
//! Stored: the value as `Arc<[u8]>`, since a get clones it. The key is not stored, only its 64-bit hash: two keys with
//! one hash would answer for each other. Looked up by `&&[u8]`.

use crate::contestant::{Capacity, Card, Contestant};
use crate::racer::Racer;
use std::sync::Arc;
use tinyufo::TinyUfo;

/// TinyUFO with its fast tables.
pub const CARD: Card = Card {
    name: "TinyUFO",
    package: Some("TinyUFO"),
    stores: "a 64-bit hash instead of the key, `Arc<[u8]>`",
    setup: "`TinyUfo::new(entries, entries)`, weight 1 each",
    build: |capacity| build(capacity, TinyUfo::new),
    ..Card::CACHE
};

/// TinyUFO with its compact tables: less memory, slower gets.
pub const CARD_COMPACT: Card = Card {
    name: "TinyUFO-compact",
    races: false,
    setup: "`TinyUfo::new_compact(entries, entries)`, weight 1 each",
    build: |capacity| build(capacity, TinyUfo::new_compact),
    ..CARD
};

// The key type only directs hashing; nothing of this type is kept, so a borrowed one serves.
type Table = TinyUfo<&'static [u8], Arc<[u8]>>;

struct Ufo(Table);

fn build(capacity: Capacity, new: fn(usize, usize) -> Table) -> Result<Box<dyn Racer>, String> {
    let entries = usize::try_from(capacity.limit).map_err(|error| error.to_string())?;
    Ok(Box::new(Ufo(new(entries, entries))))
}

impl Ufo {
    // The table is covariant in its key type, so it may be seen as one of shorter-lived keys.
    #[inline]
    fn for_keys(&self) -> &TinyUfo<&[u8], Arc<[u8]>> {
        &self.0
    }
}

#[inline]
fn look_up<'key>(table: &TinyUfo<&'key [u8], Arc<[u8]>>, key: &'key [u8]) -> Option<Arc<[u8]>> {
    table.get(&key)
}

impl Contestant for Ufo {
    type Scratch = ();

    #[inline]
    fn get<R>(&self, (): &mut (), key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
        look_up(self.for_keys(), key).map(|value| see(&value))
    }

    #[inline]
    fn set(&self, key: &[u8], value: &[u8]) -> bool {
        let table: &TinyUfo<&[u8], Arc<[u8]>> = self.for_keys();
        table.put(key, value.into(), 1);
        true
    }
}
