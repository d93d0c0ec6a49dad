//! One standard map under one read-write lock. No limit, no deadlines.
//!
//! Stored: the key and the value as `Vec<u8>`; the hasher is the standard one. A get copies the value into a new
//! `Vec<u8>` under the read lock. Looked up by `&[u8]`.

use crate::contestant::{Capacity, Card, Contestant};
use crate::racer::Racer;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// The map one writes before reaching for a crate.
pub const CARD: Card = Card {
    name: "rwlock-map",
    package: None,
    hands_out: "copy in a new Vec",
    stores: "`Vec<u8>`, `Vec<u8>`",
    setup: "`RwLock<HashMap<Vec<u8>, Vec<u8>>>` of the standard library",
    build,
    ..Card::MAP
};

#[derive(Default)]
struct LockedMap(RwLock<HashMap<Vec<u8>, Vec<u8>>>);

fn build(_: Capacity) -> Result<Box<dyn Racer>, String> {
    Ok(Box::new(LockedMap::default()))
}

impl Contestant for LockedMap {
    type Scratch = ();

    #[inline]
    fn get<R>(&self, (): &mut (), key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let copy = self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        copy.map(|value| see(&value))
    }

    #[inline]
    fn set(&self, key: &[u8], value: &[u8]) -> bool {
        let (key, value) = (key.to_vec(), value.to_vec());
        // The old value is dropped after the lock is free again.
        let old = self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, value);
        drop(old);
        true
    }
}
