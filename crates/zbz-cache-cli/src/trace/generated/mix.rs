//! [`Mix`]: requests with sizes and TTLs, after the figures of a production [`Cluster`].
//!
//! The figures say how much there is of each thing, not in which order it comes. What they leave open is settled so:
//! - requests are drawn one by one, reads and writes alike, and are spread evenly over three mean TTLs, so that
//!   most TTLs run out;
//! - values are spread log-normally around their mean, with a deviation of 1, and hold 1,000,000 bytes at most;
//! - the size and the TTL are the key's own: every request for it tells the same ones.

use super::REQUESTS;
use super::clusters::Cluster;
use super::patterns::APART;
use super::sequence::Sequence;
use super::zipf::Zipf;
use crate::dice;
use crate::trace::{Op, Record, Records, Step, TraceError};

/// The longest value.
const MOST_VALUE_BYTES: f64 = 1e6;

/// What fills a key up to its size.
const PADDING: u8 = b'.';

/// The requests of a cluster.
pub(super) struct Mix {
    cluster: &'static Cluster,
    zipf: Zipf,
    sequence: Sequence,
    /// The share of requests whose key is asked for once.
    once: f64,
    span_ms: u64,
    /// Requests so far.
    count: u64,
}

impl Mix {
    pub(super) fn new(cluster: &'static Cluster) -> Mix {
        let (ttls_s, parts) = cluster
            .ttls
            .iter()
            .fold((0, 0), |(sum, all), &(ttl_s, parts)| (sum + ttl_s * parts, all + parts));
        let keys = popular_keys(cluster);
        Mix {
            cluster,
            zipf: Zipf::over(keys, cluster.zipf),
            sequence: Sequence::after(dice::mix(cluster.number)),
            once: cluster.once_percent / 100.0 * keys as f64 / REQUESTS as f64,
            span_ms: 3 * 1000 * ttls_s / parts,
            count: 0,
        }
    }
}

/// Keys that are asked for again: as many as so many requests are for, within bounds, so that shares of them are caches
/// worth simulating.
fn popular_keys(cluster: &Cluster) -> u64 {
    ((REQUESTS as f64 / cluster.requests_per_key) as u64).clamp(30_000, 300_000)
}

impl Records for Mix {
    fn read(&mut self, record: &mut Record) -> Result<Step, TraceError> {
        if self.count == REQUESTS {
            return Ok(Step::End);
        }
        let cluster = self.cluster;
        let once = self.sequence.share() < self.once;
        let key = if once { APART + self.count } else { self.zipf.draw(&mut self.sequence) };
        let writes = self.sequence.share() * 100.0 < cluster.write_percent;
        record.op = if writes { Op::Set } else { Op::Get };
        record.time_ms = self.count * self.span_ms / REQUESTS;
        record.key.clear();
        record.key.extend_from_slice(&key.to_le_bytes());
        record.key.resize(cluster.key_bytes, PADDING);
        let mut own = Sequence::after(dice::mix(key));
        record.value_bytes = Some(value_bytes(cluster, &mut own));
        record.ttl_ms = ttl_ms(cluster, &mut own);
        self.count += 1;
        Ok(Step::Record)
    }
}

/// The bytes of a key's value; `own` is the key's own sequence.
fn value_bytes(cluster: &Cluster, own: &mut Sequence) -> u64 {
    // The mean of such a spread is half the square of its deviation above the logarithm.
    let bytes = ((cluster.value_bytes as f64).ln() - 0.5 + own.normal()).exp();
    bytes.clamp(1.0, MOST_VALUE_BYTES) as u64
}

/// The time to live of a key's value; `own` is the key's own sequence.
fn ttl_ms(cluster: &Cluster, own: &mut Sequence) -> Option<u64> {
    let mut part = own.below(cluster.ttls.iter().map(|&(_, parts)| parts).sum());
    let chosen = cluster.ttls.iter().find(|&&(_, parts)| {
        let within = part < parts;
        part = part.saturating_sub(parts);
        within
    });
    chosen.map(|&(ttl_s, _)| ttl_s * 1000)
}
