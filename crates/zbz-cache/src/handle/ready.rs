//! Whether a provider would serve the open contracts: for readiness checks.

use std::time::Duration;

use crate::error::Result;
use crate::handle::ProviderHandle;
use crate::reply::Reply;

impl ProviderHandle {
    /// Whether the provider would serve calls of the open contracts. Over a network this checks that
    ///
    /// - its servers are found by name, reached, and answer;
    /// - they accept the TLS settings, the user and the password;
    /// - the user has all rights that the verbs of a contract need.
    ///
    /// Nothing is changed. A full cache is ready.
    ///
    /// # Errors
    ///
    /// The obstacle, and what to do about it. Missing rights are named together, in the form in which
    /// `ACL SETUSER` gives them. `Closed`.
    pub async fn ping(&self) -> Result<()> {
        self.check(None).await.map_err(|error| self.name_error(error, "ping"))
    }

    /// Calls [`ping`](ProviderHandle::ping) repeatedly, until it succeeds or the time is over.
    ///
    /// # Errors
    ///
    /// That of the last `ping`.
    pub async fn wait_ready(&self, timeout: Duration) -> Result<()> {
        self.check(Some(timeout)).await.map_err(|error| self.name_error(error, "wait_ready"))
    }

    /// [`ping`](ProviderHandle::ping) without async: this thread blocks as in
    /// [`blocking_stats`](ProviderHandle::blocking_stats).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn blocking_ping(&self) -> Result<()> {
        self.check(None).wait().map_err(|error| self.name_error(error, "ping"))
    }

    /// [`wait_ready`](ProviderHandle::wait_ready) without async: this thread blocks as in
    /// [`blocking_stats`](ProviderHandle::blocking_stats).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn blocking_wait_ready(&self, timeout: Duration) -> Result<()> {
        self.check(Some(timeout)).wait().map_err(|error| self.name_error(error, "wait_ready"))
    }

    fn check(&self, patience: Option<Duration>) -> Reply<'_, ()> {
        let open = self.open_prefixes();
        let prefixes: Vec<&[u8]> = open.iter().map(Vec::as_slice).collect();
        self.provider().check_ready(&prefixes, patience)
    }
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::reply::block_on;

    #[test]
    fn memory_is_ready_until_it_is_closed() {
        let handle = crate::new_provider("memory", crate::options! {}).unwrap();
        let _contract = crate::Contract::<String>::new("t", handle.clone()).unwrap();
        block_on(handle.ping()).unwrap();
        handle.blocking_ping().unwrap();
        handle.blocking_wait_ready(Duration::ZERO).unwrap();
        handle.blocking_close().unwrap();
        assert_eq!(handle.blocking_ping().unwrap_err().kind(), ErrorKind::Closed);
        let waited = block_on(handle.wait_ready(Duration::from_millis(10)));
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::Closed);
    }
}
