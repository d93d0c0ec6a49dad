//! [`RememberedTtls`]: the TTLs that writes gave lately.
//!
//! Traces of caches give a TTL with writes only. A get that misses here but hit when it was recorded is followed by no
//! write; what it stores must live as long as its owner's writes do. Kept in a table of fixed size, so that memory does
//! not follow the length of the trace: of two keys that share a place the older is forgotten, and lives for ever.

const PLACES: usize = 1 << 20;

/// TTLs by hashed key.
#[derive(Debug, Default)]
pub struct RememberedTtls {
    /// Empty until a write gives a TTL.
    places: Vec<(u64, u64)>,
}

impl RememberedTtls {
    /// Remembers what a write gave.
    pub fn put(&mut self, key_hash: u64, ttl_ms: u64) {
        if self.places.is_empty() {
            self.places.resize(PLACES, (0, 0));
        }
        self.places[key_hash as usize % PLACES] = (key_hash, ttl_ms);
    }

    /// Forgets what earlier writes of this key gave, as one without a TTL makes it.
    pub fn forget(&mut self, key_hash: u64) {
        if self.get(key_hash).is_some() {
            self.places[key_hash as usize % PLACES] = (0, 0);
        }
    }

    /// What the last write of this key gave, if that is remembered.
    pub fn get(&self, key_hash: u64) -> Option<u64> {
        let &(hash, ttl_ms) = self.places.get(key_hash as usize % PLACES)?;
        (hash == key_hash && ttl_ms > 0).then_some(ttl_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_of_two_keys_in_one_place_is_remembered() {
        let mut ttls = RememberedTtls::default();
        assert_eq!(ttls.get(5), None);
        ttls.put(5, 100);
        assert_eq!(ttls.get(5), Some(100));
        let same_place = 5 + PLACES as u64;
        ttls.put(same_place, 200);
        assert_eq!((ttls.get(5), ttls.get(same_place)), (None, Some(200)));
        ttls.forget(5);
        ttls.forget(same_place);
        assert_eq!(ttls.get(same_place), None);
    }
}
