//! [`Catalogue`]: the store, read through the cache.

use std::time::Duration;

use anyhow::Result;
use zbz_cache::{Cache, Contract, LoadOptions, LoadOutcome, ProviderHandle};

use crate::store::{Product, Store};

/// Products by id and by (tenant, sku). Clones share the cache.
#[derive(Clone)]
pub struct Catalogue {
    store: Store,
    by_id: Cache<Product>,
    by_sku: Cache<Product>,
}

impl Catalogue {
    /// Reads `store` through the cache of this URL, such as `memory://?max_size=64MiB` or `redis://127.0.0.1`.
    pub fn new(store: Store, cache: &str) -> Result<Catalogue> {
        let provider = zbz_cache::new_provider_from_url(cache)?;
        let products = |name| -> zbz_cache::Result<Cache<Product>> {
            Contract::new(name, provider.clone())?.default_ttl(Duration::from_secs(300)).cache()
        };
        Ok(Catalogue { store, by_id: products("products")?, by_sku: products("skus")? })
    }

    pub async fn by_id(&self, id: i64) -> Result<LoadOutcome<Product>> {
        let store = self.store.clone();
        let load = || async move { store.by_id(id).await };
        Ok(self.by_id.get_or_load_opts(&id.to_string(), &LoadOptions::default(), load).await?)
    }

    pub async fn by_sku(&self, tenant: &str, sku: &str) -> Result<LoadOutcome<Product>> {
        let (store, key) = (self.store.clone(), sku_key(tenant, sku));
        let (tenant, sku) = (tenant.to_owned(), sku.to_owned());
        let load = || async move { store.by_sku(tenant, sku).await };
        Ok(self.by_sku.get_or_load_opts(&key, &LoadOptions::default(), load).await?)
    }

    /// Sets a price, and removes what the cache has of the product. False if there is no such product.
    ///
    /// # Errors
    ///
    /// The database's. A removal that the cache could not do is none: the price is set.
    pub async fn set_price(&self, id: i64, price_cents: i64) -> Result<bool> {
        let Some(product) = self.store.set_price(id, price_cents).await? else { return Ok(false) };
        let key = sku_key(&product.tenant, &product.sku);
        let (by_id, by_sku) = (self.by_id.delete(&id.to_string()).await, self.by_sku.delete(&key).await);
        for error in [by_id.err(), by_sku.err()].into_iter().flatten() {
            eprintln!(
                "the price of product {id} is set; the cache may have the old one until its ttl: {error}"
            );
        }
        Ok(true)
    }

    /// The provider's handle, for statistics and readiness.
    pub fn provider(&self) -> &ProviderHandle {
        self.by_id.handle()
    }
}

/// One text for a tenant's product: no other pair has the same, since what separates them is escaped in the first.
fn sku_key(tenant: &str, sku: &str) -> String {
    format!("{}:{sku}", tenant.replace('\\', "\\\\").replace(':', "\\:"))
}
