//! Nothing is left: threads, sockets, work. In a process of its own, where nothing else counts.

use std::fs;
use std::thread;
use std::time::Duration;

use zbz_cache::{Ttl, options};

use crate::faults::{CALL_TIMEOUT, every_verb, quick};
use crate::server::{Server, alone, ask_alone, long, provider_with, texts, until};

pub fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.map(name).filter(|name| name.starts_with("zbz-cache-redis")).count()
}

pub fn sockets() -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let leads_to = |file: fs::DirEntry| fs::read_link(file.path()).unwrap_or_default();
    open.map(leads_to).filter(|to| to.to_string_lossy().starts_with("socket:")).count()
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn no_thread_socket_or_work_is_left() {
    ask_alone("leaks::leaks_alone", &[]);
}

#[test]
#[ignore = "run by no_thread_socket_or_work_is_left: make test-redis"]
fn leaks_alone() {
    if !alone() {
        return;
    }
    let mut server = Server::start();
    let unused = provider_with(&server.address(), quick());
    assert_eq!(threads(), 0, "a provider without a verb has no thread");
    drop(unused);
    let before = sockets();
    through_faults(&mut server);
    until("threads end", || (threads() == 0).then_some(()));
    until("sockets close", || (sockets() == before).then_some(()));
    dropped_everywhere(&server);
    until("threads end", || (threads() == 0).then_some(()));
    until("sockets close", || (sockets() == before).then_some(()));
}

/// One provider and every fault the server can show: it keeps one thread and one socket.
fn through_faults(server: &mut Server) {
    let provider = provider_with(&server.address(), quick());
    let cache = texts("leaks", &provider);
    let before = sockets();
    for round in 0..if long() { 60 } else { 6 } {
        match round % 3 {
            0 => {
                server.kill();
                every_verb(&provider);
                server.restart();
            }
            1 => {
                server.signal("STOP");
                every_verb(&provider);
                server.signal("CONT");
            }
            _ => {
                server.tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
                every_verb(&provider);
            }
        }
        until("it recovers", || cache.set("k", &"v".to_owned(), Ttl::Never).ok());
        until("one socket is left", || (sockets() == before + 1).then_some(()));
    }
    until("helpers go", || (threads() == 1).then_some(()));
    // Closing waits for the work under way, of which there is none by now.
    let begun = std::time::Instant::now();
    provider.blocking_close().unwrap();
    assert!(begun.elapsed() < CALL_TIMEOUT, "work was left: closing took {:?}", begun.elapsed());
    provider.blocking_close().unwrap();
}

fn dropped_everywhere(server: &Server) {
    let make = || {
        // A name, which takes helper threads to look up.
        let provider = provider_with(&format!("localhost:{}", server.port), options! {});
        let cache = texts("leaks", &provider);
        cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
        cache
    };
    for _ in 0..10 {
        drop(make());
        let cache = make();
        thread::spawn(move || drop(cache)).join().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let cache = make();
        runtime.block_on(async move {
            // Dropped half-way, and with it the last handle.
            let mut get = Box::pin(cache.cache().get("k"));
            let waker = std::task::Waker::noop();
            let _ = get.as_mut().poll(&mut std::task::Context::from_waker(waker));
            drop(get);
            drop(cache);
        });
        // With work under way: the server is silent, and no caller waits for it.
        let cache = make();
        server.signal("STOP");
        let busy = cache.clone();
        let caller = thread::spawn(move || busy.get("k").map(drop));
        thread::sleep(Duration::from_millis(20));
        drop(cache);
        server.signal("CONT");
        let _ = caller.join().unwrap();
    }
}
