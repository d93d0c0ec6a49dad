//! [`Size`]: how large a cache is to be, as people write it, and the [`Capacity`] that it comes to.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::survey::Survey;
use crate::numbers;

/// A size as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Size {
    /// A share of the trace's own keys, in percent.
    Percent(f64),
    /// A share of the bytes of the trace's keys and values, in percent.
    PercentOfBytes(f64),
    /// So many bytes.
    Bytes {
        /// How many.
        bytes: u64,
        /// As they were written.
        text: String,
    },
    /// So many keys.
    Keys(u64),
}

/// What a plain percentage is a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PercentOf {
    /// The bytes of the trace's distinct keys and their values, as for a cache that is given memory.
    Bytes,
    /// The trace's distinct keys, as for a policy that counts entries.
    Keys,
}

/// How much a cache may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// Of memory for the cache itself, of keys and values for a policy.
    Bytes(u64),
    /// Of any size.
    Keys(u64),
}

impl Size {
    /// A size as [`FromStr`] reads it, but for a number of keys: the cache is given memory.
    ///
    /// # Errors
    ///
    /// It is none; the message says what is taken.
    pub fn of_memory(text: &str) -> Result<Size, String> {
        let size = Size::read(text).filter(|size| !matches!(size, Size::Keys(_)));
        size.ok_or_else(|| wrong(text, "a percentage (10%) or bytes (64MiB, 64MB, 65536, not 64M)"))
    }

    fn read(text: &str) -> Option<Size> {
        let text = text.trim();
        let plain = text.to_ascii_lowercase();
        let percent = |number: &str| {
            let percent = number.trim().parse().ok();
            percent.filter(|percent: &f64| *percent > 0.0 && *percent <= 1000.0)
        };
        Some(if let Some(number) = plain.strip_suffix('%') {
            Size::Percent(percent(number)?)
        } else if let Some(number) = plain.strip_suffix("%bytes") {
            Size::PercentOfBytes(percent(number)?)
        } else if let Some(number) = plain.strip_suffix("keys").or_else(|| plain.strip_suffix("key")) {
            Size::Keys(numbers::count(number).filter(|&keys| keys > 0)?)
        } else {
            let bytes = numbers::bytes(text).filter(|&bytes| bytes > 0)?;
            Size::Bytes { bytes, text: text.to_owned() }
        })
    }

    /// What it comes to on a trace.
    pub fn capacity(&self, percent_of: PercentOf, survey: &Survey) -> Capacity {
        let share = |whole: u64, percent: f64| (whole as f64 * percent / 100.0) as u64;
        match (self, percent_of) {
            (Size::Percent(percent), PercentOf::Bytes) => {
                Capacity::Bytes(share(survey.distinct_bytes, *percent))
            }
            (Size::Percent(percent), PercentOf::Keys) => {
                Capacity::Keys(share(survey.distinct, *percent).max(1))
            }
            (Size::PercentOfBytes(percent), _) => {
                Capacity::Bytes(share(survey.distinct_bytes, *percent).max(1))
            }
            (Size::Bytes { bytes, .. }, _) => Capacity::Bytes(*bytes),
            (Size::Keys(keys), _) => Capacity::Keys(*keys),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Percent(percent) => write!(f, "{percent}%"),
            Size::PercentOfBytes(percent) => write!(f, "{percent}%bytes"),
            Size::Bytes { text, .. } => f.write_str(text),
            Size::Keys(keys) => write!(f, "{keys}keys"),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let takes = "a percentage (10%, 10%bytes), bytes (64MiB, 64MB, 65536, not 64M) or keys (5000keys)";
        Size::read(text).ok_or_else(|| wrong(text, takes))
    }
}

/// What is said of a text that is no size.
fn wrong(text: &str, takes: &str) -> String {
    let empty =
        if text.trim().is_empty() { "an empty size; with commas and no spaces, --sizes " } else { "" };
    format!("{empty}takes {takes}, more than zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_percentages_bytes_or_keys() {
        assert_eq!("0.5%".parse(), Ok(Size::Percent(0.5)));
        assert_eq!("10%bytes".parse(), Ok(Size::PercentOfBytes(10.0)));
        assert_eq!("5000keys".parse(), Ok(Size::Keys(5000)));
        assert_eq!("64MiB".parse(), Ok(Size::Bytes { bytes: 64 << 20, text: "64MiB".into() }));
        for (text, keys) in [("5k keys", 5000), ("1Mkeys", 1_000_000), ("5_000KEYS", 5000), ("1key", 1)] {
            assert_eq!(text.parse(), Ok(Size::Keys(keys)), "{text}");
        }
        assert_eq!("10%BYTES".parse(), Ok(Size::PercentOfBytes(10.0)));
        for wrong in ["", "0%", "-1%", "NaN%", "0", "-5", "0keys", "much", "10 %%", "64M", "1k"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
        assert!(Size::of_memory("10%").is_ok() && Size::of_memory("5000keys").is_err());
    }
}
