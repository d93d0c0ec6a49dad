//! The message of a load's error, and the way from it to the loader's own error.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use zbz_cache::{BlockingCache, Error, ErrorKind, LoadOptions, Result};

use crate::{Refused, cache, handle};

/// An error around another one, whose own text says nothing of it.
#[derive(Debug)]
struct Wrapper<E>(E);

impl<E> std::fmt::Display for Wrapper<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the query failed")
    }
}

impl<E: StdError + 'static> StdError for Wrapper<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

type Boxed = Box<dyn StdError + Send + Sync>;

fn texts() -> BlockingCache<String> {
    cache(&handle()).blocking()
}

/// The errors of a single load and of a batch whose loaders fail so.
fn failed<E: Into<Boxed> + 'static>(fail: impl Fn() -> E) -> [Error; 2] {
    let texts = texts();
    let single = texts.get_or_load("k", || Err::<String, E>(fail())).unwrap_err();
    let batch = texts.get_or_load_multi(["a", "b"], |_| Err::<Vec<(String, String)>, E>(fail())).unwrap_err();
    [single, batch]
}

#[track_caller]
fn reaches(errors: [Error; 2]) {
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::LoadFailed);
        assert_eq!(error.load_source::<Refused>(), Some(&Refused(7)), "{error:?}");
        assert!(error.load_source::<std::fmt::Error>().is_none(), "there is no such error");
    }
}

#[test]
fn the_message_of_a_failed_load_has_the_loaders_words() {
    let [single, batch] = failed(|| "no such row");
    assert_eq!(single.to_string(), "memory: get_or_load: load failed: no such row");
    assert_eq!(
        batch.to_string(),
        "memory: get_or_load_multi: load failed: 2 of 2 entries failed, the first because: no such row; \
         batch_outcome() tells of each"
    );
    let [single, _] = failed(|| Wrapper(Refused(7)));
    assert!(
        single.to_string().ends_with("load failed: the query failed"),
        "no more than the loader's error says"
    );
}

#[test]
fn the_message_of_a_panic_has_its_words() {
    let panics = || -> Result<String> { std::panic::resume_unwind(Box::new("no such table")) };
    let error = texts().get_or_load("k", panics).unwrap_err();
    assert_eq!(error.to_string(), "memory: get_or_load: loader panicked: no such table");
}

#[test]
fn the_message_of_a_timeout_has_its_span() {
    let texts = cache(&handle());
    let options = LoadOptions::builder().timeout(Duration::from_millis(20)).build().unwrap();
    let hang = std::future::pending::<Result<String>>;
    let error = pollster::block_on(texts.get_or_load_opts("k", &options, hang)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LoadTimeout);
    assert!(error.to_string().contains("within its timeout of 20ms"), "{error}");
}

#[test]
fn a_batch_keeps_the_cause_of_each_of_its_failures() {
    let [_, batch] = failed(|| Refused(7));
    let source = batch.source().and_then(|source| source.downcast_ref::<Refused>());
    assert_eq!(source, Some(&Refused(7)));
    let outcome = batch.batch_outcome().unwrap();
    assert_eq!(outcome.failed.len(), 2);
    for (_, error) in &outcome.failed {
        assert_eq!(error.load_source::<Refused>(), Some(&Refused(7)));
    }
}

#[test]
fn a_loaders_error_is_reached_through_what_wraps_it() {
    reaches(failed(|| Refused(7)));
    reaches(failed(|| Wrapper(Wrapper(Refused(7)))));
    reaches(failed(|| Boxed::from(Refused(7))));
    reaches(failed(|| Box::new(Refused(7))));
    reaches(failed(|| Arc::new(Refused(7))));
    reaches(failed(|| Arc::<dyn StdError + Send + Sync>::from(Boxed::from(Refused(7)))));
    // Their `source` is that of the error inside.
    reaches(failed(|| io::Error::other(Refused(7))));
    reaches(failed(|| Wrapper(io::Error::other(Arc::new(Refused(7))))));
}

#[test]
fn a_loaders_error_is_reached_through_loads_within_loads() {
    for pick in [0, 1] {
        reaches(failed(|| failed(|| Refused(7)).into_iter().nth(pick).unwrap()));
        reaches(failed(|| Wrapper(failed(|| Wrapper(Refused(7))).into_iter().nth(pick).unwrap())));
    }
    let [single, _] = failed(|| failed(|| Refused(7)).into_iter().next().unwrap());
    assert_eq!(single.load_source::<Error>().map(Error::kind), Some(ErrorKind::LoadFailed));
    assert!(
        single.to_string().ends_with("load failed: memory: get_or_load: load failed: refused"),
        "{single}"
    );
}

#[test]
fn a_loaders_error_is_reached_through_anyhow_with_context() {
    reaches(failed(|| anyhow::Error::new(Refused(7)).context("no answer").context("no user")));
    reaches(failed(|| anyhow::Error::new(Wrapper(Refused(7)))));
}

#[cfg(feature = "anyhow")]
#[tokio::test]
async fn a_loaders_error_is_reached_through_anyhow() {
    reaches(failed(|| anyhow::Error::new(Refused(7))));
    reaches(failed(|| anyhow::Error::from_boxed(Boxed::from(Refused(7)))));
    let texts = cache(&handle());
    let load = || async { Err::<String, _>(anyhow::Error::new(Refused(7))) };
    let single = texts.get_or_load("k", load).await.unwrap_err();
    let source = single.source().and_then(|source| source.downcast_ref::<Refused>());
    assert_eq!(source, Some(&Refused(7)), "the source has the type, too");
    assert_eq!(single.to_string(), "memory: get_or_load: load failed: refused");
    let load = |_| async { Err::<Vec<(String, String)>, _>(anyhow::Error::new(Refused(7))) };
    reaches([single, texts.get_or_load_multi(["a", "b"], load).await.unwrap_err()]);
}
