//! Reads one option as a size, a duration, a word and so on. An empty text is always refused.

use std::time::Duration;

use bytesize::ByteSize;

use super::{OptionValue, Options, nearest, system};
use crate::error::{Error, Result};
use crate::ttl::Ttl;

const DURATION_TAKES: &str = "a duration: \"90s\", \"1m30s\", \"500ms\", or a number of seconds";
const SIZE_TAKES: &str =
    "bytes: 104857600, \"100MB\" (10^6), \"64MiB\" (2^20), or \"25%\" of what this process may use";
const TTL_TAKES: &str = "a duration of more than zero (\"90s\", \"1m30s\", a number of seconds) or \"never\"";

impl Options {
    /// The value of `name`, if it is given.
    ///
    /// # Errors
    ///
    /// `Config`: it is an empty text.
    fn given(&self, name: &str) -> Result<Option<&OptionValue>> {
        match self.get(name) {
            Some(OptionValue::Text(text)) if text.is_empty() => {
                Err(Error::config(format!("option {name:?} is empty; leave it out, or give it a value")))
            }
            value => Ok(value),
        }
    }

    /// The error of an option with a wrong value; every such error is made here. A value that came from a
    /// URL, or may be one, is not shown.
    pub(crate) fn wrong(&self, name: &str, takes: &str) -> Error {
        Error::config(match self.get(name) {
            Some(OptionValue::Text(text)) if text.contains("://") || text.contains('@') => {
                format!("option {name:?}: got what looks like a URL or an address, takes {takes}")
            }
            Some(value) if !self.is_concealed() => format!("option {name:?}: got {value}, takes {takes}"),
            _ => format!("option {name:?} takes {takes}"),
        })
    }

    /// The option `name` as a number of bytes: an integer, a text with a unit (`KB` is 10^3,
    /// `KiB` 2^10 and so on), or a percentage of the memory this process may use.
    ///
    /// # Errors
    ///
    /// `Config`: negative, not finite, not whole, or not a size; a unit without its `B` or `iB`,
    /// which is 10^6 to some and 2^20 to others; or a percentage where that memory is not known.
    pub fn bytes(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.given(name)? else { return Ok(None) };
        let refuse = || self.wrong(name, SIZE_TAKES);
        let bytes = match value {
            OptionValue::Integer(number) => u64::try_from(*number).map_err(|_| refuse())?,
            OptionValue::Unsigned(number) => *number,
            OptionValue::Float(number) => whole(*number).ok_or_else(refuse)?,
            OptionValue::Text(text) => match text.trim().strip_suffix('%') {
                Some(percent) => percent_of_memory(percent, name).ok_or_else(refuse)??,
                None => match parse_size(text.trim()) {
                    Size::Bytes(bytes) => bytes,
                    Size::Ambiguous => {
                        let say = "a unit alone may be of 10^3 or 2^10 (M is MB or MiB): say which";
                        return Err(self.wrong(name, &format!("{SIZE_TAKES}; {say}")));
                    }
                    Size::Wrong => return Err(refuse()),
                },
            },
            OptionValue::Bool(_) | OptionValue::Duration(_) => return Err(refuse()),
        };
        Ok(Some(bytes))
    }

    /// The option `name` as a duration: a `Duration`, a number of seconds, or a text such as
    /// `1m30s`. Zero is a duration.
    ///
    /// # Errors
    ///
    /// `Config`: negative, not finite, or not a duration; `M`, which is a month to some and a
    /// minute to others.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        self.duration_that_takes(name, DURATION_TAKES)
    }

    fn duration_that_takes(&self, name: &str, takes: &str) -> Result<Option<Duration>> {
        let Some(value) = self.given(name)? else { return Ok(None) };
        let refuse = || self.wrong(name, takes);
        let duration = match value {
            OptionValue::Integer(number) => {
                Duration::from_secs(u64::try_from(*number).map_err(|_| refuse())?)
            }
            OptionValue::Unsigned(number) => Duration::from_secs(*number),
            OptionValue::Float(number) => Duration::try_from_secs_f64(*number).map_err(|_| refuse())?,
            OptionValue::Text(text) => match parse_duration(text.trim()) {
                Some(duration) if !text.contains('M') => duration,
                _ => return Err(self.wrong(name, &format!("{takes}{}", self.meant_by(text.trim())))),
            },
            OptionValue::Duration(duration) => *duration,
            OptionValue::Bool(_) => return Err(refuse()),
        };
        Ok(Some(duration))
    }

    /// A suggestion for a text that is not a duration, or an ambiguous one. For a value from a URL it does not
    /// repeat the text.
    fn meant_by(&self, text: &str) -> String {
        let lower = text.to_lowercase();
        let is_month = parse_duration(text).is_some();
        match (is_month, self.is_concealed()) {
            (true, true) => "; M may be minutes or months: say m or months".to_owned(),
            (true, false) => {
                let (minutes, months) = (text.replace('M', "m"), text.replace('M', "months"));
                format!("; M may be minutes or months: say {minutes:?} or {months:?}")
            }
            (false, _) if parse_duration(&lower).is_none() => String::new(),
            (false, true) => "; units are written in small letters".to_owned(),
            (false, false) => format!("; did you mean {lower:?}?"),
        }
    }

    /// The option `name` as a default deadline; [`Ttl::Never`] for "never".
    ///
    /// # Errors
    ///
    /// `Config`: it is neither a duration nor "never"; or it is zero, with which no entry would ever be
    /// stored.
    pub fn ttl(&self, name: &str) -> Result<Option<Ttl>> {
        match self.given(name)? {
            Some(OptionValue::Text(text)) if text.trim().eq_ignore_ascii_case("never") => {
                Ok(Some(Ttl::Never))
            }
            _ => match self.duration_that_takes(name, TTL_TAKES)? {
                Some(Duration::ZERO) => Err(self.wrong(name, TTL_TAKES)),
                span => Ok(span.map(Ttl::After)),
            },
        }
    }

    /// The option `name` as a `bool`, or one of the texts "true" and "false".
    ///
    /// # Errors
    ///
    /// `Config`: it is neither.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.given(name)? {
            Some(OptionValue::Bool(value)) => Ok(Some(*value)),
            Some(OptionValue::Text(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(OptionValue::Text(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            None => Ok(None),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// The option `name` as a percentage: a number, or a text with or without `%`.
    pub(crate) fn percent(&self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.given(name)? else { return Ok(None) };
        let number = match value {
            OptionValue::Integer(number) => Some(*number as f64),
            OptionValue::Unsigned(number) => Some(*number as f64),
            OptionValue::Float(number) => Some(*number),
            OptionValue::Text(text) => {
                let text = text.trim();
                text.strip_suffix('%').unwrap_or(text).trim_end().parse().ok()
            }
            OptionValue::Bool(_) | OptionValue::Duration(_) => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(name, "a percentage: \"10%\" or 10"))
    }

    /// The option `name` as a text. A whole number counts as its digits, since some formats read an unquoted
    /// password of digits as a number.
    ///
    /// # Errors
    ///
    /// `Config`: it is something else. The message does not show it: it may be a secret.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        match self.given(name)? {
            Some(OptionValue::Text(text)) => Ok(Some(text.clone())),
            Some(OptionValue::Integer(number)) => Ok(Some(number.to_string())),
            Some(OptionValue::Unsigned(number)) => Ok(Some(number.to_string())),
            None => Ok(None),
            Some(_) => Err(Error::config(format!("option {name:?} takes a text; put it in quotes"))),
        }
    }

    /// The option `name` as one of `words`: its index.
    ///
    /// # Errors
    ///
    /// `Config`: it is not among them.
    pub fn word(&self, name: &str, words: &[&str]) -> Result<Option<usize>> {
        let Some(value) = self.given(name)? else { return Ok(None) };
        let takes = format!("one of {}", words.join(", "));
        let OptionValue::Text(text) = value else { return Err(self.wrong(name, &takes)) };
        let found = words.iter().position(|word| text.eq_ignore_ascii_case(word));
        found.map(Some).ok_or_else(|| match nearest(text, words) {
            Some(nearest) => self.wrong(name, &format!("{takes}; did you mean {nearest:?}?")),
            None => self.wrong(name, &takes),
        })
    }
}

/// A number without a fraction that fits a `u64`.
fn whole(number: f64) -> Option<u64> {
    let fits = number.is_finite() && number >= 0.0 && number < u64::MAX as f64;
    (fits && number.fract() == 0.0).then_some(number as u64)
}

/// A text parsed as a size.
enum Size {
    Bytes(u64),
    /// `100M`: its unit may mean 10^6 or 2^20.
    Ambiguous,
    Wrong,
}

fn parse_size(text: &str) -> Size {
    // A number out of range would otherwise saturate.
    let Some(bytes) = text.parse::<ByteSize>().ok().filter(|size| size.as_u64() < u64::MAX) else {
        return Size::Wrong;
    };
    match text.chars().last().map(|last| last.to_ascii_uppercase()) {
        Some(unit) if "KMGTPE".contains(unit) => Size::Ambiguous,
        _ => Size::Bytes(bytes.as_u64()),
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    humantime::parse_duration(text).ok()
}

/// `None` if it is not a percentage above 0 and up to 100.
fn percent_of_memory(percent: &str, name: &str) -> Option<Result<u64>> {
    let percent: f64 = percent.trim().parse().ok()?;
    if !(percent > 0.0 && percent <= 100.0) {
        return None;
    }
    let unknown = || {
        Error::config(format!(
            "option {name:?}: how much memory this process may use is not known on this system; give bytes"
        ))
    };
    Some(system::memory_limit().ok_or_else(unknown).map(|limit| (limit as f64 * percent / 100.0) as u64))
}
