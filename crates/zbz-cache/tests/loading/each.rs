//! Batches over a provider some of whose keys cannot be read: each name has its own answer.

use std::any::Any;

use zbz_cache::provider::{Cursor, Lookups, Page, Provider, Read, SetOptions, SetOutcome};
use zbz_cache::{
    BlockingCache, Contract, Error, ErrorKind, OnFailure, ProviderHandle, Reply, Result, Stats, Ttl, TtlState,
};

/// Memory, except that keys with the word "broken" cannot be reached.
struct Torn(ProviderHandle);

impl Torn {
    fn check(key: &[u8]) -> Result<()> {
        match key.windows(6).any(|word| word == b"broken") {
            true => Err(Error::new(ErrorKind::Unavailable, "that part is down")),
            false => Ok(()),
        }
    }
}

impl Provider for Torn {
    fn name(&self) -> &str {
        "torn"
    }

    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        match Torn::check(key) {
            Ok(()) => self.0.provider().get(key, buffer),
            Err(error) => Reply::ready(Err(error)),
        }
    }

    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome> {
        self.0.provider().set(key, value, options)
    }

    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        self.0.provider().delete(key)
    }

    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState> {
        self.0.provider().ttl(key)
    }

    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool> {
        self.0.provider().expire(key, ttl)
    }

    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page> {
        self.0.provider().scan(prefix, cursor)
    }

    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()> {
        self.0.provider().clear(prefix)
    }

    fn stats(&self) -> Reply<'_, Stats> {
        self.0.provider().stats()
    }

    fn record_lookups(&self, lookups: Lookups) {
        self.0.provider().record_lookups(lookups);
    }

    fn close(&self) -> Reply<'_, ()> {
        self.0.provider().close()
    }

    fn native(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }
}

fn torn() -> BlockingCache<String> {
    let handle = ProviderHandle::new(Torn(crate::handle()));
    let contract = Contract::<String>::new("t", handle).unwrap();
    let cache = contract.on_failure(OnFailure::Error).cache().unwrap().blocking();
    for name in ["a", "b"] {
        cache.set(name, &name.to_uppercase(), Ttl::Never).unwrap();
    }
    cache
}

fn kinds(answers: Vec<Result<Option<String>>>) -> Vec<Result<Option<String>, ErrorKind>> {
    answers.into_iter().map(|answer| answer.map_err(|error| error.kind())).collect()
}

const NAMES: [&str; 6] = ["a", "broken", "", "b", "a", "gone"];

#[test]
fn what_was_found_can_be_had_though_another_key_of_the_batch_failed() {
    let cache = torn();
    let (down, invalid) = (Err(ErrorKind::Unavailable), Err(ErrorKind::InvalidKey));
    let (a, b) = (Ok(Some("A".to_owned())), Ok(Some("B".to_owned())));
    let expected = [a.clone(), down.clone(), invalid.clone(), b.clone(), a.clone(), Ok(None)];
    assert_eq!(kinds(cache.get_each(NAMES)), expected);
    let stats = cache.stats().unwrap();
    assert_eq!((stats.hits, stats.misses), (3, 1), "what failed is no lookup");
    let failed = cache.get_multi(["a", "broken", "b"]).unwrap_err();
    let outcome = failed.batch_outcome().expect("the map form tells what became of each");
    assert_eq!((outcome.done.len(), outcome.failed[0].0.as_str()), (2, "broken"));
}

#[test]
fn a_load_of_many_answers_each_though_one_cannot_be_read() {
    let cache = torn();
    let load = |names: Vec<String>| {
        Ok::<_, Error>(names.into_iter().map(|name| (name, "new".to_owned())).collect::<Vec<_>>())
    };
    let (down, invalid) = (Err(ErrorKind::Unavailable), Err(ErrorKind::InvalidKey));
    let (a, b) = (Ok(Some("A".to_owned())), Ok(Some("B".to_owned())));
    let expected = [a.clone(), down, invalid, b, a, Ok(Some("new".to_owned()))];
    let answers = cache.get_or_load_each(NAMES, load);
    let named = answers[1].as_ref().unwrap_err();
    assert_eq!((named.provider(), named.operation()), (Some("torn"), Some("get_or_load_each")));
    assert_eq!(kinds(answers), expected);
    assert_eq!(cache.get("gone").unwrap().as_deref(), Some("new"), "what could be loaded was stored");
}

#[test]
fn what_fails_as_a_whole_is_every_names_answer() {
    let cache = torn();
    pollster::block_on(cache.cache().handle().close()).unwrap();
    let (closed, invalid) = (Err(ErrorKind::Closed), Err(ErrorKind::InvalidKey));
    let expected = [closed.clone(), invalid, closed];
    assert_eq!(kinds(cache.get_each(["a", "", "b"])), expected);
    let load = |_: Vec<String>| -> Result<Vec<(String, String)>> { panic!("a closed cache loads nothing") };
    assert_eq!(kinds(cache.get_or_load_each(["a", "", "b"], load)), expected);
}
