//! [`Shared`]: the client and the thread of a provider.

use std::sync::Arc;

use super::client::Client;
use super::runtime::Runtime;

/// The client and the thread, shared by the provider and the connections that it gave out. Dropping the last
/// of these ends the thread.
pub(in crate::providers::redis) struct Shared {
    pub(in crate::providers::redis) client: Arc<Client>,
    pub(in crate::providers::redis) runtime: Runtime,
}
