//! Why no connection can be made: each cause is reported, at once, with the advice that fits it. Against real
//! servers; where that takes another kind of server, a listener says what one says.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::{Error, ErrorKind, Options, new_provider, options};

use crate::server::{Folder, Server, free_port, program, provider_with, texts, until};

/// The error of the first call, which may take no longer than this.
fn told_within(limit: Duration, address: &str, options: Options) -> Error {
    let cache = texts("connecting", &provider_with(address, options));
    let begun = Instant::now();
    let error = cache.get("k").expect_err("there was an answer");
    let took = begun.elapsed();
    assert!(took < limit, "{took:?}: {error}");
    error
}

/// Long enough that an immediate error comes well before a timeout.
fn slow() -> Options {
    options! { "connect_timeout" => "4s", "call_timeout" => "8s" }
}

const AT_ONCE: Duration = Duration::from_secs(3);

fn told(address: &str, options: Options) -> Error {
    told_within(AT_ONCE, address, options)
}

fn assert_says(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in: {error}");
    }
}

/// Sends this to every client, at once or after its first bytes, and hangs up.
fn saying(words: &'static str, waits: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let mut asked = [0; 4096];
                if !waits || stream.read(&mut asked).is_ok() {
                    let _ = stream.write_all(words.as_bytes());
                }
                // What comes meanwhile is read, so that hanging up does not take the words back.
                let _ = stream.shutdown(std::net::Shutdown::Write);
                while stream.read(&mut asked).is_ok_and(|count| count > 0) {}
            });
        }
    });
    address
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn tls_to_a_port_without_it_is_told_at_once() {
    let server = Server::start();
    let error = told(&server.address(), slow().with("tls", true));
    assert_says(&error, ErrorKind::Config, &["speaks Redis without TLS", "take redis://", "tls = false"]);
    let guarded = Server::start_with(&["--requirepass", "right"]).log_in_as("default", "right");
    let error = told(&guarded.address(), slow().with("tls", true).with("password", "right"));
    assert_says(&error, ErrorKind::Config, &["speaks Redis without TLS"]);
    let web = saying("HTTP/1.1 400 Bad Request\r\n\r\n", true);
    let error = told(&web, slow().with("tls", true));
    assert_says(&error, ErrorKind::Unavailable, &["answered the TLS handshake with something else"]);
    let closing = saying("", true);
    let error = told(&closing, slow().with("tls", true));
    assert_says(&error, ErrorKind::Unavailable, &["hung up in the TLS handshake", "speaks TLS"]);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn what_is_no_redis_is_called_by_its_name() {
    for (words, waits, kind, said) in [
        (
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            true,
            ErrorKind::Config,
            "is an HTTP server",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", false, ErrorKind::Config, "is an SSH server"),
        ("\x15\x03\x01\0\x02\x02F", true, ErrorKind::Config, "take rediss://"),
        ("220 mail.example ESMTP\r\n", false, ErrorKind::Unavailable, "names a Redis or Valkey server"),
        ("", false, ErrorKind::Unavailable, "broke"),
        (
            "-DENIED Redis is running in protected mode because protected mode is enabled\r\n",
            false,
            ErrorKind::Denied,
            "give the server a password and the option password",
        ),
        (
            "-LOADING Redis is loading the dataset in memory\r\n-LOADING x\r\n-LOADING x\r\n",
            true,
            ErrorKind::Unavailable,
            "still loading its data",
        ),
    ] {
        let error =
            told(&saying(words, waits), options! { "connect_timeout" => "4s", "call_timeout" => "1s" });
        assert_says(&error, kind, &[said]);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn one_that_takes_a_connection_and_is_silent_is_told_from_one_that_takes_none() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let quick = || options! { "connect_timeout" => "200ms", "call_timeout" => "500ms" };
    let error = told(&address, quick());
    assert_says(&error, ErrorKind::Unavailable, &["connect_timeout", "connected to, and answered nothing"]);
    let error = told(&address, quick().with("tls", true));
    let words = ["connect_timeout", "did not answer the TLS handshake", "one that does not takes redis://"];
    assert_says(&error, ErrorKind::Unavailable, &words);
    drop(silent);
    let error = told(&address, quick());
    assert_says(&error, ErrorKind::Unavailable, &["cannot be reached", "start the server"]);
    let error = told("no-such-host.invalid", options! { "call_timeout" => "2s" });
    assert_says(&error, ErrorKind::Unavailable, &["cannot be found by its name", "DNS"]);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn who_may_not_is_told_what_is_missing() {
    let server = Server::start_with(&["--requirepass", "right"]).log_in_as("default", "right");
    server.tell(&["ACL", "SETUSER", "ann", "on", ">pw", "~*", "+get"]);
    let denied = |options: Options, words: &[&str]| {
        assert_says(&told(&server.address(), options), ErrorKind::Denied, words);
    };
    denied(options! {}, &["asks for a password, and none is given", "option password"]);
    denied(options! { "password" => "wrong" }, &["refused this user or password", "username and password"]);
    let ann = || options! { "username" => "ann", "password" => "pw" };
    denied(ann().with("database", 1), &["ACL SETUSER", "+select"]);
    denied(ann().with("client_name", "me"), &["ACL SETUSER", "+client|setname"]);
    let error = told(&server.address(), options! { "password" => "right", "database" => 9999 });
    assert_says(&error, ErrorKind::Config, &["no such database", "raise databases"]);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_server_of_another_kind_is_told() {
    let cluster = Server::start_with(&["--cluster-enabled", "yes"]);
    let error = told(&cluster.address(), options! { "database" => 1 });
    assert_says(&error, ErrorKind::Config, &["belongs to a cluster", "cluster = true"]);
    let mute = Server::start_with(&["--rename-command", "HELLO", ""]);
    let error = told(&mute.address(), options! {});
    assert_says(&error, ErrorKind::Config, &["does not speak RESP3", "from 7.0", "leave HELLO enabled"]);
    let alone = Server::start();
    let error = new_provider("redis+cluster", options! { "address" => alone.address() }).unwrap();
    let error = texts("c", &error).get("k").unwrap_err();
    assert_says(&error, ErrorKind::Config, &["belongs to no cluster", "redis://"]);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_server_with_all_the_clients_it_takes_says_so() {
    let server = Server::start_with(&["--maxclients", "1"]);
    let held = until("the one connection is free", || {
        let mut held = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        held.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 5];
        held.read_exact(&mut answer).ok().filter(|()| &answer == b"+PONG").map(|()| held)
    });
    let error = told(&server.address(), options! {});
    assert_says(&error, ErrorKind::Unavailable, &["takes no more clients", "maxclients"]);
    drop(held);
}

/// A process that ends when it is dropped.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_sentinel_is_told_from_the_servers_that_it_watches() {
    let (folder, port) = (Folder::new(), free_port());
    let file =
        folder.file("sentinel.conf", &format!("port {port}\nbind 127.0.0.1\ndir {:?}\n", folder.path()));
    let mut command = Command::new(program());
    command.args([&file, "--sentinel"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _sentinel = Ending(command.spawn().unwrap());
    until("the Sentinel listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let error = told(&format!("127.0.0.1:{port}"), options! {});
    assert_says(&error, ErrorKind::Config, &["is a Sentinel", "name the primary"]);
}
