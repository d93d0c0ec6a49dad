//! Waiting for another thread that holds a lock of a few stores.

/// Lets another thread get on with what it holds.
pub(super) fn pause() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::hint::spin_loop();
}

/// [`pause`], which gives the processor away when it took long: the holder may not be running.
pub(super) fn wait(waited: &mut u32) {
    *waited += 1;
    #[cfg(not(loom))]
    if *waited > 64 {
        std::thread::yield_now();
        return;
    }
    pause();
}
