//! What a near hit costs, beside a hit with a deadline in memory alone.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zbz_cache::memory::MemoryProvider;
use zbz_cache::tiered::TieredProvider;
use zbz_cache::{BlockingCache, Contract, MemoryCache, ProviderHandle, new_provider, options};

use crate::far::Far;

/// At most so many times the hit in memory.
const LIMIT: f64 = 1.3;

const HITS: u32 = 100_000;
const ROUNDS: usize = 61;
const NAMES: usize = 64;

fn cache(provider: ProviderHandle) -> BlockingCache<u64> {
    let cache = Contract::<u64>::new("speed", provider).unwrap().cache().blocking();
    for name in 0..NAMES as u64 {
        cache.set(&name.to_string(), &name, Duration::from_secs(3600)).unwrap();
        assert_eq!(cache.get(&name.to_string()).unwrap(), Some(name));
    }
    cache
}

fn tier() -> ProviderHandle {
    let near = MemoryCache::builder().cleanup_interval(Duration::ZERO).build().unwrap();
    let far = MemoryCache::builder().cleanup_interval(Duration::ZERO).build().unwrap();
    let far = Far { memory: MemoryProvider::new(far), wire: Arc::default() };
    let tier = TieredProvider::builder(near, ProviderHandle::new(far));
    ProviderHandle::new(tier.max_near_ttl(Duration::from_secs(3600)).build().unwrap())
}

/// Nanoseconds for each hit.
fn time(cache: &BlockingCache<u64>, names: &[String]) -> f64 {
    let begun = Instant::now();
    for at in 0..HITS as usize {
        let name = at % NAMES;
        assert_eq!(cache.get(black_box(&names[name])).unwrap(), Some(name as u64));
    }
    begun.elapsed().as_nanos() as f64 / f64::from(HITS)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[test]
#[ignore = "measures: make near-speed"]
fn a_near_hit_costs_little_more_than_one_in_memory() {
    let memory = cache(new_provider("memory", options! { "cleanup_interval" => 0 }).unwrap());
    let near = cache(tier());
    let names: Vec<String> = (0..NAMES).map(|name| name.to_string()).collect();
    // For an instruction counter: hits of one kind alone.
    match std::env::var("ONLY").as_deref() {
        Ok("memory") => return drop((0..10).map(|_| time(&memory, &names)).collect::<Vec<_>>()),
        Ok("near") => return drop((0..10).map(|_| time(&near, &names)).collect::<Vec<_>>()),
        _ => {}
    }
    let (mut alone, mut tiered, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // Turn by turn, so that whatever else the machine does meets both.
    for _ in 0..ROUNDS {
        let times = (time(&memory, &names), time(&near, &names));
        alone.push(times.0);
        tiered.push(times.1);
        ratios.push(times.1 / times.0);
    }
    let ratio = median(ratios);
    println!("memory {:.1} ns, near {:.1} ns: {ratio:.2} of {LIMIT}", median(alone), median(tiered));
    assert!(near.stats().unwrap().near.unwrap().read_through == NAMES as u64, "all of them were near");
    // Without optimisation it says nothing.
    assert!(ratio <= LIMIT || cfg!(debug_assertions), "{ratio:.2} times a hit in memory");
}
