//! What it costs to look whether sets come back: `cargo run --release --example checks`. With `set`
//! it makes 10,000 sets, with `trusted` the same through a codec that is not checked, with `get` 10,000
//! hits, each of records and of maps, and prints nothing, for an instruction counter (`make checks`).

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zbz_cache::{BlockingCache, Codec, Contract, MessagePack, ProviderHandle, Result, Ttl, options};

const CALLS: u32 = 10_000;
const TURNS: usize = 20;

#[derive(Serialize, Deserialize)]
struct Record {
    id: u64,
    name: String,
    email: Option<String>,
    scores: Vec<f64>,
    tags: Vec<String>,
}

/// The default codec, as one of a user's own.
struct Trusted;

impl<T: Serialize + DeserializeOwned> Codec<T> for Trusted {
    fn id(&self) -> u8 {
        200
    }

    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()> {
        MessagePack.encode(value, bytes)
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        MessagePack.decode(bytes)
    }
}

/// Values of one type, in a contract that is checked and in one that is not.
struct Pair<T> {
    checked: BlockingCache<T>,
    trusted: BlockingCache<T>,
    value: T,
}

impl<T: Serialize + DeserializeOwned + 'static> Pair<T> {
    fn new(name: &str, provider: &ProviderHandle, value: T) -> Result<Self> {
        let checked = Contract::new(name, provider.clone())?.cache().blocking();
        let trusted = format!("{name}, trusted");
        let trusted = Contract::with_codec(&trusted, provider.clone(), Trusted)?.cache().blocking();
        Ok(Pair { checked, trusted, value })
    }

    fn set(&self) -> Result<()> {
        (0..CALLS).try_for_each(|_| self.checked.set("name", black_box(&self.value), Ttl::Never))
    }

    fn set_trusted(&self) -> Result<()> {
        (0..CALLS).try_for_each(|_| self.trusted.set("name", black_box(&self.value), Ttl::Never))
    }

    fn get(&self) -> Result<()> {
        self.checked.set("name", &self.value, Ttl::Never)?;
        (0..CALLS).try_for_each(|_| self.checked.get("name").map(|found| drop(black_box(found))))
    }

    fn print(&self, name: &str) -> Result<()> {
        let (set, trusted) = (fastest(|| self.set())?, fastest(|| self.set_trusted())?);
        let price = 100.0 * (set / trusted - 1.0);
        println!("{name:<8}  set {set:6.1} ns, unchecked {trusted:6.1} ns ({price:+.1} %)");
        println!("{name:<8}  get {:6.1} ns", fastest(|| self.get())?);
        Ok(())
    }
}

/// Nanoseconds for each call.
fn fastest(run: impl Fn() -> Result<()>) -> Result<f64> {
    let mut best = Duration::MAX;
    for _ in 0..TURNS {
        let begun = Instant::now();
        run()?;
        best = best.min(begun.elapsed());
    }
    Ok(best.as_nanos() as f64 / f64::from(CALLS))
}

fn main() -> Result<()> {
    let provider = zbz_cache::new_provider("memory", options! { "cleanup_interval" => 0 })?;
    let record = Record {
        id: 123_456,
        name: "Ann Example".into(),
        email: Some("ann@example.org".into()),
        scores: (0..8).map(|score| f64::from(score) / 3.0).collect(),
        tags: ["red", "green", "blue"].map(str::to_owned).to_vec(),
    };
    let records = Pair::new("records", &provider, record)?;
    let map: HashMap<String, u64> = (0..16).map(|key| (format!("key {key}"), key)).collect();
    let maps = Pair::new("maps", &provider, map)?;
    match std::env::args().nth(1).as_deref() {
        Some("set") => records.set().and_then(|()| maps.set()),
        Some("trusted") => records.set_trusted().and_then(|()| maps.set_trusted()),
        Some("get") => records.get().and_then(|()| maps.get()),
        _ => records.print("records").and_then(|()| maps.print("maps")),
    }
}
