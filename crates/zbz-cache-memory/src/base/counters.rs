//! The cache's counters, striped so that a hit writes no memory that another thread writes.
//!
//! Every count is a sum over stripes. The first threads ([`threads`]) have a
//! stripe each, the rest share the last one.
//!
//! Invariants:
//! - *One writer*: a stripe but the last belongs to a thread number. It is moved by a load and a
//!   store, which lose nothing: numbers are unique, and pass on only *in turn*.
//! - *Upwards*: every word only grows, whichever thread has the stripe, so sums never go backwards. Keys
//!   and payload, which also shrink, are two counts each: in and out.
//! - *No wrap*: a word that came to [`FULL`] reads as `u64::MAX`. Only lookups that a layer above
//!   reports in bulk can bring it there, and then no further; what is left above it is more than
//!   can ever be counted one by one.
//! - When no call is under way:
//!   `Sets + Adds - Replaced == keys + Deletes + Evictions + Expirations`.
//!
//! Relaxed throughout, where nothing else is said: the words are numbers that guard nothing.

use std::marker::PhantomData;

use crate::base::sync::{AtomicU64, CachePadded, Ordering};
use crate::base::threads;

/// Reads that a layer above judged itself, to be counted by
/// [`record_lookups`](crate::MemoryCache::record_lookups).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Reads that found what they looked for.
    pub hits: u64,
    /// Reads that did not, with those whose bytes could not be decoded.
    pub misses: u64,
    /// Reads that found a mark, put there by the layer above, which says that there is no value.
    /// They are neither hits nor misses.
    pub absences: u64,
    /// How many of the misses found bytes that could not be decoded.
    pub undecodable: u64,
}

/// The counters, by their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Hits,
    Misses,
    Absences,
    Undecodable,
    Sets,
    Adds,
    Replaced,
    Deletes,
    Evictions,
    Expirations,
    Rejections,
    /// Keys that entered and that left.
    KeysIn,
    KeysOut,
    /// Bytes of keys and values that entered and that left.
    PayloadIn,
    PayloadOut,
}

const COUNTS: usize = Count::PayloadOut as usize + 1;

/// See *No wrap*.
const FULL: u64 = 1 << 63;

/// More than any amount but those reported in bulk.
const BULK: u64 = 1 << 48;

/// One stripe's words, on cache lines of their own.
#[repr(align(128))]
#[derive(Debug)]
struct StripeWords {
    counts: [AtomicU64; COUNTS],
    /// An `i64`: keys that entered less keys that left, as far as `Counters::about` has not been
    /// told.
    untold: AtomicU64,
}

const _: () = assert!(size_of::<StripeWords>() == 128 || cfg!(loom));

/// Everything counted.
#[derive(Debug)]
pub(crate) struct Counters {
    /// By thread number.
    own: Box<[StripeWords]>,
    /// Of all threads beyond.
    shared: StripeWords,
    flush_every: u64,
    /// An `i64`: about how many keys there are.
    about: CachePadded<AtomicU64>,
}

impl Counters {
    /// `stripes` of which one is shared. [`keys_about`](Counters::keys_about) hears from a stripe
    /// whenever that has `flush_every` keys more or fewer than it told.
    pub(crate) fn new(stripes: usize, flush_every: u64) -> Counters {
        let line =
            || StripeWords { counts: std::array::from_fn(|_| AtomicU64::new(0)), untold: AtomicU64::new(0) };
        Counters {
            own: (1..stripes).map(|_| line()).collect(),
            shared: line(),
            flush_every: flush_every.max(1),
            about: CachePadded::new(AtomicU64::new(0)),
        }
    }

    /// The calling thread's stripe.
    #[inline(always)]
    pub(crate) fn stripe(&self) -> Stripe<'_> {
        self.stripe_of(threads::number())
    }

    /// [`stripe`](Counters::stripe) for a caller that knows the number of its thread.
    #[inline(always)]
    pub(crate) fn stripe_of(&self, thread: usize) -> Stripe<'_> {
        let (line, shared) = match self.own.get(thread) {
            Some(line) => (line, false),
            None => (&self.shared, true),
        };
        Stripe { counters: self, line, shared, of_one_thread: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn add(&self, what: Count, by: u64) {
        self.stripe().add(what, by);
    }

    /// Adds what may be any amount.
    pub(crate) fn record(&self, lookups: Lookups) {
        let stripe = self.stripe();
        stripe.add_bulk(Count::Hits, lookups.hits);
        stripe.add_bulk(Count::Misses, lookups.misses);
        stripe.add_bulk(Count::Absences, lookups.absences);
        stripe.add_bulk(Count::Undecodable, lookups.undecodable);
    }

    pub(crate) fn sum(&self, what: Count) -> u64 {
        let lines = self.own.iter().chain([&self.shared]);
        // Acquire: pairs with `move_word`. A thread that sees an addition sees those that came before it.
        let words = lines.map(|line| line.counts[what as usize].load(Ordering::Acquire));
        words.fold(0, |sum: u64, word| if word >= FULL { u64::MAX } else { sum.saturating_add(word) })
    }

    /// Keys held.
    pub(crate) fn keys(&self) -> u64 {
        self.difference(Count::KeysIn, Count::KeysOut)
    }

    /// Bytes of keys and values held.
    pub(crate) fn payload(&self) -> u64 {
        self.difference(Count::PayloadIn, Count::PayloadOut)
    }

    /// What entered and did not leave: never more than there was at one moment, since in is read
    /// first, and since what comes back is counted in after it was counted out. What left while this
    /// looked is missing, so the difference could be negative: it is none then.
    fn difference(&self, come: Count, gone: Count) -> u64 {
        let come = self.sum(come);
        come.saturating_sub(self.sum(gone))
    }

    /// About how many keys there are, by one load of one word: off by less than `flush_every` for
    /// each stripe but the shared one.
    #[inline(always)]
    pub(crate) fn keys_about(&self) -> u64 {
        (self.about.load(Ordering::Relaxed) as i64).max(0) as u64
    }

    /// The memory of all stripes and of this value.
    pub(crate) fn bytes(&self) -> u64 {
        (size_of_val(self) + size_of_val(&*self.own)) as u64
    }
}

/// The calling thread's stripe, to count several things. Stays in the thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stripe<'a> {
    counters: &'a Counters,
    line: &'a StripeWords,
    shared: bool,
    /// Not `Send`: *One writer*.
    of_one_thread: PhantomData<*const ()>,
}

impl Stripe<'_> {
    /// `by` is below 2^48: what can be in memory. Other amounts go through
    /// [`record`](Counters::record).
    #[inline(always)]
    pub(crate) fn add(&self, what: Count, by: u64) {
        debug_assert!(by < BULK);
        self.move_word(&self.line.counts[what as usize], by);
    }

    /// One key entered.
    #[inline(always)]
    pub(crate) fn key_in(&self) {
        self.add(Count::KeysIn, 1);
        self.tell(1);
    }

    /// One key left.
    #[inline(always)]
    pub(crate) fn key_out(&self) {
        self.add(Count::KeysOut, 1);
        self.tell(-1);
    }

    #[inline(always)]
    fn move_word(&self, word: &AtomicU64, by: u64) {
        // Release: pairs with `sum`.
        if self.shared {
            word.fetch_add(by, Ordering::Release);
        } else {
            // *One writer*: no other thread stores between the two.
            word.store(word.load(Ordering::Relaxed).wrapping_add(by), Ordering::Release);
        }
    }

    /// Tells `about` of a key, or keeps it in mind.
    #[inline(always)]
    fn tell(&self, by: i64) {
        if self.shared {
            // At once: the stripe is on a line that threads share anyhow.
            self.counters.about.fetch_add(by as u64, Ordering::Relaxed);
            return;
        }
        let untold = (self.line.untold.load(Ordering::Relaxed) as i64).wrapping_add(by);
        if untold.unsigned_abs() < self.counters.flush_every {
            self.line.untold.store(untold as u64, Ordering::Relaxed);
        } else {
            self.line.untold.store(0, Ordering::Relaxed);
            self.counters.about.fetch_add(untold as u64, Ordering::Relaxed);
        }
    }

    /// Adds any amount: up to `FULL`, and nothing beyond.
    fn add_bulk(&self, what: Count, by: u64) {
        let word = &self.line.counts[what as usize];
        let sum = |now: u64| Some(now.saturating_add(by).min(FULL).max(now));
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
    }
}

#[cfg(test)]
mod tests;
