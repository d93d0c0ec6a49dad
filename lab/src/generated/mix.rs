//! [`Mix`]: requests with sizes and TTLs, after figures of production caches or of the user's own.
//!
//! The figures say how much there is of each thing, not in which order it comes. What they leave open is settled so:
//! - requests are drawn one by one, reads and writes alike, and are spread evenly over the trace's time;
//! - the size and the TTL are the key's own: every request for it tells the same ones.

use zbz_cache_cli::dice;
use zbz_cache_cli::trace::{Op, Record, Records, Step, TraceError};

use super::patterns::APART;
use super::sequence::Sequence;
use super::zipf::Zipf;

/// The longest value.
const MOST_VALUE_BYTES: f64 = 1e6;

/// What fills a key up to its size.
const PADDING: u8 = b'.';

/// A number of something, and its parts of the whole.
pub(super) type Parts = &'static [(u64, u64)];

/// Which keys are asked for.
pub(super) enum Popularity {
    /// Ranks by Zipf's law.
    Zipf(Zipf),
    /// Groups of keys that are asked for alike: how many, and their parts of all requests.
    Groups(Parts),
}

/// How long values are.
pub(super) enum Values {
    /// Log-normally spread around a mean, with this deviation.
    Spread { mean_bytes: u64, deviation: f64 },
    /// Bytes and the parts of the keys whose values have them.
    Parts(Parts),
}

/// How long entries live.
pub(super) enum Ttls {
    /// For ever.
    Never,
    /// Seconds and the parts of the keys that are written with them.
    Parts(Parts),
    /// All for so many milliseconds.
    Ms(u64),
}

/// What a mix is made of.
pub(super) struct Figures {
    /// Where its numbers begin.
    pub(super) seed: u64,
    pub(super) requests: u64,
    /// From the first request to the last.
    pub(super) span_ms: u64,
    pub(super) popularity: Popularity,
    /// The share of requests whose key is asked for once.
    pub(super) once: f64,
    pub(super) key_bytes: usize,
    pub(super) values: Values,
    pub(super) ttls: Ttls,
    /// Writes among requests.
    pub(super) write_percent: f64,
}

/// The requests of a mix.
pub(super) struct Mix {
    figures: Figures,
    sequence: Sequence,
    /// Requests so far.
    count: u64,
}

impl Mix {
    pub(super) fn new(figures: Figures) -> Mix {
        let sequence = Sequence::after(dice::mix(figures.seed));
        Mix { figures, sequence, count: 0 }
    }
}

impl Records for Mix {
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError> {
        let figures = &self.figures;
        if self.count == figures.requests {
            return Ok(Step::End);
        }
        let once = self.sequence.share() < figures.once;
        let key = if once { APART + self.count } else { figures.popularity.draw(&mut self.sequence) };
        let writes = self.sequence.share() * 100.0 < figures.write_percent;
        record.op = if writes { Op::Set } else { Op::Get };
        record.time_ms =
            (u128::from(self.count) * u128::from(figures.span_ms) / u128::from(figures.requests)) as u64;
        record.key.clear();
        record.key.extend_from_slice(&key.to_le_bytes());
        record.key.resize(figures.key_bytes, PADDING);
        let mut own = Sequence::after(dice::mix(key));
        record.value_bytes = Some(figures.values.draw(&mut own));
        record.ttl_ms = figures.ttls.draw(&mut own);
        self.count += 1;
        Ok(Step::Record)
    }
}

impl Popularity {
    fn draw(&self, sequence: &mut Sequence) -> u64 {
        match self {
            Popularity::Zipf(zipf) => zipf.draw(sequence),
            Popularity::Groups(groups) => {
                let mut part = sequence.below(groups.iter().map(|&(_, parts)| parts).sum());
                let mut first = 0;
                for &(keys, parts) in *groups {
                    if part < parts {
                        return first + sequence.below(keys);
                    }
                    part -= parts;
                    first += keys;
                }
                first
            }
        }
    }
}

impl Values {
    /// The bytes of a key's value; `own` is the key's own sequence.
    fn draw(&self, own: &mut Sequence) -> u64 {
        match *self {
            Values::Spread { mean_bytes, deviation } => {
                // The mean of such a spread is half the square of its deviation above the logarithm.
                let middle = (mean_bytes as f64).ln() - deviation * deviation / 2.0;
                (middle + deviation * own.normal()).exp().clamp(1.0, MOST_VALUE_BYTES).round() as u64
            }
            Values::Parts(parts) => choose(parts, own),
        }
    }
}

impl Ttls {
    /// The time to live of a key's value; `own` is the key's own sequence.
    fn draw(&self, own: &mut Sequence) -> Option<u64> {
        match *self {
            Ttls::Never => None,
            Ttls::Parts(parts) => Some(choose(parts, own) * 1000),
            Ttls::Ms(ttl_ms) => Some(ttl_ms),
        }
    }
}

fn choose(parts: Parts, own: &mut Sequence) -> u64 {
    let mut part = own.below(parts.iter().map(|&(_, parts)| parts).sum());
    let chosen = parts.iter().find(|&&(_, parts)| {
        let within = part < parts;
        part = part.saturating_sub(parts);
        within
    });
    chosen.map_or(0, |&(number, _)| number)
}
