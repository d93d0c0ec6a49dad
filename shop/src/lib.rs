//! A web shop on the cache: products in SQLite, read through a cache that one URL chooses.
//!
//! `store` is the database, `catalogue` reads it through the cache and removes what was changed, `api` serves it by
//! HTTP; `server` starts a Redis for the trials in `bin/`. Nothing here says what happens while Redis is down: that is the cache's.

pub mod api;
pub mod catalogue;
pub mod server;
pub mod store;
