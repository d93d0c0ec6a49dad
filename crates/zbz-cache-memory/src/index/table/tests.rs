use super::*;
use crate::index::{Contended, Crowded, Probe};

/// Items are numbers; the key of item `n` is `n` modulo [`KEYS`], unless a test says otherwise.
fn hash(key: u64) -> u64 {
    let mixed = (key ^ 0x5851_f42d_4c95_7f2d).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ mixed >> 27
}

/// Items of one key differ by multiples of this.
const KEYS: u64 = 1 << 20;

fn key_of(slot: Slot) -> u64 {
    slot.location().units() % KEYS
}

fn slot(index: &Index, key: u64, item: u64) -> Slot {
    index.slot(hash(key), Location::new(item).unwrap())
}

fn table(group_bits: u32, most_buckets: usize) -> Index {
    Index::new(group_bits, most_buckets, Arc::new(Budget::new(1 << 40))).unwrap()
}

/// The item that the index has for this key.
fn find(index: &Index, key: u64) -> Option<u64> {
    let found = index.find(hash(key), |_, slot| {
        if key_of(slot) == key { Probe::Answer(slot.location().units()) } else { Probe::Other }
    });
    found.unwrap_or_else(|Contended| {
        let locked = index.lock(hash(key));
        locked.find(hash(key), |slot| key_of(slot) == key).map(|place| place.slot().location().units())
    })
}

fn set(index: &Index, key: u64, item: u64) -> Result<Option<u64>, Crowded> {
    let locked = index.lock(hash(key));
    let new = slot(index, key, item);
    match locked.find(hash(key), |slot| key_of(slot) == key) {
        Some(place) => {
            let old = place.slot().location().units();
            locked.replace(&place, new);
            Ok(Some(old))
        }
        None => locked.insert(hash(key), new).map(|_| None),
    }
}

fn remove(index: &Index, key: u64) -> Option<u64> {
    let locked = index.lock(hash(key));
    let place = locked.find(hash(key), |slot| key_of(slot) == key)?;
    let old = place.slot().location().units();
    locked.remove(place);
    Some(old)
}

#[cfg(not(loom))]
mod plain;

/// A miss against index change, two writers inserting one new key, and every key once on the
/// pages of a visit: section 5 of docs/engine.md. Loom scans with the portable loads.
#[cfg(loom)]
mod model;
