use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};
use zbz_cache::{options, Contract, MemoryCache, Ttl, TtlState};

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct User { id: u64, name: String, email: Option<String> }

#[tokio::main]
async fn main() -> zbz_cache::Result<()> {
    // "memory" registers itself; no runtime is needed and no network is touched yet
    let provider = zbz_cache::new_provider("memory", options! {
        "max_size" => "100MiB",         // or 104_857_600, "100MB" (10^6), "25%" of what this process may use
        "cleanup_interval" => "2m",     // or 120 (seconds), "90s", "1m30s", a Duration
    })?;                                 // a cloneable handle

    let users = Contract::<User>::new("users", provider.clone())?.cache();   // Cache<User>: Clone, Send, Sync
    let a = User { id: 1, name: "Ann".into(), email: None };
    let b = User { id: 2, name: "Bob".into(), email: Some("bob@example.org".into()) };

    users.set("123", &a, Duration::from_secs(3600)).await?;
    let found: Option<User> = users.get("123").await?;
    assert_eq!(found, Some(a.clone()));
    assert!(users.delete("123").await?);                                 // true: it was there

    users.set_multi([("1", &a), ("2", &b)], Duration::from_secs(7200)).await?;
    let many: HashMap<String, User> = users.get_multi(["1", "2", "3"]).await?;
    assert_eq!(many.len(), 2);
    assert!(users.exists("1").await?);
    assert_eq!(users.keys("1*").await?, ["1"]);                          // without the namespace, in no order
    assert!(users.expire("1", Duration::from_secs(60)).await?);
    assert!(matches!(users.ttl("1").await?, TtlState::Remaining(_)));
    assert!(users.persist("1").await?);
    users.set("2", &b, Ttl::Never).await?;
    assert_eq!(users.delete_multi(["1", "2", "9"]).await?, 2);
    users.clear().await?;                                                // this namespace only
    assert_eq!(users.blocking().get("1")?, None);                        // the same verbs without async

    let stats = users.stats().await?;                                    // of the whole provider
    let memory: &MemoryCache = users.native().expect("the memory provider's own cache");
    println!("{stats}\n{}", memory.len());
    assert!(zbz_cache::providers().iter().any(|name| name == "memory"));
    Ok(())
}
