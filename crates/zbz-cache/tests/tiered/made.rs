//! How a tier is made, what it says, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use allocation_counter::measure;
use zbz_cache::memory::MemoryProvider;
use zbz_cache::provider::SetOptions;
use zbz_cache::tiered::{TieredProvider, Tiers};
use zbz_cache::{
    Contract, ErrorKind, LoadOptions, MemoryCache, Options, ProviderHandle, Ttl, new_provider,
    new_provider_from_url, options,
};

use crate::far::{Far, Told, Wire};
use crate::tier::Tier;

fn refused(options: Options) -> String {
    let error = new_provider("tiered", options).expect_err("a wrong option was taken");
    assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::UnknownProvider), "{error}");
    error.to_string()
}

#[test]
fn wrong_options_are_refused_by_name_with_what_to_do() {
    let ttl = || options! { "far" => "memory", "coherence" => "ttl" };
    for (options, words) in [
        (options! {}, "option \"far\" is missing"),
        (options! { "far" => "memory" }, "coherence = \"ttl\""),
        (options! { "far" => "memory", "coherence" => "push" }, "cannot tell of changes"),
        (options! { "far" => "memori", "coherence" => "ttl" }, "did you mean \"memory\""),
        (ttl().with("coherence", "time"), "option \"coherence\""),
        (ttl().with("max_near_tll", "1m"), "did you mean \"max_near_ttl\""),
        (ttl().with("max_near_ttl", 0), "option \"max_near_ttl\""),
        (ttl().with("max_near_ttl", "25h"), "option \"max_near_ttl\""),
        (ttl().with("near.max_size", "1KiB"), "max_size"),
        (ttl().with("near.max_sise", "1MiB"), "did you mean \"near.max_size\""),
        (ttl().with("far.max_sise", "1MiB"), "did you mean \"max_size\""),
        (ttl().with("far.", "1MiB"), "unknown option"),
        (ttl().with("far", "memory://?max_size=1MiB").with("far.max_size", 1), "given twice"),
    ] {
        let error = refused(options);
        assert!(error.contains(words), "{words:?} is not in: {error}");
    }
}

#[test]
fn it_is_made_from_a_map_a_url_and_the_environment() {
    let by_hand = options! {
        "far" => "memory", "far.max_size" => "1MiB", "near.max_size" => "2MiB", "max_near_ttl" => "5s",
        "coherence" => "ttl",
    };
    let variables = [
        ("FAR", "memory://?max_size=1MiB"),
        ("NEAR__MAX_SIZE", "2MiB"),
        ("MAX_NEAR_TTL", "5s"),
        ("COHERENCE", "ttl"),
        ("WHEN_FULL", "evict"),
    ];
    let variables = variables.map(|(name, value)| (format!("ZBZ_CACHE_{name}"), value.to_owned()));
    assert!(Options::from_variables("memory", variables.clone()).is_ok(), "they are another's");
    let from_variables = Options::from_variables("tiered", variables).unwrap();
    let url = "tiered://?far=memory%3A%2F%2F%3Fmax_size%3D1MiB&near.max_size=2MiB&coherence=ttl";
    for tier in [
        new_provider("tiered", by_hand).unwrap(),
        new_provider("tiered", from_variables).unwrap(),
        new_provider_from_url(url).unwrap(),
    ] {
        let tiers: &Tiers = tier.native().unwrap();
        assert_eq!(tiers.near.max_size(), 2 << 20);
        assert_eq!(tiers.far.native::<MemoryCache>().unwrap().max_size(), 1 << 20);
    }
}

/// Counts what is said.
struct Ears(Arc<AtomicUsize>);

impl tracing::Subscriber for Ears {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn that_time_alone_keeps_it_coherent_is_said_when_it_is_made() {
    let said = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::with_default(Ears(Arc::clone(&said)), || {
        new_provider("tiered", options! { "far" => "memory", "coherence" => "ttl" }).unwrap();
    });
    assert_eq!(said.load(Ordering::SeqCst), 1);
}

#[test]
fn by_time_alone_a_change_made_elsewhere_is_seen_when_the_near_time_has_passed() {
    let (clock, hand) = zbz_cache::Clock::manual();
    let cache = || MemoryCache::builder().clock(clock.clone()).build().unwrap();
    let far = ProviderHandle::new(MemoryProvider::new(cache()));
    let tier = TieredProvider::builder(cache(), far.clone()).max_near_ttl(Duration::from_secs(5)).ttl_only();
    let tier = ProviderHandle::new(tier.clock(clock.clone()).build().unwrap());
    let [far, tier] =
        [far, tier].map(|handle| Contract::<String>::raw("t", handle).unwrap().cache().blocking());
    far.set("k", &"1".to_owned(), Ttl::Never).unwrap();
    assert_eq!(tier.get("k").unwrap().as_deref(), Some("1"));
    far.set("k", &"2".to_owned(), Ttl::Never).unwrap();
    hand.advance(Duration::from_secs(5) - Duration::from_nanos(1));
    assert_eq!(tier.get("k").unwrap().as_deref(), Some("1"));
    hand.advance(Duration::from_nanos(1));
    assert_eq!(tier.get("k").unwrap().as_deref(), Some("2"));
    tier.set("k", &"3".to_owned(), Ttl::Never).unwrap();
    assert_eq!(tier.get("k").unwrap().as_deref(), Some("3"), "own writes are seen at once");
}

#[test]
fn it_counts_what_went_to_the_far_side_and_what_it_was_told() {
    let tier = Tier::live();
    let cache = Contract::<String>::raw("t", tier.handle.clone()).unwrap().cache().blocking();
    cache.set("k", &"1".to_owned(), Ttl::Never).unwrap();
    let before = cache.stats().unwrap();
    for _ in 0..5 {
        cache.get("k").unwrap();
    }
    cache.get_multi(["k", "missing"]).unwrap();
    tier.wire.tell(&Told::Key(b"t:k".to_vec()));
    tier.wire.tell(&Told::All);
    tier.wire.tell(&Told::Lost);
    let after = cache.stats().unwrap();
    assert_eq!((after.hits - before.hits, after.misses - before.misses), (6, 1));
    let (before, after) = (before.near.unwrap(), after.near.unwrap());
    assert_eq!(after.read_through - before.read_through, 2);
    assert_eq!((after.invalidations - before.invalidations, after.losses), (2, 1));
    assert!(after.memory_bytes > 0 && after.memory_bytes <= after.max_bytes);
    assert!(cache.stats().unwrap().to_string().contains("near"));
}

#[test]
fn a_key_of_no_namespace_and_namespaces_past_the_limit_are_read_through() {
    let tier = Tier::new();
    let near = |key: &[u8]| {
        let _ = tier.provider().set(key, b"v", SetOptions::new(Ttl::Never)).wait().unwrap();
        for _ in 0..2 {
            assert_eq!(tier.provider().get_value(key, Vec::new()).wait().unwrap().buffer, b"v");
        }
        tier.provider().get_value(key, Vec::new()).is_ready()
    };
    for key in [&b"none"[..], b":", b"\\:"] {
        assert!(!near(key), "{key:?}");
    }
    for number in 0..256 {
        assert!(near(format!("{number}:k").as_bytes()), "{number}");
    }
    assert_eq!(tier.wire.subscribers(), 256);
    assert!(!near(b"256:k") && near(b"255:k"));
}

#[test]
fn what_is_too_large_or_too_long_for_the_near_side_is_read_through() {
    let near = MemoryCache::builder().max_size(64 << 10).build().unwrap();
    let far = MemoryCache::builder().build().unwrap();
    let far = Far { memory: MemoryProvider::new(far), wire: Arc::default() };
    let tier = TieredProvider::builder(near, ProviderHandle::new(far)).build().unwrap();
    let tier = ProviderHandle::new(tier);
    let provider = tier.provider();
    let (long, large) = ([b"t:".as_slice(), &[b'x'; 9 << 10]].concat(), vec![7; 60 << 10]);
    for (key, value) in [(long.as_slice(), &b"v"[..]), (b"t:k", large.as_slice())] {
        let _ = provider.set(key, value, SetOptions::new(Ttl::Never)).wait().unwrap();
        for _ in 0..3 {
            assert_eq!(provider.get_value(key, Vec::new()).wait().unwrap().buffer, value);
            let batch = provider.get_values(&[b"t:none", key], Default::default()).wait().unwrap();
            assert_eq!(batch.get(1).unwrap().0, value);
        }
        assert!(provider.delete(key).wait().unwrap());
    }
}

#[test]
fn its_end_ends_its_subscriptions_and_leaves_nothing_of_it() {
    for closes in [true, false] {
        let far_memory = MemoryCache::builder().build().unwrap();
        let wire = Arc::<Wire>::default();
        let far =
            ProviderHandle::new(Far { memory: MemoryProvider::new(far_memory), wire: Arc::clone(&wire) });
        let near = MemoryCache::builder().build().unwrap();
        let tier = TieredProvider::builder(near.clone(), far.clone()).build().unwrap();
        let tier = ProviderHandle::new(tier);
        let cache = Contract::<String>::raw("t", tier.clone()).unwrap().cache().blocking();
        cache.set("k", &"v".to_owned(), Ttl::Never).unwrap();
        assert_eq!(wire.subscribers(), 0, "writes do not need one");
        assert_eq!(cache.get("k").unwrap().as_deref(), Some("v"));
        assert_eq!(wire.subscribers(), 1);
        if closes {
            tier.blocking_close().unwrap();
            tier.blocking_close().unwrap();
            assert_eq!(wire.subscribers(), 0);
            assert_eq!(cache.get("k").unwrap_err().kind(), ErrorKind::Closed);
            assert!(near.is_closed());
        }
        drop((tier, cache));
        assert_eq!(wire.subscribers(), 0);
        assert_eq!(far.provider().get(b"t:k", Vec::new()).wait().is_err(), closes, "others may use it");
        assert_eq!(Arc::strong_count(&wire), 2, "the test's and the provider's");
    }
}

#[test]
fn a_near_hit_allocates_nothing() {
    let tier = Tier::live();
    let contract = Contract::<u64>::new("t", tier.handle.clone()).unwrap();
    let options = LoadOptions::builder().ttl(Duration::from_secs(60)).fresh_for(Duration::from_secs(30));
    let cache =
        contract.load_options(options.refresh_by_callers().build().unwrap()).cache().unwrap().blocking();
    cache.set("k", &7, Duration::from_secs(60)).unwrap();
    assert_eq!(cache.get("k").unwrap(), Some(7));
    let load = || -> std::io::Result<u64> { panic!("a hit is not loaded") };
    let counted = measure(|| {
        assert_eq!(cache.get("k").unwrap(), Some(7));
        assert_eq!(cache.get_or_load("k", load).unwrap(), Some(7));
        assert_eq!(cache.get_versioned("k").unwrap().unwrap().value, 7);
    });
    assert_eq!(counted.count_total, 0);
}
