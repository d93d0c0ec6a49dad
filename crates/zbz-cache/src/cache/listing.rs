//! The verbs about the whole namespace: listing and clearing.

use std::collections::HashSet;

use super::Cache;
use crate::error::Result;
use crate::glob::Pattern;
use crate::provider::{Cursor, Page};

/// A part of a listing, and the cursor of the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamePage {
    /// Names without the namespace, in no order.
    pub names: Vec<String>,
    /// The cursor of the next page; `None` after the last one.
    pub next: Option<Cursor>,
}

impl<T: 'static> Cache<T> {
    /// The names that match `pattern`, without the namespace, in no order. See [`Pattern`].
    ///
    /// In memory a name that exists throughout is listed exactly once, and one that is absent throughout
    /// never.
    ///
    /// # Errors
    ///
    /// `InvalidPattern`.
    pub async fn keys(&self, pattern: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.keys_page(pattern, cursor.as_ref()).await?;
            names.extend(page.names);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        if !self.shared.provider.capabilities().exact_listing {
            let seen: HashSet<String> = names.drain(..).collect();
            names.extend(seen);
        }
        Ok(names)
    }

    /// One page of [`keys`](Cache::keys), for listings that should not be held in memory; without a cursor
    /// the first one. A page may be empty although others follow.
    ///
    /// # Errors
    ///
    /// `InvalidPattern`.
    pub async fn keys_page(&self, pattern: &str, cursor: Option<&Cursor>) -> Result<NamePage> {
        let shared = &*self.shared;
        let pattern = Pattern::new(pattern).map_err(|error| shared.named(error, "keys"))?;
        let namespace = &shared.parts.namespace;
        let prefix = [namespace.prefix(), pattern.literal_prefix().as_bytes()].concat();
        let page = shared.provider.scan(&prefix, cursor).await;
        let Page { keys, next } = page.map_err(|error| shared.named(error, "keys"))?;
        let names = keys.iter().filter_map(|key| namespace.strip(key));
        let names = names.filter(|name| pattern.matches(name)).map(str::to_owned).collect();
        Ok(NamePage { names, next })
    }

    /// Removes every entry of this namespace that was set before the call; other namespaces keep theirs.
    ///
    /// # Errors
    ///
    /// None of its own.
    pub async fn clear(&self) -> Result<()> {
        let shared = &*self.shared;
        let _clearing = shared.flights().clear(shared.parts.namespace.prefix());
        let cleared = shared.provider.clear(shared.parts.namespace.prefix()).await;
        cleared.map_err(|error| shared.named(error, "clear"))
    }
}
