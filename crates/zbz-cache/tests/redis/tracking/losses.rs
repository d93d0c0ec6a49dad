//! A link that could miss a change is lost first, and comes back.

use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::{Ttl, options};

use super::{Ear, INTERVAL, TIMEOUT, Told, often, seldom, set, slack, tracking_connections};
use crate::proxy::{Fault, Proxy};
use crate::server::{PATIENCE, Server, provider_with, texts};

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_link_that_breaks_is_lost_at_once_and_comes_back() {
    let mut server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), seldom());
    let ear = Ear::alive(&provider, "t:");
    let recovers = |server: &Server| {
        ear.hears_alive();
        set(server, "t:k");
        ear.hears_key("t:k");
    };
    for _ in 0..3 {
        let begun = Instant::now();
        server.tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        assert!(ear.hears_lost() < begun + slack(), "a killed link");
        recovers(&server);
        let begun = Instant::now();
        proxy.cut_all();
        assert!(ear.hears_lost() < begun + slack(), "a cut link");
        recovers(&server);
    }
    let begun = Instant::now();
    server.kill();
    assert!(ear.hears_lost() < begun + slack(), "a killed server");
    server.restart();
    recovers(&server);
    assert_eq!(tracking_connections(&server), 1);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn silence_is_a_loss_within_interval_and_timeout() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), often());
    let ear = Ear::alive(&provider, "t:");
    for wait in [0, 50, 100, 150, 190] {
        ear.hears_alive();
        thread::sleep(Duration::from_millis(wait));
        let begun = Instant::now();
        proxy.set(Fault::Silent);
        set(&server, "t:missed");
        let lost = ear.hears_lost();
        assert!(lost < begun + INTERVAL + TIMEOUT + slack(), "after {:?}", lost - begun);
        proxy.set(Fault::None);
        ear.hears_alive();
        set(&server, "t:k");
        ear.hears_key("t:k");
    }
    // The server itself stands still: each Alive ends by itself as early.
    ear.hears_alive();
    server.signal("STOP");
    let begun = Instant::now();
    let mut ends = begun;
    let lost = loop {
        match ear.told.recv_timeout(PATIENCE).unwrap() {
            (at, Told::Alive(span)) => ends = at + span,
            (at, told) => {
                assert_eq!(told, Told::Lost);
                break at;
            }
        }
    };
    server.signal("CONT");
    let most = begun + INTERVAL + TIMEOUT + slack();
    assert!(lost < most && ends < most, "after {:?}, {:?}", lost - begun, ends - begun);
    ear.hears_alive();
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_primary_that_becomes_a_replica_is_lost() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(old.port);
    let provider = provider_with(&proxy.address(), often());
    let ear = Ear::alive(&provider, "t:");
    let begun = Instant::now();
    old.tell(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    assert!(ear.hears_lost() < begun + INTERVAL + TIMEOUT + slack());
    thread::sleep(INTERVAL * 3);
    assert!(ear.told.try_iter().all(|(_, told)| !matches!(told, Told::Alive(_))), "a replica proves nothing");
    proxy.lead_to(new.port);
    ear.hears_alive();
    set(&new, "t:k");
    ear.hears_key("t:k");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_write_that_meets_a_replica_is_a_loss_before_anything_is_read_elsewhere() {
    let (server, other) = (Server::start(), Server::start());
    let provider = provider_with(&server.address(), options! { "tracking_interval" => "20s" });
    let ear = Ear::alive(&provider, "t:");
    server.tell(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
    let begun = Instant::now();
    let set = texts("t", &provider).set("k", &"v".to_owned(), Ttl::Never);
    assert!(set.is_err(), "it is read only");
    assert!(ear.hears_lost() < begun + 3 * Duration::from_secs(1), "not with the next proof");
}
