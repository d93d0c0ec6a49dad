//! What a run measured: written as JSON as it stands, and made into tables by [`report`](crate::report).

use clap::ValueEnum;
use serde::Serialize;

/// One kind of measurement, as named by `--work`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// New keys into an empty contestant, growth included
    Fill,
    /// Single gets of uniform keys
    Get,
    /// Gets of uniform keys, 32 at once
    BatchGet,
    /// Nine gets and one set in ten, keys by Zipf's law
    Mixed,
    /// Sets of uniform keys that are present, with twice the room they need
    Set,
    /// The same, 32 keys at once
    BatchSet,
    /// Sets of fresh keys into a full cache: every one evicts
    SetFull,
    /// Nine gets and one set in ten, every entry with a time to live
    Ttl,
    /// Resident bytes per key over its payload, in a child process
    Memory,
    /// Hit ratio on traces at equal entries
    Entries,
    /// Hit ratio on traces at equal resident memory, in child processes
    EqualMemory,
}

impl Work {
    /// The measurements of speed, in the order in which one contestant goes through them.
    pub const SPEED: [Self; 8] = [
        Self::Fill,
        Self::Get,
        Self::BatchGet,
        Self::Mixed,
        Self::Set,
        Self::BatchSet,
        Self::SetFull,
        Self::Ttl,
    ];

    /// The title of its table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fill => "Fill: new keys into an empty contestant, growth included",
            Self::Get => "Get: single, uniform",
            Self::BatchGet => "Batch get: 32 keys, uniform",
            Self::Mixed => "90/10: nine gets and a set, zipf 0.99",
            Self::Set => "Set with room: uniform keys that are present",
            Self::BatchSet => "Batch set: 32 keys, uniform, present",
            Self::SetFull => "Set at full: fresh keys, every one evicts",
            Self::Ttl => "90/10 with a TTL: every entry lives for an hour",
            Self::Memory => "Resident bytes per key over its payload",
            Self::Entries => "Hit ratio at equal entries",
            Self::EqualMemory => "Hit ratio at equal resident memory",
        }
    }

    /// A word or two for narrow columns.
    pub fn short(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Get => "get",
            Self::BatchGet => "batch get",
            Self::Mixed => "90/10 zipf",
            Self::Set => "set with room",
            Self::BatchSet => "batch set",
            Self::SetFull => "set at full",
            Self::Ttl => "90/10, TTL",
            Self::Memory => "bytes per key",
            Self::Entries => "hits, equal entries",
            Self::EqualMemory => "hits, equal memory",
        }
    }
}

/// The rounds of one contestant at one kind of work, number of keys and number of threads.
#[derive(Clone, Debug, Serialize)]
pub struct Speed {
    /// What was done.
    pub work: Work,
    /// Keys present.
    pub keys: u32,
    /// Threads at work together.
    pub threads: u32,
    /// The contestant.
    pub contestant: &'static str,
    /// Operations a second, one figure a round.
    pub rates: Vec<f64>,
    /// The smallest share of gets that hit, over the rounds.
    pub hit_share: f64,
    /// Writes that returned an error, over all rounds.
    pub refused: u64,
}

/// What a contestant's keys take in memory.
#[derive(Clone, Debug, Serialize)]
pub struct PerKey {
    /// Whose keys.
    pub contestant: &'static str,
    /// Keys present at the end.
    pub live: u64,
    /// Bytes by which the process grew.
    pub resident_bytes: u64,
    /// Bytes per key beyond key and value.
    pub over_payload: f64,
    /// The limit given, in the contestant's own unit.
    pub limit: u64,
}

/// A contestant's hits on one trace.
#[derive(Clone, Debug, Serialize)]
pub struct Hits {
    /// Whose hits.
    pub contestant: &'static str,
    /// Hits in percent of the requests.
    pub percent: f64,
    /// Entries held at the end, if counted.
    pub live: Option<u64>,
    /// Writes that returned an error.
    pub refused: u64,
    /// Bytes by which the process grew, if measured.
    pub resident_bytes: Option<u64>,
    /// The limit given, in the contestant's own unit.
    pub limit: u64,
}

/// All contestants' hits on one trace at one size.
#[derive(Clone, Debug, Serialize)]
pub struct TraceRow {
    /// The trace.
    pub trace: String,
    /// Requests replayed.
    pub requests: u64,
    /// Distinct keys among them.
    pub distinct: u64,
    /// Copies laid side by side.
    pub copies: u32,
    /// Bytes of every value.
    pub value_bytes: usize,
    /// Entries asked for, or the budget in bytes.
    pub size: u64,
    /// One figure a contestant.
    pub hits: Vec<Hits>,
}

/// How the run was made.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// The command line, without paths.
    pub command: String,
    /// Rounds of each timed lap.
    pub rounds: u32,
    /// Milliseconds of each timed lap.
    pub slice_ms: u64,
    /// Bytes of a value in the timed laps.
    pub value_bytes: usize,
    /// Keys of the memory measurement.
    pub memory_keys: u32,
    /// Bytes of resident memory at which hit ratios are compared.
    pub budget_bytes: u64,
    /// Whether the run was a quick look.
    pub quick: bool,
}

/// The machine's class: nothing that names the machine itself.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// Cores this process may use.
    pub cores: usize,
    /// The last-level cache as the system reports it.
    pub cache: String,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// The operating system and architecture.
    pub system: String,
}

/// A contestant as it took part.
#[derive(Clone, Debug, Serialize)]
pub struct Entrant {
    /// Its name.
    pub name: &'static str,
    /// The version in the lock file, or where it comes from.
    pub version: String,
}

/// Everything a run measured.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// How.
    pub settings: Settings,
    /// Where.
    pub machine: Machine,
    /// The contestant.
    pub entrants: Vec<Entrant>,
    /// Timed laps.
    pub speed: Vec<Speed>,
    /// Memory per key.
    pub per_key: Vec<PerKey>,
    /// Hit ratios at equal entries.
    pub equal_entries: Vec<TraceRow>,
    /// Hit ratios at equal resident memory.
    pub equal_memory: Vec<TraceRow>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}
