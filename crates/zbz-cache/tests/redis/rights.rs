//! What a user needs does not depend on how a verb is called nor on what it finds, and a right that
//! is missing is named.

use std::time::Duration;

use zbz_cache::provider::{Condition, SetOptions, Version};
use zbz_cache::{
    Cache, Contract, Error, ErrorKind, LoadOptions, Loaded, OnFailure, ProviderHandle, Result, Ttl,
};
use zbz_cache::{new_provider, options};

use crate::server::{Server, provider_with, until};

/// The user that the guide describes, for keys that begin with `t:`.
fn guide_line() -> Vec<String> {
    let guide = include_str!("../../../../docs/guide.md");
    let line = guide.lines().find(|line| line.starts_with("ACL SETUSER")).expect("the guide has one");
    let words = line.split_ascii_whitespace().map(|word| match word {
        "cache" => "ann".to_owned(),
        ">secret" => ">pw".to_owned(),
        "~app:*" => "~t:*".to_owned(),
        word => word.to_owned(),
    });
    words.collect()
}

/// Makes the user anew: all that the guide lists, but these rights.
pub fn let_in(server: &Server, missing: &[&str]) {
    let mut words = guide_line();
    words.insert(3, "reset".to_owned());
    words.extend(missing.iter().map(|right| format!("-{right}")));
    server.tell(&words.iter().map(String::as_str).collect::<Vec<_>>());
}

pub fn user(server: &Server) -> ProviderHandle {
    provider_with(&format!("ann:pw@{}", server.address()), options! {})
}

type Text = Cache<String>;

type Call = fn(&Text) -> Result<()>;

/// A verb in all the ways it can be called, none of which may need another right.
type Verb = (&'static str, &'static [Call]);

fn wait<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

fn value() -> String {
    "v".to_owned()
}

fn load() -> std::future::Ready<Result<String, Error>> {
    std::future::ready(Ok(value()))
}

fn load_all(names: Vec<String>) -> std::future::Ready<Result<Vec<(String, String)>, Error>> {
    std::future::ready(Ok(names.into_iter().map(|name| (name, value())).collect()))
}

fn load_each(names: Vec<String>) -> Result<Vec<(String, String)>, Error> {
    Ok(names.into_iter().map(|name| (name, value())).collect())
}

fn first<T>(each: Vec<Result<T>>) -> Result<()> {
    each.into_iter().try_for_each(|answer| answer.map(drop))
}

fn never() -> LoadOptions {
    LoadOptions::builder().ttl(Duration::from_secs(60)).build().unwrap()
}

const VERBS: &[Verb] = &[
    ("a get of a value", &[|c| wait(c.get("k")).map(drop), |c| c.blocking().get("k").map(drop)]),
    (
        "a batch of gets",
        &[
            |c| wait(c.get_multi(["k", "k2"])).map(drop),
            |c| c.blocking().get_multi(["k"]).map(drop),
            |c| first(wait(c.get_each(["k", "k2"]))),
            |c| first(c.blocking().get_each(["k"])),
        ],
    ),
    (
        "a load",
        &[
            |c| wait(c.get_or_load("k", load)).map(drop),
            |c| c.blocking().get_or_load("k", || Ok::<_, Error>(value())).map(drop),
        ],
    ),
    (
        "a batch of loads",
        &[
            |c| wait(c.get_or_load_multi(["k", "k2"], load_all)).map(drop),
            |c| c.blocking().get_or_load_multi(["k"], load_each).map(drop),
            |c| first(wait(c.get_or_load_each(["k", "k2"], load_all))),
            |c| first(c.blocking().get_or_load_each(["k"], load_each)),
        ],
    ),
    (
        "a load that tells the time",
        &[
            |c| wait(c.get_or_load_opts("k", &never(), load)).map(drop),
            |c| c.blocking().get_or_load_opts("k", &never(), || Ok::<_, Error>(value())).map(drop),
            |c| wait(c.get_or_load_multi_opts(["k", "k2"], &never(), load_all)).map(drop),
            |c| c.blocking().get_or_load_multi_opts(["k"], &never(), load_each).map(drop),
            |c| first(wait(c.get_or_load_each_opts(["k", "k2"], &never(), load_all))),
            |c| first(c.blocking().get_or_load_each_opts(["k"], &never(), load_each)),
        ],
    ),
    (
        "get_versioned",
        &[|c| wait(c.get_versioned("k")).map(drop), |c| c.blocking().get_versioned("k").map(drop)],
    ),
    ("ttl", &[|c| wait(c.ttl("k")).map(drop), |c| c.blocking().ttl("k").map(drop)]),
    ("exists", &[|c| wait(c.exists("k")).map(drop), |c| c.blocking().exists("k").map(drop)]),
    (
        "set",
        &[
            |c| wait(c.set("k", &value(), Ttl::Never)),
            |c| c.blocking().set("k", &value(), Ttl::Never),
            |c| wait(c.set_multi([("k", value()), ("k2", value())], Ttl::Never)),
            |c| c.blocking().set_multi([("k", value())], Ttl::Never),
        ],
    ),
    (
        "delete",
        &[
            |c| wait(c.delete("k")).map(drop),
            |c| c.blocking().delete("k").map(drop),
            |c| wait(c.delete_multi(["k", "k2"])).map(drop),
            |c| c.blocking().delete_multi(["k"]).map(drop),
        ],
    ),
    (
        "a set under a condition",
        &[
            |c| wait(c.set_if_absent("k", &value(), Ttl::Never)).map(drop),
            |c| c.blocking().set_if_absent("k", &value(), Ttl::Never).map(drop),
            |c| swap(c).map(drop),
            |c| bytes(c, Condition::Absent),
            |c| bytes(c, Condition::Present),
            |c| bytes(c, Condition::Version(Version::from_u128(1))),
        ],
    ),
    (
        "replace",
        &[
            |c| wait(c.replace("k", &value(), Ttl::Never)).map(drop),
            |c| c.blocking().replace("k", &value(), Ttl::Never).map(drop),
        ],
    ),
    ("persist", &[|c| wait(c.persist("k")).map(drop), |c| c.blocking().persist("k").map(drop)]),
    (
        "expire",
        &[
            |c| wait(c.expire("k", Duration::from_secs(60))).map(drop),
            |c| c.blocking().expire("k", Duration::from_secs(60)).map(drop),
        ],
    ),
    ("take", &[|c| wait(c.take("k")).map(drop), |c| c.blocking().take("k").map(drop)]),
    ("add", &[|c| c.handle().provider().add(b"t:counter", 1, Ttl::Never).wait().map(drop)]),
    ("keys", &[|c| wait(c.keys("*")).map(drop), |c| c.blocking().keys("*").map(drop)]),
];

fn swap(cache: &Text) -> Result<()> {
    let version = Version::from_u128(7);
    wait(cache.compare_and_swap("k", version, &value(), Ttl::Never)).map(drop)
}

fn bytes(cache: &Text, condition: Condition) -> Result<()> {
    let options = SetOptions::new(Ttl::Never).when(condition);
    cache.handle().provider().set(b"t:k", b"v", options).wait().map(drop)
}

/// What may be there when a verb is called, and how it gets there.
type State = (&'static str, fn(&Server, &Text));

const STATES: [State; 5] = [
    ("nothing", |server, _| server.tell(&["DEL", "t:k", "t:k2", "t:counter"])),
    ("a value", |_, owner| wait(owner.set_multi([("k", value()), ("k2", value())], Ttl::Never)).unwrap()),
    ("a value that ends", |_, owner| wait(owner.set("k", &value(), Duration::from_secs(600))).unwrap()),
    ("what expired", |server, owner| {
        wait(owner.set("k", &value(), Duration::from_millis(1))).unwrap();
        until("it expired", || (!server.ask::<bool>(&["EXISTS", "t:k"])).then_some(()));
    }),
    ("a known absence", |_, owner| {
        owner.blocking().delete("k").unwrap();
        let options = LoadOptions::builder().absent_ttl(Duration::from_secs(600)).build().unwrap();
        owner.blocking().get_or_load_opts("k", &options, || Ok::<_, Error>(Loaded::absent())).unwrap();
    }),
];

fn outcome(answer: &Result<()>) -> Option<ErrorKind> {
    answer.as_ref().err().map(Error::kind)
}

/// Of every verb: all its forms, on whatever is there, are allowed or all are denied.
fn assert_uniform(server: &Server, cache: &Text, owner: &Text, missing: &[&str]) {
    for (verb, forms) in VERBS {
        let mut met = None;
        for (state, prepare) in STATES {
            for (form, call) in forms.iter().enumerate() {
                prepare(server, owner);
                let answer = call(cache);
                let kind = outcome(&answer);
                let what = format!("without {missing:?}: {verb}, form {form}, on {state}: {answer:?}");
                assert!(kind.is_none_or(|kind| kind == ErrorKind::Denied), "{what}");
                if let Err(error) = &answer {
                    let told = error.to_string();
                    let names =
                        missing.iter().any(|right| told.contains(&format!("ACL SETUSER <user> +{right}")));
                    assert!(names, "the right is named: {what}");
                }
                assert_eq!(*met.get_or_insert(kind), kind, "{what}");
            }
        }
    }
}

/// A cache of which every verb tells errors, loads too.
fn telling(provider: ProviderHandle) -> Text {
    Contract::new("t", provider).unwrap().on_failure(OnFailure::Error).cache().unwrap()
}

const MISSING: [&[&str]; 13] = [
    &["get", "mget"],
    &["eval"],
    &["eval_ro"],
    &["eval", "eval_ro"],
    &["get"],
    &["mget"],
    &["pttl"],
    &["set"],
    &["unlink"],
    &["exists"],
    &["persist"],
    &["incrby"],
    &["scan"],
];

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn rights_depend_neither_on_the_form_of_a_verb_nor_on_the_data() {
    let server = Server::start();
    let owner = telling(provider_with(&server.address(), options! {}));
    for missing in MISSING {
        let_in(&server, missing);
        assert_uniform(&server, &telling(user(&server)), &owner, missing);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn the_line_of_the_guide_is_enough_for_every_verb() {
    let server = Server::start();
    let owner = Contract::<String>::new("t", provider_with(&server.address(), options! {})).unwrap().cache();
    let_in(&server, &[]);
    let tier = new_provider(
        "tiered",
        options! { "far" => "redis", "far.address" => format!("ann:pw@{}", server.address()) },
    );
    for provider in [user(&server), tier.unwrap()] {
        let cache = telling(provider);
        for (verb, forms) in VERBS {
            for (state, prepare) in STATES {
                for (form, call) in forms.iter().enumerate() {
                    prepare(&server, &owner);
                    let answer = call(&cache);
                    assert!(answer.is_ok(), "{verb}, form {form}, on {state}: {answer:?}");
                }
            }
        }
        wait(cache.clear()).unwrap();
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_tiers_reads_need_the_same_before_and_after_its_link_is_proven() {
    let server = Server::start();
    let_in(&server, &["eval_ro"]);
    server.tell(&["SET", "t:k", "v"]);
    let far = format!("ann:pw@{}", server.address());
    let tier = new_provider("tiered", options! { "far" => "redis", "far.address" => far }).unwrap();
    let cache = Contract::<String>::raw("t", tier).unwrap().cache().blocking();
    let denied = |answer: Result<()>| {
        let told = answer.unwrap_err();
        assert!(told.kind() == ErrorKind::Denied && told.to_string().contains("+eval_ro"), "{told}");
    };
    denied(cache.get("k").map(drop));
    denied(cache.get_multi(["k", "k2"]).map(drop));
    let_in(&server, &[]);
    let copies = || cache.stats().unwrap().near.unwrap().keys;
    until("the connection is proven, and a copy is kept", || {
        assert_eq!(cache.get("k").unwrap().as_deref(), Some("v"));
        (copies() > 0).then_some(())
    });
    let_in(&server, &["eval_ro"]);
    denied(cache.get("k2").map(drop));
    denied(cache.get_multi(["k2", "k3"]).map(drop));
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_replica_without_its_primary_refuses_every_read_for_the_same_reason() {
    let server = Server::start();
    let owner = telling(provider_with(&server.address(), options! {}));
    wait(owner.set("k", &value(), Ttl::Never)).unwrap();
    server.tell(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    server.tell(&["REPLICAOF", "127.0.0.1", "1"]);
    let reads: [Call; 4] = [
        |c| wait(c.get("k")).map(drop),
        |c| wait(c.get_versioned("k")).map(drop),
        |c| wait(c.get_or_load_opts("k", &never(), load)).map(drop),
        |c| first(wait(c.get_each(["k", "k2"]))),
    ];
    for (at, read) in reads.iter().enumerate() {
        let told = read(&owner).unwrap_err().to_string();
        assert!(told.contains("replica without its primary"), "{at}: {told}");
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_swap_needs_the_same_whether_or_not_the_version_is_still_there() {
    let server = Server::start();
    let_in(&server, &[]);
    let cache = Contract::<String>::new("t", user(&server)).unwrap().cache().blocking();
    cache.set("k", &value(), Ttl::Never).unwrap();
    let version = cache.get_versioned("k").unwrap().unwrap().version;
    for missing in ["eval", "get", "set", "unlink", "exists"] {
        for held in [version, Version::from_u128(1)] {
            for ttl in [Ttl::Never, Ttl::After(Duration::ZERO)] {
                let_in(&server, &[missing]);
                let told = cache.compare_and_swap("k", held, &value(), ttl).unwrap_err();
                assert_eq!(told.kind(), ErrorKind::Denied, "without {missing}: {told}");
            }
        }
    }
    let_in(&server, &[]);
    assert_eq!(cache.get("k").unwrap(), Some(value()), "nothing was changed");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_contract_whose_entries_grow_stale_needs_the_same_on_any_thread() {
    let server = Server::start();
    let_in(&server, &["eval_ro"]);
    let stale = LoadOptions::builder().fresh_for(Duration::from_secs(1)).ttl(Duration::from_secs(60));
    let contract = Contract::<String>::new("t", user(&server)).unwrap();
    let contract = contract.load_options(stale.refresh_by_callers().build().unwrap());
    let cache = contract.on_failure(OnFailure::Error).cache().unwrap();
    let denied: [Call; 4] = [
        |c| wait(c.get_or_load("k", load)).map(drop),
        |c| c.blocking().get_or_load("k", || Ok::<_, Error>(value())).map(drop),
        |c| first(wait(c.get_or_load_each(["k", "k2"], load_all))),
        |c| c.blocking().get_or_load_multi(["k"], load_each).map(drop),
    ];
    for call in denied {
        assert_eq!(outcome(&call(&cache)), Some(ErrorKind::Denied));
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_server_that_takes_no_writes_refuses_them_whatever_is_there() {
    let server = Server::start();
    let owner = Contract::<String>::new("t", provider_with(&server.address(), options! {})).unwrap().cache();
    wait(owner.set("k", &value(), Ttl::Never)).unwrap();
    server.tell(&["REPLICAOF", "127.0.0.1", "1"]);
    let writes: [Call; 6] = [
        |c| wait(c.set_if_absent("k", &value(), Ttl::Never)).map(drop),
        |c| wait(c.set_if_absent("free", &value(), Ttl::Never)).map(drop),
        |c| wait(c.replace("free", &value(), Ttl::Never)).map(drop),
        |c| wait(c.take("free")).map(drop),
        |c| wait(c.persist("free")).map(drop),
        |c| c.handle().provider().add(b"t:free", 1, Ttl::Never).wait().map(drop),
    ];
    for (at, call) in writes.iter().enumerate() {
        let answer = call(&owner);
        assert_eq!(outcome(&answer), Some(ErrorKind::Unavailable), "{at}: {answer:?}");
    }
}
