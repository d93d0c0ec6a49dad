//! Writes of one key: encoded at the call, announced to the loads that they overlap, and stored.

use super::Shared;
use crate::error::Result;
use crate::flight::Writing;
use crate::provider::{Provider, SetOptions, SetOutcome};
use crate::reply::Reply;
use crate::scratch;
use crate::ttl::Ttl;

impl<T: 'static> Shared<T> {
    /// Encodes a value that is set with this TTL.
    pub(super) fn encode(&self, value: &T, ttl: Ttl) -> Result<Vec<u8>> {
        let mut bytes = scratch::take();
        let span = self.parts.terms.span(ttl.or(self.parts.default_ttl));
        self.parts.codec.encode(value, span, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`start`](Shared::start), for a verb that changes the entry: loads of the key that overlap it are
    /// not stored. The verb lasts until the announcement is dropped.
    #[inline]
    pub(super) fn start_write<'a, R>(
        &'a self,
        name: &str,
        begin: impl FnOnce(&'a dyn Provider, &[u8]) -> Reply<'a, R>,
    ) -> Result<(Writing<'a>, Reply<'a, R>)> {
        self.parts.namespace.with_key(name, |key| {
            let writing = self.flights().write(key);
            (writing, begin(&*self.provider, key))
        })
    }

    pub(super) async fn write<'a, R>(
        &'a self,
        name: &str,
        begin: impl FnOnce(&'a dyn Provider, &[u8]) -> Reply<'a, R>,
    ) -> Result<R> {
        let (_writing, reply) = self.start_write(name, begin)?;
        reply.await
    }

    /// Stores the encoded value, and gives its buffer back.
    pub(super) async fn store(
        &self,
        name: &str,
        encoded: Result<Vec<u8>>,
        options: SetOptions,
        operation: &'static str,
    ) -> Result<SetOutcome> {
        let stored = match encoded {
            Err(error) => Err(error),
            Ok(value) => {
                let begun = self.start_write(name, |provider, key| provider.set(key, &value, options));
                scratch::give(value);
                match begun {
                    Ok((_writing, reply)) => reply.await,
                    Err(error) => Err(error),
                }
            }
        };
        stored.map_err(|error| self.named(error, operation))
    }
}
