//! The provider "redis" against servers that the tests start, and end, themselves, on free ports:
//! Debian's `redis-server`, or the one whose path `REDIS_SERVER` is. `make test-redis` runs them;
//! `make fault-redis` the long forms.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod breaker;
mod cluster;
mod coherence;
mod connecting;
mod faults;
mod foreign;
mod isolation;
mod leaks;
mod proxy;
mod quarantine;
mod ready;
mod redirected;
mod rights;
mod secrets;
mod server;
mod sizes;
mod speed;
mod suite;
mod tiered;
mod tls;
mod tracking;
mod verbs;
mod wire;
