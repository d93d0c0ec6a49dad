//! Many entries at once through the typed cache, against the bare client that sends the same commands.
//!
//! The bare client has its keys joined and its values encoded before, and gives bytes; the cache
//! joins, encodes, decodes and counts, and that is within the limit, too.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use zbz_cache::{Cache, Codec, Contract, MessagePack};

use crate::server::{Server, each, provider};

/// At most so many times the time of the bare client, by the medians.
const LIMIT: f64 = 1.5;

const BATCH: usize = 100;
const BATCHES: u32 = 10;
const ROUNDS: usize = 61;
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct User {
    id: u64,
    name: String,
}

fn user(id: u64) -> User {
    User { id, name: format!("user number {id}") }
}

/// The commands that the cache sends, on bytes as it has them.
struct Bare {
    connection: MultiplexedConnection,
    keys: Vec<String>,
    values: Vec<Vec<u8>>,
}

impl Bare {
    async fn set(&self) {
        let mut sets = redis::pipe();
        for (key, value) in self.keys.iter().zip(&self.values) {
            sets.cmd("SET").arg(key).arg(value).arg("PX").arg(HOUR.as_millis() as u64).ignore();
        }
        sets.exec_async(&mut self.connection.clone()).await.unwrap();
    }

    async fn get(&self) {
        let mut get = redis::cmd("MGET");
        let values: Vec<Vec<u8>> =
            get.arg(&self.keys).query_async(&mut self.connection.clone()).await.unwrap();
        assert_eq!(values.len(), BATCH);
    }

    async fn get_one_by_one(&self) {
        let asked = self.keys.iter().map(|key| {
            let (mut connection, get) = (self.connection.clone(), redis::cmd("GET").arg(key).to_owned());
            tokio::spawn(async move { get.query_async::<Vec<u8>>(&mut connection).await.unwrap() })
        });
        for one in asked.collect::<Vec<_>>() {
            assert!(!one.await.unwrap().is_empty());
        }
    }
}

async fn get_one_by_one(cache: &Cache<User>, names: &[String]) {
    let asked = names.iter().map(|name| {
        let (cache, name) = (cache.clone(), name.clone());
        tokio::spawn(async move { cache.get(&name).await.unwrap() })
    });
    for one in asked.collect::<Vec<_>>() {
        assert!(one.await.unwrap().is_some());
    }
}

/// The time of a batch's entry, one round more: some tasks at once, each batch after batch.
async fn time(rounds: &mut Vec<Duration>, batch: impl AsyncFn()) {
    let begun = Instant::now();
    for _ in 0..BATCHES {
        tokio::join!(batch(), batch(), batch(), batch());
    }
    rounds.push(begun.elapsed() / (4 * BATCHES * BATCH as u32));
}

fn median(rounds: &mut [Duration]) -> Duration {
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn pipelined_work_keeps_up_with_the_bare_client() {
    let server = Server::start();
    let cache = Contract::<User>::new("speed", provider(&server.address())).unwrap().cache();
    let names: Vec<String> = (0..BATCH).map(|n| format!("{n}")).collect();
    let users: Vec<User> = (0..BATCH as u64).map(user).collect();
    let encode = |user: &User| {
        let mut bytes = vec![0; 4];
        MessagePack.encode(user, &mut bytes).unwrap();
        bytes
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = redis::Client::open(format!("redis://{}?protocol=resp3", server.address())).unwrap();
        let bare = Bare {
            connection: client.get_multiplexed_async_connection().await.unwrap(),
            keys: names.iter().map(|name| format!("bare:{name}")).collect(),
            values: users.iter().map(encode).collect(),
        };
        let entries = || names.iter().zip(users.iter());
        let mut bare_times = [const { Vec::new() }; 3];
        let mut typed_times = [const { Vec::new() }; 4];
        // Turn by turn, so that whatever else the machine does meets both.
        for _ in 0..ROUNDS {
            let [bare_set, bare_get, bare_one] = &mut bare_times;
            let [typed_set, typed_get, typed_map, typed_one] = &mut typed_times;
            time(bare_set, async || bare.set().await).await;
            time(typed_set, async || cache.set_multi(entries(), HOUR).await.unwrap()).await;
            time(bare_get, async || bare.get().await).await;
            time(typed_get, async || assert_eq!(each(cache.get_each(&names).await).unwrap().len(), BATCH))
                .await;
            time(typed_map, async || assert_eq!(cache.get_multi(&names).await.unwrap().len(), BATCH)).await;
            time(bare_one, async || bare.get_one_by_one().await).await;
            time(typed_one, async || get_one_by_one(&cache, &names).await).await;
        }
        let [set, get, one] = bare_times.each_mut().map(|rounds| median(rounds));
        let rows = [
            ("SET PX, 100 piped: set_multi", set),
            ("MGET of 100: get_each", get),
            ("MGET of 100: get_multi, into a map", get),
            ("GET, 400 calls at once: get", one),
        ];
        for ((what, bare), typed) in rows.into_iter().zip(&mut typed_times) {
            let typed = median(typed);
            let ratio = typed.as_secs_f64() / bare.as_secs_f64();
            println!("{what:36} bare {bare:?}, typed {typed:?} an entry: {ratio:.2} of {LIMIT}");
            // Without optimisation it says nothing.
            assert!(ratio < LIMIT || cfg!(debug_assertions), "{what}: {ratio:.2} times the bare client");
        }
    });
}
