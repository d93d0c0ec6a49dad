//! Every provider of this crate, and the example's, shows the behaviours of the contract.

use zbz_cache::conformance::{Harness, Setup, check};
use zbz_cache::memory::MemoryProvider;
use zbz_cache::{Clock, MemoryCache, ProviderHandle, WhenFull, new_provider, options};

#[path = "../examples/own_provider.rs"]
#[expect(dead_code, reason = "an example has a main of its own")]
mod own_provider;

mod late;

#[test]
fn a_provider_whose_answers_come_later_keeps_the_contract() {
    let (clock, hand) = Clock::manual();
    let harness = Harness::new(move |setup| match setup {
        Setup::Default => {
            let cache =
                MemoryCache::builder().clock(clock.clone()).build().expect("a size above the minimum");
            Some(ProviderHandle::new(late::LateProvider(MemoryProvider::new(cache))))
        }
        _ => None,
    });
    check(&harness.with_clock(move |span| hand.advance(span)));
}

#[test]
fn memory_keeps_the_contract_on_a_clock_moved_by_hand() {
    let (clock, hand) = Clock::manual();
    let harness = Harness::new(move |setup| {
        let builder = MemoryCache::builder().clock(clock.clone());
        let builder = match setup {
            Setup::Default => builder,
            Setup::Evicting { max_bytes } => builder.max_size(max_bytes),
            Setup::Rejecting { max_bytes } => builder.max_size(max_bytes).when_full(WhenFull::Reject),
            _ => return None,
        };
        let cache = builder.build().expect("a size above the minimum");
        Some(ProviderHandle::new(MemoryProvider::new(cache)))
    });
    check(&harness.with_clock(move |span| hand.advance(span)));
}

#[test]
fn memory_keeps_the_contract_in_real_time() {
    check(&Harness::new(|setup| {
        let options = match setup {
            Setup::Default => options! {},
            Setup::Evicting { max_bytes } => options! { "max_size" => max_bytes },
            Setup::Rejecting { max_bytes } => options! { "max_size" => max_bytes, "when_full" => "reject" },
            _ => return None,
        };
        let options = options.with("cleanup_interval", "50ms");
        Some(new_provider("memory", options).expect("right options"))
    }));
}

#[test]
fn the_example_keeps_the_contract() {
    check(&Harness::new(|setup| match setup {
        Setup::Default => {
            let provider = own_provider::MapProvider::from_options(&options! {});
            Some(ProviderHandle::new(provider.expect("right options")))
        }
        _ => None,
    }));
}
