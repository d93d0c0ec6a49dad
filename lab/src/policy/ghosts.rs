//! Ghosts: what was evicted lately, in 13 bits per live key as the engine has it.
//!
//! ```text
//! ghost word, one per 16/3 keys   63..60   59..50   49..40       ...       9..0
//!                                 unused   small    small                  small
//!                                          oldest                          newest
//! young word, one per 16 keys     15..8 main, newest    7..0 small, newest
//! ```
//!
//! A key's hash names its two words and its fingerprints. A victim of the small queue is pushed in at bit 0
//! of its ghost word and pushes the others up, the oldest out. So a fingerprint's place tells its age: with
//! `W` words, place `p` is about `(p + 1/2) * W` small evictions old. The young word keeps the last victim of
//! either queue, each for about as many evictions of its own queue as there are young words. Empty is zero, a
//! fingerprint never is. A stranger matches one of six places in 0.6 % of look-ups; a lost, torn or mistaken
//! ghost costs a poorer choice and nothing else.

use super::Capacity;
use super::keyed::spread;
use super::rules::Rules;

/// Where in a hash the fingerprint for a young word begins: above that of the engine's ghost words.
const YOUNG_FROM: u32 = 10;

/// What is remembered of a key that missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Recall {
    /// About how many small evictions ago it left the small queue, if it did.
    pub(super) small_age: Option<u64>,
    /// It left the small queue within the last evictions.
    pub(super) small_young: bool,
    /// It left the main queue within the last evictions.
    pub(super) main_young: bool,
}

/// A memory of evicted keys.
pub(super) trait Ghosts {
    /// Remembers a victim of the small queue.
    fn push_small(&mut self, key: u64, live_entries: u64);

    /// Remembers a victim of the main queue.
    fn push_main(&mut self, key: u64, live_entries: u64);

    /// Tells what is remembered of a key and forgets it.
    fn take(&mut self, key: u64) -> Recall;
}

/// The ghost and young words of a cache.
pub(super) struct GhostWords {
    words: Vec<u64>,
    young: Vec<u16>,
    /// Live keys for each young word: *young* means within as many evictions as there are young words.
    keys_per_young: f64,
    /// Bits of a fingerprint in a ghost word.
    bits: u32,
    /// Fingerprints in a ghost word.
    places: u32,
}

impl GhostWords {
    /// Words for as many keys as the capacity holds; for a few where that is unknown.
    pub(super) fn for_capacity(capacity: Capacity, rules: &Rules) -> Self {
        let keys_per_young = 1.0 / rules.line.young;
        let keys = match capacity {
            Capacity::Entries(entries) => entries as f64,
            Capacity::Bytes(_) => 2.0 * keys_per_young,
        };
        let enough = |keys_per_word: f64| (keys / keys_per_word).ceil().max(1.0) as usize;
        let bits = rules.ghosts.bits;
        GhostWords {
            words: vec![0; enough(rules.ghosts.keys_per_word)],
            young: vec![0; enough(keys_per_young)],
            keys_per_young,
            bits,
            places: u64::BITS / bits,
        }
    }

    /// Doubles the words while they are too few for the live keys; each half inherits what both may have
    /// meant.
    fn grow_for(&mut self, live_entries: u64) {
        while live_entries as f64 > self.young.len() as f64 * self.keys_per_young {
            self.words = self.words.iter().flat_map(|&word| [word, word]).collect();
            self.young = self.young.iter().flat_map(|&word| [word, word]).collect();
        }
    }

    /// The bits of a whole fingerprint.
    fn print(&self) -> u64 {
        (1 << self.bits) - 1
    }

    /// The key's ghost word and fingerprint.
    fn word(&mut self, hash: u64) -> (&mut u64, u64) {
        let at = at(hash, self.words.len());
        let print = (hash & self.print()).max(1);
        (&mut self.words[at], print)
    }

    /// The key's young word and fingerprint.
    fn young(&mut self, hash: u64) -> (&mut u16, u16) {
        let at = at(hash, self.young.len());
        (&mut self.young[at], ((hash >> YOUNG_FROM) as u16 & 0xff).max(1))
    }
}

/// The index a hash names in a table of that length, by its high bits: doubling the table splits every index
/// in two.
fn at(hash: u64, length: usize) -> usize {
    ((u128::from(hash) * length as u128) >> 64) as usize
}

impl Ghosts for GhostWords {
    fn push_small(&mut self, key: u64, live_entries: u64) {
        self.grow_for(live_entries);
        let hash = spread(key);
        let (bits, in_use) = (self.bits, u64::MAX >> (u64::BITS - self.bits * self.places));
        let (word, print) = self.word(hash);
        *word = (*word << bits | print) & in_use;
        let (young, print) = self.young(hash);
        *young = *young & 0xff00 | print;
    }

    fn push_main(&mut self, key: u64, live_entries: u64) {
        self.grow_for(live_entries);
        let (young, print) = self.young(spread(key));
        *young = *young & 0x00ff | print << 8;
    }

    fn take(&mut self, key: u64) -> Recall {
        let hash = spread(key);
        let words = self.words.len() as u64;
        let (bits, places, whole) = (self.bits, self.places, self.print());
        let (word, print) = self.word(hash);
        let place = (0..places).find(|place| *word >> (place * bits) & whole == print);
        if let Some(place) = place {
            *word &= !(whole << (place * bits));
        }
        let (young, print) = self.young(hash);
        let small_young = *young & 0xff == print;
        let main_young = *young >> 8 == print;
        if small_young {
            *young &= 0xff00;
        }
        if main_young {
            *young &= 0x00ff;
        }
        Recall {
            small_age: place.map(|place| (2 * u64::from(place) + 1) * words / 2),
            small_young,
            main_young,
        }
    }
}
