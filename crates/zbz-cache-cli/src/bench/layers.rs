//! The same gets and sets through each layer, from the engine to the typed cache, so that the price of each shows.
//!
//! One thread and few keys: everything is in the processor's nearest cache, and what is left is the work of the layer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zbz_cache::provider::{Lookups, SetOptions};
use zbz_cache::{BlockingCache, Bytes, Cache, Contract, MemoryCache, ProviderHandle, Ttl, options};

use super::plan::Plan;
use super::work::{self, CHUNK, VALUE_BYTES};
use crate::dice::Dice;
use crate::failure::Failure;
use crate::progress::Progress;

/// Keys of every layer.
pub(super) const KEYS: u64 = 1000;

/// How many layers there are.
pub(super) const COUNT: usize = 6;

/// Longer than any measurement.
const TTL: Duration = Duration::from_secs(3600);

/// One layer's figures.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Layer {
    pub(super) name: &'static str,
    /// Nanoseconds of one operation, medians of the rounds.
    pub(super) get_ns: f64,
    pub(super) set_ns: f64,
}

/// A typed value; its encoding has about as many bytes as the plain values.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    number: u64,
    text: String,
}

impl Item {
    fn of(number: u64) -> Item {
        Item { number, text: "v".repeat(VALUE_BYTES - 24) }
    }
}

/// Every layer over a cache of its own.
struct Layers {
    names: Vec<String>,
    engine: MemoryCache,
    /// The engine again, its entries with deadlines.
    mortal: MemoryCache,
    provider: ProviderHandle,
    raw: Cache<Bytes>,
    typed: Cache<Item>,
    blocking: BlockingCache<Item>,
}

type Timed = Result<f64, Failure>;

/// One layer: its name, a get and a set of one round.
type Measured = (&'static str, fn(&Layers, &Plan) -> Timed, fn(&Layers, &Plan) -> Timed);

const LAYERS: [Measured; COUNT] = [
    ("engine: MemoryCache::get_into, set", Layers::engine_get, Layers::engine_set),
    ("engine: entries with a TTL", Layers::mortal_get, Layers::mortal_set),
    ("provider by name: bytes through the trait object", Layers::provider_get, Layers::provider_set),
    ("Cache<Bytes>: namespace, async, no codec", Layers::raw_get, Layers::raw_set),
    ("Cache<T>: the default codec", Layers::typed_get, Layers::typed_set),
    ("BlockingCache<T>: the same without async", Layers::blocking_get, Layers::blocking_set),
];

/// Measures every layer.
///
/// # Errors
///
/// The cache did something wrong.
pub(super) fn measure(plan: &Plan, progress: &Progress) -> Result<Vec<Layer>, Failure> {
    progress.doing("layers");
    let layers = Layers::filled()?;
    let mut rounds = vec![(Vec::new(), Vec::new()); COUNT];
    for _ in 0..plan.rounds {
        for ((_, get, set), (gets, sets)) in LAYERS.iter().zip(&mut rounds) {
            gets.push(1e9 / get(&layers, plan)?);
            progress.step();
            sets.push(1e9 / set(&layers, plan)?);
            progress.step();
        }
    }
    let layer = |(&(name, ..), (gets, sets)): (&Measured, &mut (Vec<f64>, Vec<f64>))| Layer {
        name,
        get_ns: work::median(gets),
        set_ns: work::median(sets),
    };
    Ok(LAYERS.iter().zip(&mut rounds).map(layer).collect())
}

impl Layers {
    fn filled() -> Result<Layers, Failure> {
        // Of the same length as the keys of the grid, and text, which typed caches ask for.
        let names: Vec<String> = (0..KEYS).map(|number| format!("{number:016}")).collect();
        let provider = || zbz_cache::new_provider("memory", options! { "max_size" => "64MiB" });
        let typed = Contract::new("items", provider()?)?.cache();
        let layers = Layers {
            names,
            engine: MemoryCache::builder().max_size(64 << 20).build()?,
            mortal: MemoryCache::builder().max_size(64 << 20).build()?,
            provider: provider()?,
            raw: Contract::raw("raw", provider()?)?.cache(),
            blocking: typed.blocking(),
            typed,
        };
        for (name, number) in layers.names.iter().zip(0..) {
            let value = work::value::<VALUE_BYTES>(number);
            layers.engine.set(name.as_bytes(), &value, None)?;
            layers.mortal.set(name.as_bytes(), &value, Some(TTL))?;
            let _ = layers
                .provider
                .provider()
                .set(name.as_bytes(), &value, SetOptions::new(Ttl::Never))
                .wait()?;
            layers.raw.blocking().set(name, &Bytes::copy_from_slice(&value), Ttl::Never)?;
            layers.blocking.set(name, &Item::of(number), Ttl::Never)?;
        }
        Ok(layers)
    }

    fn name(&self, number: u64) -> &str {
        &self.names[number as usize]
    }

    /// Operations a second of one thread that does `each` with numbers of keys.
    fn rate(plan: &Plan, each: impl Fn(u64) -> Result<(), Failure> + Sync) -> Timed {
        work::rate(1, plan.round(), |_| {
            let mut dice = Dice::of(plan.round_ms);
            let each = &each;
            move || (0..CHUNK).try_for_each(|_| each(dice.below(KEYS))).map(|()| CHUNK)
        })
    }

    fn engine_get(&self, plan: &Plan) -> Timed {
        self.get_of(&self.engine, plan)
    }

    fn engine_set(&self, plan: &Plan) -> Timed {
        self.set_of(&self.engine, None, plan)
    }

    fn mortal_get(&self, plan: &Plan) -> Timed {
        self.get_of(&self.mortal, plan)
    }

    fn mortal_set(&self, plan: &Plan) -> Timed {
        self.set_of(&self.mortal, Some(TTL), plan)
    }

    fn get_of(&self, cache: &MemoryCache, plan: &Plan) -> Timed {
        work::rate(1, plan.round(), |_| {
            let (mut dice, mut value) = (Dice::of(plan.round_ms), Vec::new());
            move || {
                for _ in 0..CHUNK {
                    let number = dice.below(KEYS);
                    cache.get_into(self.name(number).as_bytes(), &mut value)?;
                    work::check(number, &value)?;
                }
                Ok(CHUNK)
            }
        })
    }

    fn set_of(&self, cache: &MemoryCache, ttl: Option<Duration>, plan: &Plan) -> Timed {
        Layers::rate(plan, |number| {
            Ok(cache.set(self.name(number).as_bytes(), &work::value::<VALUE_BYTES>(number), ttl)?)
        })
    }

    fn provider_get(&self, plan: &Plan) -> Timed {
        work::rate(1, plan.round(), |_| {
            let provider = self.provider.provider();
            let (mut dice, mut buffer) = (Dice::of(plan.round_ms), Vec::new());
            move || {
                for _ in 0..CHUNK {
                    let number = dice.below(KEYS);
                    let read =
                        provider.get(self.name(number).as_bytes(), std::mem::take(&mut buffer)).wait()?;
                    work::check(number, &read.buffer)?;
                    provider.record_lookups(Lookups::HIT);
                    buffer = read.buffer;
                }
                Ok(CHUNK)
            }
        })
    }

    fn provider_set(&self, plan: &Plan) -> Timed {
        let provider = self.provider.provider();
        Layers::rate(plan, |number| {
            let value = work::value::<VALUE_BYTES>(number);
            let stored = provider.set(self.name(number).as_bytes(), &value, SetOptions::new(Ttl::Never));
            Ok(stored.wait().map(drop)?)
        })
    }

    fn raw_get(&self, plan: &Plan) -> Timed {
        self.in_async(plan, async |number| match self.raw.get(self.name(number)).await? {
            Some(value) => work::check(number, &value),
            None => Err(work::lost(number)),
        })
    }

    fn raw_set(&self, plan: &Plan) -> Timed {
        self.in_async(plan, async |number| {
            let value = Bytes::copy_from_slice(&work::value::<VALUE_BYTES>(number));
            Ok(self.raw.set(self.name(number), &value, Ttl::Never).await?)
        })
    }

    fn typed_get(&self, plan: &Plan) -> Timed {
        self.in_async(plan, async |number| is_item(number, self.typed.get(self.name(number)).await?))
    }

    fn typed_set(&self, plan: &Plan) -> Timed {
        let items: Vec<Item> = (0..KEYS).map(Item::of).collect();
        self.in_async(plan, async |number| {
            Ok(self.typed.set(self.name(number), &items[number as usize], Ttl::Never).await?)
        })
    }

    fn blocking_get(&self, plan: &Plan) -> Timed {
        Layers::rate(plan, |number| is_item(number, self.blocking.get(self.name(number))?))
    }

    fn blocking_set(&self, plan: &Plan) -> Timed {
        let items: Vec<Item> = (0..KEYS).map(Item::of).collect();
        Layers::rate(plan, |number| {
            Ok(self.blocking.set(self.name(number), &items[number as usize], Ttl::Never)?)
        })
    }

    /// As [`rate`](Layers::rate), for an async operation; one executor runs each chunk.
    fn in_async(&self, plan: &Plan, each: impl AsyncFn(u64) -> Result<(), Failure> + Sync) -> Timed {
        work::rate(1, plan.round(), |_| {
            let mut dice = Dice::of(plan.round_ms);
            let each = &each;
            move || {
                pollster::block_on(async {
                    for _ in 0..CHUNK {
                        each(dice.below(KEYS)).await?;
                    }
                    Ok(CHUNK)
                })
            }
        })
    }
}

fn is_item(number: u64, found: Option<Item>) -> Result<(), Failure> {
    match found {
        Some(item) if item.number == number => Ok(()),
        Some(_) => Err(work::wrong(number)),
        None => Err(work::lost(number)),
    }
}
