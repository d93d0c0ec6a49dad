//! The services of the system: memory, a fence in all threads at once, a counter of time.
//!
//! On Linux both come from system calls. Elsewhere, and with `--cfg zbz_cache_heap`, memory comes
//! from the heap and is not given back before drop, and the fence is every thread's own business.

#[cfg(not(loom))]
pub(crate) use barrier::{has_process_barrier, process_barrier};
pub(crate) use counter::time_counter;
#[cfg(not(loom))]
pub(crate) use mapping::{LARGE, Mapping};

/// A fence in all threads of the process at once, where the system has one.
#[cfg(all(not(loom), target_os = "linux", not(zbz_cache_heap)))]
mod barrier {
    use std::sync::OnceLock;

    use rustix::thread::{MembarrierCommand, membarrier};

    /// Whether there is one; asked of the system once.
    #[inline(always)]
    pub(crate) fn has_process_barrier() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok())
    }

    /// Every thread of the process passes a full fence between the call's begin and its end.
    /// Only where there is one.
    pub(crate) fn process_barrier() {
        // Registered processes are refused only for want of memory, for a moment.
        while membarrier(MembarrierCommand::PrivateExpedited).is_err() {
            std::thread::yield_now();
        }
    }
}

/// The processor's counter, by which the system keeps the time.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(any(loom, miri, zbz_cache_heap))))]
mod counter {
    use std::sync::atomic::{AtomicU8, Ordering};

    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    const NO: u8 = 2;

    /// The counter's value; `None` if the system does not keep the time by it: then it may differ
    /// between processors, or stand.
    #[inline(always)]
    pub(crate) fn time_counter() -> Option<u64> {
        static KEEPS_TIME: AtomicU8 = AtomicU8::new(UNKNOWN);
        let known = KEEPS_TIME.load(Ordering::Relaxed);
        match if known == UNKNOWN { ask(&KEEPS_TIME) } else { known } {
            YES => Some(read()),
            _ => None,
        }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "reads the counter")]
    fn read() -> u64 {
        // SAFETY: part of x86-64; touches no memory.
        unsafe { std::arch::x86_64::_rdtsc() }
    }

    #[cold]
    fn ask(keeps_time: &AtomicU8) -> u8 {
        let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        let is_it = std::fs::read_to_string(source).is_ok_and(|name| name.trim() == "tsc");
        let answer = if is_it { YES } else { NO };
        keeps_time.store(answer, Ordering::Relaxed);
        answer
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(any(loom, miri, zbz_cache_heap)))))]
mod counter {
    pub(crate) fn time_counter() -> Option<u64> {
        None
    }
}

#[cfg(all(not(loom), any(not(target_os = "linux"), zbz_cache_heap)))]
mod barrier {
    pub(crate) fn has_process_barrier() -> bool {
        false
    }

    pub(crate) fn process_barrier() {}
}

/// Reserved addresses whose pages come when they are written.
#[cfg(not(loom))]
#[expect(unsafe_code, reason = "asks the system for memory")]
mod mapping {
    use std::ops::Range;
    use std::ptr::NonNull;

    use super::pages;
    use crate::base::error::Error;

    /// The bytes of a large page; a block of the range begins at each multiple of it.
    pub(crate) const LARGE: usize = 2 << 20;

    /// A range of bytes that this value owns.
    ///
    /// *Mapped*: from `start`, which is aligned to 8 at least, `len` bytes are readable and
    /// writable until drop. They are zero until they are written.
    ///
    /// *Small pages*: a page becomes resident when it is written, and only that one, but in blocks
    /// for which large pages were allowed.
    #[derive(Debug)]
    pub(crate) struct Mapping {
        start: NonNull<u8>,
        len: usize,
    }

    // SAFETY: *Mapped*: plain memory that this value owns; no thread has a claim on it.
    unsafe impl Send for Mapping {}
    // SAFETY: a shared reference gives the address and the length, which never change.
    unsafe impl Sync for Mapping {}

    impl Mapping {
        /// # Errors
        ///
        /// [`Error::Config`]: the system refuses.
        pub(crate) fn reserve(len: usize) -> Result<Mapping, Error> {
            let refused = || Error::Config {
                option: "max_size",
                got: format!("a reservation of {len} bytes that the system refused"),
                takes: "a size whose addresses the process can reserve; lower it, or raise its limit \
                        (ulimit -v)"
                    .to_owned(),
            };
            let start = match len {
                0 => NonNull::<u64>::dangling().cast(),
                _ => pages::acquire(len).ok_or_else(refused)?,
            };
            Ok(Mapping { start, len })
        }

        #[inline(always)]
        pub(crate) fn start(&self) -> NonNull<u8> {
            self.start
        }

        #[inline(always)]
        pub(crate) fn len(&self) -> usize {
            self.len
        }

        /// Allows a large page for a block: all of it may become resident with its first byte, or
        /// at any later time.
        pub(crate) fn allow_large(&self, block: usize) {
            self.advise_block(block, true);
        }

        /// Forbids a large page for a block. One that is there stays until a part of it is given back.
        pub(crate) fn forbid_large(&self, block: usize) {
            self.advise_block(block, false);
        }

        fn advise_block(&self, block: usize, large: bool) {
            if block < self.len / LARGE {
                pages::advise(self.start.as_ptr().wrapping_add(block * LARGE), LARGE, large);
            }
        }

        /// Gives whole pages inside the range back, where the system takes parts; their bytes
        /// become zero.
        ///
        /// # Safety
        ///
        /// No reference to bytes of the range is alive, but to atomics that may become zero at
        /// any time.
        pub(crate) unsafe fn give_back(&self, range: Range<usize>) {
            let base = self.start.as_ptr() as usize;
            let from = (base + range.start.min(self.len)).next_multiple_of(pages::size());
            let to = (base + range.end.min(self.len)) / pages::size() * pages::size();
            if self.len > 0 && from < to {
                // Else the system may make what is given back resident again, to have a large page.
                for block in (from - base) / LARGE..=(to - 1 - base) / LARGE {
                    self.advise_block(block, false);
                }
                let start = self.start.as_ptr().wrapping_add(from - base);
                // SAFETY: *Mapped*: whole pages inside the range; the caller has no references to
                // them.
                unsafe { pages::empty(start, to - from) };
            }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            if self.len > 0 {
                // SAFETY: *Mapped*: what `reserve` acquired; every reference into it borrowed the
                // owner of this value.
                unsafe { pages::release(self.start, self.len) };
            }
        }
    }
}

/// Memory from the system, by system calls.
#[cfg(all(not(loom), target_os = "linux", not(zbz_cache_heap)))]
#[expect(unsafe_code, reason = "asks the system for memory")]
mod pages {
    use std::ptr::{self, NonNull};

    use super::mapping::LARGE;

    use rustix::mm::{self, Advice, MapFlags, ProtFlags};

    pub(super) fn size() -> usize {
        rustix::param::page_size()
    }

    /// `len` bytes, more than none, on pages of their own, small ones; aligned to [`LARGE`], if they
    /// are as many.
    pub(super) fn acquire(len: usize) -> Option<NonNull<u8>> {
        if len < LARGE {
            let start = map(len)?;
            // It may lie beside others, which together have room for a large page.
            advise(start.as_ptr(), len, false);
            return Some(start);
        }
        let wide = map(len.checked_add(LARGE)?)?.as_ptr();
        let skipped = wide.align_offset(LARGE);
        let (start, end) = (wide.wrapping_add(skipped), wide.wrapping_add(len + LARGE));
        let after = start.wrapping_add(len.next_multiple_of(size()));
        for (from, len) in [(wide, skipped), (after, (end as usize).saturating_sub(after as usize))] {
            if len > 0 {
                // SAFETY: whole pages of the new mapping, which no thread has seen yet, and which are
                // not part of the answer.
                let _ = unsafe { mm::munmap(from.cast(), len) };
            }
        }
        advise(start, len, false);
        NonNull::new(start)
    }

    fn map(len: usize) -> Option<NonNull<u8>> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new private mapping at an address of the system's choice aliases nothing.
        let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), len, protection, flags) };
        NonNull::new(start.ok()?.cast())
    }

    /// Allows large pages in a part of acquired memory, or forbids them.
    pub(super) fn advise(start: *mut u8, len: usize, large: bool) {
        let advice = if large { Advice::LinuxHugepage } else { Advice::LinuxNoHugepage };
        // SAFETY: changes no byte. A system that refuses has small pages throughout.
        let _ = unsafe { mm::madvise(start.cast(), len, advice) };
    }

    /// # Safety
    ///
    /// The range is whole pages of acquired memory, and all references to it are to atomics.
    pub(super) unsafe fn empty(start: *mut u8, len: usize) {
        // SAFETY: the caller's. If the system refuses, the pages stay as they are.
        let _ = unsafe { mm::madvise(start.cast(), len, Advice::LinuxDontNeed) };
    }

    /// # Safety
    ///
    /// The range is all that was acquired at once, and there is no reference to it any more.
    pub(super) unsafe fn release(start: NonNull<u8>, len: usize) {
        // SAFETY: the caller's.
        let _ = unsafe { mm::munmap(start.as_ptr().cast(), len) };
    }
}

/// Memory from the heap, which takes no parts back.
#[cfg(all(not(loom), any(not(target_os = "linux"), zbz_cache_heap)))]
#[expect(unsafe_code, reason = "asks the heap for memory")]
mod pages {
    use std::alloc::{self, Layout};
    use std::ptr::NonNull;

    const ALIGNMENT: usize = 64;

    pub(super) fn size() -> usize {
        ALIGNMENT
    }

    /// `len` bytes, more than none, all zero.
    pub(super) fn acquire(len: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(len, ALIGNMENT).ok()?;
        // SAFETY: the layout's size is not zero.
        NonNull::new(unsafe { alloc::alloc_zeroed(layout) })
    }

    /// Does nothing.
    pub(super) fn advise(_start: *mut u8, _len: usize, _large: bool) {}

    /// Does nothing.
    ///
    /// # Safety
    ///
    /// None is needed here.
    pub(super) unsafe fn empty(_start: *mut u8, _len: usize) {}

    /// # Safety
    ///
    /// The range is all that was acquired at once, and there is no reference to it any more.
    pub(super) unsafe fn release(start: NonNull<u8>, len: usize) {
        if let Ok(layout) = Layout::from_size_align(len, ALIGNMENT) {
            // SAFETY: the caller's; it was allocated with this layout.
            unsafe { alloc::dealloc(start.as_ptr(), layout) };
        }
    }
}

#[cfg(all(test, not(loom), target_os = "linux", not(zbz_cache_heap)))]
#[expect(unsafe_code, reason = "writes to the mapping")]
#[allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]
mod tests {
    use super::*;

    /// How many bytes of so many from this address are resident.
    fn resident(start: *mut u8, len: usize) -> usize {
        use std::io::{Read, Seek, SeekFrom};
        let (page, word) = (rustix::param::page_size(), size_of::<u64>());
        let mut map = std::fs::File::open("/proc/self/pagemap").unwrap();
        map.seek(SeekFrom::Start((start as usize / page * word) as u64)).unwrap();
        let mut words = vec![0; len / page * word];
        map.read_exact(&mut words).unwrap();
        // The highest bit says that the page is there.
        words.chunks(word).filter(|word| word[7] & 0x80 != 0).count() * page
    }

    #[test]
    fn only_a_block_that_may_be_large_becomes_resident_with_its_first_byte() {
        let mapping = Mapping::reserve(4 * LARGE + 5000).unwrap();
        let block = |number: usize| mapping.start().as_ptr().wrapping_add(number * LARGE);
        assert_eq!(block(0) as usize % LARGE, 0);
        mapping.allow_large(1);
        // The last one is not whole.
        mapping.allow_large(4);
        for number in [1, 2, 4] {
            // SAFETY: *Mapped*, and no other thread has the pointer.
            unsafe { block(number).write_volatile(1) };
        }
        let page = rustix::param::page_size();
        assert_eq!([0, 2].map(|number| resident(block(number), LARGE)), [0, page]);
        assert_eq!(resident(block(4), page), page);
        let enabled = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
        let has_large = enabled.is_ok_and(|enabled| !enabled.contains("[never]"));
        let large = resident(block(1), LARGE);
        // The system may have had none at that moment.
        assert!(large == page || (large == LARGE && has_large), "{large} bytes with the first");
        // SAFETY: there is no reference to it.
        unsafe { mapping.give_back(LARGE..LARGE + 2 * page) };
        assert_eq!(resident(block(1), LARGE), large.saturating_sub(2 * page));
    }
}
