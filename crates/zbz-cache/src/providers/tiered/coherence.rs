//! [`Coherence`]: which copies may be served and which reads may fill, as a state machine without
//! I/O; `docs/coherence.md` has the argument.
//!
//! - **Liveness.** A space is live until some moment. An *epoch* of it is live without a gap: a proof that
//!   does not follow on the last begins another one, and so does each revocation of a whole space.
//! - **Stripe.** Each revocation of a key counts its stripe up before the copy is deleted.
//! - **Token.** Taken before a far read is sent, only while the space is live; good while neither
//!   epoch nor stripe has moved.
//! - **Order.** A proof moves the epoch before `live_until`. Readers take `live_until` before the epoch,
//!   so an epoch that is unchanged vouches for the `live_until` that they took.
//!
//! Times are nanoseconds of the tier's clock.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many spaces there may be. A server looks at every subscribed prefix for each write.
pub(super) const SPACES: usize = 256;

/// Keys share a stripe: many, so that a read seldom loses its fill to the write of another key.
const STRIPES: usize = 1024;

const EPOCH_BITS: u32 = 48;

/// One namespace in use, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Space(u16);

/// The space and the epoch in which a copy was read: what it ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp(u64);

/// A right to fill.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) stamp: Stamp,
    stripe: usize,
    count: u64,
}

#[derive(Debug)]
struct Liveness {
    /// The number of its space above `EPOCH_BITS`, so that it is a stamp as it stands.
    epoch: AtomicU64,
    live_until: AtomicU64,
}

/// The state of all spaces and keys of one tier.
#[derive(Debug)]
pub(super) struct Coherence {
    liveness: Box<[Liveness]>,
    stripes: Box<[AtomicU64]>,
}

impl Space {
    /// The space of this number, unless there are that many already.
    pub(super) fn numbered(number: usize) -> Option<Space> {
        (number < SPACES).then_some(Space(number as u16))
    }
}

impl Stamp {
    /// Of no copy: an epoch that was never live.
    pub(super) const NONE: Stamp = Stamp(0);

    pub(super) fn to_bits(self) -> u64 {
        self.0
    }

    /// A stamp of these bits, whatever they are.
    pub(super) fn from_bits(bits: u64) -> Stamp {
        Stamp(bits)
    }

    fn space(self) -> usize {
        (self.0 >> EPOCH_BITS) as usize
    }
}

impl Coherence {
    pub(super) fn new() -> Coherence {
        Coherence::sized(SPACES, STRIPES)
    }

    fn sized(spaces: usize, stripes: usize) -> Coherence {
        let liveness = |number: usize| Liveness {
            epoch: AtomicU64::new((number as u64) << EPOCH_BITS),
            live_until: AtomicU64::new(0),
        };
        Coherence {
            liveness: (0..spaces).map(liveness).collect(),
            stripes: (0..stripes).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn liveness_of(&self, space: Space) -> &Liveness {
        &self.liveness[usize::from(space.0)]
    }

    /// Until when a copy with this stamp may be served, as of this moment: zero if not at all. To be
    /// asked after its bytes were found, and the time after that.
    #[inline]
    pub(super) fn serves_until(&self, stamp: Stamp) -> u64 {
        let Some(liveness) = self.liveness.get(stamp.space()) else { return 0 };
        // Invariant Order. Acquire on the first: pairs with the Release of `prove`, which comes after
        // the epoch was moved. Acquire on the second: the time is read after it.
        let live_until = liveness.live_until.load(Ordering::Acquire);
        let epoch = liveness.epoch.load(Ordering::Acquire);
        if epoch == stamp.0 { live_until } else { 0 }
    }

    /// Whether a space may be served and filled at this moment.
    pub(super) fn is_space_live(&self, space: Space, now: u64) -> bool {
        let stamp = Stamp(self.liveness_of(space).epoch.load(Ordering::Acquire));
        now < self.serves_until(stamp)
    }

    /// A token for a far read of a key with this hash, to be taken before it is sent.
    pub(super) fn take_token(&self, space: Space, hash: u64, now: u64) -> Option<Token> {
        let stripe = hash as usize % self.stripes.len();
        // Acquire: what was revoked before is not in the copies when the read is sent.
        let count = self.stripes[stripe].load(Ordering::Acquire);
        let stamp = Stamp(self.liveness_of(space).epoch.load(Ordering::Acquire));
        let is_live = now < self.serves_until(stamp);
        is_live.then_some(Token { stamp, stripe, count })
    }

    /// Whether nothing revoked it. For a fill it is asked in one step with the store.
    pub(super) fn is_good(&self, token: &Token) -> bool {
        // Acquire: pairs with the additions below. For a fill the lock of the copy's bucket carries
        // a revocation here if its delete came first.
        self.stripes[token.stripe].load(Ordering::Acquire) == token.count
            && self.liveness[token.stamp.space()].epoch.load(Ordering::Acquire) == token.stamp.0
    }

    /// Whether it is good and its space is live: what is read by its right may be shared.
    pub(super) fn is_live(&self, token: &Token, now: u64) -> bool {
        self.is_good(token) && now < self.serves_until(token.stamp)
    }

    /// Voids the tokens of a key with this hash; its copy is to be deleted after.
    pub(super) fn revoke(&self, hash: u64) {
        // AcqRel: before the delete that follows, for each thread that locks the bucket after it.
        self.stripes[hash as usize % self.stripes.len()].fetch_add(1, Ordering::AcqRel);
    }

    /// Voids every token and every copy of a space.
    pub(super) fn revoke_all(&self, space: Space) {
        self.liveness_of(space).epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Voids every token and every copy of all spaces.
    pub(super) fn revoke_everything(&self) {
        (0..self.liveness.len()).filter_map(Space::numbered).for_each(|space| self.revoke_all(space));
    }

    /// Makes the space not live, until the next proof. Only the teller of a space's changes loses and
    /// proves it.
    pub(super) fn lose(&self, space: Space) {
        // Relaxed: a reader that takes the older value serves a copy that was right when it was
        // found, and the next proof moves the epoch.
        self.liveness_of(space).live_until.store(0, Ordering::Relaxed);
    }

    /// Takes a proof that everything was told; one that does not follow on the last begins an epoch.
    pub(super) fn prove(&self, space: Space, now: u64, live_until: u64) {
        let liveness = self.liveness_of(space);
        // Relaxed: only this teller stores it.
        if now >= liveness.live_until.load(Ordering::Relaxed) {
            liveness.epoch.fetch_add(1, Ordering::AcqRel);
        }
        // Release: a reader that takes this proof sees the epoch that it is for.
        liveness.live_until.store(live_until, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
