//! How long entries are fresh, judged against the default deadline of a provider.

use std::time::Duration;

use zbz_cache::{
    Contract, Error, LoadOptions, MemoryCache, ProviderHandle, Ttl, TtlState, memory, new_provider, options,
};

#[test]
fn fresh_for_goes_by_the_default_ttl_of_the_provider() {
    let fresh = |span: &str, provider: &ProviderHandle| {
        let given = options! { "fresh_for" => span };
        let built = LoadOptions::from_options(&given).unwrap().refresh_by_callers().build().unwrap();
        Contract::<u8>::new("n", provider.clone()).unwrap().load_options(built).cache()
    };
    let hour = new_provider("memory", options! { "default_ttl" => "1h" }).unwrap();
    assert_eq!(hour.provider().default_ttl(), Ttl::After(Duration::from_secs(3600)));
    let numbers = fresh("5m", &hour).unwrap().blocking();
    let loaded = numbers.get_or_load("1", || Ok::<_, Error>(1)).unwrap();
    assert_eq!(loaded, Some(1));
    assert!(
        matches!(numbers.ttl("1").unwrap(), TtlState::Remaining(left) if left > Duration::from_secs(3500))
    );
    let error = fresh("2h", &hour).map(drop).unwrap_err().to_string();
    assert!(error.contains("fresh_for is 7200s and ttl is 3600s"), "{error}");
    let shorter = Contract::<u8>::new("own", hour.clone()).unwrap().default_ttl(Duration::from_secs(60));
    let options = LoadOptions::builder().fresh_for(Duration::from_secs(300)).refresh_by_callers();
    let error = shorter.load_options(options.build().unwrap()).build().unwrap_err().to_string();
    assert!(error.contains("fresh_for is 300s and ttl is 60s"), "the contract's comes first: {error}");
    let options = LoadOptions::builder().fresh_for(Duration::from_secs(7200)).refresh_by_callers();
    let longer = Contract::<u8>::new("own", hour.clone()).unwrap().load_options(options.build().unwrap());
    assert!(longer.default_ttl(Duration::from_secs(7200)).build().is_ok(), "whichever was said first");
    for never in [options! {}, options! { "default_ttl" => "never" }] {
        let error = fresh("5m", &new_provider("memory", never).unwrap()).map(drop).unwrap_err().to_string();
        assert!(error.contains("no ttl is given") && error.contains("to the provider"), "{error}");
    }
    let jitter = LoadOptions::builder().jitter_percent(10.0).build().unwrap();
    assert!(Contract::<u8>::new("j", hour).unwrap().load_options(jitter).build().is_ok(), "jitter, too");
}

#[test]
fn an_entry_becomes_stale_by_the_default_ttl_of_the_provider() {
    let (clock, hand) = zbz_cache::Clock::manual();
    let cache = MemoryCache::builder().clock(clock).build().unwrap();
    let provider = memory::MemoryProvider::new(cache).with_default_ttl(Duration::from_secs(60));
    let options = LoadOptions::builder().fresh_for(Duration::from_secs(10)).refresh_by_callers();
    let contract = Contract::<u8>::new("n", ProviderHandle::new(provider)).unwrap();
    let numbers = contract.load_options(options.build().unwrap()).cache().unwrap().blocking();
    numbers.set("set", &1, Ttl::Default).unwrap();
    let load = |name: &str, value: u8| numbers.get_or_load(name, || Ok::<_, Error>(value)).unwrap().unwrap();
    assert_eq!(load("loaded", 1), 1);
    hand.advance(Duration::from_secs(9));
    assert_eq!((load("set", 2), load("loaded", 2)), (1, 1), "still fresh");
    hand.advance(Duration::from_secs(2));
    assert_eq!((load("set", 3), load("loaded", 3)), (3, 3), "stale, and loaded again");
}
