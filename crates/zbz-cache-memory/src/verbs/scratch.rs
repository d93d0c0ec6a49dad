//! A buffer that each thread keeps, for entries that are put together when they are read.

use std::cell::Cell;

/// The most bytes that a thread keeps between calls: longer values take memory for the
/// call.
const MOST_KEPT: usize = 64 * 1024;

thread_local! {
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Gives the thread's buffer to `buffer`, if that has no memory yet. There is none while another call of
/// the thread has it, or once the thread's locals are being destroyed.
pub(crate) fn lend(buffer: &mut Vec<u8>) {
    if buffer.capacity() == 0 {
        *buffer = KEPT.try_with(Cell::take).unwrap_or_default();
    }
}

/// Keeps a buffer for the thread's next call.
pub(crate) fn put_back(buffer: Vec<u8>) {
    if (1..=MOST_KEPT).contains(&buffer.capacity()) {
        let _ = KEPT.try_with(|kept| kept.set(buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_kept_unless_it_is_long() {
        let with = |capacity| {
            put_back(Vec::with_capacity(capacity));
            let mut taken = Vec::new();
            lend(&mut taken);
            taken.capacity()
        };
        assert_eq!((with(1000), with(MOST_KEPT), with(MOST_KEPT + 1)), (1000, MOST_KEPT, 0));
        let mut own = Vec::with_capacity(7);
        put_back(Vec::with_capacity(9));
        lend(&mut own);
        assert_eq!(own.capacity(), 7, "one that has memory keeps it");
    }
}
