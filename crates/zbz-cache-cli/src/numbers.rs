//! Numbers and sizes as people write them: `1000`, `1_000`, `1k`, `1.5M`, `1e6`, `64MiB`.

use bytesize::ByteSize;

/// The factor of a letter after a number.
const MULTIPLES: [(&str, f64); 5] = [("k", 1e3), ("m", 1e6), ("g", 1e9), ("b", 1e9), ("t", 1e12)];

/// Beyond this a float is not exact.
const MOST: f64 = (1u64 << 53) as f64;

/// A number of things, whole.
pub fn count(text: &str) -> Option<u64> {
    whole(scaled(text)?)
}

/// A number of bytes, with or without a unit. A letter alone is none: `64M` is 64 MB to some and 64 MiB to others.
pub fn bytes(text: &str) -> Option<u64> {
    let text = plain(text);
    if text.ends_with(['k', 'm', 'g', 't', 'p', 'e', 'K', 'M', 'G', 'T', 'P', 'E']) {
        return None;
    }
    let plain = text.parse::<f64>().ok().and_then(whole);
    let with_unit = || text.parse::<ByteSize>().ok().map(|bytes| bytes.as_u64());
    // A number too large for a float to be exact may still be a whole one.
    text.parse().ok().or(plain).or_else(|| with_unit().filter(|_| !text.contains('-')))
}

/// A number of bytes for the command line, as [`bytes`] reads it.
///
/// # Errors
///
/// It is none; the message says what is taken.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    bytes(text).ok_or_else(|| {
        "takes a number of bytes: 256, 4KiB, 1MB (not 4K or 1M, which stand for either)".to_owned()
    })
}

/// A number of any kind that is 0 or more, with or without a multiple behind it.
pub fn scaled(text: &str) -> Option<f64> {
    let text = plain(text).to_ascii_lowercase();
    let with_multiple =
        MULTIPLES.iter().find_map(|(letter, times)| Some((text.strip_suffix(letter)?, times)));
    let (digits, times) = with_multiple.unwrap_or((&text, &1.0));
    let is_digits = digits.trim_end().starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let number: f64 = digits.trim_end().parse().ok().filter(|_| is_digits)?;
    (number.is_finite() && number >= 0.0).then_some(number * times)
}

/// Without the spaces around it and the underscores in it.
fn plain(text: &str) -> String {
    text.trim().replace('_', "")
}

fn whole(number: f64) -> Option<u64> {
    ((0.0..=MOST).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// A whole number within bounds.
///
/// # Errors
///
/// It is none; the message says what is taken, with examples.
pub fn within(text: &str, least: u64, most: u64, examples: &str) -> Result<u64, String> {
    let number = count(text).filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("takes whole numbers from {least} to {most}, as {examples}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_may_have_multiples_underscores_and_exponents() {
        for (text, number) in [
            ("1000", 1000),
            ("1k", 1000),
            ("1K", 1000),
            ("1.5M", 1_500_000),
            ("1_000", 1000),
            ("1e6", 1_000_000),
        ] {
            assert_eq!(count(text), Some(number), "{text}");
        }
        for wrong in ["", "k", "-1", "0.5", "1.0001k", "1e99", "inf", "NaN", "many", "1kk", "1,000", "+5"] {
            assert_eq!(count(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bytes_may_have_units_in_any_case() {
        for (text, number) in [
            ("65536", 65_536),
            ("64MiB", 64 << 20),
            ("64mib", 64 << 20),
            ("1 KB", 1000),
            ("1_000", 1000),
            ("1e6", 1_000_000),
            ("18446744073709551615", u64::MAX),
            ("1.5kB", 1500),
            ("64b", 64),
        ] {
            assert_eq!(bytes(text), Some(number), "{text}");
        }
        for wrong in ["", "-5", "-1KiB", "MiB", "much", "0.5", "1e99", "64 MiB x", "64M", "1k", "2 G"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bounds_are_told_with_examples() {
        assert_eq!(within("1k", 64, 1_000_000, "1k"), Ok(1000));
        let message = "takes whole numbers from 1 to 1024, as 8 or 16";
        assert_eq!(within("0", 1, 1024, "8 or 16"), Err(message.to_owned()));
    }
}
