//! [`Words`]: a fixed range of atomic words, zero until they are written, whose memory comes when
//! they first are and can be given back.
//!
//! *Always readable*: the range is mapped from construction to drop, whatever was given back.

use std::ops::Range;

use crate::error::Error;
use crate::sync::{AtomicU64, Ordering};
#[cfg(not(loom))]
use crate::system::Mapping;

/// See the module's words.
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
    fn a_range_the_system_refuses_is_an_error() {
        for len in [usize::MAX, usize::MAX / 8, 1 << 58] {
            assert!(matches!(Words::reserve(len), Err(Error::Config { .. })), "{len}");
        }
    }
}
