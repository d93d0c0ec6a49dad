//! What is asked of the operating system: memory, and a fence in all threads at once.

#[cfg(not(loom))]
pub(crate) use barrier::{has_process_barrier, process_barrier};
#[cfg(all(not(loom), target_os = "linux"))]
pub(crate) use mapping::Mapping;

/// A fence in all threads of the process at once, where the system has one.
#[cfg(all(not(loom), target_os = "linux"))]
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

#[cfg(all(not(loom), not(target_os = "linux")))]
mod barrier {
    pub(crate) fn has_process_barrier() -> bool {
        false
    }

    pub(crate) fn process_barrier() {}
}

/// Reserved addresses whose pages come when they are written.
#[cfg(all(not(loom), target_os = "linux"))]
#[expect(unsafe_code, reason = "mapping memory, and looking at it as words")]
mod mapping {
    use std::ops::Range;
    use std::ptr::{self, NonNull};
    use std::sync::atomic::AtomicU64;

    use rustix::mm::{self, Advice, MapFlags, ProtFlags};

    use crate::error::Error;

    const WORD: usize = size_of::<AtomicU64>();

    /// A private anonymous mapping of `len` words, owned until drop.
    #[derive(Debug)]
    pub(crate) struct Mapping {
        start: NonNull<AtomicU64>,
        len: usize,
    }

    // SAFETY: the mapping is plain memory that this value owns; no thread has a claim on it.
    unsafe impl Send for Mapping {}
    // SAFETY: all that a shared reference gives is a slice of atomics, which is `Sync` itself.
    unsafe impl Sync for Mapping {}

    impl Mapping {
        pub(crate) fn reserve(len: usize) -> Result<Mapping, Error> {
            if len == 0 {
                return Ok(Mapping { start: NonNull::dangling(), len });
            }
            let refused = || Error::Config {
                option: "max_size",
                got: format!("a reservation of {len} words that the system refused"),
                takes:
                    "a size whose addresses the process can reserve; lower it, or raise its limit (ulimit -v)"
                        .to_owned(),
            };
            let bytes =
                len.checked_mul(WORD).filter(|&bytes| bytes < isize::MAX as usize).ok_or_else(refused)?;
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: a new private mapping at an address of the system's choice aliases nothing.
            let start = unsafe {
                mm::mmap_anonymous(
                    ptr::null_mut(),
                    bytes,
                    protection,
                    MapFlags::PRIVATE | MapFlags::NORESERVE,
                )
            };
            let start = start.ok().and_then(|start| NonNull::new(start.cast())).ok_or_else(refused)?;
            Ok(Mapping { start, len })
        }

        #[inline(always)]
        pub(crate) fn as_words(&self) -> &[AtomicU64] {
            // SAFETY: *Mapped*: `start` points to `len` words, readable and writable, zero or as
            // they were stored, until drop; page-aligned, or dangling for none. They are only ever
            // touched as atomic words, and giving pages back stores zeros, as another thread might.
            unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
        }

        /// Gives whole pages inside the range back; the words in them become zero.
        pub(crate) fn give_back(&self, range: Range<usize>) {
            let page = rustix::param::page_size();
            let base = self.start.as_ptr() as usize;
            let from = (base + range.start.min(self.len) * WORD).next_multiple_of(page);
            let to = (base + range.end.min(self.len) * WORD) / page * page;
            if self.len == 0 || from >= to {
                return;
            }
            let start = self.start.as_ptr().wrapping_byte_add(from - base);
            // SAFETY: *Mapped*: `from..to` are whole pages inside the mapping. Their content
            // becomes zero, which is a valid value of every word. If the system refuses, they
            // stay as they are.
            let _ = unsafe { mm::madvise(start.cast(), to - from, Advice::LinuxDontNeed) };
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            if self.len > 0 {
                // SAFETY: *Mapped*: the whole mapping, which nothing refers to any more: every
                // slice of it borrowed this value.
                let _ = unsafe { mm::munmap(self.start.as_ptr().cast(), self.len * WORD) };
            }
        }
    }
}
