//! Making providers: every wrong input is an error that says what to do.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod defaults;
mod environment;
mod fresh;
#[cfg(all(feature = "redis", feature = "tiered"))]
mod urls;
mod values;
#[cfg(feature = "tracing")]
mod warnings;

use std::collections::HashMap;
use std::time::Duration;

use zbz_cache::{
    Codec, Contract, Error, ErrorKind, MemoryCache, Options, Ttl, TtlState, WhenFull, memory, new_provider,
    new_provider_from_url, options, providers, register_provider,
};

/// The error of a provider that cannot be made.
fn refused(name: &str, options: Options) -> Error {
    new_provider(name, options).expect_err("a wrong option was taken")
}

#[test]
fn memory_is_there_by_name() {
    assert!(providers().iter().any(|name| name == "memory"));
    let handle = new_provider("memory", HashMap::from([("max_size", "1MiB")])).unwrap();
    assert_eq!(handle.name(), "memory");
    assert_eq!(handle.native::<MemoryCache>().unwrap().max_size(), 1 << 20);
    assert!(handle.native::<String>().is_none());
}

#[test]
fn the_defaults_are_those_documented() {
    let handle = new_provider("memory", options! {}).unwrap();
    assert_eq!(handle.native::<MemoryCache>().unwrap().max_size(), 104_857_600);
    let numbers = Contract::<u8>::new("n", handle).unwrap().cache().blocking();
    numbers.set("1", &1, Ttl::Default).unwrap();
    assert_eq!(numbers.ttl("1").unwrap(), TtlState::Never);
    assert!(numbers.set(&"k".repeat(1024), &1, Ttl::Default).is_ok());
    assert!(numbers.set(&"k".repeat(1025), &1, Ttl::Default).is_err());
}

#[test]
fn every_wrong_option_says_what_it_got_and_what_it_takes() {
    let cases: [(Options, &[&str]); 17] = [
        (options! { "max_sise" => 1 }, &["max_sise", "did you mean \"max_size\""]),
        (options! { "max_size" => -1 }, &["max_size", "-1", "takes bytes"]),
        (options! { "max_size" => f64::NAN }, &["max_size", "NaN"]),
        (options! { "max_size" => true }, &["max_size", "true"]),
        (options! { "max_size" => 0 }, &["max_size", "0", "65536"]),
        (options! { "max_size" => 65_535 }, &["max_size", "65535", "65536"]),
        (options! { "max_size" => "lots" }, &["max_size", "\"lots\"", "MiB"]),
        (options! { "cleanup_interval" => "soon" }, &["cleanup_interval", "\"soon\"", "90s"]),
        (options! { "cleanup_interval" => -5 }, &["cleanup_interval", "-5"]),
        (options! { "when_full" => "explode" }, &["when_full", "\"explode\"", "evict", "reject"]),
        (options! { "default_ttl" => "later" }, &["default_ttl", "\"later\"", "never"]),
        (options! { "default_ttl" => 0 }, &["default_ttl", "got 0", "more than zero", "never"]),
        (options! { "default_ttl" => "30M" }, &["default_ttl", "\"30M\"", "say \"30m\""]),
        (options! { "max_size" => "" }, &["max_size", "is empty", "leave it out"]),
        (options! { "max_key_size" => 0 }, &["max_key_size", "0", "32768"]),
        (options! { "max_key_size" => "33KiB" }, &["max_key_size", "32768"]),
        (options! { "max_size" => "64KiB", "max_key_size" => 9000 }, &["max_key_size", "9000", "8192"]),
    ];
    for (options, words) in cases {
        let error = refused("memory", options);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert_eq!(error.provider(), Some("memory"));
        for word in words {
            assert!(error.to_string().contains(word), "{word:?} is not in: {error}");
        }
    }
}

#[test]
fn an_unknown_provider_lists_the_known_ones() {
    let error = refused("memry", options! {});
    assert_eq!(error.kind(), ErrorKind::UnknownProvider);
    assert!(error.to_string().contains("did you mean \"memory\""), "{error}");
}

#[test]
fn a_provider_that_is_not_in_the_build_is_named_with_its_feature() {
    for (name, feature, is_here) in [
        ("redis", "redis", cfg!(feature = "redis")),
        ("rediss+cluster", "redis", cfg!(feature = "redis")),
        ("tiered", "tiered", cfg!(feature = "tiered")),
    ] {
        let by_url = new_provider_from_url(&format!("{name}://:sentinel@host")).err();
        let by_name = new_provider(name, options! {}).err();
        if is_here {
            continue;
        }
        for error in [by_url, by_name] {
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::UnknownProvider);
            let words = error.to_string();
            assert!(words.contains(&format!("turn on the feature {feature:?}")), "{words}");
            assert!(!words.contains("sentinel"), "{words}");
        }
    }
}

#[test]
fn a_url_in_place_of_a_name_is_told_and_not_shown() {
    for name in ["redis://:sentinel@host", "memory://?a=sentinel", ":sentinel@host", "Memory sentinel"] {
        let error = refused(name, options! {});
        assert_eq!(error.kind(), ErrorKind::UnknownProvider);
        assert!(error.to_string().contains("new_provider_from_url"), "{error}");
        assert!(!format!("{error} {error:?}").contains("sentinel"), "{error}");
    }
    let error = new_provider_from_url("sentinel://host").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("sentinel"), "{error}");
}

#[test]
fn options_reach_the_provider() {
    let provider = || options! { "default_ttl" => "90s", "max_key_size" => 2, "cleanup_interval" => 0 };
    let handle = new_provider("memory", provider()).unwrap();
    let numbers = Contract::<u8>::new("n", handle.clone()).unwrap().cache().blocking();
    numbers.set("ab", &1, Ttl::Default).unwrap();
    assert!(
        matches!(numbers.ttl("ab").unwrap(), TtlState::Remaining(left) if left <= Duration::from_secs(90))
    );
    assert_eq!(numbers.set("abc", &1, Ttl::Default).unwrap_err().kind(), ErrorKind::InvalidKey);
    let own = Contract::<u8>::new("own", handle).unwrap().default_ttl(Ttl::Never).cache().unwrap().blocking();
    own.set("ab", &1, Ttl::Default).unwrap();
    assert_eq!(own.ttl("ab").unwrap(), TtlState::Never, "the contract's default comes first");

    let rejecting = new_provider_from_url("memory://?max_size=64KiB&when_full=reject").unwrap();
    let blobs = Contract::<Vec<u8>>::raw("b", rejecting).unwrap().cache().blocking();
    let full = (0..100).find_map(|i| blobs.set(&i.to_string(), &vec![0; 8000], Ttl::Never).err()).unwrap();
    assert_eq!(full.kind(), ErrorKind::Full);
}

#[test]
fn a_url_for_memory_has_no_address() {
    let error = new_provider_from_url("memory://host/?max_size=1MiB").unwrap_err();
    assert!(error.to_string().contains("address"), "{error}");
    assert_eq!(new_provider_from_url("nothing://").unwrap_err().kind(), ErrorKind::UnknownProvider);
}

#[test]
fn ones_own_provider_is_made_by_its_name() {
    let make = |options: &Options| {
        options.refuse_unknown(&["size"])?;
        let bytes = options.bytes("size")?.unwrap_or(1 << 20);
        let cache = MemoryCache::builder().max_size(bytes).when_full(WhenFull::Reject).build()?;
        Ok(memory::MemoryProvider::new(cache))
    };
    register_provider("mine", make).unwrap();
    assert!(providers().contains(&"mine".to_owned()));
    let handle = new_provider("mine", options! { "size" => "2MiB" }).unwrap();
    assert_eq!(handle.native::<MemoryCache>().unwrap().max_size(), 2 << 20);
    assert_eq!(refused("mine", options! { "sise" => 1 }).kind(), ErrorKind::Config);

    let again = register_provider("mine", make).unwrap_err();
    assert!(again.to_string().contains("registered already"), "{again}");
    for name in ["", "Upper", "1st", "a b", "memory://", "\u{e9}"] {
        assert_eq!(register_provider(name, make).unwrap_err().kind(), ErrorKind::Config, "{name:?}");
    }
}

/// A codec of one's own.
struct Trusting;

impl Codec<String> for Trusting {
    fn id(&self) -> u8 {
        200
    }

    fn encode(&self, value: &String, bytes: &mut Vec<u8>) -> zbz_cache::Result<()> {
        bytes.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Option<String> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}

#[test]
fn one_namespace_holds_one_type_and_codec_at_a_time() {
    let handle = new_provider("memory", options! {}).unwrap();
    let users = Contract::<String>::new("users", handle.clone()).unwrap().cache();
    assert!(Contract::<String>::new("users", handle.clone()).is_ok());
    for error in [
        Contract::<u32>::new("users", handle.clone()).err(),
        Contract::<String>::raw("users", handle.clone()).err(),
        Contract::<String>::with_codec("users", handle.clone(), Trusting).err(),
    ] {
        let error = error.expect("a second type or codec was let in");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("users"), "{error}");
    }
    drop(users);
    assert!(Contract::<u32>::new("users", handle).is_ok(), "nothing holds it any more");
}
