//! The rules of a two-queue policy: which hits count, who moves to the main queue, who comes back to it, and
//! whether the line between the queues moves.

/// What makes one two-queue policy differ from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The small queue's share of the capacity at the start is one over this.
    pub(super) small_divisor: u64,
    /// Whether ghosts move that share.
    pub(super) balance: bool,
    /// A hit does not count while fewer than so many 32nds of the small queue were appended after the item.
    pub(super) window_32nds: u64,
    /// Counted hits that take an item from the small to the main queue.
    pub(super) promote_hits: u8,
    /// Where the hit counter saturates.
    pub(super) max_hits: u8,
    /// How many small evictions a ghost is believed, in tenths of the live keys.
    pub(super) horizon_tenths: u64,
    /// Whether a ghost that took longer to come back than the main queue keeps an item is turned away.
    pub(super) reuse_test: bool,
    /// Items kept for every one dropped, at most.
    pub(super) patience: u32,
    /// An object may take one over this of the capacity.
    pub(super) object_divisor: u64,
}

impl Rules {
    /// The rules of that name.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        match name {
            "tide" => Some(TIDE),
            "s3-fifo" => Some(S3_FIFO),
            "clock2q+" => Some(CLOCK2Q_PLUS),
            _ => None,
        }
    }

    /// The same without a bound on the work of one eviction.
    pub(super) fn exact(self) -> Self {
        Rules { patience: u32::MAX, ..self }
    }
}

/// The engine's policy.
const TIDE: Rules = Rules {
    small_divisor: 16,
    balance: true,
    window_32nds: 8,
    promote_hits: 1,
    max_hits: 3,
    horizon_tenths: 15,
    reuse_test: true,
    patience: 32,
    object_divisor: 4,
};

/// S3-FIFO: *FIFO Queues are All You Need for Cache Eviction* (SOSP 2023).
const S3_FIFO: Rules = Rules {
    small_divisor: 10,
    balance: false,
    window_32nds: 0,
    promote_hits: 2,
    max_hits: 3,
    horizon_tenths: 9,
    reuse_test: false,
    patience: 32,
    object_divisor: 10,
};

/// Clock2Q+: *A Simple and Efficient Replacement Algorithm for Metadata Cache in VMware vSAN* (2025).
const CLOCK2Q_PLUS: Rules = Rules { window_32nds: 16, promote_hits: 1, max_hits: 1, ..S3_FIFO };
