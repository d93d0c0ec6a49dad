//! This project's engine, through its public face only.
//!
//! Stored: key and value bytes. A get copies the value into a buffer the caller keeps; a batch shows the bytes to a
//! closure. Looked up by `&[u8]`. Its limit is all of its memory, in bytes.

use crate::contestant::{Capacity, Card, Contestant, Kind, Limit};
use crate::data::Key;
use crate::racer::Racer;
use std::time::Duration;
use zbz_cache_memory::MemoryCache;

/// The engine with its defaults.
pub const CARD: Card = Card {
    name: "zbz-cache",
    package: Some("zbz-cache-memory"),
    kind: Kind::Ours,
    limit: Limit::Bytes,
    hands_out: "copy in a kept buffer",
    stores: "bytes in a log",
    setup: "`MemoryCache::builder().max_size(bytes).build()`, all defaults",
    batch: Some("`get_multi`"),
    batch_set: Some("`set_multi`"),
    ttl: Some("an argument of `set`"),
    guess_bytes: 20,
    build,
    ..Card::CACHE
};

const MIN_BYTES: u64 = 64 << 10;

struct Zbz {
    cache: MemoryCache,
    ttl: Option<Duration>,
}

fn build(capacity: Capacity) -> Result<Box<dyn Racer>, String> {
    let cache = MemoryCache::builder()
        .max_size(capacity.limit.max(MIN_BYTES))
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Box::new(Zbz { cache, ttl: capacity.ttl }))
}

impl Contestant for Zbz {
    type Scratch = Vec<u8>;

    #[inline]
    fn get<R>(&self, buffer: &mut Vec<u8>, key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
        buffer.clear();
        // An error is a miss here; the tables show the share of hits.
        let found = self.cache.get_into(key, buffer).ok()?;
        found.map(|_| see(buffer))
    }

    #[inline]
    fn get_batch(&self, _: &mut Vec<u8>, keys: &[Key], mut see: impl FnMut(usize, &[u8])) {
        let answered = self.cache.get_multi(keys, |place, value, _| see(place, value));
        // Whatever was not shown counts as a miss.
        drop(answered);
    }

    #[inline]
    fn set(&self, key: &[u8], value: &[u8]) -> bool {
        self.cache.set(key, value, self.ttl).is_ok()
    }

    #[inline]
    fn set_batch(&self, entries: &[(Key, &[u8])]) -> u64 {
        match self.cache.set_multi(entries, self.ttl) {
            Ok(()) => 0,
            Err(error) => error.failed().len() as u64,
        }
    }
}
