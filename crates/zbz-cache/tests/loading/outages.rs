//! Loads while the provider does not answer: every verb, in both forms.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use zbz_cache::{
    Cache, Contract, Error, ErrorKind, LoadOptions, LoadStats, OnFailure, Origin, ProviderHandle, Result,
    Stats, Ttl, TtlState,
};

use crate::Refused;
use crate::faulty::{Gate, Script, faulty, poll_now, ready};
use crate::verbs::{all, ask, expect};

const OUTAGES: [ErrorKind; 3] = [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Denied];

const TTL: Duration = Duration::from_secs(60);

fn texts(handle: &ProviderHandle) -> Cache<String> {
    Contract::new("texts", handle.clone()).unwrap().default_ttl(TTL).cache().unwrap()
}

/// A contract whose entries are stale after ten seconds, and are refreshed by those that ask.
fn stale_after_ten(handle: &ProviderHandle) -> Cache<String> {
    let options = LoadOptions::builder().fresh_for(Duration::from_secs(10)).refresh_by_callers();
    let options = options.stale_on_error(Duration::from_secs(1)).build().unwrap();
    let contract = Contract::new("texts", handle.clone()).unwrap();
    contract.default_ttl(TTL).load_options(options).cache().unwrap()
}

fn loads(handle: &ProviderHandle) -> LoadStats {
    handle.blocking_stats().unwrap().loads
}

fn brings(name: &str) -> Result<String, Refused> {
    Ok(format!("{name} from its source"))
}

fn refuses(_: &str) -> Result<String, Refused> {
    Err(Refused(7))
}

fn never(_: &str) -> Result<String, Refused> {
    panic!("the loader ran")
}

#[test]
fn a_load_goes_around_the_cache_in_every_verb_and_is_not_stored() {
    for kind in OUTAGES {
        for verb in all() {
            let (handle, script, _) = faulty();
            let texts = texts(&handle);
            script.fail(kind);
            for _ in 0..2 {
                let told = ask(verb, &texts, "a", brings).unwrap();
                expect(&told, "a from its source", Origin::LoadedAround, false);
            }
            let loads = loads(&handle);
            assert_eq!((loads.loaded, loads.around, loads.unstored), (2, 2, 0), "{verb:?}");
            assert_eq!(script.sets.load(SeqCst), 0, "{verb:?} stored");
            let kept = std::mem::take(&mut *script.kept.lock().unwrap());
            let [(key, loaded), _] = &kept[..] else { panic!("each load is offered once") };
            assert!(key.ends_with(b"a"));
            assert_eq!(loaded.ttl, Ttl::After(TTL));
            assert!(loaded.began.elapsed() < TTL);
            script.recover();
            expect(&ask(verb, &texts, "a", brings).unwrap(), "a from its source", Origin::Loaded, true);
            expect(&ask(verb, &texts, "a", never).unwrap(), "a from its source", Origin::Hit, true);
        }
    }
}

#[test]
fn the_lookups_of_loads_that_go_around_are_misses_and_failed_reads() {
    for verb in all() {
        let (handle, script, _) = faulty();
        let texts = texts(&handle);
        script.fail(ErrorKind::Unavailable);
        ask(verb, &texts, "a", brings).unwrap();
        ask(verb, &texts, "a", refuses).unwrap_err();
        let stats = handle.blocking_stats().unwrap();
        assert_eq!((stats.hits, stats.misses, stats.failed_reads), (0, 2, 2), "{verb:?}");
        assert_eq!((stats.sets, stats.keys), (0, Some(0)));
        let text = stats.to_string();
        assert!(text.contains("0 answers of loads, 1 more by an outage"), "{text}");
        assert!(text.contains("outages         2 reads not answered, 0 sets dropped"), "{text}");
    }
}

#[test]
fn a_contract_may_ask_for_the_error_in_its_place() {
    for kind in OUTAGES {
        for verb in all() {
            let (handle, script, _) = faulty();
            let contract = Contract::<String>::new("texts", handle.clone()).unwrap();
            let texts = contract.on_failure(OnFailure::Error).default_ttl(TTL).cache().unwrap();
            script.fail(kind);
            let error = ask(verb, &texts, "a", never).unwrap_err();
            assert_eq!((error.kind(), error.outage().map(Error::kind)), (kind, Some(kind)), "{verb:?}");
            assert_eq!(handle.blocking_stats().unwrap().failed_reads, 0);
        }
    }
}

#[test]
fn what_fails_for_another_reason_is_the_answer_and_nothing_is_loaded() {
    for kind in [ErrorKind::TooLarge, ErrorKind::InvalidValue, ErrorKind::Closed, ErrorKind::Unsupported] {
        for verb in all() {
            let (handle, script, _) = faulty();
            let texts = texts(&handle);
            script.fail(kind);
            let error = ask(verb, &texts, "a", never).unwrap_err();
            assert_eq!(error.kind(), kind, "{verb:?}");
            assert!(error.outage().is_none());
        }
    }
}

#[test]
fn a_loader_that_fails_too_is_the_answer_with_the_outage_beside_it() {
    for kind in OUTAGES {
        for verb in all() {
            let (handle, script, _) = faulty();
            script.fail(kind);
            let error = ask(verb, &texts(&handle), "a", refuses).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LoadFailed, "{verb:?}");
            assert_eq!(error.load_source(), Some(&Refused(7)));
            let mut chain: Vec<&(dyn StdError + 'static)> = Vec::new();
            chain.extend(error.source());
            while let Some(next) = chain[chain.len() - 1].source() {
                chain.push(next);
            }
            assert!(chain.iter().any(|cause| cause.is::<Refused>()), "the loader's error: {chain:?}");
            assert!(
                chain.iter().any(|cause| cause.is::<Error>()),
                "and why the cache was not read: {chain:?}"
            );
            assert_eq!(error.outage().map(Error::kind), Some(kind), "{verb:?}");
            let text = error.to_string();
            assert!(text.contains("refused; and the cache could not be read: the script says so"), "{text}");
        }
    }
}

#[test]
fn a_refresh_whose_store_fails_hands_its_value_out() {
    for kind in OUTAGES {
        for verb in all() {
            let (handle, script, hand) = faulty();
            let texts = stale_after_ten(&handle);
            texts.blocking().set("a", &"old".into(), Ttl::Default).unwrap();
            hand.advance(Duration::from_secs(11));
            script.fail_stores(kind);
            let told = ask(verb, &texts, "a", brings).unwrap();
            expect(&told, "a from its source", Origin::Loaded, false);
            assert_eq!((loads(&handle).unstored, loads(&handle).refreshes), (1, 1), "{verb:?}");
        }
    }
}

#[test]
fn a_refresh_that_fails_and_whose_second_look_fails_tells_of_both() {
    for verb in all() {
        let (handle, script, hand) = faulty();
        let texts = stale_after_ten(&handle);
        texts.blocking().set("a", &"old".into(), Ttl::Default).unwrap();
        hand.advance(Duration::from_secs(11));
        // The first look is before the loader, the second one after it.
        let fail: &'static Script = Box::leak(Box::new(Arc::clone(&script)));
        let error = ask(verb, &texts, "a", move |_| {
            fail.fail(ErrorKind::Timeout);
            Err(Refused(1))
        });
        let error = error.unwrap_err();
        assert_eq!(
            (error.kind(), error.load_source()),
            (ErrorKind::LoadFailed, Some(&Refused(1))),
            "{verb:?}"
        );
        assert_eq!(error.outage().map(Error::kind), Some(ErrorKind::Timeout), "{verb:?}");
    }
}

#[test]
fn a_refresh_that_fails_leaves_the_stale_value_while_that_can_be_read() {
    for verb in all() {
        let (handle, script, hand) = faulty();
        let texts = stale_after_ten(&handle);
        texts.blocking().set("a", &"old".into(), Ttl::Default).unwrap();
        hand.advance(Duration::from_secs(11));
        script.fail_stores(ErrorKind::Unavailable);
        expect(&ask(verb, &texts, "a", refuses).unwrap(), "old", Origin::Stale, true);
        assert_eq!(loads(&handle).stale, 1, "{verb:?}");
    }
}

#[test]
fn of_a_batch_only_the_names_that_were_not_read_go_around() {
    for blocking in [false, true] {
        let (handle, script, _) = faulty();
        let texts = texts(&handle);
        texts.blocking().set("hit", &"here".into(), TTL).unwrap();
        script.fail_keys(ErrorKind::Unavailable, "down");
        let names = ["hit", "miss", "down"];
        let load = |names: Vec<String>| {
            Ok::<_, Refused>(names.into_iter().map(|name| (name, "loaded".to_owned())).collect::<Vec<_>>())
        };
        let options = LoadOptions::default();
        let found = match blocking {
            true => texts.blocking().get_or_load_multi_opts(names, &options, load),
            false => ready(texts.get_or_load_multi_opts(names, &options, |names| async move { load(names) })),
        };
        let found = found.unwrap();
        let origins = names.map(|name| (found[name].origin, found[name].ttl != TtlState::Missing));
        assert_eq!(
            origins,
            [(Origin::Hit, true), (Origin::Loaded, true), (Origin::LoadedAround, false)],
            "blocking: {blocking}"
        );
        assert_eq!((loads(&handle).loaded, loads(&handle).around), (2, 1));
        script.fail_keys(ErrorKind::TooLarge, "down");
        let each = texts.blocking().get_or_load_each(["hit", "down"], load);
        assert!(each[0].is_ok());
        assert_eq!(each[1].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
    }
}

#[test]
fn a_copy_that_may_be_out_of_date_answers_while_it_is_fresh_and_no_loader_runs() {
    for verb in all() {
        let (handle, script, hand) = faulty();
        let texts = stale_after_ten(&handle);
        texts.blocking().set("a", &"copy".into(), Ttl::Default).unwrap();
        script.fail(ErrorKind::Unavailable);
        script.is_degraded.store(true, SeqCst);
        expect(&ask(verb, &texts, "a", never).unwrap(), "copy", Origin::Degraded, true);
        // Past its fresh time it is refreshed, and that load is not stored.
        hand.advance(Duration::from_secs(11));
        let told = ask(verb, &texts, "a", brings).unwrap();
        expect(&told, "a from its source", Origin::LoadedAround, false);
        expect(&ask(verb, &texts, "a", refuses).unwrap(), "copy", Origin::Degraded, true);
        assert_eq!((script.sets.load(SeqCst), loads(&handle).around), (1, 1), "{verb:?}");
    }
}

#[test]
fn a_caller_that_asks_after_a_removal_loads_by_itself_though_the_removal_was_not_answered() {
    for blocking in [false, true] {
        let (handle, script, _) = faulty();
        let texts = texts(&handle);
        script.fail(ErrorKind::Unavailable);
        let gate = Arc::new(Gate::default());
        gate.shut();
        let waits = Arc::clone(&gate);
        let mut first = Box::pin(texts.get_or_load("a", || async move {
            waits.pass().await;
            brings("old")
        }));
        assert!(poll_now(first.as_mut()).is_none());
        assert_eq!(texts.blocking().delete("a").unwrap_err().kind(), ErrorKind::Unavailable);
        let looks = script.looks.load(SeqCst);
        let mut later: Pin<Box<dyn Future<Output = _> + Send>> = match blocking {
            false => Box::pin(texts.get_or_load("a", || async { brings("new") })),
            true => {
                let texts = texts.clone();
                let slept = std::thread::spawn(move || texts.blocking().get_or_load("a", || brings("new")));
                while script.looks.load(SeqCst) == looks {
                    std::thread::yield_now();
                }
                Box::pin(async { slept.join().unwrap() })
            }
        };
        if !blocking {
            assert!(poll_now(later.as_mut()).is_none(), "it waits for the load that was there");
        }
        gate.open();
        assert_eq!(ready(first).unwrap().as_deref(), Some("old from its source"));
        assert_eq!(ready(later).unwrap().as_deref(), Some("new from its source"), "blocking: {blocking}");
        assert!(!script.kept.lock().unwrap()[0].1.token.is_valid(), "the first one may not be kept");
        assert_eq!(script.looks.load(SeqCst), looks + 1, "it looked again");
    }
}

#[test]
fn a_thousand_callers_that_are_not_answered_share_one_load() {
    let (handle, script, _) = faulty();
    let texts = texts(&handle);
    script.fail(ErrorKind::Timeout);
    let (gate, runs) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
    gate.shut();
    let ask = || {
        let (gate, runs) = (Arc::clone(&gate), Arc::clone(&runs));
        Box::pin(texts.get_or_load_opts("a", &LoadOptions::default(), move || async move {
            runs.fetch_add(1, SeqCst);
            gate.pass().await;
            brings("a")
        }))
    };
    let mut callers: Vec<_> = (0..crate::TASKS).map(|_| ask()).collect();
    assert!(callers.iter_mut().all(|caller| poll_now(caller.as_mut()).is_none()));
    gate.open();
    let origins: Vec<Origin> = callers.into_iter().map(|caller| ready(caller).unwrap().origin).collect();
    assert_eq!((runs.load(SeqCst), origins[0]), (1, Origin::LoadedAround));
    assert!(origins[1..].iter().all(|&origin| origin == Origin::Coalesced));
    assert_eq!((loads(&handle).around, loads(&handle).coalesced), (1, crate::TASKS as u64 - 1));
}

#[test]
fn a_look_that_failed_is_not_repeated_because_other_loads_ended() {
    let (handle, script, _) = faulty();
    let texts = texts(&handle);
    script.reads.shut();
    let mut caller = Box::pin(texts.get_or_load("a", || async { brings("a") }));
    assert!(poll_now(caller.as_mut()).is_none(), "its look is not answered");
    script.reads.open();
    texts.blocking().get_or_load("b", || brings("b")).unwrap();
    let looks = script.looks.load(SeqCst);
    script.fail(ErrorKind::Timeout);
    assert_eq!(poll_now(caller.as_mut()).unwrap().unwrap().as_deref(), Some("a from its source"));
    assert_eq!(script.looks.load(SeqCst), looks, "it looked again");
}

#[test]
fn plain_verbs_tell_the_error_by_default() {
    let (handle, script, _) = faulty();
    let texts = texts(&handle).blocking();
    script.fail(ErrorKind::Denied);
    let errors = [
        texts.get("a").unwrap_err(),
        texts.get_multi(["a"]).unwrap_err(),
        texts.get_each(["a"]).remove(0).unwrap_err(),
        texts.exists("a").unwrap_err(),
        texts.ttl("a").unwrap_err(),
        texts.set("a", &"x".into(), TTL).unwrap_err(),
        texts.set_multi([("a", "x".to_owned())], TTL).unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Denied));
    let Stats { failed_reads, dropped_sets, misses, .. } = handle.blocking_stats().unwrap();
    assert_eq!((failed_reads, dropped_sets, misses), (0, 0, 0));
}

#[test]
fn a_contract_may_take_reads_for_misses_and_drop_sets() {
    for kind in OUTAGES {
        let (handle, script, _) = faulty();
        let contract = Contract::<String>::new("texts", handle.clone()).unwrap();
        let texts = contract.on_failure(OnFailure::Miss).default_ttl(TTL).cache().unwrap().blocking();
        texts.set("a", &"old".into(), TTL).unwrap();
        script.fail(kind);
        assert_eq!(texts.get("a").unwrap(), None);
        assert!(texts.get_multi(["a", "b"]).unwrap().is_empty());
        assert!(texts.get_each(["a", "b"]).into_iter().all(|each| each.unwrap().is_none()));
        assert!(!texts.exists("a").unwrap());
        assert_eq!(texts.ttl("a").unwrap(), TtlState::Missing);
        texts.set("a", &"new".into(), TTL).unwrap();
        texts.set_multi([("a", "new".to_owned()), ("b", "new".to_owned())], TTL).unwrap();
        assert_eq!(texts.get_or_load("a", || brings("a")).unwrap().as_deref(), Some("a from its source"));
        let stats = handle.blocking_stats().unwrap();
        assert_eq!((stats.failed_reads, stats.dropped_sets), (8, 3), "{kind:?}");
        assert_eq!((stats.hits, stats.misses, stats.sets), (0, 6, 1), "{kind:?}");
        assert_eq!(Some(stats.sets - stats.replaced.unwrap()), stats.keys);
        let told = [
            texts.delete("a").unwrap_err(),
            texts.delete_multi(["a"]).unwrap_err(),
            texts.take("a").unwrap_err(),
            texts.clear().unwrap_err(),
            texts.expire("a", Duration::ZERO).unwrap_err(),
            texts.expire("a", TTL).unwrap_err(),
            texts.persist("a").unwrap_err(),
            texts.set("a", &"x".into(), Duration::ZERO).unwrap_err(),
            texts.set_multi([("a", "x".to_owned())], Duration::ZERO).unwrap_err(),
            texts.set_if_absent("a", &"x".into(), TTL).unwrap_err(),
            texts.replace("a", &"x".into(), TTL).unwrap_err(),
            texts.get_versioned("a").unwrap_err(),
            texts.keys("*").unwrap_err(),
        ];
        assert!(told.iter().all(|error| error.kind() == kind), "{told:?}");
    }
}

#[test]
fn of_a_batch_only_what_an_outage_failed_is_a_miss() {
    let (handle, script, _) = faulty();
    let contract = Contract::<String>::new("texts", handle.clone()).unwrap();
    let texts = contract.on_failure(OnFailure::Miss).cache().unwrap().blocking();
    texts.set_multi([("a", "here".to_owned()), ("b", "here".to_owned())], TTL).unwrap();
    script.fail_keys(ErrorKind::Unavailable, "b");
    assert_eq!(texts.get_multi(["a", "b"]).unwrap().len(), 1);
    texts.set_multi([("a", "new".to_owned()), ("b", "new".to_owned())], TTL).unwrap();
    let stats = handle.blocking_stats().unwrap();
    assert_eq!((stats.failed_reads, stats.dropped_sets, stats.hits, stats.misses), (1, 1, 1, 1));
    script.fail_keys(ErrorKind::InvalidValue, "b");
    let failed = texts.get_multi(["a", "b"]).unwrap_err();
    assert_eq!(failed.batch_outcome().unwrap().failed.len(), 1);
    assert!(texts.set_multi([("b", "new".to_owned())], TTL).is_err());
}
