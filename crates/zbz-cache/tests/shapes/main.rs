//! Whatever shape a value has, and whichever codec: it comes back equal, or the set is refused and
//! changes nothing. `ZBZ_CACHE_TEST_CASES` says how many values of each shape are tried (96 unless set),
//! and `ZBZ_CACHE_TEST_SEED` repeats a run.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::time::SystemTime;

use proptest::strategy::BoxedStrategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zbz_cache::codec::Json;
use zbz_cache::{BlockingCache, Contract, ErrorKind, Ttl, new_provider, options};

mod enums;
mod plain;
mod structs;
mod values;

/// A type whose values are tried.
trait Shape: Debug + Serialize + DeserializeOwned + 'static {
    fn values() -> BoxedStrategy<Self>;

    /// Equal for equal values only, a NaN and the sign of a zero among them.
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

/// How what does not come back is found.
#[derive(Clone, Copy, PartialEq)]
enum Found {
    /// As it is written, in every set.
    Always,
    /// By the sample: each value is tried in a contract of its own, whose first sets are checked.
    BySample,
    /// As it is written, and no value of this shape comes back from either codec.
    Refused,
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a whole number"))
}

/// Tries values of `T` with both codecs.
fn try_values<T: Shape>(found: Found) {
    let handle = new_provider("memory", options! { "cleanup_interval" => 0 }).unwrap();
    let plain = |at: u64| open::<T>(Contract::new(&format!("plain {at}"), handle.clone()));
    try_codec::<T>("MessagePack", found, plain);
    let json = |at: u64| open::<T>(Contract::with_codec(&format!("json {at}"), handle.clone(), Json));
    try_codec::<T>("Json", found, json);
}

fn open<T: 'static>(contract: zbz_cache::Result<Contract<T>>) -> BlockingCache<T> {
    contract.unwrap().cache().blocking()
}

fn try_codec<T: Shape>(codec: &str, found: Found, contract: impl Fn(u64) -> BlockingCache<T>) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let seed = number("ZBZ_CACHE_TEST_SEED", now);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    // The first 64 sets of a contract are checked, so the last of these do without.
    let cases = number("ZBZ_CACHE_TEST_CASES", 96) as u32;
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let (opened, cache) = (Cell::new(0), RefCell::new(contract(0)));
    let stored = RefCell::default();
    let taken = Cell::new(0);
    let tried = runner.run(&T::values(), |value| {
        if found == Found::BySample {
            opened.set(opened.get() + 1);
            cache.replace(contract(opened.get()));
            stored.take();
        }
        let is_taken = try_value(&value, &cache.borrow(), &stored)?;
        taken.set(taken.get() + u32::from(is_taken));
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{} with {codec}, seed {seed}: {error}", type_name::<T>());
    }
    let is_ever_taken = taken.get() > 0;
    assert_eq!(is_ever_taken, found != Found::Refused, "{} with {codec}, seed {seed}", type_name::<T>());
}

/// Sets one value where the value that shows as `stored` is.
fn try_value<T: Shape>(
    value: &T,
    cache: &BlockingCache<T>,
    stored: &RefCell<Option<String>>,
) -> Result<bool, TestCaseError> {
    let fail = |words: String| Err(TestCaseError::fail(words));
    let outcome = cache.set("k", value, Ttl::Never);
    match &outcome {
        Ok(()) => *stored.borrow_mut() = Some(value.show()),
        Err(error) => {
            let text = error.to_string();
            if error.kind() != ErrorKind::Codec || !text.contains(type_name::<T>()) {
                return fail(format!("refused with {text}"));
            }
        }
    }
    let back = cache.get("k").expect("it is read").as_ref().map(Shape::show);
    match back == *stored.borrow() {
        true => Ok(outcome.is_ok()),
        false => fail(format!("{:?} was stored and {back:?} came back", stored.borrow())),
    }
}
