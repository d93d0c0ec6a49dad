//! The conformance suite, unchanged.

use std::sync::Arc;

use zbz_cache::conformance::{Harness, Setup, check};
use zbz_cache::memory::MemoryProvider;
use zbz_cache::tiered::TieredProvider;
use zbz_cache::{MemoryCache, ProviderHandle, new_provider, options};

use crate::far::{Far, Wire};

#[test]
fn a_tier_that_is_told_keeps_the_contract() {
    check(&Harness::new(|setup| match setup {
        Setup::Default => {
            let (near, far) =
                (MemoryCache::builder().build().unwrap(), MemoryCache::builder().build().unwrap());
            let far = Far { memory: MemoryProvider::new(far), wire: Arc::<Wire>::default() };
            let tier = TieredProvider::builder(near, ProviderHandle::new(far)).build();
            Some(ProviderHandle::new(tier.unwrap()))
        }
        _ => None,
    }));
}

#[test]
fn a_tier_that_goes_by_time_keeps_the_contract_of_its_only_writer() {
    check(&Harness::new(|setup| match setup {
        Setup::Default => {
            let options = options! { "far" => "memory://?cleanup_interval=50ms", "coherence" => "ttl" };
            Some(new_provider("tiered", options).unwrap())
        }
        _ => None,
    }));
}
