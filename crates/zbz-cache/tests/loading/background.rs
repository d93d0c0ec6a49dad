//! Refreshes in the runtime in which a contract is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::task::yield_now;
use zbz_cache::{Contract, Error, ErrorKind, LoadOptions, Origin, Result};

use crate::handle;

#[tokio::test]
async fn a_refresh_in_the_background_ends_with_the_last_handle() {
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let handle = handle();
    let options = LoadOptions::builder().ttl(Duration::from_secs(60)).fresh_for(Duration::from_millis(1));
    let contract = Contract::<String>::new("texts", handle.clone()).unwrap();
    let texts = contract.load_options(options.build().unwrap()).cache().unwrap();
    texts.set("k", &"old".to_owned(), Duration::from_secs(60)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let counts = Counts(Arc::clone(&dropped));
    let hang = || async move {
        let _counts = counts;
        std::future::pending::<Result<String>>().await
    };
    assert_eq!(texts.get_or_load("k", hang).await.unwrap().as_deref(), Some("old"));
    yield_now().await;
    assert_eq!(dropped.load(SeqCst), 0, "it hangs in the background");
    drop((texts, handle));
    tokio::time::timeout(Duration::from_secs(20), async {
        while dropped.load(SeqCst) == 0 {
            yield_now().await;
        }
    })
    .await
    .expect("it was dropped");
}

#[tokio::test]
async fn within_a_runtime_a_contract_has_its_spawner() {
    let options = LoadOptions::builder().ttl(Duration::from_secs(60)).fresh_for(Duration::from_millis(1));
    let options = options.build().unwrap();
    let contract = Contract::<String>::new("texts", handle()).unwrap().load_options(options.clone());
    let texts = contract.cache().unwrap();
    let load = |text: &'static str| move || async move { Ok::<_, Error>(text.to_owned()) };
    texts.get_or_load("k", load("first")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let stale = texts.get_or_load_opts("k", &LoadOptions::default(), load("second")).await.unwrap();
    assert_eq!((stale.value.as_deref(), stale.origin), (Some("first"), Origin::Stale));
    tokio::time::timeout(Duration::from_secs(20), async {
        while texts.get("k").await.unwrap().as_deref() != Some("second") {
            yield_now().await;
        }
    })
    .await
    .expect("it is refreshed");
    let outside = std::thread::spawn(move || {
        Contract::<String>::new("texts", handle()).unwrap().load_options(options).build().unwrap_err()
    });
    let error = outside.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("fresh_for is 1ms and there is no spawner"), "{error}");
}
