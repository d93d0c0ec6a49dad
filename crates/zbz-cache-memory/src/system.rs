//! What is asked of the operating system: memory, and a fence in all threads at once.
//!
//! On Linux both come from system calls. Elsewhere, and with `--cfg zbz_cache_heap`, memory comes
//! from the heap and is not given back before drop, and the fence is every thread's own business.

#[cfg(not(loom))]
pub(crate) use barrier::{has_process_barrier, process_barrier};
#[cfg(not(loom))]
pub(crate) use mapping::Mapping;

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
    use crate::error::Error;

    /// A range of bytes that this value owns.
    ///
    /// *Mapped*: from `start`, which is aligned to 8 at least, `len` bytes are readable and
    /// writable until drop. They are zero until they are written.
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

    use rustix::mm::{self, Advice, MapFlags, ProtFlags};

    pub(super) fn size() -> usize {
        rustix::param::page_size()
    }

    /// `len` bytes, more than none, on pages of their own.
    pub(super) fn acquire(len: usize) -> Option<NonNull<u8>> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new private mapping at an address of the system's choice aliases nothing.
        let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), len, protection, flags) };
        NonNull::new(start.ok()?.cast())
    }

    /// # Safety
    ///
    /// Whole pages of what was acquired, to which there is no reference but to atomics.
    pub(super) unsafe fn empty(start: *mut u8, len: usize) {
        // SAFETY: the caller's. If the system refuses, the pages stay as they are.
        let _ = unsafe { mm::madvise(start.cast(), len, Advice::LinuxDontNeed) };
    }

    /// # Safety
    ///
    /// All of what was acquired, to which there is no reference any more.
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
    ///
    /// # Safety
    ///
    /// None is needed here.
    pub(super) unsafe fn empty(_start: *mut u8, _len: usize) {}

    /// # Safety
    ///
    /// All of what was acquired, to which there is no reference any more.
    pub(super) unsafe fn release(start: NonNull<u8>, len: usize) {
        if let Ok(layout) = Layout::from_size_align(len, ALIGNMENT) {
            // SAFETY: the caller's; it was allocated with this layout.
            unsafe { alloc::dealloc(start.as_ptr(), layout) };
        }
    }
}
