//! Simulated eviction policies: who would still be in the cache, without storing a value.
//!
//! Every policy answers one question per request, hit or miss; a miss inserts (read-through). An entry past
//! its deadline is a miss. An object larger than the capacity is never cached. Keys arrive hashed; equal
//! hashes are the same key.
//!
//! ```text
//! entry form   lru fifo sieve merlin-like               every entry for itself, exact ghosts: as papers describe them
//!              s3-fifo s4-fifo clock2q+ tide
//! log form     s3-fifo-log ... tide-log                 segments evicted as a whole, ghosts in a few bits a key: what
//!              and with -16, -64, ... segments (256)    the engine can do
//! clairvoyant  belady                                   told the future: how far the others are from what can be had
//! ```
//!
//! The rules of two-queue policies can be changed in their names: `tide-log-64-tight:window=1/8:credit=off`.
//!
//! A capacity bounds *live* entries or bytes in both forms, so that they compare: the segments that are open
//! or half walked are extra. With `-tight` at the end of its name a log form has to find those inside its
//! capacity, as in a memory budget.

mod balance;
mod belady;
mod exact;
mod future;
mod ghosts;
mod keyed;
mod log;
mod merlin;
mod rules;
mod segments;
mod settings;
mod sieve;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod yardstick;

pub use self::belady::Belady;
pub use self::future::{Foresight, Future};

use crate::names;

use self::exact::ExactGhosts;
use self::ghosts::GhostWords;
use self::log::Log;
use self::rules::Rules;

/// One read-through request of a trace.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The key, hashed.
    pub key: u64,
    /// Key and value bytes; 1 when entries are counted.
    pub bytes: u64,
    /// The clock, in milliseconds.
    pub now_ms: u64,
    /// Time to live of the entry a miss inserts; `None` is for ever.
    pub ttl_ms: Option<u64>,
}

impl Request {
    /// When an entry inserted by this request expires.
    fn deadline_ms(&self) -> u64 {
        self.ttl_ms.map_or(u64::MAX, |ttl| self.now_ms.saturating_add(ttl))
    }
}

/// What a request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A live entry.
    Hit,
    /// No entry, or an expired one; the object was inserted unless it is too large.
    Miss,
}

/// Totals of a policy since its construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Live entries dropped for room.
    pub evictions: u64,
    /// Entries found past their deadline and dropped.
    pub expirations: u64,
    /// Entries held, those that expired unnoticed included.
    pub live_entries: u64,
    /// What those entries take of the capacity: bytes, or 1 each when entries are counted.
    pub live_bytes: u64,
}

impl Counts {
    /// An entry came in.
    fn entered(&mut self, cost: u64) {
        self.live_entries += 1;
        self.live_bytes += cost;
    }

    /// An entry with that deadline went, expired or evicted.
    fn left(&mut self, cost: u64, deadline_ms: u64, now_ms: u64) {
        self.live_entries -= 1;
        self.live_bytes -= cost;
        if deadline_ms <= now_ms {
            self.expirations += 1;
        } else {
            self.evictions += 1;
        }
    }
}

/// A cache without values.
pub trait Policy {
    /// Looks the key up; on a miss inserts it, evicting as needed.
    fn request(&mut self, request: &Request) -> Outcome;

    /// Totals so far.
    fn counts(&self) -> Counts;
}

/// How much a policy may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// So many entries, whatever their bytes.
    Entries(u64),
    /// So many bytes of keys and values.
    Bytes(u64),
}

impl Capacity {
    /// The bound, in its own unit.
    fn units(self) -> u64 {
        match self {
            Capacity::Entries(units) | Capacity::Bytes(units) => units,
        }
    }

    /// What one request takes of it.
    fn cost(self, request: &Request) -> u64 {
        match self {
            Capacity::Entries(_) => 1,
            Capacity::Bytes(_) => request.bytes.max(1),
        }
    }
}

/// The names [`by_name`] knows, without the suffixes of the log forms. [`Belady`] is none of them: it needs a future.
pub const NAMES: [&str; 12] = [
    "lru",
    "fifo",
    "sieve",
    "s3-fifo",
    "s4-fifo",
    "clock2q+",
    "merlin-like",
    "tide",
    "s3-fifo-log",
    "s4-fifo-log",
    "clock2q+-log",
    "tide-log",
];

/// Other spellings of names, as papers and other programs have them.
const SPELLINGS: [(&str, &str); 6] = [
    ("s3fifo", "s3-fifo"),
    ("s4fifo", "s4-fifo"),
    ("clock2qplus", "clock2q+"),
    ("clock2q-plus", "clock2q+"),
    ("merlin-like", "merlin-like"),
    ("merlin", "merlin-like"),
];

/// The name as [`by_name`] knows it: in lower case, and spelled as in [`NAMES`].
pub fn spelled(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    let respelled =
        SPELLINGS.iter().find_map(|(other, own)| Some(format!("{own}{}", name.strip_prefix(other)?)));
    respelled.unwrap_or(name)
}

/// Builds the policy of that name: `POLICY`, or `RULES:SETTING=VALUE:...` of a two-queue policy.
///
/// # Errors
///
/// Nothing is named so, or a setting is wrong.
pub fn by_name(name: &str, capacity: Capacity) -> Result<Box<dyn Policy>, String> {
    let (base, settings) = match name.split_once(':') {
        Some((base, settings)) => (base, Some(settings)),
        None => (name, None),
    };
    let one_queue: Option<Box<dyn Policy>> = match base {
        "lru" => Some(Box::new(keyed::Lru::new(capacity))),
        "fifo" => Some(Box::new(keyed::Fifo::new(capacity))),
        "sieve" => Some(Box::new(sieve::Sieve::new(capacity))),
        "merlin-like" => Some(Box::new(merlin::Merlin::new(capacity))),
        _ => None,
    };
    match (one_queue, settings) {
        (Some(policy), None) => return Ok(policy),
        (Some(_), Some(_)) => return Err(format!("the policy {base} takes no settings")),
        (None, _) => {}
    }
    let unknown = || {
        let hint = names::hint(base, NAMES.into_iter().chain(["engine", Belady::NAME]));
        format!("no policy is named \"{name}\"; known are engine, {}, belady{hint}", NAMES.join(", "))
    };
    let (rules, shape) = match base.split_once("-log") {
        Some((rules, shape)) => (rules, Some(Shape::named(shape).ok_or_else(unknown)?)),
        None => (base, None),
    };
    let rules = Rules::by_name(rules).ok_or_else(unknown)?;
    let rules = settings.map_or(Ok(rules), |settings| settings::apply(rules, settings))?;
    Ok(match shape {
        None => Box::new(Log::of_entries(rules.exact(), capacity, ExactGhosts::new(rules))),
        Some(shape) => shape.log(rules, capacity),
    })
}

/// What names of log forms end in: `[-SEGMENTS][-tight]`.
struct Shape {
    segments: u64,
    tight: bool,
}

impl Shape {
    fn named(text: &str) -> Option<Shape> {
        let (digits, tight) = match text.strip_suffix("-tight") {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let segments = match digits.strip_prefix('-') {
            Some(digits) => digits.parse().ok().filter(|&count| count >= 4)?,
            None if digits.is_empty() => 256,
            None => return None,
        };
        Some(Shape { segments, tight })
    }

    fn log(&self, rules: Rules, capacity: Capacity) -> Box<dyn Policy> {
        let ghosts = GhostWords::for_capacity(capacity, &rules);
        Box::new(if self.tight {
            Log::in_budget(rules, capacity, ghosts, self.segments)
        } else {
            Log::of_segments(rules, capacity, ghosts, self.segments)
        })
    }
}

/// The settings of two-queue policies, a line for each: its name and what it means.
pub fn settings() -> impl Iterator<Item = (&'static str, &'static str)> {
    settings::SETTINGS.into_iter()
}
