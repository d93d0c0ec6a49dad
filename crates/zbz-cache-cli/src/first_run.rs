//! The first run: a real trace as typed records through a cache too small for it, a report, and a tour.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use zbz_cache::{BlockingCache, Contract, Stats, options};

use crate::failure::Failure;
use crate::figures;
use crate::invocation;
use crate::page;

mod load;
mod product;
mod replay;
mod tour;

use self::load::Visits;
use self::product::Product;
use self::replay::Replayed;

/// The cache's memory: about an eighth of the memory that all products of the trace take, so that it evicts.
const MAX_SIZE: &str = "2MiB";

/// How long a product may be served from the cache.
const PRODUCT_TTL: Duration = Duration::from_secs(3600);

/// Replays the trace, reports, and gives the tour.
///
/// # Errors
///
/// The trace cannot be found or understood (nothing was printed then), or the cache did something wrong.
pub fn run(trace: Option<&Path>, out: &mut dyn Write) -> Result<(), Failure> {
    let visits = load::visits(trace)?;
    let provider = zbz_cache::new_provider("memory", options! { "max_size" => MAX_SIZE })?;
    let products =
        Contract::<Product>::new("products", provider)?.default_ttl(PRODUCT_TTL).cache()?.blocking();
    let replayed = replay::run(&visits, &products)?;

    report(out, &visits, &replayed, &products.stats()?)?;
    page::heading(out, "A tour of the rest, computed as you read")?;
    tour(out, &products)?;
    writeln!(out, "\nNext: {}", invocation::with("--help"))?;
    Ok(())
}

fn report(out: &mut dyn Write, visits: &Visits, replayed: &Replayed, stats: &Stats) -> Result<(), Failure> {
    page::heading(out, "A real trace through a small cache")?;
    page::line(out, "trace", &visits.title())?;
    if let Some(attribution) = visits.attribution() {
        page::line(out, "source", attribution.source)?;
        page::line(out, "licence", attribution.licence)?;
    }
    let requests = visits.ids.len() as u64;
    let (asked, distinct) = (figures::count(requests), figures::count(visits.distinct()));
    page::line(out, "requests", &format!("{asked} for {distinct} products"))?;
    let (hits, loads) = (figures::count(replayed.hits), figures::count(replayed.loads));
    let ratio = figures::percent(replayed.hits, requests);
    page::line(
        out,
        "hit ratio",
        &format!("{ratio}: {hits} hits, each compared with its product; {loads} loads"),
    )?;
    let seconds = replayed.took.as_secs_f64();
    let rate = figures::rate(requests as f64 / seconds);
    let speed = format!("{rate} requests a second; {seconds:.2} s with loading, coding and comparing");
    page::line(out, "speed", &speed)?;
    let known = |size: Option<u64>| size.map_or("?".to_owned(), figures::bytes);
    let (used, most, payload) =
        (known(stats.memory_bytes), known(stats.max_bytes), known(stats.payload_bytes));
    page::line(out, "memory", &format!("{used} of max_size {most}; {payload} of it are keys and values"))?;
    let known = |count: Option<u64>| count.map_or("?".to_owned(), figures::count);
    page::line(out, "keys", &known(stats.keys))?;
    page::line(out, "evictions", &known(stats.evictions))?;
    Ok(())
}

fn tour(out: &mut dyn Write, products: &BlockingCache<Product>) -> Result<(), Failure> {
    page::line(out, "batch", &tour::batch(products)?)?;
    page::line(out, "time to live", &tour::time_to_live(products)?)?;
    page::line(out, "listing", &tour::listing(products)?)?;
    page::line(out, "native", &tour::native(products)?)?;
    page::line(out, "full: evict", &tour::full("evict")?)?;
    page::line(out, "full: reject", &tour::full("reject")?)?;
    Ok(())
}
