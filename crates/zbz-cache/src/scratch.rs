//! One buffer per thread for values on their way in or out, so that calls allocate nothing. A call takes
//! it and gives it back; a call inside a call gets a new one.

use std::cell::Cell;

/// The size a thread's buffer starts with.
const STARTING_BYTES: usize = 4 * 1024;

/// A buffer that grew past this is not kept.
const KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer with room in it.
#[inline]
pub(crate) fn take() -> Vec<u8> {
    let buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    if buffer.capacity() == 0 { Vec::with_capacity(STARTING_BYTES) } else { buffer }
}

/// Gives a buffer back to the thread on which the call ended.
#[inline]
pub(crate) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() <= KEPT_BYTES {
        buffer.clear();
        // While a thread ends, its storage may be gone.
        let _ = SCRATCH.try_with(|scratch| scratch.set(buffer));
    }
}
