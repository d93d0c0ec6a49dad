//! Plain verbs while the provider does not answer, in contracts that treat that as a miss
//! ([`OnFailure::Miss`]).

use std::sync::atomic::Ordering;

use super::Shared;
use super::batch::Values;
use crate::error::{Error, Result};
use crate::load::OnFailure;
use crate::provider::{Failures, Lookups, ReadBatch};
use crate::ttl::{Lifetime, Ttl};

impl<T: 'static> Shared<T> {
    /// Whether a plain verb hides this error from its caller.
    fn is_excused(&self, error: &Error) -> bool {
        self.parts.terms.on_failure == OnFailure::Miss && error.kind().is_outage()
    }

    /// The answer of a failed read: that for a missing entry, or the error.
    #[cold]
    pub(super) fn without_answer<R>(&self, error: Error, operation: &'static str, miss: R) -> Result<R> {
        if !self.is_excused(&error) {
            return Err(self.named(error, operation));
        }
        self.count_failed_reads(1);
        Ok(miss)
    }

    /// The answer of a failed get, which is also a lookup.
    #[cold]
    pub(super) fn get_without_answer(&self, error: Error) -> Result<Option<T>> {
        let answer = self.without_answer(error, "get", None)?;
        self.provider.record_lookups(Lookups::MISS);
        Ok(answer)
    }

    /// The answers of many gets, of which some may have failed.
    pub(super) fn batch_without_answers(&self, batch: Result<ReadBatch>, len: usize) -> Result<ReadBatch> {
        let mut batch = match batch {
            Err(error) if self.is_excused(&error) => {
                self.count_failed_reads(len);
                let mut batch = ReadBatch::default();
                batch.reset(len);
                return Ok(batch);
            }
            batch => batch?,
        };
        if !batch.failed().is_empty() {
            self.count_failed_reads(batch.forget_failures(|error| self.is_excused(error)));
        }
        Ok(batch)
    }

    /// The answer of a failed plain set. A set that removes returns the error.
    #[cold]
    pub(super) fn without_store(&self, error: Error, ttl: Ttl) -> Result<()> {
        if !self.is_excused(&error) || self.removes(ttl) {
            return Err(error);
        }
        self.count_dropped_sets(1);
        Ok(())
    }

    /// The failures of many sets.
    pub(super) fn without_stores(
        &self,
        stored: Result<Failures>,
        values: &Values,
        ttl: Ttl,
    ) -> Result<Failures> {
        let mut failed = match stored {
            Ok(failed) if failed.is_empty() => return Ok(failed),
            stored if self.removes(ttl) => return stored,
            Err(error) if self.is_excused(&error) => {
                self.count_dropped_sets(values.len());
                return Ok(Failures::new());
            }
            stored => stored?,
        };
        let all = failed.len();
        failed.retain(|(_, error)| !self.is_excused(error));
        self.count_dropped_sets(all - failed.len());
        Ok(failed)
    }

    fn removes(&self, ttl: Ttl) -> bool {
        ttl.or(self.parts.default_ttl).lifetime() == Lifetime::Gone
    }

    fn count_failed_reads(&self, count: usize) {
        self.flights().counters.failed_reads.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn count_dropped_sets(&self, count: usize) {
        self.flights().counters.dropped_sets.fetch_add(count as u64, Ordering::Relaxed);
    }
}
