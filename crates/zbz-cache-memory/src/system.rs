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
#[cfg(all(not(loom), target_os = "linux", not(zbz_cache_heap)))]
#[expect(unsafe_code, reason = "asks the system for memory")]
mod mapping {
    use std::ops::Range;
    use std::ptr::{self, NonNull};

    use rustix::mm::{self, Advice, MapFlags, ProtFlags};

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
            if len == 0 {
                return Ok(Mapping { start: NonNull::<u64>::dangling().cast(), len });
            }
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
            // SAFETY: a new private mapping at an address of the system's choice aliases nothing.
            let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), len, protection, flags) };
            let start = start.ok().and_then(|start| NonNull::new(start.cast()));
            start.map(|start| Mapping { start, len }).ok_or_else(|| super::refused(len))
        }

        #[inline(always)]
        pub(crate) fn start(&self) -> NonNull<u8> {
            self.start
        }

        #[inline(always)]
        pub(crate) fn len(&self) -> usize {
            self.len
        }

        /// Gives whole pages inside the range back; their bytes become zero.
        ///
        /// # Safety
        ///
        /// No reference to bytes of the range is alive, but to atomics that may become zero at
        /// any time.
        pub(crate) unsafe fn give_back(&self, range: Range<usize>) {
            let page = rustix::param::page_size();
            let base = self.start.as_ptr() as usize;
            let from = (base + range.start.min(self.len)).next_multiple_of(page);
            let to = (base + range.end.min(self.len)) / page * page;
            if self.len == 0 || from >= to {
                return;
            }
            let start = self.start.as_ptr().wrapping_add(from - base);
            // SAFETY: *Mapped*: whole pages inside the mapping; the caller has no references to
            // them. If the system refuses, they stay as they are.
            let _ = unsafe { mm::madvise(start.cast(), to - from, Advice::LinuxDontNeed) };
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            if self.len > 0 {
                // SAFETY: *Mapped*: the whole mapping; every reference into it borrowed its owner.
                let _ = unsafe { mm::munmap(self.start.as_ptr().cast(), self.len) };
            }
        }
    }
}

#[cfg(all(not(loom), any(not(target_os = "linux"), zbz_cache_heap)))]
#[expect(unsafe_code, reason = "asks the system for memory")]
mod mapping {
    use std::alloc::{self, Layout};
    use std::ops::Range;
    use std::ptr::NonNull;

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
        /// [`Error::Config`]: the heap refuses.
        pub(crate) fn reserve(len: usize) -> Result<Mapping, Error> {
            if len == 0 {
                return Ok(Mapping { start: NonNull::<u64>::dangling().cast(), len });
            }
            let layout = Layout::from_size_align(len, 64).map_err(|_| super::refused(len))?;
            // SAFETY: the layout's size is not zero.
            let start = unsafe { alloc::alloc_zeroed(layout) };
            NonNull::new(start).map(|start| Mapping { start, len }).ok_or_else(|| super::refused(len))
        }

        #[inline(always)]
        pub(crate) fn start(&self) -> NonNull<u8> {
            self.start
        }

        #[inline(always)]
        pub(crate) fn len(&self) -> usize {
            self.len
        }

        /// Does nothing: the heap takes no parts back.
        ///
        /// # Safety
        ///
        /// None is needed here; elsewhere no reference to bytes of the range may be alive.
        pub(crate) unsafe fn give_back(&self, _range: Range<usize>) {}
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            if let (1.., Ok(layout)) = (self.len, Layout::from_size_align(self.len, 64)) {
                // SAFETY: *Mapped*: allocated by `reserve` with this layout; every reference into
                // it borrowed its owner.
                unsafe { alloc::dealloc(self.start.as_ptr(), layout) };
            }
        }
    }
}

#[cfg(not(loom))]
fn refused(len: usize) -> crate::error::Error {
    crate::error::Error::Config {
        option: "max_size",
        got: format!("a reservation of {len} bytes that the system refused"),
        takes: "a size whose addresses the process can reserve; lower it, or raise its limit (ulimit -v)"
            .to_owned(),
    }
}
