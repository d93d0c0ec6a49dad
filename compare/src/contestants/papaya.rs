//! papaya: a lock-free map. No limit, no deadlines.
//!
//! Stored: the key and the value as `Box<[u8]>`. A get hands out a reference under a pin. Its documentation encourages
//! one pin for several operations, within reason: a single get pins for itself, a batch pins once for all its keys.
//! Looked up by `&[u8]`.

use crate::contestant::{Capacity, Card, Contestant};
use crate::data::Key;
use crate::racer::Racer;
use papaya::HashMap;

/// papaya as its documentation opens.
pub const CARD: Card = Card {
    name: "papaya",
    package: Some("papaya"),
    hands_out: "reference under a pin",
    setup: "`HashMap::new()`, all defaults, one pin an operation",
    batch: Some("one pin for the batch"),
    build,
    ..Card::MAP
};

struct Papaya(HashMap<Box<[u8]>, Box<[u8]>>);

fn build(_: Capacity) -> Result<Box<dyn Racer>, String> {
    Ok(Box::new(Papaya(HashMap::new())))
}

impl Contestant for Papaya {
    type Scratch = ();

    #[inline]
    fn get<R>(&self, (): &mut (), key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.0.pin().get(key).map(|value| see(value))
    }

    #[inline]
    fn get_batch(&self, (): &mut (), keys: &[Key], mut see: impl FnMut(usize, &[u8])) {
        let map = self.0.pin();
        for (place, key) in keys.iter().enumerate() {
            if let Some(value) = map.get(&key[..]) {
                see(place, value);
            }
        }
    }

    #[inline]
    fn set(&self, key: &[u8], value: &[u8]) -> bool {
        self.0.pin().insert(key.into(), value.into());
        true
    }
}
