//! Cases about a full cache: values that never fit, rejecting, evicting.

use super::Setup;
use super::fixture::{
    Bytes, Case, Fixture, LONG, NotApplicable, SHORT, Verdict, assert_absent, bytes, case, kind_of, made_for,
    race,
};
use crate::{BlockingCache, Codec, Contract, Error, ErrorKind, ProviderHandle, Result, Stats, Ttl, TtlState};

pub(super) const CASES: &[Case] = &[
    case("a value that can never fit is refused, and the old value is removed", too_large),
    case("a value that cannot be encoded changes nothing", not_encodable),
    case("a full cache that rejects keeps its entries", rejecting_keeps),
    case(
        "a full cache that rejects still accepts an overwrite that fits without the old value",
        rejecting_overwrites,
    ),
    case(
        "a full cache that rejects reclaims deleted and expired bytes before it refuses",
        rejecting_reclaims,
    ),
    case("a cache that evicts returns only right values and stays within its limit", evicting),
    case("a cache that evicts stays within its limit while threads write", evicting_among_threads),
];

const MAX_BYTES: u64 = 4 << 20;
const EVICTING: Setup = Setup::Evicting { max_bytes: MAX_BYTES };
const REJECTING: Setup = Setup::Rejecting { max_bytes: MAX_BYTES };
const BLOCK: usize = 16 * 1024;

fn too_large(fixture: &Fixture<'_>) -> Verdict {
    let limited = [EVICTING, REJECTING].map(|setup| fixture.provider_of(setup));
    if let [Err(reason), Err(_)] = limited {
        return Err(reason);
    }
    for handle in limited.into_iter().flatten() {
        let cache = bytes(&fixture.namespace, &handle);
        let (small, huge) = (b"small".to_vec(), vec![7; MAX_BYTES as usize + 1]);
        for name in ["old", "neighbour", "old in batch"] {
            cache.set(name, &small, Ttl::Never).expect("set");
        }
        let before = cache.stats().expect("stats");
        for name in ["old", "new"] {
            assert_eq!(kind_of(cache.set(name, &huge, Ttl::Never)), ErrorKind::TooLarge);
            assert_absent(&cache, name);
        }
        let entries = [("fine", &small), ("old in batch", &huge), ("fine too", &small)];
        let error = cache.set_multi(entries, Ttl::Never).expect_err("one is too large");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let outcome = error.batch_outcome().expect("the error of a batch");
        assert_eq!(outcome.done, ["fine", "fine too"]);
        assert_eq!(outcome.failed.len(), 1);
        assert_eq!(outcome.failed[0].0, "old in batch");
        assert_absent(&cache, "old in batch");
        for name in ["neighbour", "fine", "fine too"] {
            assert_eq!(cache.get(name).expect("get"), Some(small.clone()), "{name}");
        }
        let after = cache.stats().expect("stats");
        assert_eq!(after.rejections - before.rejections, 3, "refused sets are counted");
        cache.set("old", &small, Ttl::Never).expect("the key works on");
        assert_identity(&cache.stats().expect("stats"));
    }
    Ok(())
}

/// Refuses the text "bad".
struct Picky;

impl Codec<String> for Picky {
    fn id(&self) -> u8 {
        200
    }

    fn encode(&self, value: &String, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.extend_from_slice(value.as_bytes());
        if value == "bad" { Err(Error::new(ErrorKind::Codec, "a bad text")) } else { Ok(()) }
    }

    fn decode(&self, bytes: &[u8]) -> Option<String> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}

fn not_encodable(fixture: &Fixture<'_>) -> Verdict {
    let contract = Contract::<String>::with_codec(&fixture.namespace, fixture.provider(), Picky);
    let cache: BlockingCache<String> = contract.expect("the contract opens").cache().blocking();
    let (good, bad) = ("good".to_owned(), "bad".to_owned());
    cache.set("old", &good, Ttl::Never).expect("set");
    for name in ["old", "new"] {
        assert_eq!(kind_of(cache.set(name, &bad, LONG)), ErrorKind::Codec);
    }
    let error = cache.set_multi([("a", &good), ("old", &bad), ("b", &good)], Ttl::Never);
    let error = error.expect_err("one is not encodable");
    assert_eq!(error.kind(), ErrorKind::Codec);
    let outcome = error.batch_outcome().expect("the error of a batch");
    assert_eq!((outcome.done.len(), outcome.failed.len()), (2, 1));
    for name in ["a", "b", "old"] {
        assert_eq!(cache.get(name).expect("get"), Some(good.clone()), "{name}");
    }
    assert_eq!(cache.ttl("old").expect("ttl"), TtlState::Never, "the deadline is as it was");
    assert!(!cache.exists("new").expect("exists"));
    Ok(())
}

fn block(number: usize) -> Vec<u8> {
    made_for("block", number, BLOCK)
}

/// Sets blocks from `first` on until one is refused; returns its number.
fn fill(cache: &Bytes, first: usize) -> usize {
    let most = MAX_BYTES as usize / BLOCK;
    for number in first..=first + most {
        match cache.set(&format!("{number}"), &block(number), Ttl::Never) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Full, "{error}");
                return number;
            }
        }
    }
    panic!("more bytes were accepted than fit");
}

fn full_one(fixture: &Fixture<'_>) -> Result<(Bytes, usize), NotApplicable> {
    let cache = bytes(&fixture.namespace, &fixture.provider_of(REJECTING)?);
    let count = fill(&cache, 0);
    assert!(count > 16, "a limit of 4 MiB holds more than {count} values of 16 KiB");
    Ok((cache, count))
}

fn rejecting_keeps(fixture: &Fixture<'_>) -> Verdict {
    let (cache, count) = full_one(fixture)?;
    let before = cache.stats().expect("stats");
    assert_absent(&cache, &format!("{count}"));
    let larger = vec![1; 4 * BLOCK];
    for number in 0..3 {
        assert_eq!(kind_of(cache.set(&format!("{number}"), &larger, LONG)), ErrorKind::Full);
        assert_eq!(cache.ttl(&format!("{number}")).expect("ttl"), TtlState::Never, "as it was");
    }
    let error = cache.set_multi([("0", &larger), ("new", &larger)], LONG).expect_err("both are refused");
    assert_eq!(error.kind(), ErrorKind::Full);
    assert_eq!(error.batch_outcome().map(|outcome| outcome.failed.len()), Some(2));
    assert_absent(&cache, "new");
    for number in 0..count {
        assert!(cache.get(&format!("{number}")).expect("get") == Some(block(number)), "block {number}");
    }
    let after = cache.stats().expect("stats");
    assert_eq!(after.rejections - before.rejections, 5, "refused sets are counted");
    assert!(after.evictions.is_none_or(|evictions| evictions == 0), "nothing live was evicted");
    assert_within_limit(&after);
    assert_identity(&after);
    Ok(())
}

fn rejecting_overwrites(fixture: &Fixture<'_>) -> Verdict {
    let (cache, count) = full_one(fixture)?;
    for round in 1..=3 {
        for number in 0..count {
            let set = cache.set(&format!("{number}"), &block(number + round * 1000), Ttl::Never);
            set.unwrap_or_else(|error| panic!("round {round}, block {number} of its own size: {error}"));
        }
    }
    for number in 0..count {
        let value = cache.get(&format!("{number}")).expect("get");
        assert!(value == Some(block(number + 3000)), "block {number}");
    }
    for number in 0..count {
        cache.set(&format!("{number}"), &vec![2; BLOCK / 2], LONG).expect("a smaller one fits");
    }
    let more = fill(&cache, count) - count;
    assert!(more >= count / 4, "half of the bytes were given back, and only {more} of {count} came in");
    assert_within_limit(&cache.stats().expect("stats"));
    Ok(())
}

fn rejecting_reclaims(fixture: &Fixture<'_>) -> Verdict {
    let (cache, count) = full_one(fixture)?;
    for number in (0..count).step_by(3) {
        assert!(cache.delete(&format!("{number}")).expect("delete"));
        cache.set(&format!("{number}"), &block(number), Ttl::Never).expect("in place of a deleted one");
    }
    let evens: Vec<String> = (0..count).step_by(2).map(|number| format!("{number}")).collect();
    assert_eq!(cache.delete_multi(&evens).expect("delete_multi"), evens.len() as u64);
    for (at, _) in evens.iter().enumerate() {
        let value = &block(at)[..BLOCK - 64];
        cache.set(&format!("again {at}"), &value.to_vec(), Ttl::Never).expect("in place of deleted ones");
    }
    let time = fixture.time();
    for name in cache.keys("*").expect("keys") {
        assert!(cache.expire(&name, SHORT).expect("expire"), "{name} was there");
    }
    cache.set("1", &b"stays".to_vec(), Ttl::Never).expect("smaller than its old value, dead or alive");
    time.go(SHORT);
    let fitted = fill(&cache, 5000) - 5000;
    assert!(fitted + 1 + count / 10 >= count, "of {count} blocks of expired bytes {fitted} were reclaimed");
    assert_eq!(cache.get("1").expect("get"), Some(b"stays".to_vec()));
    assert_identity(&cache.stats().expect("stats"));
    cache.clear().expect("clear");
    let fitted = fill(&cache, 9000) - 9000;
    assert!(fitted + 1 + count / 10 >= count, "of {count} blocks of cleared bytes {fitted} were reclaimed");
    Ok(())
}

fn assert_within_limit(stats: &Stats) {
    if let (Some(used), Some(max)) = (stats.memory_bytes, stats.max_bytes) {
        assert!(used <= max, "{used} bytes of at most {max}");
    }
    if let (Some(payload), Some(used)) = (stats.payload_bytes, stats.memory_bytes) {
        assert!(payload <= used, "{payload} bytes of payload in {used} of memory");
    }
}

fn assert_identity(stats: &Stats) {
    super::counting::assert_identity(stats);
}

/// A value of up to 4 KiB.
fn mixed(thread: usize, number: usize) -> (String, Vec<u8>) {
    let name = format!("{thread} {number}");
    let value = made_for(&name, number, (number * 997) % 4096);
    (name, value)
}

/// Four times the capacity, in values of 2 KiB on average.
const ENTRIES: usize = 4 * MAX_BYTES as usize / 2048;

fn evicting(fixture: &Fixture<'_>) -> Verdict {
    let handle: ProviderHandle = fixture.provider_of(EVICTING)?;
    let cache = bytes(&fixture.namespace, &handle);
    for number in 0..ENTRIES {
        let (name, value) = mixed(0, number);
        cache.set(&name, &value, Ttl::Never).expect("an evicting cache accepts it");
        if number % 64 == 0 {
            assert_within_limit(&cache.stats().expect("stats"));
        }
        // Some keys are read all the time, as in real use.
        let (name, value) = mixed(0, number % 100);
        assert!(cache.get(&name).expect("get").is_none_or(|found| found == value), "{name}");
    }
    let mut hits = 0;
    for number in 0..ENTRIES {
        let (name, value) = mixed(0, number);
        if let Some(found) = cache.get(&name).expect("get") {
            assert!(found == value, "a wrong value of {name}");
            hits += 1;
        }
    }
    assert!(hits < ENTRIES, "not all of four times the capacity can be present");
    let stats = cache.stats().expect("stats");
    assert_within_limit(&stats);
    assert_identity(&stats);
    Ok(())
}

fn evicting_among_threads(fixture: &Fixture<'_>) -> Verdict {
    let cache = bytes(&fixture.namespace, &fixture.provider_of(EVICTING)?);
    race(4, |thread| {
        for number in 0..ENTRIES / 4 {
            let (name, value) = mixed(thread, number);
            cache.set(&name, &value, Ttl::Never).expect("an evicting cache accepts it");
            let (name, value) = mixed((thread + 1) % 4, number.saturating_sub(20));
            assert!(cache.get(&name).expect("get").is_none_or(|found| found == value), "{name}");
            if number % 32 == 0 {
                assert_within_limit(&cache.stats().expect("stats"));
            }
            if number % 5 == 0 {
                cache.delete(&name).expect("delete");
            }
        }
    });
    assert_identity(&cache.stats().expect("stats"));
    Ok(())
}
