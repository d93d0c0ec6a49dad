//! Default deadlines by which nothing would be kept.

use std::time::Duration;

use zbz_cache::{Contract, ErrorKind, LoadOptions, MemoryCache, ProviderHandle, Ttl, memory};

fn provider(default_ttl: Ttl) -> ProviderHandle {
    let cache = MemoryCache::builder().max_size(1 << 20).build().unwrap();
    ProviderHandle::new(memory::MemoryProvider::new(cache).with_default_ttl(default_ttl))
}

#[cfg(feature = "tracing")]
#[test]
fn a_default_ttl_of_zero_costs_a_warning_where_no_answer_can_refuse_it() {
    let said = crate::warnings::Warnings::of(|| {
        let zero = provider(Ttl::After(Duration::ZERO));
        let contract = Contract::<u8>::new("fleeting", zero).unwrap();
        drop(contract.default_ttl(Duration::ZERO));
        for kept in [Ttl::Never, Ttl::Default, Ttl::After(Duration::from_nanos(1))] {
            drop(Contract::<u8>::new("kept", provider(kept)).unwrap().default_ttl(kept));
        }
    });
    let [provider, contract] = &said[..] else { panic!("two zeros: {said:?}") };
    assert!(provider.contains("of=\"memory\"") && contract.contains("of=\"fleeting\""), "{said:?}");
    for words in [provider, contract] {
        assert!(words.starts_with("WARN") && words.contains("a default ttl is zero"), "{words}");
    }
}

#[test]
fn loads_of_which_nothing_would_be_kept_are_refused() {
    let zero = Duration::ZERO;
    let timeout = || LoadOptions::builder().timeout(Duration::from_secs(1)).build().unwrap();
    let told = Contract::<u8>::new("told", provider(Ttl::After(zero))).unwrap().load_options(timeout());
    let own = || Contract::<u8>::new("own", provider(Ttl::Never)).unwrap();
    let first = own().default_ttl(zero).load_options(timeout());
    let last = own().load_options(timeout()).default_ttl(zero);
    for contract in [told, first, last] {
        let error = contract.cache().map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("default ttl is zero"), "{error}");
    }
    let kept = LoadOptions::builder().ttl(Duration::from_secs(60)).build().unwrap();
    let contract = Contract::<u8>::new("kept", provider(Ttl::After(zero))).unwrap();
    assert!(contract.load_options(kept).build().is_ok(), "loads have a ttl of their own");
    let contract = Contract::<u8>::new("kept", provider(Ttl::After(zero))).unwrap();
    let contract = contract.default_ttl(Duration::from_secs(60));
    assert!(contract.load_options(timeout()).build().is_ok(), "the contract's comes before the provider's");
    let error = LoadOptions::builder().ttl(zero).build().unwrap_err();
    assert!(error.to_string().contains("ttl is zero"), "{error}");
}
