//! Faults of the wire, byte by byte: cut replies, garbage, and writes that may have been sent.

use std::time::{Duration, Instant};

use zbz_cache::{BlockingCache, ErrorKind, ProviderHandle, Result, Ttl};

use crate::faults::{CALL_TIMEOUT, Ended, VERBS, assert_recovers, assert_told, quick, slack};
use crate::proxy::{Fault, Proxy};
use crate::server::{Server, long, provider, provider_with, texts, until};

const UNAVAILABLE: &[ErrorKind] = &[ErrorKind::Unavailable];

fn cache(provider: &ProviderHandle) -> BlockingCache<String> {
    texts("faults", provider)
}

/// The provider, warm, and how long the reply to one call of a verb is.
fn measured(proxy: &Proxy, provider: &ProviderHandle, verb: fn(&ProviderHandle) -> Result<()>) -> usize {
    verb(provider).unwrap();
    let before = proxy.replied();
    verb(provider).unwrap();
    (proxy.replied() - before) as usize
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_reply_cut_at_every_byte() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), quick());
    let tried: &[&str] =
        if long() { &[] } else { &["get", "get_multi", "set", "set_multi", "add", "keys_page"] };
    let cache = cache(&provider);
    for (name, verb) in VERBS.into_iter().filter(|(name, _)| tried.is_empty() || tried.contains(name)) {
        // The one before may have left a server that counts as down.
        until("a probe is answered", || cache.set("k", &"v".to_owned(), Ttl::Never).ok());
        let len = measured(&proxy, &provider, verb);
        for at in 0..len {
            proxy.set(Fault::CutOnce(at));
            let begun = Instant::now();
            let answer = verb(&provider);
            let took = begun.elapsed();
            assert!(took < CALL_TIMEOUT + slack(), "{name} cut at {at} took {took:?}");
            proxy.set(Fault::None);
            let ended = Ended { verb: name, answer, took };
            if ended.is_read() {
                assert!(
                    ended.answer.is_ok(),
                    "{name} cut at {at} of {len} is tried again: {:?}",
                    ended.answer
                );
            } else if ended.verb != "clear" || ended.answer.is_err() {
                assert_told(&ended, UNAVAILABLE, &["is unknown"]);
            }
            assert_eq!(cache.get("k").unwrap().as_deref(), Some("v"), "whole again at once");
        }
        // Every connection is cut there: what reads gives up by its deadline.
        proxy.cut_all();
        proxy.set(Fault::Cut(len / 2));
        let begun = Instant::now();
        assert!(verb(&provider).is_err());
        assert!(begun.elapsed() < CALL_TIMEOUT + slack());
        proxy.set(Fault::None);
        proxy.cut_all();
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn an_introduction_cut_at_every_byte() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    provider(&proxy.address()).blocking_stats().unwrap();
    let fresh = || provider_with(&proxy.address(), quick().with("client_name", "cut"));
    cache(&fresh()).get("k").unwrap();
    let before = proxy.replied();
    cache(&fresh()).get("k").unwrap();
    let len = (proxy.replied() - before) as usize;
    for at in (0..len).step_by(if long() { 1 } else { 3 }) {
        let provider = fresh();
        proxy.set(Fault::CutOnce(at));
        // A connection that was not made carried nothing: writes are tried again too.
        let set = cache(&provider).set("k", &"v".to_owned(), Ttl::Never);
        if let Err(error) = set {
            assert!(error.to_string().contains("is unknown"), "cut at {at} of {len}: {error}");
        }
        proxy.set(Fault::None);
        cache(&provider).get("k").unwrap();
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn garbage_on_the_wire() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), quick());
    let nested = "*1\r\n".repeat(100_000);
    let garbage: [&[u8]; 20] = [
        b"\0\0\0\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\r\n",
        b"*1000000000\r\n",
        b"%4611686018427387904\r\n",
        b"|9223372036854775807\r\n",
        b"$9223372036854775807\r\n",
        b"$99999999999999999999\r\n",
        b"=-1\r\n\r\n",
        b"*-1\r\n",
        b"$-1\r\n",
        b"+OK\r\n",
        b":1\r\n+OK\r\n$1\r\nx\r\n",
        b"-ERR sentinel\r\n",
        b"-\r\n",
        b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"*4\r\n$1\r\nz\r\n$1\r\nz\r\n$1\r\nz\r\n$1\r\nz\r\n",
        b"\xff\xfe\xfd\xfc\xfb",
        nested.as_bytes(),
    ];
    let rounds = if long() { VERBS.len() } else { 3 };
    for (number, garbage) in garbage.into_iter().enumerate() {
        for round in 0..rounds {
            let (name, verb) = VERBS[(number + round * 5) % VERBS.len()];
            assert_recovers_one(&provider);
            proxy.set(Fault::Garbage(garbage.to_vec()));
            let begun = Instant::now();
            let answer = verb(&provider);
            let took = begun.elapsed();
            assert!(took < CALL_TIMEOUT + slack(), "{name} met {number} and took {took:?}");
            if let Err(error) = answer {
                let kinds = [ErrorKind::Unavailable, ErrorKind::Timeout];
                assert!(kinds.contains(&error.kind()), "{name} met {number}: {error}");
                assert!(!format!("{error} {error:?}").contains("sentinel"), "{error}");
            }
            proxy.set(Fault::None);
        }
    }
    assert_recovers(&provider);
}

fn assert_recovers_one(provider: &ProviderHandle) {
    let (healed, cache) = (Instant::now(), cache(provider));
    while let Err(error) = cache.set("k", &"v".to_owned(), Ttl::Never) {
        assert!(healed.elapsed() < Duration::from_secs(2), "still failing: {error}");
    }
    assert_eq!(cache.get("k").unwrap().as_deref(), Some("v"));
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_write_is_sent_once_if_it_may_have_been_sent() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider_with(&proxy.address(), quick());
    let bytes = provider.provider();
    assert_eq!(bytes.add(b"faults:once", 1, Ttl::Never).wait().unwrap(), 1);
    let mut sure = 1;
    for round in 0..30 {
        let fault = match round % 3 {
            0 => Fault::CutOnce(0),
            1 => Fault::Silent,
            _ => Fault::None,
        };
        if matches!(fault, Fault::None) {
            // The connection is gone before the call: surely not sent, so it is sent again.
            proxy.cut_all();
        }
        proxy.set(fault);
        let answer = bytes.add(b"faults:once", 1, Ttl::Never).wait();
        proxy.set(Fault::None);
        let held: i64 = server.ask(&["GET", "faults:once"]);
        match answer {
            Ok(sum) => assert_eq!((sum, held), (sure + 1, sure + 1), "round {round}"),
            Err(error) if error.to_string().contains("nothing was") => assert_eq!(held, sure, "{error}"),
            Err(error) => {
                assert!(error.to_string().contains("is unknown"), "{error}");
                assert!(held == sure || held == sure + 1, "round {round}: counted twice");
            }
        }
        sure = held;
    }
}
