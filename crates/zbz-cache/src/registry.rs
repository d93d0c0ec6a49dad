//! The registry of provider names and their factories: the only global state.
//!
//! It has the built-in providers from the start, so a program that only depends on this crate finds
//! "memory" by name. Factories run under no lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::error::{Error, ErrorKind, Result};
use crate::handle::ProviderHandle;
use crate::options::built_in::{self, BuiltIn};
use crate::options::{Options, is_named, nearest};
use crate::provider::Provider;

mod environment;

use environment::URL_VARIABLE;

type Make = dyn Fn(&Options) -> Result<Arc<dyn Provider>> + Send + Sync;

#[derive(Clone)]
struct Factory {
    make: Arc<Make>,
    /// The names of its options; `None` if it did not declare them and checks them itself.
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
            factories.insert(
                memory::NAME.to_owned(),
                factory(Some(built_in::MEMORY.options), memory::from_options),
            );
        }
        #[cfg(feature = "tiered")]
        {
            use crate::providers::tiered;
            factories.insert(
                tiered::NAME.to_owned(),
                factory(Some(built_in::TIERED.options), |options: &Options| {
                    tiered::from_options(options, new_provider)
                }),
            );
        }
        #[cfg(feature = "redis")]
        for scheme in crate::providers::redis::SCHEMES {
            use crate::providers::redis;
            let make = move |options: &Options| redis::from_options(options, scheme);
            factories.insert(scheme.name.to_owned(), factory(Some(built_in::REDIS.options), make));
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
/// `UnknownProvider`, with the known names, or the feature that enables it. `Config`: an unknown option or
/// a wrong value.
pub fn new_provider(name: &str, options: impl Into<Options>) -> Result<ProviderHandle> {
    let options = options.into();
    let factory = find(name, (!options.is_concealed()).then_some(name))?;
    let made = check_names(&factory, &options).and_then(|()| (factory.make)(&options));
    let provider = made.map_err(|error| error.with_provider(&Arc::from(name)))?;
    Ok(ProviderHandle::from_shared(provider))
}

/// Makes a provider from a URL: `memory://?max_size=64MiB`. See [`Options::from_url`].
///
/// # Errors
///
/// As [`new_provider`], and `Config` for a text that is not such a URL.
pub fn new_provider_from_url(url: &str) -> Result<ProviderHandle> {
    let (name, options) = Options::from_url(url)?;
    new_provider(&name, options)
}

/// The names of the registered providers, in order.
pub fn providers() -> Vec<String> {
    registry().read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
}

/// Registers your own provider under `name`; `factory` makes it from options, which it checks itself
/// ([`Options::refuse_unknown`] helps).
///
/// ```
/// # fn open(_path: &zbz_cache::OptionValue) -> zbz_cache::MemoryCache { zbz_cache::MemoryCache::builder().build().unwrap() }
/// use zbz_cache::{Error, ErrorKind, options, memory::MemoryProvider};
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

/// As [`register_provider`], with the names of its options: others are refused before
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

/// Whether a provider can have this name.
fn is_name(name: &str) -> bool {
    let valid = |char: char| matches!(char, 'a'..='z' | '0'..='9' | '-' | '_' | '+');
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(valid)
}

fn insert(name: &str, factory: Factory) -> Result<()> {
    if !is_name(name) {
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

/// The factory of this name; `shown` is the form of the name that an error may show.
fn find(name: &str, shown: Option<&str>) -> Result<Factory> {
    let factories = registry().read().unwrap_or_else(PoisonError::into_inner);
    factories.get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = factories.keys().map(String::as_str).collect();
        unknown_provider(name, shown, &known, &missing(&factories))
    })
}

/// The providers of this crate that this build leaves out.
fn missing(factories: &BTreeMap<String, Factory>) -> Vec<&'static BuiltIn> {
    let is_missing = |built_in: &&BuiltIn| !factories.contains_key(built_in.names[0]);
    built_in::ALL.into_iter().filter(is_missing).collect()
}

fn unknown_provider(name: &str, shown: Option<&str>, known: &[&str], missing: &[&BuiltIn]) -> Error {
    let list = known.join(", ");
    let turn_on = |name: &str| {
        let built_in = missing.iter().find(|built_in| built_in.names.contains(&name))?;
        Some(format!("turn on the feature {:?} of zbz-cache", built_in.feature))
    };
    if let Some(turn_on) = turn_on(name) {
        let words = format!("the provider {name:?} is not in this build; {turn_on}; this build has: {list}");
        return Error::new(ErrorKind::UnknownProvider, words);
    }
    let absent = missing.iter().flat_map(|built_in| built_in.names).copied();
    let all: Vec<&str> = known.iter().copied().chain(absent).collect();
    let what = match shown {
        Some(name) if is_name(name) => format!("no provider is named {name:?}"),
        // It may be a URL with a password.
        Some(_) => "that is no provider's name; a URL goes to new_provider_from_url".to_owned(),
        None => "no provider has the name that the URL begins with, or that \"far\" has".to_owned(),
    };
    let meant = match nearest(name, &all).map(|nearest| (nearest, turn_on(nearest))) {
        None => String::new(),
        Some((nearest, None)) => format!("; did you mean {nearest:?}?"),
        Some((nearest, Some(turn_on))) => {
            format!("; did you mean {nearest:?}? it is not in this build: {turn_on}")
        }
    };
    Error::new(ErrorKind::UnknownProvider, format!("{what}{meant}; known: {list}"))
}

fn check_names(factory: &Factory, options: &Options) -> Result<()> {
    match &factory.options {
        None => Ok(()),
        Some(names) => options.refuse_unknown(&names.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

/// The option names of one provider, and those of all others.
pub(crate) struct KnownOptions {
    /// `None`: it did not declare them, so it gets every name that belongs to no other provider, in this build
    /// or not, and not to the program.
    own: Option<Arc<[String]>>,
    others: BTreeSet<String>,
    /// The providers of this crate that this build leaves out.
    missing: Vec<&'static BuiltIn>,
}

impl KnownOptions {
    pub(crate) fn takes(&self, name: &str) -> bool {
        match &self.own {
            Some(own) => own.iter().any(|known| is_named(name, known)),
            None => {
                let is_free = !self.is_anothers(name) && self.missing_provider(name).is_none();
                is_free && name != URL_VARIABLE
            }
        }
    }

    pub(crate) fn is_anothers(&self, name: &str) -> bool {
        self.others.iter().any(|known| is_named(name, known))
    }

    /// The provider of this crate with this option, if this build leaves that provider out.
    pub(crate) fn missing_provider(&self, name: &str) -> Option<&'static BuiltIn> {
        let has = |built_in: &&BuiltIn| built_in.options.iter().any(|known| is_named(name, known));
        self.missing.iter().copied().find(has)
    }

    pub(crate) fn all(&self) -> Vec<&str> {
        let own = self.own.iter().flat_map(|own| own.iter());
        own.chain(&self.others).map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

pub(crate) fn options_of(provider: &str) -> Result<KnownOptions> {
    let own = find(provider, Some(provider))?.options;
    let factories = registry().read().unwrap_or_else(PoisonError::into_inner);
    let others = factories.iter().filter(|(name, _)| *name != provider);
    let others =
        others.flat_map(|(_, factory)| factory.options.iter().flat_map(|names| names.iter().cloned()));
    Ok(KnownOptions { own, others: others.collect(), missing: missing(&factories) })
}

#[cfg(test)]
mod tests;
