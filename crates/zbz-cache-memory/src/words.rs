//! [`Words`]: a fixed range of atomic words, zero until they are written, whose memory comes when
//! they first are and can be given back.
//!
//! *Always readable*: the range is mapped from construction to drop, whatever was given back.

use std::ops::Range;

use crate::error::Error;
use crate::sync::AtomicU64;

#[cfg(all(not(loom), target_os = "linux"))]
use crate::system::Mapping;

/// See the module's words.
#[derive(Debug)]
pub(crate) struct Words {
    #[cfg(all(not(loom), target_os = "linux"))]
    mapping: Mapping,
    #[cfg(any(loom, not(target_os = "linux")))]
    heap: Box<[AtomicU64]>,
}

impl Words {
    /// A range of `len` words.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]: the system refuses so large a range.
    pub(crate) fn reserve(len: usize) -> Result<Words, Error> {
        #[cfg(all(not(loom), target_os = "linux"))]
        return Mapping::reserve(len).map(|mapping| Words { mapping });
        #[cfg(any(loom, not(target_os = "linux")))]
        Ok(Words { heap: (0..len).map(|_| AtomicU64::new(0)).collect() })
    }

    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[AtomicU64] {
        #[cfg(all(not(loom), target_os = "linux"))]
        return self.mapping.as_words();
        #[cfg(any(loom, not(target_os = "linux")))]
        &self.heap
    }

    /// Gives the memory of whole pages inside `range` back to the system; all its words are zero
    /// afterwards. No other thread may write them meanwhile, or its write may be lost.
    pub(crate) fn give_back(&self, range: Range<usize>) {
        for word in &self.as_slice()[range.clone()] {
            word.store(0, crate::sync::Ordering::Relaxed);
        }
        #[cfg(all(not(loom), target_os = "linux"))]
        self.mapping.give_back(range);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::Ordering;

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
    #[cfg(target_os = "linux")]
    fn a_range_the_system_refuses_is_an_error() {
        for len in [usize::MAX, usize::MAX / 8, 1 << 50] {
            assert!(matches!(Words::reserve(len), Err(Error::Config { .. })), "{len}");
        }
    }
}
