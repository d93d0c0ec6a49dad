//! The tour: each stop does something with a cache and tells what came of it.

use std::thread;
use std::time::Duration;

use zbz_cache::{BlockingCache, Contract, MemoryCache, Ttl, TtlState, options};

use super::product::Product;
use crate::failure::Failure;
use crate::figures;

/// Numbers of products that no trace asks for.
const NEW_IDS: [u64; 3] = [9_000_001, 9_000_002, 9_000_003];

/// Three products in one call, read back with one name that is not there.
pub(super) fn batch(products: &BlockingCache<Product>) -> Result<String, Failure> {
    let entries = NEW_IDS.map(|id| (Product::cache_name(id), Product::load(id)));
    products.set_multi(entries.iter().map(|(name, product)| (name, product)), Ttl::Default)?;
    let names = entries.iter().map(|(name, _)| name.as_str()).chain(["nothing:0"]);
    let found = products.get_multi(names.clone())?;
    let mut shown: Vec<&str> = found.values().map(|product| product.name.as_str()).collect();
    shown.sort_unstable();
    let (stored, asked) = (entries.len(), names.count());
    Ok(format!(
        "set_multi of {stored} products, then get_multi of {asked} names found {}:\n{}",
        found.len(),
        shown.join(", ")
    ))
}

/// A product that is there until its time has passed, by the real clock.
pub(super) fn time_to_live(products: &BlockingCache<Product>) -> Result<String, Failure> {
    const TTL: Duration = Duration::from_millis(150);
    const STEP: Duration = Duration::from_millis(50);

    let name = Product::cache_name(NEW_IDS[0]);
    products.set(&name, &Product::load(NEW_IDS[0]), TTL)?;
    let mut seen = Vec::new();
    loop {
        let state = products.ttl(&name)?;
        let found = if products.get(&name)?.is_some() { "found" } else { "not found" };
        match state {
            TtlState::Remaining(left) => seen.push(format!("{found} with {} ms left", left.as_millis())),
            TtlState::Never => seen.push(format!("{found} for ever")),
            TtlState::Missing => {
                seen.push(found.to_owned());
                return Ok(format!(
                    "set for {} ms and asked every {} ms:\n{}",
                    TTL.as_millis(),
                    STEP.as_millis(),
                    seen.join(", ")
                ));
            }
        }
        thread::sleep(STEP);
    }
}

/// The names that a glob matches.
pub(super) fn listing(products: &BlockingCache<Product>) -> Result<String, Failure> {
    const PATTERN: &str = "[kl]*:??[0-4]";
    const MOST_SHOWN: usize = 6;

    let mut names = products.keys(PATTERN)?;
    names.sort_unstable();
    let more = if names.len() > MOST_SHOWN { ", ..." } else { "" };
    let count = names.len();
    names.truncate(MOST_SHOWN);
    Ok(format!("keys(\"{PATTERN}\") gives {count} names:\n{}{more}", names.join(", ")))
}

/// The engine's own type under the typed cache, and what it counted.
pub(super) fn native(products: &BlockingCache<Product>) -> Result<String, Failure> {
    let Some(memory) = products.native::<MemoryCache>() else {
        return Err(Failure::Work("the memory provider did not hand out its MemoryCache".to_owned()));
    };
    Ok(format!(
        "native::<MemoryCache>() has {} keys and counted\n{}",
        figures::count(memory.len() as u64),
        memory.stats()
    ))
}

/// A cache of the smallest size, filled until it has to evict or reject.
pub(super) fn full(when_full: &str) -> Result<String, Failure> {
    const MOST_SETS: u64 = 1000;

    let provider =
        zbz_cache::new_provider("memory", options! { "max_size" => "64KiB", "when_full" => when_full })?;
    let notes = Contract::<String>::raw("notes", provider)?.cache().blocking();
    let note = "x".repeat(1000);
    for number in 0..MOST_SETS {
        match notes.set(&number.to_string(), &note, Ttl::Never) {
            Ok(()) => {}
            Err(error) if error.kind() == zbz_cache::ErrorKind::Full => {
                let kept = notes.stats()?.keys.unwrap_or_default();
                let first = notes.exists("0")?;
                let first = if first { "still there" } else { "gone" };
                return Ok(format!(
                    "64 KiB, notes of 1,000 bytes: {kept} stored, the oldest {first}, then the error\n\"{error}\""
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let stats = notes.stats()?;
    Ok(format!(
        "64 KiB, {} notes of 1,000 bytes: all taken, {} kept, {} evicted",
        figures::count(MOST_SETS),
        stats.keys.unwrap_or_default(),
        stats.evictions.unwrap_or_default()
    ))
}
