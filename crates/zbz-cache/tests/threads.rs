//! What crosses threads, and what happens to futures that are dropped.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zbz_cache::provider::Version;
use zbz_cache::{BlockingCache, Cache, Contract, Error, LoadOptions, ProviderHandle, Ttl, options};

/// Neither `Send` nor `Sync`.
#[derive(Serialize, Deserialize, Default)]
struct Local {
    number: u32,
    #[serde(skip)]
    _here: Option<Rc<()>>,
}

fn handle() -> ProviderHandle {
    zbz_cache::new_provider("memory", options! {}).unwrap()
}

#[test]
fn caches_and_their_futures_cross_threads_whatever_the_value_is() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn sent<T: Send>(_: T) {}

    let cache: Cache<Local> = Contract::new("local", handle()).unwrap().cache();
    let value = Local { number: 7, ..Local::default() };
    shared(&cache);
    shared::<BlockingCache<Local>>(&cache.blocking());
    shared(cache.handle());
    shared(&Error::closed());
    sent(cache.get("1"));
    sent(cache.set("1", &value, Ttl::Never));
    sent(cache.get_multi(["1"]));
    sent(cache.get_each(vec!["1".to_owned()]));
    sent(cache.set_multi([("1", &value)], Ttl::Never));
    sent(cache.delete("1"));
    sent(cache.delete_multi(["1"]));
    sent(cache.exists("1"));
    sent(cache.ttl("1"));
    sent(cache.expire("1", Duration::ZERO));
    sent(cache.persist("1"));
    sent(cache.keys("*"));
    sent(cache.keys_page("*", None));
    sent(cache.clear());
    sent(cache.stats());
    let load = || async { Ok::<_, Error>(Local::default()) };
    let load_all = |names: Vec<String>| async {
        Ok::<_, Error>(names.into_iter().map(|name| (name, Local::default())).collect::<Vec<_>>())
    };
    let options = LoadOptions::default();
    sent(cache.get_or_load("1", load));
    sent(cache.get_or_load_opts("1", &options, load));
    sent(cache.get_or_load_multi(["1"], load_all));
    sent(cache.get_or_load_multi_opts(["1"], &options, load_all));
    sent(cache.get_or_load_each(["1"], load_all));
    sent(cache.get_or_load_each_opts(["1"], &options, load_all));
    sent(cache.set_if_absent("1", &value, Ttl::Never));
    sent(cache.replace("1", &value, Ttl::Never));
    sent(cache.get_versioned("1"));
    sent(cache.compare_and_swap("1", Version::from_u128(0), &value, Ttl::Never));
    sent(cache.take("1"));

    assert!(cache.blocking().get("1").unwrap().is_none(), "a future that was not polled did nothing");
    cache.blocking().set("1", &value, Ttl::Never).unwrap();
    assert_eq!(cache.blocking().get("1").unwrap().map(|value| value.number), Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_share_one_cache() {
    let cache: Cache<(u64, String)> = Contract::new("shared", handle()).unwrap().cache();
    let start = |task: u64| {
        let cache = cache.clone();
        tokio::spawn(async move {
            for round in 0..200 {
                let name = format!("{}", (task + round) % 50);
                if let Some((number, text)) = cache.get(&name).await? {
                    assert_eq!(number.to_string(), text);
                    assert_eq!(text, name);
                }
                let number = (task + round) % 50;
                cache.set(&name, &(number, number.to_string()), Ttl::Never).await?;
            }
            zbz_cache::Result::<()>::Ok(())
        })
    };
    for task in (0..8).map(start).collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    assert_eq!(cache.keys("*").await.unwrap().len(), 50);
}

#[test]
fn a_dropped_provider_lets_go_from_any_thread() {
    for _ in 0..20 {
        let handle = zbz_cache::new_provider("memory", options! { "cleanup_interval" => "1ms" }).unwrap();
        let cache: Cache<u32> = Contract::new("n", handle).unwrap().cache();
        let other = cache.clone();
        let thread = std::thread::spawn(move || other.blocking().set("1", &1, Duration::from_millis(1)));
        drop(cache);
        thread.join().unwrap().unwrap();
    }
}
