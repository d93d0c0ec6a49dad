//! What some of Meta's caches hold and how they are asked, as published.
//!
//! The figures are drawn from the histograms of popularity and of sizes in `cachelib/cachebench/test_configs/hit_ratio`
//! of <https://github.com/facebook/CacheLib>, (c) Meta Platforms, Inc. and affiliates, licensed Apache-2.0, condensed:
//! keys are sorted by how often they are asked for and cut into groups, the number of keys is brought to 300,000, and
//! sizes are the means of parts of the keys. They tell no TTLs and no writes, and keys of 1 to 64 bytes: here of 27,
//! their mean.

use super::REQUESTS;
use super::mix::{Figures, Parts, Popularity, Ttls, Values};

/// One of the caches.
pub(super) struct Cache {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Where its numbers begin: apart from those of the clusters.
    pub(super) seed: u64,
    /// Keys and their parts of the requests.
    pub(super) popularity: Parts,
    /// Bytes and the parts of the keys whose values have them.
    pub(super) values: Parts,
    /// The share of requests for a key that is asked for once.
    pub(super) once: f64,
}

impl Cache {
    /// A mix of these figures over an hour.
    pub(super) fn figures(&self) -> Figures {
        Figures {
            seed: self.seed,
            requests: REQUESTS,
            span_ms: 3_600_000,
            popularity: Popularity::Groups(self.popularity),
            once: self.once,
            key_bytes: KEY_BYTES,
            values: Values::Parts(self.values),
            ttls: Ttls::Never,
            write_percent: 0.0,
        }
    }
}

/// Bytes of every key.
pub(super) const KEY_BYTES: usize = 27;

pub(super) const CACHES: [Cache; 4] = [
    Cache {
        name: "cachelib-kv",
        what: "key-value: values of 335 B, few keys take most requests (Meta's kvcache)",
        seed: 1001,
        popularity: &[
            (3, 2958),
            (27, 1161),
            (60, 719),
            (212, 848),
            (602, 773),
            (2102, 781),
            (6013, 666),
            (21702, 770),
            (30860, 456),
            (63536, 438),
            (93534, 294),
            (81348, 136),
        ],
        values: &[
            (95, 100),
            (117, 100),
            (127, 100),
            (136, 100),
            (159, 400),
            (170, 100),
            (258, 50),
            (499, 30),
            (764, 10),
            (1193, 5),
            (3897, 4),
            (150_089, 1),
        ],
        once: 0.0155,
    },
    Cache {
        name: "cachelib-leader",
        what: "objects of a graph behind another cache: values of 341 B, 23 % of requests for keys seen once",
        seed: 1002,
        popularity: &[
            (3, 26),
            (28, 39),
            (59, 49),
            (210, 130),
            (611, 268),
            (2135, 569),
            (6944, 1036),
            (20625, 1643),
            (36047, 1632),
            (86116, 2286),
            (147_221, 2323),
        ],
        values: &[
            (37, 100),
            (71, 100),
            (115, 100),
            (164, 100),
            (204, 100),
            (245, 100),
            (290, 100),
            (358, 100),
            (441, 100),
            (715, 50),
            (1063, 30),
            (1680, 10),
            (2749, 5),
            (4606, 4),
            (31_961, 1),
        ],
        once: 0.2315,
    },
    Cache {
        name: "cachelib-follower",
        what: "edges of a graph before another cache: values of 567 B, most of 31",
        seed: 1003,
        popularity: &[
            (3, 1182),
            (27, 821),
            (60, 567),
            (213, 890),
            (606, 1086),
            (2121, 1411),
            (5981, 1318),
            (21238, 1308),
            (32102, 593),
            (71591, 464),
            (166_058, 360),
        ],
        values: &[
            (31, 600),
            (48, 100),
            (63, 100),
            (109, 100),
            (325, 50),
            (1649, 30),
            (6655, 10),
            (14_477, 5),
            (36_036, 4),
            (177_313, 1),
        ],
        once: 0.0254,
    },
    Cache {
        name: "cachelib-cdn",
        what: "a content network: values of 33 kB, hardly skewed",
        seed: 1004,
        popularity: &[
            (3, 120),
            (27, 201),
            (61, 146),
            (212, 191),
            (616, 247),
            (2083, 488),
            (8351, 1065),
            (19572, 1339),
            (33614, 1381),
            (231_253, 4766),
            (4209, 57),
        ],
        values: &[
            (159, 100),
            (251, 100),
            (2827, 100),
            (5772, 100),
            (10_262, 100),
            (17_234, 100),
            (27_219, 100),
            (41_501, 100),
            (60_805, 100),
            (95_285, 50),
            (146_010, 30),
            (223_799, 10),
            (331_546, 5),
            (557_553, 4),
            (951_349, 1),
        ],
        once: 0.0088,
    },
];
