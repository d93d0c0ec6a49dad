//! Every option of every provider and of loads, with everything that people write.

use std::time::Duration;

#[cfg(feature = "redis")]
use crate::refused;
#[cfg(feature = "tiered")]
use zbz_cache::Ttl;
use zbz_cache::{ErrorKind, LoadOptions, OptionValue, Result, new_provider, options};

/// Values of options that people write.
fn what_people_write() -> Vec<OptionValue> {
    let texts = [
        "",
        " ",
        "\n",
        "0",
        "1",
        "-1",
        "1M",
        "30M",
        "100M",
        "1e3",
        "1_000",
        "100 MB",
        "100mb",
        "100MiB ",
        "64mib",
        "25 %",
        "250%",
        "0%",
        "99999999999999999999",
        "1",
        "yes",
        "TRUE",
        "false",
        "reject",
        "EVICT",
        "ttl",
        "never",
        "30s",
        "30S",
        "30s\n",
        "1month",
        "soon",
    ];
    let texts = texts.into_iter().map(OptionValue::from);
    let numbers: [OptionValue; 9] = [
        0.into(),
        1.into(),
        (-1).into(),
        u64::MAX.into(),
        f64::NAN.into(),
        f64::INFINITY.into(),
        0.5.into(),
        (-0.5).into(),
        1e300.into(),
    ];
    let others = [true.into(), Duration::ZERO.into(), Duration::from_secs(30).into()];
    texts.chain(numbers).chain(others).collect()
}

/// Every other one has to be refused by the option's name, with what it takes.
fn takes_only(name: &str, taken: &[&str], make: &dyn Fn(OptionValue) -> Result<()>) {
    for value in what_people_write() {
        let written = value.to_string();
        match make(value) {
            Ok(()) => assert!(taken.contains(&written.as_str()), "{name} took {written}"),
            Err(error) => {
                assert!(!taken.contains(&written.as_str()), "{name} refused {written}: {error}");
                assert_eq!(error.kind(), ErrorKind::Config, "{error}");
                let words = error.to_string();
                assert!(words.contains(name), "{name} {written}: {words}");
                assert!(words.contains("take") || words.contains("is empty"), "{name} {written}: {words}");
            }
        }
    }
}

const SIZES: &[&str] = &["\"100 MB\"", "\"100mb\"", "\"100MiB \"", "\"64mib\"", "\"25 %\""];
const SPANS: &[&str] = &["1", "\"1\"", "0.5", "\"1e3\"", "\"30s\"", "\"30s\\n\"", "30s"];
const ZEROS: &[&str] = &["0", "\"0\"", "0ns"];
const LONG: &[&str] = &["\"1month\"", "18446744073709551615", "\"99999999999999999999\""];

#[test]
fn every_option_of_memory_takes_what_it_says_and_nothing_else() {
    let make = |name: &'static str| {
        move |value: OptionValue| new_provider("memory", options! { name => value }).map(drop)
    };
    takes_only("max_size", SIZES, &make("max_size"));
    takes_only("cleanup_interval", &[SPANS, ZEROS, &LONG[..2]].concat(), &make("cleanup_interval"));
    takes_only("when_full", &["\"reject\"", "\"EVICT\""], &make("when_full"));
    takes_only("default_ttl", &[SPANS, &LONG[..2], &["\"never\""]].concat(), &make("default_ttl"));
    takes_only("max_key_size", &["1", "\"1\""], &make("max_key_size"));
}

#[test]
fn every_option_of_loads_takes_what_it_says_and_nothing_else() {
    let make = |name: &'static str| {
        move |value: OptionValue| LoadOptions::from_options(&options! { name => value })?.build().map(drop)
    };
    takes_only("ttl", &[SPANS, &LONG[..2], &["\"never\""]].concat(), &make("ttl"));
    for name in ["absent_ttl", "stale_on_error", "fresh_for", "timeout"] {
        takes_only(name, &[SPANS, &LONG[..1]].concat(), &make(name));
    }
    takes_only("jitter", &["0", "1", "0.5", "\"0\"", "\"1\"", "\"25 %\"", "\"0%\""], &make("jitter"));
}

#[cfg(feature = "redis")]
#[test]
fn every_option_of_redis_takes_what_it_says_and_nothing_else() {
    let make = |name: &'static str| {
        move |value: OptionValue| new_provider("redis", options! { name => value }).map(drop)
    };
    for name in ["connect_timeout", "call_timeout", "tracking_interval", "tracking_timeout"] {
        takes_only(name, SPANS, &make(name));
    }
    takes_only("default_ttl", &[SPANS, &LONG[..2], &["\"never\""]].concat(), &make("default_ttl"));
    takes_only("max_key_size", &["1", "\"1\""], &make("max_key_size"));
    takes_only("cluster", &["true", "\"TRUE\"", "\"false\""], &make("cluster"));
    takes_only("database", &["0", "1", "\"0\"", "\"1\""], &make("database"));
    // A port alone is no host, though systems take it for the address 0.0.24.235.
    let error = refused("redis", options! { "address" => 6379 });
    assert!(error.to_string().contains("takes host:port"), "{error}");
}

#[cfg(feature = "tiered")]
#[test]
fn every_option_of_a_tier_takes_what_it_says_and_nothing_else() {
    let make = |name: &'static str| {
        move |value: OptionValue| {
            let base = options! { "far" => "memory", "coherence" => "ttl" };
            new_provider("tiered", base.with(name, value)).map(drop)
        }
    };
    takes_only("near.max_size", SIZES, &make("near.max_size"));
    takes_only("max_near_ttl", SPANS, &make("max_near_ttl"));
    takes_only("max_size", SIZES, &make("far.max_size"));
    takes_only("coherence", &["\"ttl\""], &|value| {
        new_provider("tiered", options! { "far" => "memory", "coherence" => value }).map(drop)
    });
    let hour = new_provider(
        "tiered",
        options! { "far" => "memory", "coherence" => "ttl", "far.default_ttl" => "1h" },
    );
    assert_eq!(hour.unwrap().provider().default_ttl(), Ttl::After(Duration::from_secs(3600)));
}
