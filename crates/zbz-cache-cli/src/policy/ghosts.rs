//! Ghosts: what was evicted lately, in 13 bits per live key.
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

/// Live keys for each young word, so that *young* means within a sixteenth as many evictions as there are
/// live keys; there are three ghost words for as many keys.
const KEYS_PER_YOUNG: u64 = 16;
/// Fingerprints in a ghost word.
const PLACES: u64 = 6;
/// Bits of each.
const BITS: u64 = 10;
/// A whole fingerprint.
const PRINT: u64 = (1 << BITS) - 1;
/// The places of a ghost word that are in use.
const WORD: u64 = (1 << (BITS * PLACES)) - 1;

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
}

impl GhostWords {
    /// Words for as many keys as the capacity holds; for a few where that is unknown.
    pub(super) fn for_capacity(capacity: Capacity) -> Self {
        let keys = match capacity {
            Capacity::Entries(entries) => entries,
            Capacity::Bytes(_) => 2 * KEYS_PER_YOUNG,
        };
        let young = keys.div_ceil(KEYS_PER_YOUNG).max(1) as usize;
        let words = (keys * 3).div_ceil(KEYS_PER_YOUNG).max(1) as usize;
        GhostWords { words: vec![0; words], young: vec![0; young] }
    }

    /// Doubles the words while they are too few for the live keys; each half inherits what both may have
    /// meant.
    fn grow_for(&mut self, live_entries: u64) {
        while live_entries > self.young.len() as u64 * KEYS_PER_YOUNG {
            self.words = self.words.iter().flat_map(|&word| [word, word]).collect();
            self.young = self.young.iter().flat_map(|&word| [word, word]).collect();
        }
    }

    /// The key's ghost word and fingerprint.
    fn word(&mut self, hash: u64) -> (&mut u64, u64) {
        let at = at(hash, self.words.len());
        (&mut self.words[at], (hash & PRINT).max(1))
    }

    /// The key's young word and fingerprint.
    fn young(&mut self, hash: u64) -> (&mut u16, u16) {
        let at = at(hash, self.young.len());
        (&mut self.young[at], ((hash >> BITS) as u16 & 0xff).max(1))
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
        let (word, print) = self.word(hash);
        *word = (*word << BITS | print) & WORD;
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
        let (word, print) = self.word(hash);
        let place = (0..PLACES).find(|place| *word >> (place * BITS) & PRINT == print);
        if let Some(place) = place {
            *word &= !(PRINT << (place * BITS));
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
        Recall { small_age: place.map(|place| (2 * place + 1) * words / 2), small_young, main_young }
    }
}
