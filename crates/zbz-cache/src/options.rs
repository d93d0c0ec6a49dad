//! [`Options`]: how a provider is told what to be, as names and values.
//!
//! They come from [`options!`](crate::options!) or any map, from any serde format, from a URL or
//! from the environment; numbers, texts and durations mean the same wherever they come from.
//! Wrong ones are refused when the provider is made, by an error that names the option, what it
//! got, what it takes, and for an unknown one the nearest known name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ttl::Ttl;

mod read;
mod system;

/// What the environment's variables begin with.
pub const ENV_PREFIX: &str = "ZBZ_CACHE_";

/// The value of one option.
#[derive(Clone, PartialEq, serde::Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum OptionValue {
    /// A yes or no.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number past the range of `i64`.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A text: a size, a duration, a word.
    Text(String),
    /// A length of time.
    #[serde(skip)]
    Duration(Duration),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Bool(value) => write!(f, "{value}"),
            OptionValue::Integer(value) => write!(f, "{value}"),
            OptionValue::Unsigned(value) => write!(f, "{value}"),
            OptionValue::Float(value) => write!(f, "{value}"),
            OptionValue::Text(value) => write!(f, "{value:?}"),
            OptionValue::Duration(value) => write!(f, "{value:?}"),
        }
    }
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$from> for OptionValue {
            fn from(value: $from) -> Self {
                OptionValue::$variant(value.into())
            }
        }
    )+};
}

value_from! {
    bool => Bool, i8 => Integer, i16 => Integer, i32 => Integer, i64 => Integer,
    u8 => Integer, u16 => Integer, u32 => Integer, u64 => Unsigned,
    f32 => Float, f64 => Float, &str => Text, String => Text, &String => Text, Duration => Duration,
}

impl From<usize> for OptionValue {
    fn from(value: usize) -> Self {
        OptionValue::Unsigned(value as u64)
    }
}

/// Names and values for a provider. `Debug` prints the names, never a value: one may be a secret.
///
/// ```
/// use std::time::Duration;
/// use zbz_cache::{Options, options};
///
/// let by_hand = options! { "max_size" => "64MiB", "cleanup_interval" => Duration::from_secs(90) };
/// let from_json: Options = serde_json::from_str(r#"{ "max_size": 67108864, "cleanup_interval": 90 }"#).unwrap();
/// let (provider, from_url) = Options::from_url("memory://?max_size=64MiB&cleanup_interval=1m30s")?;
/// # for options in [by_hand, from_json, from_url] { zbz_cache::new_provider(&provider, options)?; }
/// # Ok::<(), zbz_cache::Error>(())
/// ```
#[derive(Clone, PartialEq, Default, serde::Deserialize)]
#[serde(transparent)]
pub struct Options {
    values: BTreeMap<String, OptionValue>,
}

impl Options {
    /// No options: every default.
    #[must_use]
    pub fn new() -> Self {
        Options::default()
    }

    /// The same options and one more; an earlier value of that name goes.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<OptionValue>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of `name`, as it was given.
    pub fn get(&self, name: &str) -> Option<&OptionValue> {
        self.values.get(name)
    }

    /// The names that are set, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// A provider's name and its options from a URL: `memory://?max_size=64MiB`.
    ///
    /// The scheme is the name, the query holds the options, percent-encoded. What stands between
    /// them, if anything, becomes the option `address`.
    ///
    /// # Errors
    ///
    /// `Config`: it has no scheme, or an option twice.
    pub fn from_url(url: &str) -> Result<(String, Options)> {
        let (scheme, rest) =
            url.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).ok_or_else(|| {
                Error::config("a cache's URL begins with its provider: memory://?max_size=64MiB")
            })?;
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut options = Options::new();
        let address = address.trim_end_matches('/');
        if !address.is_empty() {
            options = options.with("address", address);
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match options.values.entry(name.into_owned()) {
                Entry::Vacant(entry) => entry.insert(OptionValue::Text(value.into_owned())),
                Entry::Occupied(entry) => {
                    let name = entry.key();
                    return Err(Error::config(format!("the URL gives {name:?} twice; give it once")));
                }
            };
        }
        Ok((scheme.to_owned(), options))
    }

    /// The options of `provider` from this process's environment: `ZBZ_CACHE_MAX_SIZE` is
    /// `max_size`, `ZBZ_CACHE_NEAR__MAX_SIZE` is `near.max_size`. Those of other registered providers
    /// are passed over.
    ///
    /// # Errors
    ///
    /// `UnknownProvider`. `Config`: a variable with that prefix that no registered provider
    /// knows, or whose value is not Unicode.
    pub fn from_env(provider: &str) -> Result<Options> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(ENV_PREFIX)) else { continue };
            let value = value.into_string().map_err(|_| {
                Error::config(format!("the value of the environment variable {name} is not Unicode"))
            })?;
            variables.push((name.to_owned(), value));
        }
        Options::from_variables(provider, variables)
    }

    /// As [`from_env`](Options::from_env), from these variables.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn from_variables(
        provider: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Options> {
        let knowing = crate::registry::options_of(provider)?;
        let mut options = Options::new();
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix(ENV_PREFIX) else { continue };
            let name = name.to_ascii_lowercase().replace("__", ".");
            if knowing.takes(&name) {
                options = options.with(name, value);
            } else if !knowing.is_anothers(&name) {
                let known = knowing.all();
                return Err(Error::config(format!(
                    "no registered provider knows the option of the environment variable {variable}{}",
                    did_you_mean(&name, &known)
                )));
            }
        }
        Ok(options)
    }

    /// Refuses the first option that is none of `known`, where `far.*` stands for every name that
    /// begins with `far.`. Factories that were not registered with
    /// their options' names call this themselves.
    ///
    /// # Errors
    ///
    /// `Config`, naming the nearest known one.
    pub fn refuse_unknown(&self, known: &[&str]) -> Result<()> {
        match self.names().find(|name| !known.iter().any(|known| is_named(name, known))) {
            None => Ok(()),
            Some(name) => Err(Error::config(format!("unknown option {name:?}{}", did_you_mean(name, known)))),
        }
    }
}

/// Whether an option's name is a known one, or one that it stands for: `far.*`.
pub(crate) fn is_named(name: &str, known: &str) -> bool {
    match known.strip_suffix('*') {
        Some(beginning) => name.len() > beginning.len() && name.starts_with(beginning),
        None => name == known,
    }
}

/// `; did you mean "max_size"? known are ...`, as far as there is anything to say.
pub(crate) fn did_you_mean(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), candidate), candidate))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let list = known.join(", ");
    match nearest {
        None => "; none is known".to_owned(),
        Some((_, nearest)) => format!("; did you mean {nearest:?}? known: {list}"),
    }
}

impl<K: Into<String>, V: Into<OptionValue>> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Options { values }
    }
}

impl<K: Into<String>, V: Into<OptionValue>, S> From<std::collections::HashMap<K, V, S>> for Options {
    fn from(map: std::collections::HashMap<K, V, S>) -> Self {
        map.into_iter().collect()
    }
}

impl<K: Into<String>, V: Into<OptionValue>> From<BTreeMap<K, V>> for Options {
    fn from(map: BTreeMap<K, V>) -> Self {
        map.into_iter().collect()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl fmt::Debug for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OptionValue::Bool(_) => "Bool(..)",
            OptionValue::Integer(_) | OptionValue::Unsigned(_) => "Integer(..)",
            OptionValue::Float(_) => "Float(..)",
            OptionValue::Text(_) => "Text(..)",
            OptionValue::Duration(_) => "Duration(..)",
        })
    }
}

/// A [`Options`] of names and values, any expressions:
/// `options! { "max_size" => "64MiB", "default_ttl" => Duration::from_secs(60) }`.
#[macro_export]
macro_rules! options {
    ($($name:expr => $value:expr),* $(,)?) => {
        $crate::Options::new()$(.with($name, $value))*
    };
}

/// What `Ttl`-valued options take, for their error message.
const TTL_TAKES: &str = "a duration (\"90s\", \"1m30s\", a number of seconds) or \"never\"";

impl Options {
    /// The option `name` as a default deadline; [`Ttl::Never`] for "never".
    ///
    /// # Errors
    ///
    /// `Config`: it is neither a duration nor "never".
    pub fn ttl(&self, name: &str) -> Result<Option<Ttl>> {
        match self.get(name) {
            Some(OptionValue::Text(text)) if text.eq_ignore_ascii_case("never") => Ok(Some(Ttl::Never)),
            _ => Ok(self.duration_that_takes(name, TTL_TAKES)?.map(Ttl::After)),
        }
    }
}

#[cfg(test)]
mod tests;
