//! [`Words`]: a fixed range of atomic words, zero until they are written, whose memory comes when
//! they first are and can be given back.
//!
//! - *Always readable*: the range is mapped from construction to drop, whatever was given back.
//! - *Eight at once*: a scan looks at a line of eight words with vector loads. Other threads store
//!   into these words meanwhile, so plain loads would be a data race; inline assembly, which the
//!   compiler takes for a call that may read and write all memory, is none. That a scan is as good
//!   as eight Acquire loads, which the portable one is everywhere, is an argument outside the
//!   language's model, and rests on x86-64: each aligned half of a 16-byte load is read in one
//!   access, and no load passes an earlier one. What a scan finds is only a hint, to be loaded
//!   again. What it does not find counts: the loads that prove a miss come after it, those that
//!   began the proof before it, as written.

use std::ops::Range;

use crate::base::error::Error;
use crate::base::sync::{AtomicU64, Ordering};
#[cfg(not(loom))]
use crate::base::system::{LARGE, Mapping};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Words {
    #[cfg(not(loom))]
    mapping: Mapping,
    #[cfg(loom)]
    heap: Box<[AtomicU64]>,
}

impl Words {
    /// A range of `len` words.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]: the system refuses so large a range.
    pub(crate) fn reserve(len: usize) -> Result<Words, Error> {
        #[cfg(not(loom))]
        return Mapping::reserve(len.saturating_mul(size_of::<AtomicU64>())).map(|mapping| Words { mapping });
        #[cfg(loom)]
        Ok(Words { heap: (0..len).map(|_| AtomicU64::new(0)).collect() })
    }

    #[cfg(loom)]
    pub(crate) fn as_slice(&self) -> &[AtomicU64] {
        &self.heap
    }

    #[cfg(not(loom))]
    #[inline(always)]
    #[expect(unsafe_code, reason = "looks at memory as words")]
    pub(crate) fn as_slice(&self) -> &[AtomicU64] {
        let len = self.mapping.len() / size_of::<AtomicU64>();
        // SAFETY: *Mapped* (`system.rs`): aligned to 8, `len` words are readable and writable
        // until drop, zero or as they were stored. Here alone are they touched, and only as
        // atomic words.
        unsafe { std::slice::from_raw_parts(self.mapping.start().as_ptr().cast::<AtomicU64>(), len) }
    }

    /// The `at`-th run of `N` words.
    ///
    /// # Panics
    ///
    /// If it is not wholly inside.
    #[inline(always)]
    pub(crate) fn run<const N: usize>(&self, at: usize) -> &[AtomicU64; N] {
        &self.as_slice().as_chunks().0[at]
    }

    /// [`run`](Words::run); `None` if it is not wholly inside.
    #[inline(always)]
    pub(crate) fn get_run<const N: usize>(&self, at: usize) -> Option<&[AtomicU64; N]> {
        self.as_slice().as_chunks().0.get(at)
    }

    /// Allows a large page where this word is, if all of those around it that share one are in use.
    #[cfg_attr(loom, allow(unused_variables, reason = "there are no pages"))]
    pub(crate) fn allow_large(&self, word: usize) {
        #[cfg(not(loom))]
        self.mapping.allow_large(word * size_of::<AtomicU64>() / LARGE);
    }

    /// Gives the memory of whole pages inside `range` back to the system; all its words are zero
    /// afterwards. No other thread may write them meanwhile, or its write may be lost.
    #[cfg_attr(not(loom), expect(unsafe_code, reason = "gives memory back"))]
    pub(crate) fn give_back(&self, range: Range<usize>) {
        // Also those on pages that are not wholly inside.
        for word in &self.as_slice()[range.clone()] {
            word.store(0, Ordering::Relaxed);
        }
        #[cfg(not(loom))]
        let bytes = range.start * size_of::<AtomicU64>()..range.end * size_of::<AtomicU64>();
        // SAFETY: the only references to this memory are to atomic words, which may become zero
        // at any time, as another thread might store it.
        #[cfg(not(loom))]
        unsafe {
            self.mapping.give_back(bytes);
        }
    }
}

/// How far up the bits are that [`with_top`] compares.
const TOP_SHIFT: u32 = 40;

/// Which words have `top` as their 24 highest bits, a bit each. A hint: a later load may see another
/// word. All words are loaded with Acquire, each once.
#[inline(always)]
pub(crate) fn with_top<const N: usize>(words: &[AtomicU64; N], top: u64) -> u32 {
    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    if let Ok(line) = words.as_slice().try_into() {
        return vector::matching::<{ vector::HIGH }, { TOP_SHIFT - 32 }>(line, top as u32);
    }
    portable(words, |word| word >> TOP_SHIFT == top)
}

/// Which words have `bottom` as their 32 lowest bits, as [`with_top`] does it.
#[inline(always)]
pub(crate) fn with_bottom<const N: usize>(words: &[AtomicU64; N], bottom: u32) -> u32 {
    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    if let Ok(line) = words.as_slice().try_into() {
        return vector::matching::<{ vector::LOW }, 0>(line, bottom);
    }
    portable(words, |word| word as u32 == bottom)
}

/// Which words satisfy a condition, a bit each.
#[inline(always)]
fn portable(words: &[AtomicU64], is: impl Fn(u64) -> bool) -> u32 {
    let mut found = 0;
    for (at, word) in words.iter().enumerate() {
        // Acquire: pairs with the store of the word, and comes before loads that follow.
        found |= u32::from(is(word.load(Ordering::Acquire))) << at;
    }
    found
}

#[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
mod vector {
    use std::arch::asm;

    use crate::base::sync::AtomicU64;

    /// Of four words, the high halves.
    pub(super) const HIGH: u32 = 0b11_01_11_01;
    /// Of four words, the low halves.
    pub(super) const LOW: u32 = 0b10_00_10_00;

    /// Which words have this in the given half, shifted right.
    #[inline(always)]
    #[expect(unsafe_code, reason = "reads eight words that others write")]
    pub(super) fn matching<const HALF: u32, const SHIFT: u32>(line: &[AtomicU64; 8], wanted: u32) -> u32 {
        let found: u32;
        // SAFETY: reads the 64 bytes of `line`, which are readable, and writes registers alone;
        // SSE2 is part of x86-64. *Eight at once* is why others may write the words meanwhile. It
        // is not marked as one that leaves memory alone, so that no access is moved across it.
        unsafe {
            asm!(
                "movd {wanted}, {value:e}",
                "movdqu {a}, [{line}]",
                "movdqu {t}, [{line} + 16]",
                "shufps {a}, {t}, {half}",
                "movdqu {b}, [{line} + 32]",
                "movdqu {t}, [{line} + 48]",
                "shufps {b}, {t}, {half}",
                "psrld {a}, {shift}",
                "psrld {b}, {shift}",
                "pshufd {wanted}, {wanted}, 0",
                "pcmpeqd {a}, {wanted}",
                "pcmpeqd {b}, {wanted}",
                "packssdw {a}, {b}",
                "packsswb {a}, {a}",
                "pmovmskb {found:e}, {a}",
                line = in(reg) line.as_ptr(),
                value = in(reg) wanted,
                wanted = out(xmm_reg) _,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                t = out(xmm_reg) _,
                found = lateout(reg) found,
                half = const HALF,
                shift = const SHIFT,
                options(nostack, preserves_flags),
            );
        }
        found & 0xff
    }
}

/// Asks for the cache line at an address to be fetched, for reading.
#[inline(always)]
#[cfg_attr(
    all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)),
    expect(unsafe_code, reason = "a hint to the processor")
)]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint, harmless at any address, mapped or not; SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: a hint, harmless at any address, mapped or not; it changes no register.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = address;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn words_are_zero_until_written_and_after_they_were_given_back() {
        let words = Words::reserve(1 << 20).unwrap();
        let all = words.as_slice();
        assert_eq!(all.len(), 1 << 20);
        for at in [0, 511, 512, 4000, (1 << 20) - 1] {
            assert_eq!(all[at].load(Ordering::Relaxed), 0);
            all[at].store(at as u64 + 1, Ordering::Relaxed);
        }
        words.give_back(512..4096);
        let left: Vec<u64> = [0, 511, 512, 4000].map(|at| all[at].load(Ordering::Relaxed)).into();
        assert_eq!(left, [1, 512, 0, 0]);
        words.give_back(0..0);
        assert!(Words::reserve(0).unwrap().as_slice().is_empty());
    }

    #[test]
    fn a_scan_of_eight_words_finds_what_the_portable_one_finds() {
        let words = Words::reserve(16).unwrap();
        let line: &[AtomicU64; 8] = words.run(1);
        let mut state = 7_u64;
        for _ in 0..20_000 {
            for word in line {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                // Few values of each part, so that all sorts of matches come.
                let (top, bottom) = (state >> 40 & 3, state >> 50 & 3);
                let spread = [0, 1, 0x7f_ffff, 0xff_ffff];
                let middle = state >> 33 & 0xff;
                word.store(
                    spread[top as usize] << 40 | middle << 32 | spread[bottom as usize] << 8,
                    Ordering::Relaxed,
                );
            }
            for wanted in [0, 1, 0x7f_ffff, 0xff_ffff, 0x80_0000, 2] {
                assert_eq!(with_top(line, wanted), portable(line, |word| word >> TOP_SHIFT == wanted));
                let bottom = (wanted as u32) << 8;
                assert_eq!(with_bottom(line, bottom), portable(line, |word| word as u32 == bottom));
            }
        }
        // All tags there are, at each place.
        for tag in (0..1 << 24).step_by(if cfg!(debug_assertions) { 61 } else { 1 }) {
            let at = tag as usize % 8;
            line.iter().for_each(|word| word.store(!tag << TOP_SHIFT, Ordering::Relaxed));
            line[at].store(tag << TOP_SHIFT | (tag & 0xff) << 32, Ordering::Relaxed);
            assert_eq!(with_top(line, tag), 1 << at);
        }
    }

    #[test]
    fn any_address_may_be_prefetched() {
        for address in [0, 1, usize::MAX, 8] {
            prefetch(std::ptr::without_provenance(address));
        }
    }

    #[test]
    fn a_range_the_system_refuses_is_an_error() {
        for len in [usize::MAX, usize::MAX / 8, 1 << 58] {
            assert!(matches!(Words::reserve(len), Err(Error::Config { .. })), "{len}");
        }
    }
}
