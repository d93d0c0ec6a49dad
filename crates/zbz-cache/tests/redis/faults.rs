//! Every fault: each call ends by its deadline, with an error that says what to do, and soon after
//! the fault all is well.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::provider::{Condition, SetOptions};
use zbz_cache::{Error, ErrorKind, Options, ProviderHandle, Result, Ttl, options};

use crate::proxy::{Fault, Proxy};
use crate::server::{Folder, Server, each, free_port, long, provider_with, texts, until};

pub const CALL_TIMEOUT: Duration = Duration::from_millis(300);

/// How long after its deadline a call may end.
pub fn slack() -> Duration {
    Duration::from_millis(if long() { 50 } else { 500 })
}

pub fn quick() -> Options {
    options! { "call_timeout" => CALL_TIMEOUT, "connect_timeout" => "200ms" }
}

/// What a verb answered, and how long that took.
pub struct Ended {
    pub verb: &'static str,
    pub answer: Result<()>,
    pub took: Duration,
}

const READS: [&str; 7] = ["get", "exists", "ttl", "get_multi", "get_each", "keys", "keys_page"];

impl Ended {
    pub fn is_read(&self) -> bool {
        READS.contains(&self.verb)
    }
}

type Verb = (&'static str, fn(&ProviderHandle) -> Result<()>);

fn cache(provider: &ProviderHandle) -> zbz_cache::BlockingCache<String> {
    texts("faults", provider)
}

pub const VERBS: [Verb; 19] = [
    ("get", |p| cache(p).get("k").map(drop)),
    ("exists", |p| cache(p).exists("k").map(drop)),
    ("ttl", |p| cache(p).ttl("k").map(drop)),
    ("get_multi", |p| cache(p).get_multi(["k", "other"]).map(drop)),
    ("get_each", |p| each(cache(p).get_each(["k", "other"])).map(drop)),
    ("keys", |p| cache(p).keys("*").map(drop)),
    ("keys_page", |p| cache(p).keys_page("*", None).map(drop)),
    ("set", |p| cache(p).set("k", &"v".to_owned(), Duration::from_secs(600))),
    ("set for ever", |p| cache(p).set("k", &"v".to_owned(), Ttl::Never)),
    ("set_multi", |p| cache(p).set_multi([("k", "v".to_owned()), ("other", "v".to_owned())], Ttl::Never)),
    ("delete", |p| cache(p).delete("gone").map(drop)),
    ("delete_multi", |p| cache(p).delete_multi(["gone", "gone too"]).map(drop)),
    ("expire", |p| cache(p).expire("other", Duration::from_secs(600)).map(drop)),
    ("persist", |p| cache(p).persist("other").map(drop)),
    ("clear", |p| texts("cleared", p).clear()),
    ("take", |p| p.provider().take(b"faults:taken", Vec::new()).wait().map(drop)),
    ("add", |p| p.provider().add(b"faults:counter", 1, Ttl::Never).wait().map(drop)),
    ("set if absent", |p| set_when(p, Condition::Absent)),
    ("set if present", |p| set_when(p, Condition::Present)),
];

fn set_when(provider: &ProviderHandle, condition: Condition) -> Result<()> {
    let options = SetOptions::new(Ttl::Never).when(condition);
    provider.provider().set(b"faults:if", b"v", options).wait().map(drop)
}

/// All verbs at once, each of which has to end by its deadline.
pub fn every_verb(provider: &ProviderHandle) -> Vec<Ended> {
    let ended = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for (verb, call) in VERBS {
            let ended = &ended;
            scope.spawn(move || {
                let begun = Instant::now();
                let answer = call(provider);
                let took = begun.elapsed();
                ended.lock().unwrap().push(Ended { verb, answer, took });
            });
        }
    });
    let ended = ended.into_inner().unwrap();
    for Ended { verb, took, .. } in &ended {
        assert!(*took < CALL_TIMEOUT + slack(), "{verb} took {took:?}");
    }
    ended
}

/// Checks an error: its kind, that it tells what to do, and for a write what became of it.
pub fn assert_told(ended: &Ended, kinds: &[ErrorKind], words: &[&str]) {
    let Err(error) = &ended.answer else { panic!("{}: succeeded", ended.verb) };
    assert!(kinds.contains(&error.kind()), "{}: {error}", ended.verb);
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{}: {word:?} is not in: {text}", ended.verb);
    }
    let tells = text.contains("nothing was changed") || text.contains("is unknown");
    assert!(ended.is_read() || tells, "{}: what became of it? {text}", ended.verb);
}

fn assert_all_told(provider: &ProviderHandle, kinds: &[ErrorKind], words: &[&str]) {
    for ended in every_verb(provider) {
        assert_told(&ended, kinds, words);
    }
}

/// Checks that every verb works again within two seconds.
pub fn assert_recovers(provider: &ProviderHandle) {
    let healed = Instant::now();
    loop {
        let failed: Option<Error> = every_verb(provider).into_iter().find_map(|ended| ended.answer.err());
        let Some(error) = failed else { return };
        assert!(healed.elapsed() < Duration::from_secs(2), "still failing after two seconds: {error}");
    }
}

const UNAVAILABLE: &[ErrorKind] = &[ErrorKind::Unavailable];
const TIMEOUT: &[ErrorKind] = &[ErrorKind::Timeout];

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn absent() {
    let port = free_port();
    let provider = provider_with(&format!("127.0.0.1:{port}"), quick());
    assert_all_told(&provider, UNAVAILABLE, &["cannot be reached", "start the server"]);
    let _server = Server::start_on(port);
    assert_recovers(&provider);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn no_such_host() {
    let provider = provider_with("no-such-host.invalid", quick());
    for ended in every_verb(&provider) {
        assert_told(&ended, UNAVAILABLE, &["no-such-host.invalid:6379"]);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn refusing() {
    let server = Server::start();
    let mut proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), quick());
    assert_recovers(&provider);
    for _ in 0..3 {
        proxy.refuse();
        assert_all_told(&provider, UNAVAILABLE, &["start the server"]);
        proxy.accept_again();
        assert_recovers(&provider);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn silent() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), quick());
    assert_recovers(&provider);
    proxy.set(Fault::Silent);
    assert_all_told(&provider, TIMEOUT, &["call_timeout", "overloaded or unreachable"]);
    // By now the connection is taken for dead, and no new one is to be had.
    assert_all_told(&provider, UNAVAILABLE, &["no connection within connect_timeout"]);
    proxy.set(Fault::None);
    assert_recovers(&provider);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn stopped_and_continued() {
    let server = Server::start();
    let provider = provider_with(&server.address(), quick());
    assert_recovers(&provider);
    server.signal("STOP");
    assert_all_told(&provider, TIMEOUT, &["overloaded or unreachable"]);
    server.signal("CONT");
    assert_recovers(&provider);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn slow() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), quick());
    assert_recovers(&provider);
    proxy.set(Fault::Slow(CALL_TIMEOUT / 6));
    for verb in VERBS {
        let begun = Instant::now();
        verb.1(&provider).unwrap_or_else(|error| panic!("{} within its time: {error}", verb.0));
        assert!(begun.elapsed() >= CALL_TIMEOUT / 6);
    }
    proxy.set(Fault::Slow(CALL_TIMEOUT * 2));
    assert_all_told(&provider, &[ErrorKind::Timeout, ErrorKind::Unavailable], &[]);
    proxy.set(Fault::None);
    assert_recovers(&provider);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn wrong_password() {
    let server = Server::start_with(&["--requirepass", "right"]).log_in_as("default", "right");
    for (options, word) in [
        (quick().with("password", "wrong"), "username and password"),
        (quick(), "password"),
        (quick().with("username", "nobody").with("password", "right"), "username and password"),
    ] {
        let provider = provider_with(&server.address(), options);
        assert_all_told(&provider, &[ErrorKind::Denied], &[word]);
    }
    let provider = provider_with(&server.address(), quick().with("password", "new"));
    assert_all_told(&provider, &[ErrorKind::Denied], &["username and password"]);
    server.tell(&["ACL", "SETUSER", "default", ">new"]);
    assert_recovers(&provider);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn no_permission() {
    let server = Server::start();
    let user = ["ACL", "SETUSER", "ann", "on", ">pw", "~faults:*", "~cleared:*"];
    server.tell(&[&user[..], &["+@read", "+@connection"]].concat());
    let provider = provider_with(&format!("ann:pw@{}", server.address()), quick());
    for ended in every_verb(&provider) {
        match ended.is_read() {
            true => assert!(ended.answer.is_ok(), "{} is allowed: {:?}", ended.verb, ended.answer),
            // Nothing is there to be cleared, so nothing is refused.
            false if ended.verb == "clear" => assert!(ended.answer.is_ok()),
            false => assert_told(&ended, &[ErrorKind::Denied], &["ACL SETUSER", "nothing was changed"]),
        }
    }
    let error = texts("others", &provider).get("k").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    // What the guide lists.
    let all = ["reset", "on", ">pw", "~faults:*", "~cleared:*", "+@read", "+@write", "+@scripting"];
    server.tell(&[&["ACL", "SETUSER", "ann"], &all[..], &["+@connection", "+cluster|slots"]].concat());
    assert_recovers(&provider);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn read_only() {
    let server = Server::start();
    let provider = provider_with(&server.address(), quick());
    assert_recovers(&provider);
    server.tell(&["SET", "faults:taken", "v"]);
    let nowhere = free_port().to_string();
    server.tell(&["REPLICAOF", "127.0.0.1", &nowhere]);
    for ended in every_verb(&provider) {
        match ended.is_read() {
            true => assert!(ended.answer.is_ok(), "{}: a replica reads: {:?}", ended.verb, ended.answer),
            false if ended.verb == "clear" => assert!(ended.answer.is_ok()),
            false => assert_told(&ended, UNAVAILABLE, &["replica", "nothing was changed", "primary"]),
        }
    }
    server.tell(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    assert_all_told(&provider, UNAVAILABLE, &["replica"]);
    server.tell(&["REPLICAOF", "NO", "ONE"]);
    assert_recovers(&provider);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_failover_behind_one_name() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(old.port);
    let provider = provider_with(&proxy.address(), quick());
    assert_recovers(&provider);
    // The old primary becomes a replica and keeps its clients, which have to look again by themselves.
    proxy.lead_to(new.port);
    old.tell(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    assert_recovers(&provider);
    assert!(new.calls("set") > 0, "the new primary took the writes");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn out_of_memory() {
    let server = Server::start();
    let provider = provider_with(&server.address(), quick());
    assert_recovers(&provider);
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    let before = provider.blocking_stats().unwrap().rejections;
    let fills = ["set", "set for ever", "set_multi", "add", "set if absent", "set if present"];
    for ended in every_verb(&provider) {
        match fills.contains(&ended.verb) {
            true => assert_told(&ended, &[ErrorKind::Full], &["maxmemory", "nothing was changed"]),
            false => assert!(ended.answer.is_ok(), "{} needs no room: {:?}", ended.verb, ended.answer),
        }
    }
    assert_eq!(provider.blocking_stats().unwrap().rejections - before, 7, "each entry is counted");
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_recovers(&provider);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn loading() {
    let arguments = ["--loading-process-events-interval-bytes", "1024", "--enable-debug-command", "local"];
    let mut server = Server::start_in(Folder::new(), &arguments);
    server.tell(&["DEBUG", "POPULATE", "20000", "filler", "100"]);
    let provider = provider_with(&server.address(), quick());
    assert_recovers(&provider);
    server.tell(&["CONFIG", "SET", "key-load-delay", "100"]);
    server.tell(&["SAVE"]);
    server.kill();
    server.restart_with(&["--key-load-delay", "100"]);
    let mut told = 0;
    while server.is_loading() {
        for ended in every_verb(&provider) {
            if let Err(error) = &ended.answer {
                assert_told(&ended, &[ErrorKind::Unavailable, ErrorKind::Timeout], &[]);
                told += usize::from(error.to_string().contains("still loading its data"));
            }
        }
    }
    assert!(told > 0, "no call met the loading server");
    assert_recovers(&provider);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn killed_and_restarted() {
    let mut server = Server::start();
    let provider = provider_with(&server.address(), quick());
    for round in 0..if long() { 20 } else { 3 } {
        assert_recovers(&provider);
        server.kill();
        assert_all_told(&provider, UNAVAILABLE, &["start the server"]);
        server.restart();
        // It is back without a call, too.
        if round % 2 == 0 {
            assert_recovers(&provider);
            server.kill();
            until("it counts as down", || (!provider.health().is_up()).then_some(()));
            server.restart();
            until("it counts as up", || provider.health().is_up().then_some(()));
            cache(&provider).set("first", &"after".to_owned(), Ttl::Never).unwrap();
        }
    }
}
