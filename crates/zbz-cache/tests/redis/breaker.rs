//! The breaker of each server: when it opens, the errors of calls meanwhile, and when it closes.

use std::io::Read;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::provider::{Invalidation, ReadParts, ServerState, Subscription};
use zbz_cache::{ErrorKind, ProviderHandle, Result, Ttl, options};

use crate::cluster::Cluster;
use crate::leaks::{sockets, threads};
use crate::proxy::{Fault, Proxy};
use crate::server::{Server, alone, ask_alone, long, provider, provider_with, texts, until};

/// How long a call may take that is refused, at the median.
const REFUSED_WITHIN: Duration = Duration::from_micros(if cfg!(debug_assertions) { 200 } else { 20 });

/// How late what has to come by then may be, on a machine that does other things too.
const SLACK: Duration = Duration::from_millis(200);

/// The reported changes, true for up.
struct Changes {
    told: Receiver<bool>,
    _subscription: Subscription,
}

impl Changes {
    fn of(provider: &ProviderHandle) -> Changes {
        let (tell, told) = channel();
        let sink =
            provider.tell_health(Arc::new(move |health| tell.send(health.state.is_up()).unwrap_or_default()));
        Changes { told, _subscription: sink.unwrap() }
    }

    fn so_far(&self) -> Vec<bool> {
        self.told.try_iter().collect()
    }
}

fn until_down(provider: &ProviderHandle) {
    until("a server counts as down", || (!provider.health().is_up()).then_some(()));
}

/// Waits until all servers count as up, which they have to within a second from then.
fn up_within_a_second(provider: &ProviderHandle, since: Instant) {
    until("all servers count as up", || provider.health().is_up().then_some(()));
    let took = since.elapsed();
    assert!(took < Duration::from_secs(1) + SLACK, "it took {took:?}");
}

fn get(provider: &ProviderHandle) -> Result<()> {
    texts("breaker", provider).get("k").map(drop)
}

/// The median of many refused calls, and one's words.
fn refused(mut call: impl FnMut() -> Result<()>) -> String {
    let mut words = String::new();
    let mut took: Vec<Duration> = (0..501)
        .map(|_| {
            let begun = Instant::now();
            let answer = call();
            let took = begun.elapsed();
            words = answer.unwrap_err().to_string();
            took
        })
        .collect();
    took.sort_unstable();
    let median = took[took.len() / 2];
    println!("a refused call took {median:?} at the median, {:?} of 99%", took[took.len() * 99 / 100]);
    assert!(median < REFUSED_WITHIN, "{median:?}: {words}");
    words
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn calls_to_a_killed_server_are_refused_at_once_and_it_is_back_within_a_second() {
    let mut server = Server::start();
    let provider = provider(&server.address());
    let cache = texts("breaker", &provider);
    let changes = Changes::of(&provider);
    cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
    for _ in 0..if long() { 20 } else { 2 } {
        server.kill();
        until_down(&provider);
        let health = provider.health();
        let ServerState::Down(outage) = &health.servers[0].state else { panic!("{health:?}") };
        assert_eq!(health.servers.len(), 1);
        assert!(outage.cause.to_string().contains("start the server"), "{}", outage.cause);
        assert!(outage.next_probe.is_none_or(|at| at < Instant::now() + Duration::from_millis(400)));
        let words = refused(|| cache.get("k").map(drop));
        assert!(words.contains("refused at once") && words.contains("start the server"), "{words}");
        let words = refused(|| cache.set("k", &"v".to_owned(), Ttl::Never));
        assert!(words.contains("nothing was sent"), "{words}");
        refused(|| cache.get_multi(["k", "other"]).map(drop));
        refused(|| cache.keys("*").map(drop));
        refused(|| cache.clear());
        server.restart();
        up_within_a_second(&provider, Instant::now());
        cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
        assert_eq!(changes.so_far(), [false, true]);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_silent_server_is_down_after_600_ms_and_reads_of_loads_end_then() {
    let server = Server::start();
    let provider = provider(&server.address());
    get(&provider).unwrap();
    let changes = Changes::of(&provider);
    for _ in 0..2 {
        let (plain, load) = (Mutex::new(None), Mutex::new(None));
        server.signal("STOP");
        let begun = Instant::now();
        let ended = |at: &Mutex<Option<Duration>>| *at.lock().unwrap() = Some(begun.elapsed());
        thread::scope(|scope| {
            scope.spawn(|| {
                provider.provider().get(b"breaker:k", Vec::new()).wait().unwrap();
                ended(&plain);
            });
            scope.spawn(|| {
                let read = provider.provider().get_for_load(b"breaker:k", Vec::new(), ReadParts::Value);
                let error = read.wait().unwrap_err();
                assert!(error.to_string().contains("silence_timeout"), "{error}");
                ended(&load);
            });
            until_down(&provider);
            let took = begun.elapsed();
            let (least, most) = (Duration::from_millis(550), Duration::from_millis(600) + SLACK);
            assert!(took > least && took < most, "{took:?}");
            refused(|| get(&provider));
            until("the read of a load ends", || *load.lock().unwrap());
            let since = (server.signal("CONT"), Instant::now()).1;
            up_within_a_second(&provider, since);
        });
        // It began before and was tried again.
        let took = plain.lock().unwrap().unwrap();
        assert!(took > Duration::from_millis(600), "{took:?}");
        let took = load.lock().unwrap().unwrap();
        assert!(took < Duration::from_millis(600) + SLACK, "{took:?}");
        assert_eq!(changes.so_far(), [false, true]);
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_refused_password_is_told_at_once_until_it_is_right() {
    let server = Server::start_with(&["--requirepass", "right"]).log_in_as("default", "right");
    let provider = provider_with(&server.address(), options! { "password" => "new" });
    assert_eq!(get(&provider).unwrap_err().kind(), ErrorKind::Denied);
    let words = refused(|| {
        let told = get(&provider);
        assert_eq!(told.as_ref().unwrap_err().kind(), ErrorKind::Denied);
        told
    });
    assert!(words.contains("username and password") && words.contains("refused at once"), "{words}");
    server.tell(&["ACL", "SETUSER", "default", ">new"]);
    up_within_a_second(&provider, Instant::now());
    get(&provider).unwrap();
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_server_that_answers_everything_300_ms_late_is_never_down() {
    let server = Server::start();
    for callers in [1, 16] {
        let proxy = Proxy::to(server.port);
        let provider = provider(&proxy.address());
        get(&provider).unwrap();
        let changes = Changes::of(&provider);
        proxy.set(Fault::Slow(Duration::from_millis(300)));
        let until = Instant::now() + Duration::from_secs(if long() { 30 } else { 4 });
        let calls = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| {
                    while Instant::now() < until {
                        get(&provider).unwrap();
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(calls.load(Ordering::Relaxed) >= callers * 5, "{calls:?}");
        assert_eq!((changes.so_far(), proxy.connections()), (vec![], 1), "{callers} callers");
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_server_that_answers_errors_is_not_down() {
    let server = Server::start();
    let provider = provider(&server.address());
    let cache = texts("breaker", &provider);
    cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
    let changes = Changes::of(&provider);
    let assert_answered = |kind| {
        for _ in 0..20 {
            assert_eq!(cache.set("k", &"v".to_owned(), Ttl::Never).unwrap_err().kind(), kind);
            assert!(cache.get("k").is_ok() && provider.health().is_up());
        }
        assert!(changes.so_far().is_empty());
    };
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_answered(ErrorKind::Full);
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    // A connection is renewed when it is older than that, and the new one leads to the same server.
    thread::sleep(Duration::from_secs(1));
    server.tell(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_answered(ErrorKind::Unavailable);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_lost_connection_to_a_healthy_server_costs_no_call() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let provider = provider(&proxy.address());
    let cache = texts("breaker", &provider);
    let changes = Changes::of(&provider);
    for _ in 0..if long() { 500 } else { 50 } {
        cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
        proxy.cut_all();
        let begun = Instant::now();
        assert_eq!(cache.get("k").unwrap().as_deref(), Some("v"));
        assert!(begun.elapsed() < SLACK);
    }
    assert!(changes.so_far().is_empty());
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn changes_are_heard_of_again_within_a_second_of_the_servers_return() {
    let mut server = Server::start();
    let provider = provider(&server.address());
    let (tell, told) = channel();
    let sink = move |invalidation: Invalidation<'_>| {
        if matches!(invalidation, Invalidation::Alive(_)) {
            let _ = tell.send(Instant::now());
        }
    };
    let _subscription = provider.provider().invalidations(b"breaker:", Arc::new(sink)).unwrap();
    get(&provider).unwrap();
    told.recv().unwrap();
    server.kill();
    until_down(&provider);
    // By then the pauses between the sessions are at their longest.
    thread::sleep(Duration::from_secs(4));
    while told.try_recv().is_ok() {}
    server.restart();
    let back = Instant::now();
    let took = told.recv().unwrap().saturating_duration_since(back);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// A port where each connection is taken, and when; and that says nothing, or hangs up.
fn taken(hangs_up: bool) -> (u16, Arc<Mutex<Vec<Instant>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, taken) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
    let times = Arc::clone(&taken);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            times.lock().unwrap().push(Instant::now());
            if !hangs_up {
                thread::spawn(move || (&stream).read_to_end(&mut Vec::new()));
            }
        }
    });
    (port, taken)
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn probes_are_at_most_400_ms_apart_and_not_in_step() {
    for hangs_up in [true, false] {
        let (port, taken) = taken(hangs_up);
        let provider = provider(&format!("127.0.0.1:{port}"));
        get(&provider).unwrap_err();
        until_down(&provider);
        let begun = Instant::now();
        let span = Duration::from_secs(4);
        while begun.elapsed() < span {
            get(&provider).unwrap_err();
            thread::sleep(Duration::from_millis(20));
        }
        let times: Vec<Instant> = taken.lock().unwrap().iter().copied().filter(|at| *at >= begun).collect();
        let mut pauses: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        pauses.sort_unstable();
        let (median, longest) = (pauses[pauses.len() / 2], pauses[pauses.len() - 1]);
        println!("{} probes, {median:?} apart at the median, {longest:?} at most", times.len());
        assert!(longest < Duration::from_millis(400) + SLACK / 4, "{pauses:?}");
        assert!(times.len() < 2 * 22, "they do not knock all the time: {pauses:?}");
        let differ = pauses.windows(2).filter(|pair| pair[1] - pair[0] > Duration::from_millis(2)).count();
        assert!(differ > 3, "they are random: {pauses:?}");
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_cluster_goes_on_while_one_of_its_servers_is_down() {
    let mut cluster = Cluster::start();
    // Without it, the others refuse everything as well.
    for server in &cluster.servers {
        server.tell(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let provider = cluster.provider();
    let cache = texts("breaker", &provider);
    let names: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    let entries = || names.iter().map(|name| (name.as_str(), "v".to_owned()));
    cache.set_multi(entries(), Ttl::Never).unwrap();
    cluster.servers[1].kill();
    let lost = cluster.servers[1].address();
    until("one is down", || {
        let _ = cache.get_each(&names);
        (!provider.health().is_up()).then_some(())
    });
    let down: Vec<String> = provider
        .health()
        .servers
        .iter()
        .filter(|one| !one.state.is_up())
        .map(|one| one.server.clone())
        .collect();
    assert_eq!((down, provider.health().servers.len()), (vec![lost.clone()], 3));
    let (there, refused_names): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| cache.get(name).is_ok());
    assert!(there.len() > 20 && refused_names.len() > 5, "{} and {}", there.len(), refused_names.len());
    let words = refused(|| cache.get(refused_names[0]).map(drop));
    assert!(words.contains(&lost), "{words}");
    for name in there {
        cache.set(name, &"w".to_owned(), Ttl::Never).unwrap();
    }
    cluster.servers[1].restart();
    up_within_a_second(&provider, Instant::now());
    cluster.wait_until_whole();
    until("every key can be set", || cache.set_multi(entries(), Ttl::Never).ok());
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn an_outage_takes_no_thread_and_no_more_sockets() {
    ask_alone("breaker::outage_alone", &[]);
}

#[test]
#[ignore = "run by an_outage_takes_no_thread_and_no_more_sockets: make test-redis"]
fn outage_alone() {
    if !alone() {
        return;
    }
    let mut server = Server::start();
    let provider = provider(&server.address());
    let before = sockets();
    get(&provider).unwrap();
    // An attempt, and the one that goes on beside it: before, the second asked what the port speaks.
    for (begin, most) in [("STOP", 2), ("KILL", 1)] {
        server.signal(begin);
        until("it counts as down", || {
            let _ = get(&provider);
            (!provider.health().is_up()).then_some(())
        });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            get(&provider).unwrap_err();
            let (threads, sockets) = (threads(), sockets() - before);
            assert!(threads == 1 && sockets <= most, "{threads} threads, {sockets} sockets");
            thread::sleep(Duration::from_millis(5));
        }
        if begin == "STOP" {
            server.signal("CONT");
            up_within_a_second(&provider, Instant::now());
        }
    }
    server.restart();
    until("one connection is left", || (sockets() == before + 1).then_some(()));
}
