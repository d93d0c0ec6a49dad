use std::collections::{BTreeMap, HashMap};

use zbz_cache_cli::dice::Dice;

use super::*;
use crate::policy::Foresight;

/// A request a millisecond for these keys; those of `writes` are no reads.
struct Script {
    keys: Vec<u64>,
    writes: Vec<bool>,
    ttl_ms: Option<u64>,
}

impl Script {
    fn reads(keys: &[u64]) -> Script {
        Script { keys: keys.to_vec(), writes: vec![false; keys.len()], ttl_ms: None }
    }

    fn steps(&self) -> impl Iterator<Item = (Request, bool)> {
        self.keys
            .iter()
            .zip(&self.writes)
            .zip(0..)
            .map(|((&key, &write), now_ms)| (Request { key, bytes: 1, now_ms, ttl_ms: self.ttl_ms }, write))
    }

    /// Which reads hit with the future known.
    fn hits(&self, capacity_entries: u64) -> Vec<bool> {
        let mut foresight = Foresight::default();
        for (request, write) in self.steps() {
            let tell = if write { Foresight::write } else { Foresight::read };
            tell(&mut foresight, request.key, request.now_ms);
        }
        let mut belady = Belady::new(capacity_entries, Rc::new(foresight.finish()));
        self.steps()
            .map(|(request, write)| {
                let hit = belady.request(&request) == Outcome::Hit && !write;
                assert!(belady.counts().live_entries <= capacity_entries);
                assert_eq!(belady.entries.len(), belady.by_next_read.len());
                hit
            })
            .collect()
    }

    fn count_hits(&self, capacity_entries: u64) -> usize {
        self.hits(capacity_entries).into_iter().filter(|&hit| hit).count()
    }

    /// The most hits that any choice of victims has, all choices tried.
    fn most_hits(&self, capacity_entries: u64) -> usize {
        // Hits so far by what is held: keys with their deadlines.
        let mut held: HashMap<BTreeMap<u64, u64>, usize> = HashMap::from([(BTreeMap::new(), 0)]);
        for (request, write) in self.steps() {
            let mut after = HashMap::new();
            for (mut cache, hits) in held {
                let mut keep = |cache, hits: usize| {
                    let most = after.entry(cache).or_insert(hits);
                    *most = hits.max(*most);
                };
                if cache.get(&request.key).is_some_and(|&deadline_ms| deadline_ms > request.now_ms) {
                    keep(cache, hits + usize::from(!write));
                    continue;
                }
                cache.remove(&request.key);
                let full = cache.len() as u64 == capacity_entries;
                cache.insert(request.key, request.deadline_ms());
                if !full {
                    keep(cache, hits);
                    continue;
                }
                for victim in cache.keys().filter(|&&key| key != request.key) {
                    let mut without = cache.clone();
                    without.remove(victim);
                    keep(without, hits);
                }
            }
            held = after;
        }
        held.into_values().max().unwrap_or_default()
    }
}

#[test]
fn what_is_read_last_goes_and_every_miss_comes_in() {
    // 3 drops 2 (read after 1); 2 drops 1, which is never read again, and 3 hits.
    let found = Script::reads(&[1, 2, 3, 1, 2, 3]).hits(2);
    assert_eq!(found, [false, false, false, true, false, true]);
    // In a loop of 5 one of two places goes to every miss; the other has a hit every fourth request.
    let script = Script::reads(&(0..50).map(|at| at % 5).collect::<Vec<_>>());
    assert_eq!((script.count_hits(2), script.most_hits(2)), (12, 12));
}

/// A short script over few keys, one in three of them with writes.
fn random(dice: &mut Dice, ttl_ms: Option<u64>) -> Script {
    let (keys, length) = (2 + dice.below(5), 6 + dice.below(14));
    let writes_of_8 = [0, 0, 2][dice.below(3) as usize];
    Script {
        keys: (0..length).map(|_| dice.below(keys)).collect(),
        writes: (0..length).map(|_| dice.below(8) < writes_of_8).collect(),
        ttl_ms,
    }
}

#[test]
fn no_choice_of_victims_has_more_hits() {
    for seed in 0..1_000 {
        let mut dice = Dice::of(seed);
        let capacity = 1 + dice.below(3);
        let script = random(&mut dice, None);
        assert_eq!(script.count_hits(capacity), script.most_hits(capacity), "seed {seed}");
    }
}

#[test]
fn with_ttls_few_more_hits_are_possible() {
    let (mut found, mut possible) = (0, 0);
    for seed in 0..1_000 {
        let mut dice = Dice::of(seed);
        let capacity = 1 + dice.below(3);
        let ttl_ms = Some(1 + dice.below(9));
        let script = random(&mut dice, ttl_ms);
        let (hits, most) = (script.count_hits(capacity), script.most_hits(capacity));
        assert!(hits <= most, "seed {seed}: {hits} of {most}");
        found += hits;
        possible += most;
    }
    assert!(found * 100 >= possible * 99, "{found} of {possible}");
}
