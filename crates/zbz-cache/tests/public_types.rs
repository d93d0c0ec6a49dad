//! The traits of every public type; it is enough that this compiles.

use std::fmt::Debug;

use zbz_cache::codec::{Json, MessagePack};
use zbz_cache::memory::MemoryProvider;
use zbz_cache::provider::{
    Capabilities, Condition, Deleted, Found, Invalidation, Limits, LookupCounters, Lookups, Page, Read,
    ReadBatch, SetOptions, SetOutcome, Subscription, Token, Version,
};
use zbz_cache::{
    BatchOutcome, BlockingCache, Cache, Clock, Contract, ContractSettings, Cursor, Error, ErrorKind,
    Lifetime, LoadOptions, LoadOptionsBuilder, LoadOutcome, LoadStats, Loaded, ManualClock, MemoryCache,
    NamePage, NearStats, OptionValue, Options, Origin, Pattern, ProviderHandle, Reply, Spawner, Stats, Ttl,
    TtlState, Versioned, WhenFull,
};

/// No trait but those that are asked for.
struct Opaque;

fn is_debug<T: Debug>() {}

#[test]
fn every_public_type_is_debug_whatever_its_values_are() {
    is_debug::<(Cache<Opaque>, BlockingCache<Opaque>, Contract<Opaque>, ContractSettings<Opaque>)>();
    is_debug::<(ProviderHandle, MemoryProvider, MemoryCache, Clock, ManualClock, WhenFull)>();
    is_debug::<(Options, OptionValue, Error, ErrorKind, BatchOutcome, Reply<'static, Opaque>, Pattern)>();
    is_debug::<(LoadOptions, LoadOptionsBuilder, LoadOutcome<u8>, Loaded<u8>, Origin, Spawner)>();
    is_debug::<(Stats, LoadStats, NearStats, Ttl, TtlState, Lifetime, Versioned<u8>, NamePage, Cursor)>();
    is_debug::<(Capabilities, Limits, Condition, Deleted, Found, Invalidation<'static>, LookupCounters)>();
    is_debug::<(Lookups, Page, Read, ReadBatch, SetOptions, SetOutcome, Subscription, Token, Version)>();
    is_debug::<(Json, MessagePack)>();
}

#[cfg(feature = "redis")]
#[test]
fn every_type_of_the_provider_redis_is_debug() {
    is_debug::<(zbz_cache::redis::RedisProvider, zbz_cache::redis::RedisConnection)>();
}

#[cfg(feature = "tiered")]
#[test]
fn every_type_of_the_provider_tiered_is_debug() {
    use zbz_cache::tiered::{Builder, TieredProvider, Tiers};
    is_debug::<(TieredProvider, Builder, Tiers)>();
}
