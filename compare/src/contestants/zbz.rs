//! This project's engine, through its public face only.
//!
//! Stored: key and value bytes. A get copies the value into a buffer the caller keeps; a batch shows the bytes to a
//! closure. Looked up by `&[u8]`. Its limit is all of its memory, in bytes.

use crate::contestant::{Capacity, Card, Contestant, Kind, Limit};
use crate::data::Key;
use crate::racer::Racer;
use zbz_cache_memory::MemoryCache;

/// The engine with its defaults.
pub const CARD: Card = Card {
    name: "zbz-cache",
    package: Some("zbz-cache-memory"),
    kind: Kind::Ours,
    limit: Limit::Bytes,
    races: true,
    hands_out: "copy in a kept buffer",
    stores: "bytes in a log",
    setup: "`MemoryCache::builder().max_size(bytes).build()`, all defaults",
    batch: Some("`get_multi`"),
    guess_bytes: 20,
    build,
};

const MIN_BYTES: u64 = 64 << 10;

struct Zbz(MemoryCache);

fn build(capacity: Capacity) -> Result<Box<dyn Racer>, String> {
    let cache = MemoryCache::builder()
        .max_size(capacity.limit.max(MIN_BYTES))
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Box::new(Zbz(cache)))
}

impl Contestant for Zbz {
    type Scratch = Vec<u8>;

    #[inline]
    fn get<R>(&self, buffer: &mut Vec<u8>, key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
        buffer.clear();
        // An error is a miss here; the tables show the share of hits.
        let found = self.0.get_into(key, buffer).ok()?;
        found.map(|_| see(buffer))
    }

    #[inline]
    fn get_batch(&self, _: &mut Vec<u8>, keys: &[Key], mut see: impl FnMut(usize, &[u8])) {
        let answered = self.0.get_multi(keys, |place, value, _| see(place, value));
        // Whatever was not shown counts as a miss.
        drop(answered);
    }

    #[inline]
    fn set(&self, key: &[u8], value: &[u8]) -> bool {
        self.0.set(key, value, None).is_ok()
    }
}
