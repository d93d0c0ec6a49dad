//! Names and the factories behind them: the one piece of global state.
//!
//! The built-in providers are there from the first look, so a program that only depends on this
//! crate finds "memory" by name. Factories run under no lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::error::{Error, ErrorKind, Result};
use crate::handle::ProviderHandle;
use crate::options::{Options, did_you_mean, is_named};
use crate::provider::Provider;

type Make = dyn Fn(&Options) -> Result<Arc<dyn Provider>> + Send + Sync;

#[derive(Clone)]
struct Factory {
    make: Arc<Make>,
    /// The names of its options; `None` if it did not say and judges them alone.
    options: Option<Arc<[String]>>,
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory").field("options", &self.options).finish_non_exhaustive()
    }
}

fn registry() -> &'static RwLock<BTreeMap<String, Factory>> {
    static REGISTRY: OnceLock<RwLock<BTreeMap<String, Factory>>> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        #[cfg_attr(
            not(any(feature = "memory", feature = "redis", feature = "tiered")),
            expect(unused_mut, reason = "no built-in is enabled")
        )]
        let mut factories = BTreeMap::new();
        #[cfg(feature = "memory")]
        {
            use crate::providers::memory;
            factories.insert(memory::NAME.to_owned(), factory(Some(memory::OPTIONS), memory::from_options));
        }
        #[cfg(feature = "tiered")]
        {
            use crate::providers::tiered;
            factories.insert(tiered::NAME.to_owned(), factory(Some(tiered::OPTIONS), tiered::from_options));
        }
        #[cfg(feature = "redis")]
        for scheme in crate::providers::redis::SCHEMES {
            use crate::providers::redis;
            let make = move |options: &Options| redis::from_options(options, scheme);
            factories.insert(scheme.name.to_owned(), factory(Some(redis::OPTIONS), make));
        }
        RwLock::new(factories)
    })
}

fn factory<P: Provider>(
    options: Option<&[&str]>,
    make: impl Fn(&Options) -> Result<P> + Send + Sync + 'static,
) -> Factory {
    Factory {
        make: Arc::new(move |options| Ok(Arc::new(make(options)?))),
        options: options.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
    }
}

/// Makes a provider by name from options (or a map of them). No runtime is needed; a provider
/// that uses a network touches it at its first verb.
///
/// ```
/// use zbz_cache::options;
///
/// let provider = zbz_cache::new_provider("memory", options! { "max_size" => "64MiB" })?;
/// # Ok::<(), zbz_cache::Error>(())
/// ```
///
/// # Errors
///
/// `UnknownProvider`, listing the known ones. `Config`: an unknown option or a wrong value.
pub fn new_provider(name: &str, options: impl Into<Options>) -> Result<ProviderHandle> {
    let factory = find(name)?;
    let options = options.into();
    let made = check_names(&factory, &options).and_then(|()| (factory.make)(&options));
    let provider = made.map_err(|error| error.with_provider(&Arc::from(name)))?;
    Ok(ProviderHandle::from_shared(provider))
}

/// Makes a provider from a URL: `memory://?max_size=64MiB`. See [`Options::from_url`].
///
/// # Errors
///
/// As [`new_provider`], and `Config` for a text that is no such URL.
pub fn new_provider_from_url(url: &str) -> Result<ProviderHandle> {
    let (name, options) = Options::from_url(url)?;
    new_provider(&name, options)
}

/// The names of the registered providers, in order.
pub fn providers() -> Vec<String> {
    registry().read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
}

/// Registers one's own provider under `name`; `factory` makes it from options, which it judges
/// itself ([`Options::refuse_unknown`] helps).
///
/// ```
/// # fn open(_path: &zbz_cache::OptionValue) -> zbz_cache::MemoryCache { zbz_cache::MemoryCache::builder().build().unwrap() }
/// use zbz_cache::{Error, ErrorKind, options, providers::memory::MemoryProvider};
///
/// zbz_cache::register_provider("mine", |options| {
///     options.refuse_unknown(&["path"])?;
///     let path = options.get("path").ok_or_else(|| Error::new(ErrorKind::Config, "give a path"))?;
///     Ok(MemoryProvider::new(open(path)))
/// })?;
/// let provider = zbz_cache::new_provider("mine", options! { "path" => "a" })?;
/// # Ok::<(), zbz_cache::Error>(())
/// ```
///
/// # Errors
///
/// `Config`: the name is taken, or is not of `a-z`, `0-9`, `-`, `_` and `+`, beginning with a letter.
pub fn register_provider<P: Provider>(
    name: &str,
    factory: impl Fn(&Options) -> Result<P> + Send + Sync + 'static,
) -> Result<()> {
    insert(name, self::factory(None, factory))
}

/// As [`register_provider`], with the names of the options it takes: others are refused before
/// `factory` is called, and [`Options::from_env`] finds these. `far.*` stands for every name that
/// begins with `far.`.
///
/// # Errors
///
/// As there.
pub fn register_provider_with_options<P: Provider>(
    name: &str,
    option_names: &[&str],
    factory: impl Fn(&Options) -> Result<P> + Send + Sync + 'static,
) -> Result<()> {
    insert(name, self::factory(Some(option_names), factory))
}

fn insert(name: &str, factory: Factory) -> Result<()> {
    let valid = |char: char| matches!(char, 'a'..='z' | '0'..='9' | '-' | '_' | '+');
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(valid) {
        return Err(Error::config(format!(
            "a provider's name begins with a-z and goes on with a-z, 0-9, -, _ or +; got {name:?}"
        )));
    }
    let mut factories = registry().write().unwrap_or_else(PoisonError::into_inner);
    if factories.contains_key(name) {
        return Err(Error::config(format!(
            "a provider named {name:?} is registered already; take another name"
        )));
    }
    factories.insert(name.to_owned(), factory);
    Ok(())
}

fn find(name: &str) -> Result<Factory> {
    let factories = registry().read().unwrap_or_else(PoisonError::into_inner);
    factories.get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = factories.keys().map(String::as_str).collect();
        let words = format!("no provider is named {name:?}{}", did_you_mean(name, &known));
        Error::new(ErrorKind::UnknownProvider, words)
    })
}

fn check_names(factory: &Factory, options: &Options) -> Result<()> {
    match &factory.options {
        None => Ok(()),
        Some(names) => options.refuse_unknown(&names.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

/// Which option names one provider takes, and which only others do.
pub(crate) struct KnownOptions {
    /// `None`: it did not say, so it takes whatever no other one does.
    own: Option<Arc<[String]>>,
    others: BTreeSet<String>,
}

impl KnownOptions {
    pub(crate) fn takes(&self, name: &str) -> bool {
        match &self.own {
            Some(own) => own.iter().any(|known| is_named(name, known)),
            None => !self.is_anothers(name),
        }
    }

    pub(crate) fn is_anothers(&self, name: &str) -> bool {
        self.others.iter().any(|known| is_named(name, known))
    }

    pub(crate) fn all(&self) -> Vec<&str> {
        let own = self.own.iter().flat_map(|own| own.iter());
        own.chain(&self.others).map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

pub(crate) fn options_of(provider: &str) -> Result<KnownOptions> {
    let own = find(provider)?.options;
    let factories = registry().read().unwrap_or_else(PoisonError::into_inner);
    let others = factories.iter().filter(|(name, _)| *name != provider);
    let others =
        others.flat_map(|(_, factory)| factory.options.iter().flat_map(|names| names.iter().cloned()));
    Ok(KnownOptions { own, others: others.collect() })
}
