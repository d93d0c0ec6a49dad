//! The rules of a two-queue policy: which hits count, who moves to the main queue, who comes back to it, and
//! how the line between the queues moves.

/// What makes one two-queue policy differ from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// A hit does not count while less than this share of the small queue was appended after the item.
    pub(super) window: f64,
    /// Counted hits that take an item from the small to the main queue.
    pub(super) promote_hits: u8,
    /// Where the hit counter saturates.
    pub(super) max_hits: u8,
    /// How many small evictions a ghost is believed, in live keys.
    pub(super) reach: f64,
    /// Whether a ghost that took longer to come back than the main queue keeps an item is turned away.
    pub(super) reuse_test: bool,
    /// What is added to a ghost's age in that test, as a share of the age.
    pub(super) margin: f64,
    /// Items kept for every one dropped, at most.
    pub(super) patience: u32,
    /// The share of the capacity that an object may take.
    pub(super) object: f64,
    /// The line between the queues.
    pub(super) line: LineRules,
    /// The table of ghosts of a log form.
    pub(super) ghosts: GhostRules,
    /// The share of hits that write their entry anew, which leaves a hole: a load, not a rule, but policies differ in
    /// what it costs them.
    pub(super) overwrites: f64,
    /// Before anything is evicted from a budget of segments, one that is alive to this share at most is moved forward.
    pub(super) clean: f64,
}

/// How the capacity is shared between the queues; shares are of the capacity unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineRules {
    /// The small queue's share at the start.
    pub(super) small: f64,
    /// Whether ghosts move it.
    pub(super) moves: bool,
    /// Whether votes for a larger small queue need credit.
    pub(super) credit: bool,
    /// Credits that are kept, as a share of the live keys.
    pub(super) credits: f64,
    /// What a vote counts beside one item of mean cost.
    pub(super) step: f64,
    /// The smallest small queue.
    pub(super) least: f64,
    /// The largest.
    pub(super) most: f64,
    /// Within how many evictions of its queue a victim's return is a vote, as a share of the live keys.
    pub(super) young: f64,
}

/// How many ghosts there are in how many bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct GhostRules {
    /// Live keys for each ghost word.
    pub(super) keys_per_word: f64,
    /// Bits of a fingerprint.
    pub(super) bits: u32,
}

impl Rules {
    /// The rules of that name.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        match name {
            "tide" => Some(TIDE),
            "s3-fifo" => Some(S3_FIFO),
            "clock2q+" => Some(CLOCK2Q_PLUS),
            "s4-fifo" => Some(S4_FIFO),
            _ => None,
        }
    }

    /// The same without a bound on the work of one eviction.
    pub(super) fn exact(self) -> Self {
        Rules { patience: u32::MAX, ..self }
    }
}

const LINE: LineRules = LineRules {
    small: 1.0 / 16.0,
    moves: true,
    credit: true,
    credits: 1.0 / 16.0,
    step: 1.0 / 2048.0,
    least: 1.0 / 64.0,
    most: 7.0 / 8.0,
    young: 1.0 / 16.0,
};

/// The engine's policy.
const TIDE: Rules = Rules {
    window: 1.0 / 4.0,
    promote_hits: 1,
    max_hits: 3,
    reach: 1.5,
    reuse_test: true,
    margin: 1.0 / 4.0,
    patience: 32,
    object: 1.0 / 4.0,
    line: LINE,
    ghosts: GhostRules { keys_per_word: 16.0 / 3.0, bits: 10 },
    overwrites: 0.0,
    clean: 0.0,
};

/// S3-FIFO: *FIFO Queues are All You Need for Cache Eviction* (SOSP 2023).
const S3_FIFO: Rules = Rules {
    window: 0.0,
    promote_hits: 2,
    reach: 0.9,
    reuse_test: false,
    object: 1.0 / 10.0,
    line: LineRules { small: 1.0 / 10.0, moves: false, ..LINE },
    ..TIDE
};

/// Clock2Q+: *A Simple and Efficient Replacement Algorithm for Metadata Cache in VMware vSAN* (2025).
const CLOCK2Q_PLUS: Rules = Rules { window: 1.0 / 2.0, promote_hits: 1, max_hits: 1, ..S3_FIFO };

/// After S4-FIFO (OSDI 2026), of which this is the window alone: hits in the newest part of the small queue do not
/// count. Its second knob, a ghost that must be hit twice when ghosts show a loop, is not here.
const S4_FIFO: Rules = Rules { window: 1.0 / 4.0, promote_hits: 1, ..S3_FIFO };
