//! How a provider is set up: its options, the addresses of servers, TLS.

pub(super) mod address;
pub(super) mod settings;
pub(super) mod tls;
