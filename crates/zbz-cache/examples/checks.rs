//! What it costs to look whether sets come back: `cargo run --release --example checks`. With `set`
//! it makes 10,000 sets, with `trusted` the same without the sample, with `bare` without any look at
//! what is written, with `get` 10,000 hits, each of records and of maps; `texts` and `numbers` are hits of
//! a text of 4 KiB and of 1,000 numbers. Each prints nothing, for an instruction counter
//! (`make checks`).

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zbz_cache::{
    BlockingCache, Codec, Contract, Error, ErrorKind, MessagePack, ProviderHandle, Result, Ttl, options,
};

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

/// What the default codec is made of, alone.
struct Bare;

impl<T: Serialize + DeserializeOwned> Codec<T> for Bare {
    fn id(&self) -> u8 {
        201
    }

    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()> {
        let mut serializer = rmp_serde::Serializer::new(bytes).with_struct_map().with_human_readable();
        value.serialize(&mut serializer).map_err(|error| Error::new(ErrorKind::Codec, error.to_string()))
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        T::deserialize(&mut rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable()).ok()
    }
}

/// Values of one type, in a contract that is checked, in one without the sample and in one without any
/// look.
struct Trio<T> {
    checked: BlockingCache<T>,
    trusted: BlockingCache<T>,
    bare: BlockingCache<T>,
    value: T,
}

impl<T: Serialize + DeserializeOwned + 'static> Trio<T> {
    fn new(name: &str, provider: &ProviderHandle, value: T) -> Result<Self> {
        let checked = Contract::new(name, provider.clone())?.cache().blocking();
        let trusted = format!("{name}, trusted");
        let trusted = Contract::with_codec(&trusted, provider.clone(), Trusted)?.cache().blocking();
        let bare = format!("{name}, bare");
        let bare = Contract::with_codec(&bare, provider.clone(), Bare)?.cache().blocking();
        Ok(Trio { checked, trusted, bare, value })
    }

    fn set(&self, cache: &BlockingCache<T>) -> Result<()> {
        (0..CALLS).try_for_each(|_| cache.set("name", black_box(&self.value), Ttl::Never))
    }

    fn get(&self, cache: &BlockingCache<T>) -> Result<()> {
        cache.set("name", &self.value, Ttl::Never)?;
        (0..CALLS).try_for_each(|_| cache.get("name").map(|found| drop(black_box(found))))
    }

    fn print(&self, name: &str) -> Result<()> {
        let ways = [("checked", &self.checked), ("no sample", &self.trusted), ("bare", &self.bare)];
        for (way, cache) in ways {
            let (set, get) = (fastest(|| self.set(cache))?, fastest(|| self.get(cache))?);
            println!("{name:<8} {way:<10} set {set:9.1} ns  get {get:9.1} ns");
        }
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
    let records = Trio::new("records", &provider, record)?;
    let map: HashMap<String, u64> = (0..16).map(|key| (format!("key {key}"), key)).collect();
    let maps = Trio::new("maps", &provider, map)?;
    let texts = Trio::new("texts", &provider, "c'est un \u{441}\u{44b}\u{440} ".repeat(227))?;
    let numbers: Vec<u32> = (0..1_000_u32).map(|number| number.wrapping_mul(0x9E37_79B9)).collect();
    let numbers = Trio::new("numbers", &provider, numbers)?;
    match std::env::args().nth(1).as_deref() {
        Some("set") => records.set(&records.checked).and_then(|()| maps.set(&maps.checked)),
        Some("trusted") => records.set(&records.trusted).and_then(|()| maps.set(&maps.trusted)),
        Some("bare") => records.set(&records.bare).and_then(|()| maps.set(&maps.bare)),
        Some("get") => records.get(&records.checked).and_then(|()| maps.get(&maps.checked)),
        Some("texts") => texts.get(&texts.checked),
        Some("numbers") => numbers.get(&numbers.checked),
        _ => {
            records.print("records")?;
            maps.print("maps")?;
            texts.print("texts")?;
            numbers.print("numbers")
        }
    }
}
