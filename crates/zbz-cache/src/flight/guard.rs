//! The guard against old values: how writes reach the loads that they overlap. See the invariants
//! Guard and One step.

use std::hash::BuildHasher;

use super::sync::{AtomicU64, Ordering};
use super::{Cooling, FlightKey, Flights, LOAD, Shard, WRITER, lock};
use crate::error::Result;
use crate::provider::{Condition, Invalidation, Provider, SetOptions, SetOutcome, Token};

/// A write under way: loads that overlap it are not stored.
pub(crate) struct Writing<'a>(&'a AtomicU64);

/// As [`Writing`], for all keys with a prefix.
pub(crate) struct Clearing<'a>(&'a AtomicU64);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // Release: a load that finds no writer here finds what was written.
        self.0.fetch_sub(WRITER, Ordering::Release);
    }
}

impl Drop for Clearing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Flights {
    /// Begins a write of `key`; it ends when the answer is dropped.
    #[inline]
    pub(crate) fn write(&self, key: &[u8]) -> Writing<'_> {
        let hash = self.hasher.hash_one(key);
        let word = self.word(hash);
        // Acquire: sees the entry of every load that announced itself before. Release: a load that
        // announces itself later sees this writer.
        let loads = word.fetch_add(WRITER, Ordering::AcqRel) & (WRITER - LOAD);
        if loads > 0 {
            self.revoke(hash, key);
        }
        Writing(word)
    }

    /// Begins a clear of everything under `prefix`.
    pub(crate) fn clear(&self, prefix: &[u8]) -> Clearing<'_> {
        // The shards' locks order this with loads: a load that enters a shard after this pass over
        // it reads the count below.
        self.clears.fetch_add(1, Ordering::AcqRel);
        self.revoke_under(prefix);
        Clearing(&self.clears)
    }

    /// Revokes the loads of the keys that an invalidation names.
    pub(crate) fn told(&self, invalidation: Invalidation<'_>) {
        match invalidation {
            Invalidation::Key(key) => self.revoke(self.hasher.hash_one(key), key),
            Invalidation::All | Invalidation::Lost => self.revoke_under(b""),
            Invalidation::Alive(_) => {}
        }
    }

    #[cold]
    fn revoke(&self, hash: u64, key: &[u8]) {
        let mut shard = self.shard(hash);
        if let Some(entry) = shard.entries.get(key) {
            self.revoke_token(&entry.work.keys[entry.at].token);
        }
        if shard.cooling.remove(key).is_some() {
            self.word(hash).fetch_sub(LOAD, Ordering::AcqRel);
        }
    }

    fn revoke_under(&self, prefix: &[u8]) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            for (_, entry) in shard.entries.iter().filter(|(key, _)| key.starts_with(prefix)) {
                self.revoke_token(&entry.work.keys[entry.at].token);
            }
            self.let_cool(&mut shard, |key, _| !key.starts_with(prefix));
        }
    }

    pub(super) fn revoke_token(&self, token: &Token) {
        #[cfg(all(test, shuttle))]
        if self.unguarded.load(Ordering::Relaxed) {
            return;
        }
        token.revoke();
    }

    /// Drops the cooling keys for which `keep` is false.
    pub(super) fn let_cool(&self, shard: &mut Shard, keep: impl Fn(&[u8], &Cooling) -> bool) {
        shard.cooling.retain(|key, cooling| {
            let kept = keep(key, cooling);
            if !kept {
                self.word(self.hasher.hash_one(&**key)).fetch_sub(LOAD, Ordering::AcqRel);
            }
            kept
        });
    }

    /// Checks the token and stores in one step, for a provider that answers at once but cannot check
    /// tokens itself. `None`: the provider does not answer at once, and nothing was stored.
    pub(crate) fn store_in_one_step(
        &self,
        provider: &dyn Provider,
        key: &FlightKey,
        value: &[u8],
        options: SetOptions,
    ) -> Option<Result<SetOutcome>> {
        // Revoking takes this lock too.
        let _shard = self.shard(self.hasher.hash_one(&*key.key));
        if !key.token.is_valid() {
            return Some(Ok(SetOutcome::ConditionFailed));
        }
        let reply = provider.set(&key.key, value, options.when(Condition::Always));
        // A reply that is not ready was never polled: dropping it stores nothing.
        reply.is_ready().then(|| reply.wait())
    }
}
