//! [`Store`]: the products, in SQLite.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

/// A product of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub id: i64,
    pub tenant: String,
    pub sku: String,
    pub name: String,
    pub price_cents: i64,
}

/// How often the database was asked for products.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queries {
    pub all: u64,
    /// The most queries for one product that ran at the same time.
    pub most_at_once: usize,
    /// How long 99 of 100 of them took at the most.
    pub p99: Duration,
}

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    /// Added to each query, as a database across a network takes.
    latency: Duration,
    meter: Arc<Mutex<Meter>>,
}

#[derive(Default)]
struct Meter {
    queries: Queries,
    times: Vec<Duration>,
    running: HashMap<String, usize>,
}

const COLUMNS: &str = "id, tenant, sku, name, price_cents";

impl Store {
    /// Opens the database, and makes so many products if it has none.
    pub fn open(path: &Path, products: i64, latency: Duration) -> Result<Store> {
        let mut connection = Connection::open(path).with_context(|| format!("open {}", path.display()))?;
        connection.execute_batch(
            "create table if not exists products (
                 id integer primary key, tenant text not null, sku text not null,
                 name text not null, price_cents integer not null, unique (tenant, sku))",
        )?;
        let filling = connection.transaction()?;
        for id in 1..=products {
            filling.execute(
                "insert or ignore into products values (?1, ?2, ?3, ?4, ?5)",
                params![id, format!("t{}", id % 4), format!("sku-{id}"), format!("Product {id}"), 100 * id],
            )?;
        }
        filling.commit()?;
        let connection = Arc::new(Mutex::new(connection));
        Ok(Store { connection, latency, meter: Arc::default() })
    }

    pub async fn by_id(&self, id: i64) -> Result<Option<Product>> {
        let query = format!("select {COLUMNS} from products where id = ?1");
        self.find(id.to_string(), move |database| Ok(database.query_row(&query, [id], read).optional()?))
            .await
    }

    pub async fn by_sku(&self, tenant: String, sku: String) -> Result<Option<Product>> {
        let query = format!("select {COLUMNS} from products where tenant = ?1 and sku = ?2");
        let name = format!("{tenant}/{sku}");
        self.find(name, move |database| Ok(database.query_row(&query, [tenant, sku], read).optional()?)).await
    }

    /// Sets a price; the product as it is then.
    pub async fn set_price(&self, id: i64, price_cents: i64) -> Result<Option<Product>> {
        let query = format!("update products set price_cents = ?2 where id = ?1 returning {COLUMNS}");
        self.run(move |database| Ok(database.query_row(&query, [id, price_cents], read).optional()?)).await
    }

    /// What was counted since the last call.
    pub fn take_queries(&self) -> Queries {
        let mut meter = self.meter();
        let (mut queries, mut times) = (std::mem::take(&mut meter.queries), std::mem::take(&mut meter.times));
        drop(meter);
        queries.p99 = p99(&mut times);
        queries
    }

    async fn find<T: Send + 'static>(
        &self,
        name: String,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _running = Running::begin(self, name);
        tokio::time::sleep(self.latency).await;
        self.run(query).await
    }

    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = Arc::clone(&self.connection);
        let run = move || query(&connection.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(run).await?
    }

    fn meter(&self) -> std::sync::MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A query under way; ends when it is dropped, also by a load that is given up.
struct Running {
    store: Store,
    name: String,
    begun: Instant,
}

impl Running {
    fn begin(store: &Store, name: String) -> Running {
        let mut meter = store.meter();
        let running = meter.running.entry(name.clone()).or_default();
        *running += 1;
        let at_once = *running;
        meter.queries.all += 1;
        meter.queries.most_at_once = meter.queries.most_at_once.max(at_once);
        drop(meter);
        Running { store: store.clone(), name, begun: Instant::now() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut meter = self.store.meter();
        meter.times.push(self.begun.elapsed());
        if let Some(running) = meter.running.get_mut(&self.name) {
            *running -= 1;
            if *running == 0 {
                meter.running.remove(&self.name);
            }
        }
    }
}

/// Of these times the one that 99 of 100 do not exceed; zero of none.
pub fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().unwrap_or_default()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get("id")?,
        tenant: row.get("tenant")?,
        sku: row.get("sku")?,
        name: row.get("name")?,
        price_cents: row.get("price_cents")?,
    })
}
