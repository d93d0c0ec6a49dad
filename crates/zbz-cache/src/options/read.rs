//! Reading one option as what it has to be: a size, a duration, one of some words.

use std::time::Duration;

use bytesize::ByteSize;

use super::{OptionValue, Options, did_you_mean, system};
use crate::error::{Error, Result};

const DURATION_TAKES: &str = "a duration: \"90s\", \"1m30s\", \"500ms\", or a number of seconds";
const SIZE_TAKES: &str =
    "bytes: 104857600, \"100MB\" (10^6), \"64MiB\" (2^20), or \"25%\" of what this process may use";

impl Options {
    /// The option `name` as a number of bytes: an integer, a text with a unit (`KB` is 10^3,
    /// `KiB` 2^10 and so on), or a percentage of the memory this process may use.
    ///
    /// # Errors
    ///
    /// `Config`: negative, not finite, not whole, or not a size; or a percentage where that
    /// memory is not known.
    pub fn bytes(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let refuse = || wrong(name, value, SIZE_TAKES);
        let bytes = match value {
            OptionValue::Integer(number) => u64::try_from(*number).map_err(|_| refuse())?,
            OptionValue::Unsigned(number) => *number,
            OptionValue::Float(number) => whole(*number).ok_or_else(refuse)?,
            OptionValue::Text(text) => match text.trim().strip_suffix('%') {
                Some(percent) => percent_of_memory(percent, name).ok_or_else(refuse)??,
                None => text.trim().parse::<ByteSize>().map_err(|_| refuse())?.as_u64(),
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
    /// `Config`: negative, not finite, or not a duration.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        self.duration_that_takes(name, DURATION_TAKES)
    }

    pub(super) fn duration_that_takes(&self, name: &str, takes: &str) -> Result<Option<Duration>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let refuse = || wrong(name, value, takes);
        let duration = match value {
            OptionValue::Integer(number) => {
                Duration::from_secs(u64::try_from(*number).map_err(|_| refuse())?)
            }
            OptionValue::Unsigned(number) => Duration::from_secs(*number),
            OptionValue::Float(number) => Duration::try_from_secs_f64(*number).map_err(|_| refuse())?,
            OptionValue::Text(text) => parse_duration(text.trim()).ok_or_else(refuse)?,
            OptionValue::Duration(duration) => *duration,
            OptionValue::Bool(_) => return Err(refuse()),
        };
        Ok(Some(duration))
    }

    /// The option `name` as a yes or no: a `bool`, or one of the texts "true" and "false".
    ///
    /// # Errors
    ///
    /// `Config`: it is neither.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            Some(OptionValue::Bool(value)) => Ok(Some(*value)),
            Some(OptionValue::Text(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(OptionValue::Text(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            None => Ok(None),
            Some(value) => Err(wrong(name, value, "true or false")),
        }
    }

    /// The option `name` as a text; a whole number is taken for its digits, which is what becomes
    /// of an unquoted password of digits in some formats.
    ///
    /// # Errors
    ///
    /// `Config`: it is something else. The message does not show what: it may be a secret.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        match self.get(name) {
            Some(OptionValue::Text(text)) => Ok(Some(text.clone())),
            Some(OptionValue::Integer(number)) => Ok(Some(number.to_string())),
            Some(OptionValue::Unsigned(number)) => Ok(Some(number.to_string())),
            None => Ok(None),
            Some(_) => Err(Error::config(format!("option {name:?} takes a text"))),
        }
    }

    /// The option `name` as one of `words`: its index.
    ///
    /// # Errors
    ///
    /// `Config`: it is none of them.
    pub fn word(&self, name: &str, words: &[&str]) -> Result<Option<usize>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let OptionValue::Text(text) = value else {
            return Err(wrong(name, value, &format!("one of {}", words.join(", "))));
        };
        let found = words.iter().position(|word| text.eq_ignore_ascii_case(word));
        let refuse = || {
            let takes = format!("one of {}", words.join(", "));
            Error::config(format!("option {name:?}: got {value}, takes {takes}{}", did_you_mean(text, words)))
        };
        found.map(Some).ok_or_else(refuse)
    }
}

/// The error of an option with a wrong value.
fn wrong(name: &str, value: &OptionValue, takes: &str) -> Error {
    Error::config(format!("option {name:?}: got {value}, takes {takes}"))
}

/// A number without a fraction that fits a `u64`.
fn whole(number: f64) -> Option<u64> {
    let fits = number.is_finite() && number >= 0.0 && number < u64::MAX as f64;
    (fits && number.fract() == 0.0).then_some(number as u64)
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

/// `None` if it is no percentage over 0 and up to 100.
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
