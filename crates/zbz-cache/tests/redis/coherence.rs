//! Tiers in several processes, over servers that fail in every way.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::Value;
use zbz_cache::{BlockingCache, Options, ProviderHandle, options};

use crate::cluster::Cluster;
use crate::proxy::{Fault, Proxy};
use crate::server::{Server, alone, command, each, texts, until};
use crate::tiered::tier;

mod promises;

const KEYS: usize = 1000;
const PROCESSES: usize = 3;
const THREADS: usize = 2;
const INTERVAL: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(200);

/// How long after the last write no tier may hold an old value.
const SETTLED: Duration = Duration::from_secs(1);

/// After a write whose outcome is not known, its key is not judged for so long.
const UNKNOWN: Duration = Duration::from_secs(5);

/// Copies live so long that only what is told ends them.
fn quick() -> Options {
    options! {
        "max_near_ttl" => "1h", "far.tracking_interval" => INTERVAL, "far.tracking_timeout" => TIMEOUT,
        "far.connect_timeout" => "300ms", "far.call_timeout" => "500ms",
    }
}

/// Numbers that look random, the same for the same seed.
struct Lot(u64);

impl Lot {
    fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

/// A process with a tier, which works until it is told to stop, and then says what it reads.
struct Worker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Worker {
    fn start(address: &str, number: usize) -> Worker {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["coherence::worker_alone", "--exact", "--ignored", "--nocapture"]);
        command
            .env("TEST_ALONE", "1")
            .env("WORKER_ADDRESS", address)
            .env("WORKER_NUMBER", number.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut worker = Worker { child, to, from };
        worker.until_said("ready");
        worker
    }

    fn tell(&mut self, words: &str) {
        writeln!(self.to, "{words}").unwrap();
    }

    /// What it says up to a line that begins so; that one last.
    fn until_said(&mut self, word: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.from.read_line(&mut line).unwrap() > 0, "the worker ended: {lines:?}");
            lines.push(line.trim_end().to_owned());
            if line.starts_with(word) {
                return lines;
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

/// One writer of its own keys, which reads its own writes and everyone's.
fn work(cache: &BlockingCache<String>, worker: usize, thread: usize, stop: &AtomicBool) {
    let own = worker * THREADS + thread;
    let mut lot = Lot(own as u64 + 1);
    let (mut number, mut doubtful) = (0_u64, HashMap::<usize, Instant>::new());
    while !stop.load(Ordering::SeqCst) {
        let key = lot.draw(KEYS / (PROCESSES * THREADS)) * PROCESSES * THREADS + own;
        let (name, ttl) = (key.to_string(), [3_600_000, 3_600_000, 300, 50][lot.draw(4)]);
        if lot.draw(4) > 0 {
            let _ = cache.get(&lot.draw(KEYS).to_string());
            let _ = cache.get_multi((0..10).map(|_| lot.draw(KEYS).to_string()));
            continue;
        }
        number += 1;
        let mut is_known = doubtful.get(&key).is_none_or(|since| since.elapsed() > UNKNOWN);
        let written = match lot.draw(10) {
            0 => cache.delete(&name).map(|_| None),
            _ => cache.set(&name, &number.to_string(), Duration::from_millis(ttl)).map(|()| Some(number)),
        };
        match (written, cache.get(&name)) {
            (Ok(written), Ok(read)) => {
                let read = read.map(|text| text.parse::<u64>().unwrap());
                // It may be gone already, for a server that was flushed, evicts or ended.
                assert!(
                    read.is_none() || read == written || !is_known,
                    "{read:?} was read of {name} after {written:?} was written"
                );
            }
            (Ok(_), Err(_)) => {}
            (Err(_), _) => is_known = false,
        }
        if !is_known {
            doubtful.entry(key).or_insert_with(Instant::now);
            doubtful.retain(|_, since| since.elapsed() <= UNKNOWN);
        }
    }
}

#[test]
#[ignore = "run by the tests here: make test-redis"]
fn worker_alone() {
    if !alone() {
        return;
    }
    let variable = |name| std::env::var(name).unwrap();
    let worker: usize = variable("WORKER_NUMBER").parse().unwrap();
    let provider = tier(&variable("WORKER_ADDRESS"), quick());
    let cache = texts("w", &provider);
    let names: Vec<String> = (0..KEYS).map(|key| key.to_string()).collect();
    println!("ready");
    let mut told = std::io::stdin().lines();
    while told.next().is_some_and(|line| line.unwrap() == "work") {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (cache, stop) = (&cache, &stop);
                scope.spawn(move || work(cache, worker, thread, stop));
            }
            told.next();
            stop.store(true, Ordering::SeqCst);
        });
        // What is near at this moment, and what is not, is what the tier goes on with.
        let _ = cache.get_each(&names);
        println!("stopped");
        told.next();
        let before = read_through(&provider);
        let values = until("the server answers", || {
            each(cache.get_each(&names)).inspect_err(|error| eprintln!("worker {worker}: {error}")).ok()
        });
        for (name, value) in names.iter().zip(values) {
            println!("value {name} {}", value.unwrap_or_else(|| "-".to_owned()));
        }
        println!("through {}", read_through(&provider) - before);
    }
}

fn read_through(provider: &ProviderHandle) -> u64 {
    provider.blocking_stats().unwrap().near.unwrap().read_through
}

/// What the servers hold.
fn truth(servers: &[&Server]) -> HashMap<String, String> {
    let mut truth = HashMap::new();
    for server in servers {
        let mut connection = server.connection();
        for key in command(&["KEYS", "w:*"]).query::<Vec<String>>(&mut connection).unwrap() {
            // One that expired meanwhile is none.
            if let Value::BulkString(bytes) = command(&["GET", &key]).query(&mut connection).unwrap() {
                truth.insert(key["w:".len()..].to_owned(), String::from_utf8(bytes).unwrap());
            }
        }
    }
    truth
}

/// Lets the workers work while `trouble` is made, stops them, and compares what they read with what
/// the servers hold. How many copies were judged.
fn round(
    workers: &mut [Worker],
    trouble: impl FnOnce(),
    servers: impl Fn() -> HashMap<String, String>,
) -> u64 {
    workers.iter_mut().for_each(|worker| worker.tell("work"));
    trouble();
    workers.iter_mut().for_each(|worker| worker.tell("stop"));
    for worker in &mut *workers {
        worker.until_said("stopped");
    }
    thread::sleep(SETTLED);
    let before = servers();
    workers.iter_mut().for_each(|worker| worker.tell("say"));
    let said: Vec<Vec<String>> = workers.iter_mut().map(|worker| worker.until_said("through ")).collect();
    let after = servers();
    let mut judged = 0;
    for (number, lines) in said.iter().enumerate() {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["value", name, value] => {
                    let held =
                        [before.get(name), after.get(name)].map(|held| held.map_or("-", String::as_str));
                    assert!(held.contains(&value), "worker {number} has {value} of {name}, not {held:?}");
                }
                ["through", through] => judged += KEYS as u64 - through.parse::<u64>().unwrap(),
                _ => {}
            }
        }
    }
    judged
}

fn seconds() -> Duration {
    let seconds = std::env::var("COHERENCE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20) / 2)
}

fn seed() -> u64 {
    let given = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
    println!("SEED={seed}");
    seed
}

/// Rounds for as long as it was asked for.
fn rounds(mut round: impl FnMut(usize) -> u64) {
    let (begun, mut judged, mut count) = (Instant::now(), 0, 0);
    while begun.elapsed() < seconds() || count < 3 {
        judged += round(count);
        count += 1;
    }
    println!("{count} rounds, {judged} copies judged, in {:?}", begun.elapsed());
    assert!(judged > 0, "no copy was near when it was judged");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn no_tier_holds_an_old_value_over_a_server_that_fails() {
    let (mut server, mut lot) = (Server::start(), Lot(seed()));
    let proxies: Vec<Proxy> = (0..PROCESSES).map(|_| Proxy::to(server.port)).collect();
    let start = |(number, proxy): (usize, &Proxy)| Worker::start(&proxy.address(), number);
    let mut workers: Vec<Worker> = proxies.iter().enumerate().map(start).collect();
    rounds(|count| {
        let cell = std::cell::RefCell::new(&mut server);
        let trouble = || {
            let mut server = cell.borrow_mut();
            for kind in [count % 8, lot.draw(8), lot.draw(8)] {
                thread::sleep(Duration::from_millis(100 + lot.draw(200) as u64));
                let proxy = &proxies[lot.draw(PROCESSES)];
                match kind {
                    0 => proxies.iter().for_each(Proxy::cut_all),
                    1 => {
                        server.kill();
                        thread::sleep(Duration::from_millis(lot.draw(300) as u64));
                        server.restart();
                    }
                    2 => server.tell(&["FLUSHALL"]),
                    3 => {
                        server.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
                        server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
                        thread::sleep(Duration::from_millis(100));
                        server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
                    }
                    4 => {
                        proxy.set(Fault::Silent);
                        thread::sleep(Duration::from_millis(lot.draw(700) as u64));
                        proxy.set(Fault::None);
                    }
                    5 => {
                        proxy.set(Fault::Slow(Duration::from_millis(1 + lot.draw(30) as u64)));
                        thread::sleep(Duration::from_millis(300));
                        proxy.set(Fault::None);
                    }
                    6 => proxy.set(Fault::CutOnce(lot.draw(5000))),
                    _ => {
                        server.signal("STOP");
                        thread::sleep(Duration::from_millis(lot.draw(600) as u64));
                        server.signal("CONT");
                    }
                }
            }
            thread::sleep(Duration::from_millis(300));
        };
        round(&mut workers, trouble, || truth(&[*cell.borrow()]))
    });
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn no_tier_holds_an_old_value_over_a_cluster_whose_keys_move() {
    let (mut cluster, mut lot) = (Cluster::start(), Lot(seed()));
    let address = cluster.address();
    let mut workers: Vec<Worker> = (0..PROCESSES).map(|number| Worker::start(&address, number)).collect();
    rounds(|count| {
        let cell = std::cell::RefCell::new(&mut cluster);
        let trouble = || {
            let mut cluster = cell.borrow_mut();
            for kind in [count % 4, lot.draw(4), 0] {
                thread::sleep(Duration::from_millis(100 + lot.draw(200) as u64));
                match kind {
                    0 => (0..10).for_each(|_| move_slot_of(&cluster, lot.draw(KEYS))),
                    1 => cluster.servers.iter().for_each(|server| {
                        server.tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
                    }),
                    2 => cluster.servers[lot.draw(3)].tell(&["FLUSHALL"]),
                    _ => {
                        let number = lot.draw(3);
                        cluster.servers[number].kill();
                        thread::sleep(Duration::from_millis(lot.draw(300) as u64));
                        cluster.servers[number].restart();
                    }
                }
            }
            cluster.wait_until_whole();
            until("all servers agree on who has what", || {
                let views: Vec<_> = cluster.servers.iter().map(view).collect();
                views.iter().all(|view| *view == views[0]).then_some(())
            });
            // The writers go on while the links come back.
            thread::sleep(Duration::from_secs(1));
        };
        let servers = || truth(&cell.borrow().servers.iter().collect::<Vec<_>>());
        round(&mut workers, trouble, servers)
    });
}

/// Which slots a server says that the primaries at which ports have.
fn view(server: &Server) -> Vec<(i64, i64, String)> {
    let mut view = Vec::new();
    for range in server.ask::<Vec<Value>>(&["CLUSTER", "SLOTS"]) {
        let Value::Array(parts) = range else { panic!("{range:?}") };
        let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = parts.as_slice() else {
            panic!("{parts:?}")
        };
        view.push((*first, *last, format!("{:?}", primary[1])));
    }
    view.sort_unstable();
    view
}

/// Moves the slot of a key, with all that is in it, to another server.
fn move_slot_of(cluster: &Cluster, key: usize) {
    let key = format!("w:{key}");
    let slot: u16 = cluster.servers[0].ask(&["CLUSTER", "KEYSLOT", &key]);
    let owner = (0..3).find(|&at| {
        let id: String = cluster.servers[at].ask(&["CLUSTER", "MYID"]);
        let nodes: String = cluster.servers[at].ask(&["CLUSTER", "NODES"]);
        let own = nodes.lines().find(|line| line.starts_with(&id)).unwrap_or_default();
        own.split(' ').skip(8).any(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let bounds = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
            bounds.is_some_and(|(first, last)| (first..=last).contains(&slot))
        })
    });
    let Some(from) = owner else { return };
    let to = (from + 1) % 3;
    let (slot, port) = (slot.to_string(), cluster.servers[to].port.to_string());
    let id = |at: usize| -> String { cluster.servers[at].ask(&["CLUSTER", "MYID"]) };
    let _: Value = cluster.servers[to].ask_or_error(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
    let _: Value = cluster.servers[from].ask_or_error(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
    loop {
        let keys: Vec<String> = cluster.servers[from].ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
        if keys.is_empty() {
            break;
        }
        for key in keys {
            let _: Value =
                cluster.servers[from].ask_or_error(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
        }
    }
    for at in [to, from, (from + 2) % 3] {
        let _: Value = cluster.servers[at].ask_or_error(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
        if at == to {
            // So that no server goes on with an older view.
            cluster.servers[to].tell(&["CLUSTER", "BUMPEPOCH"]);
        }
    }
}
