//! Cases about the answers of loaders, and about batches of names.

use std::collections::HashMap;
use std::time::Duration;

use super::fixture::{Case, Fixture, LONG, Verdict, case, kind_of, values_of};
use super::loader::{NoSource, Source, begin, built, finish, poll_any, settle, texts, value};
use crate::{Contract, ErrorKind, LoadOptions, Loaded, Origin, Result, Ttl, TtlState};

pub(super) const CASES: &[Case] = &[
    case("a loader may choose a TTL, report an absence, or forbid the store", what_loaders_say),
    case("an absence is remembered for its TTL, and differs from a stored None", absences),
    case("a batch loads its missing names in one call, and shares them with other callers", batches),
    case("get_or_load_each answers each name by itself, in order", each),
];

fn what_loaders_say(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider());
    let blocking = cache.blocking();
    let options = built(LoadOptions::builder().ttl(LONG));
    let load = |name: &str, loaded: Loaded<String>| {
        blocking.get_or_load_opts(name, &options, || Ok::<_, NoSource>(loaded)).expect("the load succeeds")
    };
    let text = || Loaded::value("v".to_owned());
    assert_eq!(load("default", text()).ttl, TtlState::Remaining(LONG));
    assert_eq!(load("own", text().ttl(LONG / 4)).ttl, TtlState::Remaining(LONG / 4));
    assert!(matches!(blocking.ttl("own").expect("ttl"), TtlState::Remaining(left) if left <= LONG / 4));
    assert_eq!(load("never", text().ttl(Ttl::Never)).ttl, TtlState::Never);
    assert_eq!(blocking.ttl("never").expect("ttl"), TtlState::Never);
    let gone = load("gone", text().ttl(Duration::ZERO));
    assert_eq!((gone.value.as_deref(), gone.ttl), (Some("v"), TtlState::Missing));
    assert_eq!(blocking.get("gone").expect("get"), None);
    let hidden = load("hidden", text().not_stored());
    assert_eq!((hidden.value.as_deref(), hidden.ttl), (Some("v"), TtlState::Missing));
    assert_eq!(blocking.get("hidden").expect("get"), None);
    let absent = load("absent", Loaded::absent());
    assert_eq!((absent.value, absent.ttl), (None, TtlState::Missing), "not remembered unless asked");
    assert!(!blocking.exists("absent").expect("exists"));
    Ok(())
}

fn absences(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let contract =
        Contract::<Option<u32>>::new(&fixture.namespace, handle.clone()).expect("the contract opens");
    let cache = contract.cache().blocking();
    let options = built(LoadOptions::builder().ttl(LONG).absent_ttl(LONG / 2));
    let mut runs = 0;
    let mut load = |name: &str, loaded: Loaded<Option<u32>>| {
        let outcome = cache.get_or_load_opts(name, &options, || {
            runs += 1;
            Ok::<_, NoSource>(loaded)
        });
        (outcome.expect("the load succeeds"), runs)
    };
    let (first, _) = load("absent", Loaded::absent());
    assert_eq!((first.value, first.ttl), (None, TtlState::Remaining(LONG / 2)));
    let (again, runs) = load("absent", Loaded::value(Some(1)));
    assert_eq!((again.value, again.origin, runs), (None, Origin::Hit, 1), "it is remembered");
    let (none, _) = load("none", Loaded::value(None));
    assert_eq!(none.value, Some(None));
    let (again, runs) = load("none", Loaded::absent());
    assert_eq!((again.value, again.origin, runs), (Some(None), Origin::Hit, 2), "a stored None is a value");
    assert_eq!(cache.get("absent").expect("get"), None);
    assert_eq!(cache.get("none").expect("get"), Some(None));
    assert_eq!(values_of(cache.get_each(["absent", "none"]), "get_each"), [None, Some(None)]);
    let stats = cache.stats().expect("stats");
    assert_eq!(
        (stats.undecodable, stats.known_absences, stats.misses),
        (0, 3, 2),
        "a known absence is neither undecodable nor a miss"
    );
    cache.set("absent", &Some(3), Ttl::Never).expect("set");
    assert_eq!(cache.get("absent").expect("get"), Some(Some(3)), "a set ends it");
    cache.delete("absent").expect("delete");
    let (_, runs) = load("absent", Loaded::absent().ttl(LONG));
    assert_eq!(runs, 3);
    assert!(cache.delete("absent").expect("delete"), "a delete ends it too");
    assert_eq!(load("absent", Loaded::value(Some(4))).0.value, Some(Some(4)));
    Ok(())
}

fn each(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider());
    let blocking = cache.blocking();
    blocking.set("a", &"set".to_owned(), Ttl::Never).expect("set");
    let mut asked = Vec::new();
    let load = |names: Vec<String>| -> Result<HashMap<String, String>, NoSource> {
        asked.push(names.clone());
        let known = names.into_iter().filter(|name| name != "nothing");
        Ok(known.map(|name| (name.clone(), format!("of {name}"))).collect())
    };
    let names = ["b", "", "a", "nothing", "b"];
    let answers = blocking.get_or_load_each(names, load);
    let text = |text: &str| Ok(Some(text.to_owned()));
    let kinds = |answers: Vec<Result<Option<String>>>| -> Vec<Result<Option<String>, ErrorKind>> {
        answers.into_iter().map(|answer| answer.map_err(|error| error.kind())).collect()
    };
    let expected = [text("of b"), Err(ErrorKind::InvalidKey), text("set"), Ok(None), text("of b")];
    assert_eq!(kinds(answers), expected, "the invalid name fails by itself");
    assert_eq!(asked, [["b", "nothing"]], "each missing name once, in one call");
    assert_eq!(blocking.get("b").expect("get").as_deref(), Some("of b"), "it was stored");

    let failing = |_: Vec<String>| std::future::ready(Err::<Vec<(String, String)>, _>(NoSource(1)));
    let answers = pollster::block_on(cache.get_or_load_each(["a", "u", ""], failing));
    let expected = [text("set"), Err(ErrorKind::LoadFailed), Err(ErrorKind::InvalidKey)];
    assert_eq!(kinds(answers), expected, "names that were found are answered although a load failed");
    let options = built(LoadOptions::builder().ttl(LONG));
    let outcomes = pollster::block_on(cache.get_or_load_each_opts(["u", "a", "u"], &options, |names| {
        std::future::ready(Ok::<_, NoSource>(
            names.into_iter().map(|name| (name, 1.to_string())).collect::<Vec<_>>(),
        ))
    }));
    let origins = outcomes.into_iter().map(|outcome| outcome.expect("the load succeeds").origin);
    assert_eq!(origins.collect::<Vec<_>>(), [Origin::Loaded, Origin::Hit, Origin::Loaded]);
    assert!(blocking.get_or_load_each([""; 0], load_nothing).is_empty());
    Ok(())
}

fn load_nothing(_: Vec<String>) -> Result<Vec<(String, String)>, NoSource> {
    panic!("nothing is missing")
}

fn batches(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle);
    let blocking = cache.blocking();
    blocking.set("a", &"set".to_owned(), Ttl::Never).expect("set");
    let mut asked = Vec::new();
    let load = |names: Vec<String>| -> Result<HashMap<String, String>, NoSource> {
        asked.push(names.clone());
        let known = names.into_iter().filter(|name| name != "nothing");
        Ok(known.map(|name| (name.clone(), format!("of {name}"))).chain([("x".into(), "y".into())]).collect())
    };
    let found = blocking.get_or_load_multi(["a", "b", "c", "nothing", "b"], load).expect("the load succeeds");
    assert_eq!(asked, [["b", "c", "nothing"]], "each missing name once, in one call");
    assert_eq!(found.len(), 3);
    assert_eq!((found["a"].as_str(), found["b"].as_str()), ("set", "of b"));
    assert_eq!(blocking.get("c").expect("get").as_deref(), Some("of c"));
    assert_eq!(blocking.get("x").expect("get"), None, "a name that was not asked for is ignored");
    assert_eq!(blocking.get_or_load_multi(["a", "b"], load_nothing).expect("hits").len(), 2);
    assert!(blocking.get_or_load_multi([""; 0], load_nothing).expect("nothing").is_empty());

    // A single caller and a batch that want the same name.
    let (source, options) = (Source::default(), LoadOptions::default());
    let single = begin(&source, &cache, "s", &options);
    let mut batch = Box::pin(cache.get_or_load_multi(["s", "t"], |names| {
        std::future::ready(Ok::<_, NoSource>(
            names.into_iter().map(|name| (name, "batch".to_owned())).collect::<Vec<_>>(),
        ))
    }));
    settle(&cache, || poll_any(batch.as_mut()).is_none());
    source.say(value("single"));
    let found = pollster::block_on(batch).expect("the load succeeds");
    assert_eq!((found["s"].as_str(), found["t"].as_str()), ("single", "batch"));
    assert_eq!(finish(single).value.as_deref(), Some("single"));

    let failing = |_: Vec<String>| Err::<Vec<(String, String)>, _>(NoSource(1));
    let failed = blocking.get_or_load_multi(["a", "u", "v"], failing).expect_err("the loader failed");
    let outcome = failed.batch_outcome().expect("a batch error");
    assert_eq!((failed.kind(), outcome.done.len(), outcome.failed.len()), (ErrorKind::LoadFailed, 1, 2));
    assert_eq!(kind_of(blocking.get_or_load_multi(["w", ""], load_nothing)), ErrorKind::InvalidKey);
    assert_eq!(handle.blocking_stats().expect("stats").loads.under_way, 0);
    Ok(())
}
