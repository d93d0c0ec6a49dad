//! The README's typed code, first on memory, then on Redis, then on Redis with memory in front of it:
//! one line changes.
//!
//! ```sh
//! redis-server --port 6379 --save "" &
//! cargo run --features redis,tiered --example scale_out
//! ```
//!
//! An address as its argument (`host:port`) is used instead of 127.0.0.1:6379.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zbz_cache::{Contract, ProviderHandle, new_provider, options};

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct User {
    id: u64,
    name: String,
}

#[tokio::main]
async fn main() -> zbz_cache::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6379".to_owned());
    let timed = Instant::now();
    use_it(new_provider("memory", options! { "max_size" => "100MiB" })?).await?;
    println!("on memory: {:?}\n", timed.elapsed());

    let timed = Instant::now();
    use_it(new_provider("redis", options! { "address" => &address })?).await?;
    println!("on redis: {:?}\n", timed.elapsed());

    let timed = Instant::now();
    use_it(new_provider("tiered", options! { "far" => "redis", "far.address" => address })?).await?;
    println!("on redis, behind memory: {:?}", timed.elapsed());
    Ok(())
}

/// What does not know where its entries are.
async fn use_it(provider: ProviderHandle) -> zbz_cache::Result<()> {
    let users = Contract::<User>::new("scale-out", provider)?.cache();

    let ann = User { id: 1, name: "Ann".into() };
    let bob = User { id: 2, name: "Bob".into() };
    users.set("1", &ann, Duration::from_secs(3600)).await?;
    assert_eq!(users.get("1").await?, Some(ann.clone()));

    users.set_multi([("1", &ann), ("2", &bob)], Duration::from_secs(7200)).await?;
    assert_eq!(users.get_multi(["1", "2", "3"]).await?.len(), 2);
    assert_eq!(users.keys("2*").await?, ["2"]);
    assert!(users.delete("1").await?);
    assert_eq!(users.blocking().get("1")?, None);
    println!("{}", users.stats().await?);
    users.clear().await
}
