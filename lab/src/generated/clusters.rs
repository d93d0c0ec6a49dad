//! What some of Twitter's cache clusters hold and how they are asked, as published.
//!
//! The figures are those of six rows of the table `stat/2020Mar.md` of <https://github.com/twitter/cache-trace>, by
//! Juncheng Yang, Yao Yue and Rashmi Vinayak ("A large scale analysis of hundreds of in-memory cache clusters at
//! Twitter", OSDI 2020), licensed CC BY 4.0: <https://creativecommons.org/licenses/by/4.0/>. TTLs are the common ones
//! that the table names.

use super::REQUESTS;
use super::mix::{Figures, Parts, Popularity, Ttls, Values};
use super::zipf::Zipf;

/// A row of the table.
pub(super) struct Cluster {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Its number in the table.
    pub(super) number: u64,
    pub(super) key_bytes: usize,
    /// The mean.
    pub(super) value_bytes: u64,
    /// The mean number of requests for a key.
    pub(super) requests_per_key: f64,
    /// Keys that are asked for once only, in percent of the keys.
    pub(super) once_percent: f64,
    /// Seconds to live and how many writes in a hundred give them.
    pub(super) ttls: Parts,
    /// Writes among requests.
    pub(super) write_percent: f64,
    /// The exponent of the popularity of its keys.
    pub(super) zipf: f64,
}

impl Cluster {
    /// A mix of these figures: over three mean TTLs, so that most TTLs run out, with values spread around their mean
    /// with a deviation of 1.
    pub(super) fn figures(&self) -> Figures {
        let (ttls_s, parts) =
            self.ttls.iter().fold((0, 0), |(sum, all), &(ttl_s, parts)| (sum + ttl_s * parts, all + parts));
        // As many keys as so many requests are for, within bounds, so that shares of them are caches worth simulating.
        let keys = ((REQUESTS as f64 / self.requests_per_key) as u64).clamp(30_000, 300_000);
        Figures {
            seed: self.number,
            requests: REQUESTS,
            span_ms: 3 * 1000 * ttls_s / parts,
            popularity: Popularity::Zipf(Zipf::over(keys, self.zipf)),
            once: self.once_percent / 100.0 * keys as f64 / REQUESTS as f64,
            key_bytes: self.key_bytes,
            values: Values::Spread { mean_bytes: self.value_bytes, deviation: 1.0 },
            ttls: Ttls::Parts(self.ttls),
            write_percent: self.write_percent,
        }
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A tenth of an hour, in which the table tells some TTLs.
const TENTH: u64 = HOUR / 10;

pub(super) const CLUSTERS: [Cluster; 6] = [
    Cluster {
        name: "twitter-04",
        what: "keys of 67 B, values of 2,439 B, TTLs of a minute to a day, zipf 1.10, 7 % sets",
        number: 4,
        key_bytes: 67,
        value_bytes: 2439,
        requests_per_key: 26.5,
        once_percent: 29.33,
        ttls: &[(MINUTE, 39), (5 * MINUTE, 24), (HOUR, 13), (10 * MINUTE, 12), (4 * HOUR, 9), (DAY, 3)],
        write_percent: 7.0,
        zipf: 1.1004,
    },
    Cluster {
        name: "twitter-19",
        what: "keys of 42 B, values of 101 B, TTLs of 6.6 to 7.5 h, zipf 0.74, 25 % sets",
        number: 19,
        key_bytes: 42,
        value_bytes: 101,
        requests_per_key: 4.7,
        once_percent: 7.46,
        ttls: &[
            (75 * TENTH, 8),
            (74 * TENTH, 7),
            (66 * TENTH, 7),
            (72 * TENTH, 7),
            (67 * TENTH, 7),
            (70 * TENTH, 7),
            (71 * TENTH, 7),
            (68 * TENTH, 7),
            (69 * TENTH, 7),
            (73 * TENTH, 6),
        ],
        write_percent: 25.0,
        zipf: 0.735,
    },
    Cluster {
        name: "twitter-24",
        what: "keys of 32 B, values of 699 B, TTLs of a minute and of up to 30 days, zipf 1.37, 1 % sets",
        number: 24,
        key_bytes: 32,
        value_bytes: 699,
        requests_per_key: 134.8,
        once_percent: 5.65,
        ttls: &[(14 * DAY, 71), (MINUTE, 19), (30 * DAY, 3), (DAY, 2), (HOUR, 2)],
        write_percent: 1.0,
        zipf: 1.3726,
    },
    Cluster {
        name: "twitter-26",
        what: "keys of 122 B, values of 1,745 B, TTLs of 1 to 11 min, zipf 0.63, 29 % sets",
        number: 26,
        key_bytes: 122,
        value_bytes: 1745,
        requests_per_key: 13.0,
        once_percent: 0.11,
        ttls: &[
            (MINUTE, 67),
            (2 * MINUTE, 10),
            (6 * MINUTE, 9),
            (10 * MINUTE, 6),
            (11 * MINUTE, 3),
            (3 * MINUTE, 2),
        ],
        write_percent: 29.0,
        zipf: 0.6299,
    },
    Cluster {
        name: "twitter-29",
        what: "keys of 36 B, values of 799 B, TTLs of 1 and 2 h, zipf 1.23, 13 % sets",
        number: 29,
        key_bytes: 36,
        value_bytes: 799,
        requests_per_key: 22.5,
        once_percent: 23.04,
        ttls: &[(HOUR, 67), (2 * HOUR, 33)],
        write_percent: 13.0,
        zipf: 1.2323,
    },
    Cluster {
        name: "twitter-50",
        what: "keys of 18 B, values of 67,485 B, TTLs of 15 and 20 min, zipf 1.28, 48 % sets",
        number: 50,
        key_bytes: 18,
        value_bytes: 67_485,
        requests_per_key: 22.1,
        once_percent: 7.86,
        ttls: &[(15 * MINUTE, 73), (20 * MINUTE, 24), (20 * MINUTE - 1, 3)],
        write_percent: 48.0,
        zipf: 1.2816,
    },
];
