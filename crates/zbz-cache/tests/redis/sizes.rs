//! Whether a server takes a value is tried without harm to anybody, also where the network is slow.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::redis::RedisConnection;
use zbz_cache::{Error, ErrorKind, Options, Ttl, options};

use crate::isolation::{MIB, connection_id, text};
use crate::proxy::{Fault, Proxy};
use crate::server::{Server, provider_with, texts};

const CALL_TIMEOUT: Duration = Duration::from_secs(6);

fn patient() -> Options {
    options! { "call_timeout" => CALL_TIMEOUT, "connect_timeout" => "5s" }
}

/// A time that is over before anything was sent.
fn assert_unsent(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("nothing was sent"), "{error}");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_value_that_takes_most_of_a_calls_time_is_tried_once_and_stored_by_the_next_call() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), patient());
    let cache = texts("t", &provider);
    cache.get("k").unwrap();
    let before = connection_id(&provider);
    // Two thirds of the time.
    proxy.set(Fault::Narrow(MIB));
    let large = text(4 * MIB - 1000);
    let refused = cache.set("k", &large, Ttl::Never).unwrap_err();
    assert_unsent(&refused);
    assert!(refused.to_string().contains("set it again"), "{refused}");
    assert_eq!(connection_id(&provider), before, "the connection stayed");
    cache.set("k", &large, Ttl::Never).unwrap();
    assert_eq!(connection_id(&provider), before);
    assert_eq!(server.ask::<usize>(&["STRLEN", "t:k"]), large.len());
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn nobody_waits_while_a_larger_value_is_tried() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), patient());
    let cache = texts("t", &provider);
    cache.get("k").unwrap();
    let before = connection_id(&provider);
    // The largest would take twice as long as a call may.
    proxy.set(Fault::Narrow(4 * MIB));
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let large = || {
            tell.send(()).unwrap();
            assert_unsent(&cache.set("large", &text(48 * MIB), Ttl::Never).unwrap_err());
        };
        scope.spawn(large);
        told.recv().unwrap();
        let begun = Instant::now();
        cache.set("another", &text(2 * MIB - 1000), Ttl::Never).unwrap();
        assert!(begun.elapsed() < CALL_TIMEOUT, "{:?}", begun.elapsed());
    });
    let entries = [("a", text(3)), ("larger", text(47 * MIB)), ("b", text(3 * MIB - 1000)), ("c", text(5))];
    let outcome = cache.set_multi(entries, Ttl::Never).unwrap_err().batch_outcome().unwrap().clone();
    assert_eq!(outcome.done, ["a", "b", "c"]);
    assert_unsent(&outcome.failed[0].1);
    assert_eq!(connection_id(&provider), before, "no connection broke");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_refusal_for_size_is_told_of_whatever_the_length_of_the_value() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let cache = texts("t", &provider_with(&proxy.address(), patient()));
    cache.get("k").unwrap();
    // As from one that stands between and takes less than any server.
    proxy.set(Fault::Garbage(b"-ERR Protocol error: invalid bulk length\r\n".to_vec()));
    let refused = cache.set_multi([("k", text(10))], Ttl::Never).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge, "{refused}");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn what_keeps_a_size_from_being_tried_is_not_said_to_be_the_size() {
    let server = Server::start();
    let cache = texts("t", &provider_with(&server.address(), patient()));
    cache.get("k").unwrap();
    let mut own = server.connection();
    let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut own).unwrap();
    let most = clients.lines().count().to_string();
    redis::cmd("CONFIG").arg(&["SET", "maxclients", most.as_str()]).exec(&mut own).unwrap();
    let native: RedisConnection = cache.native::<RedisConnection>().unwrap().clone();
    let command = redis::cmd("SET").arg("k").arg(text(2 * MIB)).to_owned();
    let refused = pollster::block_on(async { command.exec_async(&mut native.clone()).await });
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("could not be tried") && told.contains("nothing was sent"), "{told}");
}
