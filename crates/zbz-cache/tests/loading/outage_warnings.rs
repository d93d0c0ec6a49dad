//! One warning when loads begin to go around the cache, one when they use it again.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use zbz_cache::{Contract, ErrorKind, ProviderHandle};

use crate::Refused;
use crate::faulty::faulty;
use crate::verbs::{all, ask};
use crate::warnings::warnings_of;

fn brings(_: &str) -> Result<String, Refused> {
    Ok("loaded".to_owned())
}

fn texts(handle: &ProviderHandle) -> zbz_cache::Cache<String> {
    Contract::new("texts", handle.clone()).unwrap().cache()
}

#[test]
fn loads_that_go_around_are_warned_of_once_when_they_begin_and_once_when_they_end() {
    let (handle, script, _) = faulty();
    let (texts, others) = (texts(&handle), Contract::new("others", handle.clone()).unwrap().cache());
    let begun = warnings_of(|| {
        script.fail(ErrorKind::Denied);
        for verb in all() {
            ask(verb, &texts, "a", brings).unwrap();
            ask(verb, &others, "b", brings).unwrap();
        }
    });
    let [begun] = &begun[..] else { panic!("{begun:?}") };
    assert!(begun.contains("loads go around the cache") && begun.contains("faulty"), "{begun}");
    assert!(begun.contains("denied: the script says so"), "a wrong password does not hide: {begun}");
    let ended = warnings_of(|| {
        // A server that answers while another one is down does not end it.
        script.recover();
        script.is_down.store(true, SeqCst);
        std::thread::sleep(Duration::from_millis(1100));
        texts.blocking().get_or_load("a", || brings("a")).unwrap();
        script.is_down.store(false, SeqCst);
    });
    assert!(ended.is_empty(), "{ended:?}");
    let since = Instant::now();
    let mut ended = Vec::new();
    while ended.is_empty() && since.elapsed() < Duration::from_secs(10) {
        ended = warnings_of(|| drop(texts.blocking().get_or_load("a", || brings("a")).unwrap()));
    }
    let [ended] = &ended[..] else { panic!("{ended:?}") };
    assert!(ended.contains("loads use the cache again") && ended.contains("loads=24"), "{ended}");
    let quiet = warnings_of(|| drop(texts.blocking().get_or_load("c", || brings("c")).unwrap()));
    assert!(quiet.is_empty(), "{quiet:?}");
    let again = warnings_of(|| {
        script.fail(ErrorKind::Timeout);
        ask(all().next().unwrap(), &texts, "a", brings).unwrap();
    });
    assert!(again.len() == 1 && again[0].contains("timed out"), "{again:?}");
}
