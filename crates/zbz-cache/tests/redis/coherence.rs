//! Tiers in several processes, over servers that fail in every way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::Value;
use zbz_cache::{BlockingCache, Options, ProviderHandle, options};

use crate::cluster::{Cluster, Move};
use crate::proxy::{Fault, Proxy};
use crate::server::{Server, alone, command, each, texts, until};
use crate::tiered::tier;

mod promises;
mod rounds;

use rounds::{Lot, Round, rounds};

const KEYS: usize = 1000;
const PROCESSES: usize = 3;
const THREADS: usize = 2;
const INTERVAL: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(200);

/// How long after the last write no tier may hold an old value.
const SETTLED: Duration = Duration::from_secs(1);

/// After a write whose outcome is not known, its key is not judged for so long.
const UNKNOWN: Duration = Duration::from_secs(5);

/// Copies live so long that only invalidations end them.
fn quick() -> Options {
    options! {
        "max_near_ttl" => "1h", "far.tracking_interval" => INTERVAL, "far.tracking_timeout" => TIMEOUT,
        "far.connect_timeout" => "300ms", "far.call_timeout" => "500ms",
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

    /// Its output up to a line with this beginning, which is the last one.
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

/// One writer of its own keys, which reads its own writes and everyone's. No two rounds write the
/// same number.
fn work(cache: &BlockingCache<String>, [seed, round]: [u64; 2], own: usize, stop: &AtomicBool) {
    let lot = Lot::of(&[seed, round, own as u64 + 1]);
    let (mut number, mut doubtful) = (round << 32, HashMap::<usize, Instant>::new());
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
    while let Some(line) = told.next() {
        let line = line.unwrap();
        let mut numbers = line.strip_prefix("work ").unwrap().split(' ').map(|word| word.parse().unwrap());
        let round = [numbers.next().unwrap(), numbers.next().unwrap()];
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (cache, stop) = (&cache, &stop);
                scope.spawn(move || work(cache, round, worker * THREADS + thread, stop));
            }
            told.next();
            stop.store(true, Ordering::SeqCst);
        });
        // The tier goes on with the copies of this moment.
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
                let name = key["w:".len()..].to_owned();
                let other = truth.insert(name, String::from_utf8(bytes).unwrap());
                assert!(other.is_none(), "{key} is on two servers");
            }
        }
    }
    truth
}

/// Lets the workers work while `trouble` is made, stops them, and compares what they read with what
/// the servers hold. How many copies were judged.
fn judge(
    round: &Round,
    workers: &mut [Worker],
    trouble: impl FnOnce(),
    servers: impl Fn() -> HashMap<String, String>,
) -> u64 {
    let work = format!("work {} {}", round.seed, round.number);
    workers.iter_mut().for_each(|worker| worker.tell(&work));
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
                // More than once through for a key, if the server did not answer at first.
                ["through", through] => judged += (KEYS as u64).saturating_sub(through.parse().unwrap()),
                _ => {}
            }
        }
    }
    judged
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn no_tier_holds_an_old_value_over_a_server_that_fails() {
    let server = RefCell::new(Server::start());
    let proxies: Vec<Proxy> = (0..PROCESSES).map(|_| Proxy::to(server.borrow().port)).collect();
    let start = |(number, proxy): (usize, &Proxy)| Worker::start(&proxy.address(), number);
    let mut workers: Vec<Worker> = proxies.iter().enumerate().map(start).collect();
    rounds(
        || server.borrow().logged(),
        |round| {
            let trouble = || {
                for kind in round.kinds(8) {
                    thread::sleep(Duration::from_millis(100) + round.lot.draw_ms(200));
                    trouble_a_server(round, kind, &mut server.borrow_mut(), &proxies);
                }
                thread::sleep(Duration::from_millis(300));
            };
            judge(round, &mut workers, trouble, || truth(&[&server.borrow()]))
        },
    );
}

fn trouble_a_server(round: &Round, kind: usize, server: &mut Server, proxies: &[Proxy]) {
    let number = round.lot.draw(PROCESSES);
    let proxy = &proxies[number];
    match kind {
        0 => {
            round.note("all links are cut");
            proxies.iter().for_each(Proxy::cut_all);
        }
        1 => {
            let pause = round.lot.draw_ms(300);
            round.note(format_args!("the server is killed, and starts again after {pause:?}"));
            server.kill();
            thread::sleep(pause);
            server.restart();
        }
        2 => {
            round.note("the server is flushed");
            server.tell(&["FLUSHALL"]);
        }
        3 => {
            round.note("the server evicts what it has");
            server.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
            server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
            thread::sleep(Duration::from_millis(100));
            server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
        }
        4 => {
            let pause = round.lot.draw_ms(700);
            round.note(format_args!("the connection of worker {number} is silent for {pause:?}"));
            proxy.set(Fault::Silent);
            thread::sleep(pause);
            proxy.set(Fault::None);
        }
        5 => {
            let delay = Duration::from_millis(1) + round.lot.draw_ms(30);
            round.note(format_args!("the connection of worker {number} is slower by {delay:?}"));
            proxy.set(Fault::Slow(delay));
            thread::sleep(Duration::from_millis(300));
            proxy.set(Fault::None);
        }
        6 => {
            let after = round.lot.draw(5000);
            round.note(format_args!("the connection of worker {number} is cut after {after} bytes"));
            proxy.set(Fault::CutOnce(after));
        }
        _ => {
            let pause = round.lot.draw_ms(600);
            round.note(format_args!("the server stops for {pause:?}"));
            server.signal("STOP");
            thread::sleep(pause);
            server.signal("CONT");
        }
    }
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn no_tier_holds_an_old_value_over_a_cluster_whose_keys_move() {
    let cluster = RefCell::new(Cluster::start());
    let address = cluster.borrow().address();
    let mut workers: Vec<Worker> = (0..PROCESSES).map(|number| Worker::start(&address, number)).collect();
    rounds(
        || {
            let cluster = cluster.borrow();
            cluster.servers.iter().fold(cluster.said(), |told, server| {
                format!("{told}{} logged:\n{}\n", server.address(), server.logged())
            })
        },
        |round| {
            let trouble = || {
                let [first, second, _] = round.kinds(5);
                for kind in [first, second, 0] {
                    thread::sleep(Duration::from_millis(100) + round.lot.draw_ms(200));
                    trouble_a_cluster(round, kind, &mut cluster.borrow_mut());
                }
                cluster.borrow().wait_until_whole();
                round.note("the cluster is whole");
                // The writers go on while the links come back.
                thread::sleep(Duration::from_secs(1));
            };
            let servers = || truth(&cluster.borrow().servers.iter().collect::<Vec<_>>());
            judge(round, &mut workers, trouble, servers)
        },
    );
}

fn trouble_a_cluster(round: &Round, kind: usize, cluster: &mut Cluster) {
    let key = || format!("w:{}", round.lot.draw(KEYS));
    let number = round.lot.draw(3);
    match kind {
        0 => {
            let keys: Vec<String> = (0..10).map(|_| key()).collect();
            round.note(format_args!("the slots of {} move", keys.join(" ")));
            keys.iter().for_each(|key| cluster.move_slot_of(key));
        }
        1 => {
            round.note("all links are cut");
            cluster.servers.iter().for_each(|server| {
                server.tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            });
        }
        2 => {
            round.note(format_args!("server {number} is flushed"));
            cluster.servers[number].tell(&["FLUSHALL"]);
        }
        3 => {
            let pause = round.lot.draw_ms(300);
            round.note(format_args!("server {number} is killed, and starts again after {pause:?}"));
            cluster.servers[number].kill();
            thread::sleep(pause);
            cluster.servers[number].restart();
        }
        _ => {
            let (key, steps, pause) = (key(), round.lot.draw(Move::STEPS) + 1, round.lot.draw_ms(300));
            let told = "steps into the move of the slot of";
            round.note(format_args!(
                "server {number} is killed {steps} {told} {key}, for {pause:?}; it is mended"
            ));
            cluster.plan(&key).walk(cluster, 0..steps);
            cluster.servers[number].kill();
            thread::sleep(pause);
            cluster.servers[number].restart();
            cluster.mend();
        }
    }
}
