//! [`Shared`]: the client and the thread of a provider.

use std::sync::Arc;

use tokio::sync::oneshot::Receiver;

use super::client::Client;
use super::cluster::exchange;
use super::runtime::Runtime;
use crate::error::{Error, Result};

/// The client and the thread, shared by the provider and the native connections that it gave out. Dropping
/// the last of these ends the thread.
pub(in crate::providers::redis) struct Shared {
    pub(in crate::providers::redis) client: Arc<Client>,
    pub(in crate::providers::redis) runtime: Runtime,
}

impl Shared {
    /// The outcome of work on the thread.
    pub(in crate::providers::redis) async fn told<T>(&self, work: Receiver<Result<T>>) -> Result<T> {
        match work.await {
            Ok(outcome) => outcome,
            Err(_) if self.runtime.is_closed() => Err(Error::closed()),
            Err(_) => Err(exchange::broke_inside()),
        }
    }
}
