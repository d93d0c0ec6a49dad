//! What is asked of the operating system.

#[cfg(not(loom))]
pub(crate) use barrier::{has_process_barrier, process_barrier};

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
