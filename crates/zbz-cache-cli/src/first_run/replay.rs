//! The replay of the first run: read through the cache, load on a miss, check on a hit.

use std::time::{Duration, Instant};

use zbz_cache::{BlockingCache, Ttl};

use super::load::Visits;
use super::product::Product;
use crate::failure::Failure;
use crate::progress::Progress;

/// The result of the replay.
pub(super) struct Replayed {
    pub(super) hits: u64,
    pub(super) loads: u64,
    pub(super) took: Duration,
}

/// Asks for every product of the trace in its order.
///
/// # Errors
///
/// The cache refused something, or answered with what was never stored.
pub(super) fn run(visits: &Visits, products: &BlockingCache<Product>) -> Result<Replayed, Failure> {
    let progress = Progress::new(visits.ids.len() as u64, "replaying");
    let mut loads = 0;
    let begun = Instant::now();
    for (&id, step) in visits.ids.iter().zip(0u64..) {
        progress.at(step);
        let loaded = &mut loads;
        let product = get_or_load(products, &Product::cache_name(id), || {
            *loaded += 1;
            Product::load(id)
        })?;
        if product != Product::load(id) {
            return Err(Failure::Work(format!("the cache gave a wrong product for number {id}")));
        }
    }
    Ok(Replayed { hits: visits.ids.len() as u64 - loads, loads, took: begun.elapsed() })
}

/// The cached product, or the one that `load` brings, which is cached then.
fn get_or_load(
    products: &BlockingCache<Product>,
    name: &str,
    load: impl FnOnce() -> Product,
) -> Result<Product, Failure> {
    if let Some(product) = products.get(name)? {
        return Ok(product);
    }
    let product = load();
    products.set(name, &product, Ttl::Default)?;
    Ok(product)
}
