//! Subscriptions that come and go, and the tracking_connections that they share.

use std::time::Instant;

use zbz_cache::Ttl;

use super::{Ear, INTERVAL, Told, often, seldom, set, slack, tracking_connections};
use crate::server::{Server, provider_with, texts, until};

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn equal_and_nested_prefixes_share_one_link() {
    let server = Server::start();
    let provider = provider_with(&server.address(), often());
    let first = Ear::alive(&provider, "a:b");
    let equal = Ear::alive(&provider, "a:b");
    let inner = Ear::alive(&provider, "a:b:c");
    let apart = Ear::alive(&provider, "x");
    assert_eq!(first.heard(), [], "no link was lost to them");
    for name in ["a:", "a:b:c:1", "x1", "a:b"] {
        set(&server, name);
    }
    first.hears_key("a:b:c:1");
    first.hears_key("a:b");
    equal.hears_key("a:b:c:1");
    equal.hears_key("a:b");
    inner.hears_key("a:b:c:1");
    apart.hears_key("x1");
    // A prefix that covers the others takes new connections: a server refuses to widen one.
    let all = Ear::alive(&provider, "");
    first.hears_lost();
    first.hears_alive();
    assert_eq!(tracking_connections(&server), 1);
    for name in ["a:", "a:b"] {
        set(&server, name);
    }
    all.hears_key("a:");
    all.hears_key("a:b");
    first.hears_key("a:b");
    assert_eq!([inner.heard(), apart.heard()], [[Told::Lost], [Told::Lost]]);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_dropped_subscription_is_told_nothing_and_the_last_one_takes_the_links_along() {
    let server = Server::start();
    let provider = provider_with(&server.address(), often());
    for _ in 0..3 {
        let (mut first, second) = (Ear::alive(&provider, "t:"), Ear::alive(&provider, "t:"));
        first.subscription = None;
        assert!(first.heard().is_empty());
        set(&server, "t:k");
        second.hears_key("t:k");
        assert!(first.told.try_iter().next().is_none());
        assert_eq!(tracking_connections(&server), 1);
        drop(second);
        until("the connection ends", || (tracking_connections(&server) == 0).then_some(()));
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn close_and_the_last_drop_end_every_link() {
    let server = Server::start();
    for closes in [true, false] {
        let provider = provider_with(&server.address(), seldom());
        let ear = Ear::alive(&provider, "t:");
        let begun = Instant::now();
        if closes {
            provider.blocking_close().unwrap();
            assert_eq!(tracking_connections(&server), 0);
            let late = Ear::to(&provider, "t:");
            assert!(late.told.recv_timeout(INTERVAL).is_err(), "closed is closed");
        }
        drop(provider);
        assert!(ear.hears_lost() < begun + slack());
        until("the connection ends", || (tracking_connections(&server) == 0).then_some(()));
        set(&server, "t:k");
        assert!(ear.told.recv_timeout(INTERVAL).is_err());
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_server_that_refuses_is_tried_until_it_does_not() {
    let server = Server::start();
    server.tell(&["ACL", "SETUSER", "ann", "on", ">pw", "~*", "+@all", "-client|tracking"]);
    let provider = provider_with(&format!("ann:pw@{}", server.address()), often());
    let ear = Ear::to(&provider, "t:");
    until("it is tried again", || (server.calls("hello") > 2).then_some(()));
    assert!(ear.told.try_iter().next().is_none(), "it is never alive");
    texts("t", &provider).set("k", &"v".to_owned(), Ttl::Never).unwrap();
    server.tell(&["ACL", "SETUSER", "ann", "+client|tracking"]);
    ear.hears_alive();
    set(&server, "t:k");
    ear.hears_key("t:k");
}
