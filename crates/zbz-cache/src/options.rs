//! [`Options`]: the configuration of a provider, as names and values.
//!
//! They come from [`options!`](crate::options!) or any map, from any serde format, from a URL or
//! from the environment; numbers, texts and durations mean the same from every source.
//! Wrong options are refused when the provider is made. The error has the option's name, the given value,
//! the accepted values, and for an unknown name the nearest known one.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};

pub(crate) mod built_in;
mod deserialize;
mod read;
mod system;
pub(crate) mod url;

/// The prefix of the environment variables.
pub const ENV_PREFIX: &str = "ZBZ_CACHE_";

/// The value of one option.
#[derive(Clone, PartialEq)]
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
/// In a serde format null counts as left out. An empty text is refused from every source.
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
#[derive(Clone, Default)]
pub struct Options {
    values: BTreeMap<String, OptionValue>,
    /// Whether names and values may be parts of a URL, which messages never show.
    is_concealed: bool,
}

impl PartialEq for Options {
    /// Compares names and values, not the sources.
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl Options {
    /// No options: every default.
    #[must_use]
    pub fn new() -> Self {
        Options::default()
    }

    /// Sets one option, and replaces an earlier value of that name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<OptionValue>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// Hides these options from messages: a name or a value is shown only if it is certainly not part of a
    /// secret.
    pub(crate) fn concealed(self) -> Self {
        Options { is_concealed: true, ..self }
    }

    pub(crate) fn is_concealed(&self) -> bool {
        self.is_concealed
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

    /// Refuses the first option that is not among `known`, in which `far.*` stands for every name that
    /// begins with `far.`. Factories that were registered without the names of their options call this
    /// themselves.
    ///
    /// # Errors
    ///
    /// `Config`, naming the nearest known one.
    pub fn refuse_unknown(&self, known: &[&str]) -> Result<()> {
        let is_known = |name: &&str| known.iter().any(|known| is_named(name, known));
        let Some(name) = self.names().find(|name| !is_known(name)) else { return Ok(()) };
        let nearest = did_you_mean(name, known);
        Err(Error::config(match (self.is_concealed, built_in::is_option(name)) {
            (true, _) if name == "address" => {
                "this provider has no address; its URL goes on with ? and options, as in memory://?max_size=64MiB"
                    .to_owned()
            }
            (true, false) => format!("the URL has an option that is unknown{nearest}"),
            _ => format!("unknown option {name:?}{nearest}"),
        }))
    }
}

/// Whether an option's name is a known one, or one that it stands for: `far.*`.
pub(crate) fn is_named(name: &str, known: &str) -> bool {
    match known.strip_suffix('*') {
        Some(beginning) => name.len() > beginning.len() && name.starts_with(beginning),
        None => name == known,
    }
}

/// The similarity of two names, from 0 to 1, from which on a suggestion is made.
const ALIKE: f64 = 0.6;

/// The name of `known` that is most similar to `name`, if any is similar.
pub(crate) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = name.to_lowercase();
    let alike = known.iter().map(|&candidate| (strsim::jaro_winkler(&name, candidate), candidate));
    let nearest = alike.max_by(|one, other| one.0.total_cmp(&other.0));
    nearest.filter(|(alike, _)| *alike >= ALIKE).map(|(_, nearest)| nearest)
}

/// `; did you mean "max_size"? known: ...`, or the parts of it that apply.
pub(crate) fn did_you_mean(name: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(name, known) {
        _ if known.is_empty() => "; none is known".to_owned(),
        None => format!("; known: {list}"),
        Some(nearest) => format!("; did you mean {nearest:?}? known: {list}"),
    }
}

impl<K: Into<String>, V: Into<OptionValue>> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Options { values, is_concealed: false }
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
        let is_shown = |name: &str| !self.is_concealed || built_in::is_option(name);
        f.debug_set().entries(self.names().map(|name| if is_shown(name) { name } else { "(..)" })).finish()
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

#[cfg(test)]
mod tests;
