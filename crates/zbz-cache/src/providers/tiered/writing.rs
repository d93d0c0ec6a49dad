//! Own writes: what they change is invalidated before they are sent, and when they have ended, by an
//! answer, an error or a caller that gave up.

use super::TieredProvider;
use super::feed::Near;
use crate::reply::Reply;

/// An own write under way: its keys are invalidated before it is sent and when it has ended,
/// whatever became of it.
pub(super) struct OwnWrite<'a> {
    near: &'a Near,
    keys: Vec<Box<[u8]>>,
}

impl<'a> OwnWrite<'a> {
    pub(super) fn begin<'k>(near: &'a Near, keys: impl Iterator<Item = &'k [u8]>) -> Self {
        let writing = OwnWrite { near, keys: keys.map(Box::from).collect() };
        writing.invalidate();
        writing
    }

    fn invalidate(&self) {
        self.keys.iter().for_each(|key| self.near.copies.invalidate(key));
    }
}

impl Drop for OwnWrite<'_> {
    fn drop(&mut self) {
        self.invalidate();
    }
}

/// An own clear under way: everything under its prefix is invalidated, before and after.
pub(super) struct OwnClear<'a> {
    tier: &'a TieredProvider,
    prefix: Box<[u8]>,
}

impl<'a> OwnClear<'a> {
    pub(super) fn begin(tier: &'a TieredProvider, prefix: &[u8]) -> Self {
        let clearing = OwnClear { tier, prefix: prefix.into() };
        clearing.invalidate();
        clearing
    }

    fn invalidate(&self) {
        for space in self.tier.feed.spaces_under(&self.prefix) {
            self.tier.near.copies.coherence.revoke_all(space);
        }
    }
}

impl Drop for OwnClear<'_> {
    fn drop(&mut self) {
        self.invalidate();
    }
}

/// Answers as `reply` does, and lets go of `held` then, or when it is given up.
pub(super) fn until_ended<'a, T: Send + 'a>(held: impl Send + 'a, reply: Reply<'a, T>) -> Reply<'a, T> {
    if reply.is_ready() {
        drop(held);
        return reply;
    }
    Reply::pending(async move {
        let _held = held;
        reply.await
    })
}
