//! Every verb that loads, in its async and its blocking form, behind one face.

use zbz_cache::{Cache, LoadOptions, LoadOutcome, Loaded, Result, TtlState};

use crate::Refused;
use crate::faulty::ready;

/// A verb that loads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verb {
    Single,
    SingleOpts,
    Multi,
    MultiOpts,
    Each,
    EachOpts,
}

/// How it is called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Async,
    Blocking,
}

pub(crate) const VERBS: [Verb; 6] =
    [Verb::Single, Verb::SingleOpts, Verb::Multi, Verb::MultiOpts, Verb::Each, Verb::EachOpts];

/// Every verb in both forms.
pub(crate) fn all() -> impl Iterator<Item = (Verb, Form)> {
    VERBS.into_iter().flat_map(|verb| [(verb, Form::Async), (verb, Form::Blocking)])
}

type Answer = Result<String, Refused>;

fn batch(names: Vec<String>, answer: &impl Fn(&str) -> Answer) -> Result<Vec<(String, String)>, Refused> {
    names.into_iter().map(|name| answer(&name).map(|value| (name, value))).collect()
}

/// The outcome of a verb without options.
fn plain(value: Option<String>) -> Told {
    Told { value, outcome: None }
}

/// The answer of a verb for one name.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) value: Option<String>,
    pub(crate) outcome: Option<LoadOutcome<String>>,
}

fn told(outcome: LoadOutcome<String>) -> Told {
    Told { value: outcome.value.clone(), outcome: Some(outcome) }
}

/// Asks for one name.
pub(crate) fn ask(
    (verb, form): (Verb, Form),
    cache: &Cache<String>,
    name: &str,
    answer: impl Fn(&str) -> Answer + Send + Sync + Copy + 'static,
) -> Result<Told> {
    let options = LoadOptions::default();
    let blocking = cache.blocking();
    let one = || answer(name).map(Loaded::value);
    let many = move |names: Vec<String>| batch(names, &answer);
    let later_one = || {
        let answered = one();
        async move { answered }
    };
    let later_many = move |names: Vec<String>| async move { many(names) };
    let first = |mut all: std::collections::HashMap<String, _>| all.remove(name);
    let only = |mut all: Vec<Result<_>>| all.remove(0);
    match (verb, form) {
        (Verb::Single, Form::Async) => ready(cache.get_or_load(name, later_one)).map(plain),
        (Verb::Single, Form::Blocking) => blocking.get_or_load(name, one).map(plain),
        (Verb::SingleOpts, Form::Async) => ready(cache.get_or_load_opts(name, &options, later_one)).map(told),
        (Verb::SingleOpts, Form::Blocking) => blocking.get_or_load_opts(name, &options, one).map(told),
        (Verb::Multi, Form::Async) => {
            ready(cache.get_or_load_multi([name], later_many)).map(|mut all| plain(all.remove(name)))
        }
        (Verb::Multi, Form::Blocking) => {
            blocking.get_or_load_multi([name], many).map(|mut all| plain(all.remove(name)))
        }
        (Verb::MultiOpts, Form::Async) => {
            let all = ready(cache.get_or_load_multi_opts([name], &options, later_many));
            all.map(|all| told(first(all).expect("every name has an answer")))
        }
        (Verb::MultiOpts, Form::Blocking) => {
            let all = blocking.get_or_load_multi_opts([name], &options, many);
            all.map(|all| told(first(all).expect("every name has an answer")))
        }
        (Verb::Each, Form::Async) => ready(cache.get_or_load_each([name], later_many)).remove(0).map(plain),
        (Verb::Each, Form::Blocking) => blocking.get_or_load_each([name], many).remove(0).map(plain),
        (Verb::EachOpts, Form::Async) => {
            only(ready(cache.get_or_load_each_opts([name], &options, later_many))).map(told)
        }
        (Verb::EachOpts, Form::Blocking) => {
            only(blocking.get_or_load_each_opts([name], &options, many)).map(told)
        }
    }
}

/// Asks, and compares where a verb tells more than the value.
pub(crate) fn expect(told: &Told, value: &str, origin: zbz_cache::Origin, is_stored: bool) {
    assert_eq!(told.value.as_deref(), Some(value));
    if let Some(outcome) = &told.outcome {
        assert_eq!((outcome.origin, outcome.ttl != TtlState::Missing), (origin, is_stored));
    }
}
