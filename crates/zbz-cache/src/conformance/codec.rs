//! Cases about stored bytes: undecodable bytes are counted misses, raw values are stored unchanged.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fixture::{
    Case, Fixture, LONG, Verdict, bytes, case, made_for, put_always, stored, value_at, values_of,
};
use crate::{BlockingCache, Codec, Contract, MessagePack, ProviderHandle, Result, Ttl};

pub(super) const CASES: &[Case] = &[
    case("bytes that do not decode are counted misses and never a panic", undecodable),
    case("bytes of another codec or another schema are misses", another_codec_or_schema),
    case("typed values come back unchanged", typed_values),
    case("raw contracts and counters store the bytes unchanged", raw_bytes),
];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    id: u64,
    name: String,
    tags: Vec<String>,
    parent: Option<Box<Record>>,
}

/// The default codec with another number.
pub(super) struct Other;

impl<T: Serialize + DeserializeOwned> Codec<T> for Other {
    fn id(&self) -> u8 {
        128
    }

    fn encode(&self, value: &T, bytes: &mut Vec<u8>) -> Result<()> {
        MessagePack.encode(value, bytes)
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        MessagePack.decode(bytes)
    }
}

fn record(id: u64) -> Record {
    let parent = (id > 0).then(|| Box::new(record(id / 3)));
    Record { id, name: format!("record \u{1f600} {id}"), tags: vec!["x".repeat(id as usize % 90)], parent }
}

fn typed(namespace: &str, handle: &ProviderHandle) -> BlockingCache<Record> {
    Contract::<Record>::new(namespace, handle.clone()).expect("the contract opens").cache().blocking()
}

/// Checks that these bytes under a typed key are a counted miss for every lookup.
fn assert_counted_miss(cache: &BlockingCache<Record>, foreign: &[u8]) {
    let handle = cache.cache().handle();
    put_always(&**handle.provider(), &stored(cache.cache().name(), "foreign"), foreign);
    let head = &foreign[..foreign.len().min(24)];
    let before = handle.blocking_stats().expect("stats");
    assert_eq!(cache.get("foreign").expect("no error"), None, "{head:?}");
    assert!(cache.get_multi(["foreign"]).expect("no error").is_empty(), "{head:?}");
    assert_eq!(values_of(cache.get_each(["foreign"]), "no error"), [None], "{head:?}");
    let after = handle.blocking_stats().expect("stats");
    assert_eq!(after.hits, before.hits, "no hit: {head:?}");
    assert_eq!(after.misses - before.misses, 3, "misses: {head:?}");
    assert_eq!(after.undecodable - before.undecodable, 3, "undecodable: {head:?}");
}

fn undecodable(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (cache, value) = (typed(&fixture.namespace, &handle), record(5));
    cache.set("good", &value, Ttl::Never).expect("set");
    let good = value_at(&**handle.provider(), &stored(&fixture.namespace, "good")).expect("it was set");
    for len in 0..good.len() {
        assert_counted_miss(&cache, &good[..len]);
    }
    for extra in 0..=u8::MAX {
        assert_counted_miss(&cache, &[good.as_slice(), &[extra]].concat());
    }
    // The header: magic, codec, schema.
    for at in 0..4 {
        for bit in 0..8 {
            let mut other = good.clone();
            other[at] ^= 1 << bit;
            assert_counted_miss(&cache, &other);
        }
    }
    let header = &good[..4];
    let bodies: [&[u8]; 9] = [
        b"garbage",
        b"{\"id\":5}",
        &[0xff; 100],
        &[0; 100],
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0xdf, 0xff, 0xff, 0xff, 0xff],
        &[0xc6, 0xff, 0xff, 0xff, 0xff],
        &[0x91; 100_000],
        &[0x81; 100_000],
    ];
    for body in bodies {
        assert_counted_miss(&cache, body);
        assert_counted_miss(&cache, &[header, body].concat());
    }
    for number in 0..200 {
        let noise = made_for("noise", number, number % 60);
        assert_counted_miss(&cache, &[header, &noise].concat());
    }
    assert!(cache.exists("foreign").expect("exists"), "the bytes are there");
    assert_eq!(cache.get("good").expect("get"), Some(value.clone()), "its neighbour is unharmed");
    cache.set("foreign", &value, Ttl::Never).expect("set");
    assert_eq!(cache.get("foreign").expect("get"), Some(value), "the key can be used again");
    Ok(())
}

fn another_codec_or_schema(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let provider = &**handle.provider();
    let (cache, value) = (typed(&fixture.namespace, &handle), record(7));
    let elsewhere = format!("{}-other", fixture.namespace);
    let other = Contract::<Record>::with_codec(&elsewhere, handle.clone(), Other);
    let other = other.expect("the contract opens").cache().blocking();
    other.set("k", &value, Ttl::Never).expect("set");
    assert_eq!(other.get("k").expect("get"), Some(value.clone()));
    let foreign = value_at(provider, &stored(&elsewhere, "k")).expect("it was set");
    assert_counted_miss(&cache, &foreign);

    cache.clear().expect("clear");
    for schema in [1, 255, 256, u16::MAX] {
        let newer =
            Contract::<Record>::new(&fixture.namespace, handle.clone()).expect("the same type and codec");
        let newer = newer.schema(schema).cache().expect("an encoded contract has a schema number").blocking();
        cache.set("k", &value, Ttl::Never).expect("set");
        assert_eq!(newer.get("k").expect("get"), None, "schema 0 read as {schema}");
        let other = record(8);
        newer.set("k", &other, Ttl::Never).expect("set");
        newer.set("l", &other, Ttl::Never).expect("set");
        assert_eq!(newer.get("k").expect("get"), Some(other));
        assert_eq!(cache.get("k").expect("get"), Some(value.clone()), "schema {schema} overwrote 0");
        assert_eq!(cache.keys("*").expect("keys"), ["k"], "schema 0 lists {schema}");
        let mut foreign = value_at(provider, &stored(&fixture.namespace, "k")).expect("it was set");
        cache.clear().expect("clear");
        assert_eq!(newer.keys("*").expect("keys").len(), 2, "a clear of schema 0 removed {schema}");
        newer.clear().expect("clear");
        assert_eq!(newer.keys("*").expect("keys").len(), 0);
        // Bytes of another number that stand under a key of this one, which no contract writes.
        foreign[2..4].copy_from_slice(&schema.to_le_bytes());
        assert_counted_miss(&cache, &foreign);
        cache.clear().expect("clear");
    }
    Ok(())
}

fn typed_values(fixture: &Fixture<'_>) -> Verdict {
    let cache = typed(&fixture.namespace, &fixture.provider());
    for id in [0, 1, 127, 128, 65_535, u64::from(u32::MAX), u64::MAX] {
        let value = record(id);
        cache.set("k", &value, LONG).expect("set");
        assert_eq!(cache.get("k").expect("get"), Some(value));
    }
    let records: Vec<Record> = (0..40).map(record).collect();
    cache.set_multi(records.iter().map(|value| (value.id.to_string(), value)), LONG).expect("set_multi");
    let each = values_of(cache.get_each((0..40).map(|id| id.to_string())), "get_each");
    assert_eq!(each.into_iter().flatten().collect::<Vec<_>>(), records);
    Ok(())
}

fn raw_bytes(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let provider = &**handle.provider();
    let cache = bytes(&fixture.namespace, &handle);
    for value in [Vec::new(), b"plain".to_vec(), (0..=u8::MAX).collect(), vec![0xB2, 5, 0, 0, 5]] {
        cache.set("k", &value, Ttl::Never).expect("set");
        assert_eq!(value_at(provider, &stored(&fixture.namespace, "k")), Some(value.clone()), "as it is");
        put_always(provider, &stored(&fixture.namespace, "native"), &value);
        assert_eq!(cache.get("native").expect("get"), Some(value), "read as it is");
    }

    let space = format!("{}-text", fixture.namespace);
    let texts =
        Contract::<String>::raw(&space, handle.clone()).expect("the contract opens").cache().blocking();
    texts.set("k", &"h\u{e9}llo".to_owned(), Ttl::Never).expect("set");
    assert_eq!(value_at(provider, &stored(&space, "k")), Some("h\u{e9}llo".into()));
    put_always(provider, &stored(&space, "k"), &[b'a', 0xff]);
    let before = handle.blocking_stats().expect("stats").undecodable;
    assert_eq!(texts.get("k").expect("no error"), None, "not UTF-8");
    assert_eq!(handle.blocking_stats().expect("stats").undecodable, before + 1);

    let space = format!("{}-counter", fixture.namespace);
    let counters = Contract::counter(&space, handle.clone()).expect("the contract opens").cache().blocking();
    for number in [0, 42, -7, i64::MAX, i64::MIN] {
        counters.set("k", &number, Ttl::Never).expect("set");
        assert_eq!(counters.get("k").expect("get"), Some(number));
        assert_eq!(value_at(provider, &stored(&space, "k")), Some(number.to_string().into_bytes()));
    }
    for text in ["", "x", "1.5", " 1", "9223372036854775808"] {
        put_always(provider, &stored(&space, "k"), text.as_bytes());
        assert_eq!(counters.get("k").expect("no error"), None, "{text:?} is not a number");
    }
    Ok(())
}
