//! The common part of text formats: numbers, times and operations in fields.

use clap::ValueEnum;

use super::Op;

/// The unit of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimeUnit {
    /// Seconds
    #[value(aliases = ["sec", "secs", "second", "seconds"])]
    S,
    /// Milliseconds
    #[value(aliases = ["msec", "millis", "millisecond", "milliseconds"])]
    Ms,
    /// Microseconds
    #[value(aliases = ["usec", "micros", "microsecond", "microseconds"])]
    Us,
    /// Nanoseconds
    #[value(aliases = ["nsec", "nanos", "nanosecond", "nanoseconds"])]
    Ns,
    /// Ticks of 100 nanoseconds, as in Windows file times
    #[value(name = "100ns", alias = "filetime")]
    Ticks,
}

impl TimeUnit {
    /// As in "times in seconds".
    pub(super) fn words(self) -> &'static str {
        match self {
            TimeUnit::S => "seconds",
            TimeUnit::Ms => "milliseconds",
            TimeUnit::Us => "microseconds",
            TimeUnit::Ns => "nanoseconds",
            TimeUnit::Ticks => "ticks of 100 nanoseconds",
        }
    }

    pub(super) fn per_second(self) -> u64 {
        match self {
            TimeUnit::S => 1,
            TimeUnit::Ms => 1_000,
            TimeUnit::Us => 1_000_000,
            TimeUnit::Ns => 1_000_000_000,
            TimeUnit::Ticks => 10_000_000,
        }
    }
}

/// A whole number, 0 or more, in decimal digits.
pub(super) fn whole(field: &[u8]) -> Option<u64> {
    let digits = field.trim_ascii();
    // The most common lengths cannot overflow.
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}

/// A number of bytes, 0 or more; whole, or with decimals or an exponent as spreadsheets and data frames write it.
pub(super) fn size(field: &[u8]) -> Option<u64> {
    /// Beyond this a float is not exact.
    const MOST: f64 = (1u64 << 53) as f64;

    let whole = whole(field);
    if whole.is_some() {
        return whole;
    }
    let bytes = decimal(field)?;
    ((0.0..=MOST).contains(&bytes) && bytes.fract() == 0.0).then_some(bytes as u64)
}

/// Whether a field says that something is not known.
pub(super) fn is_untold(field: &[u8]) -> bool {
    const WORDS: [&[u8]; 7] = [b"", b"-", b"nan", b"na", b"n/a", b"null", b"none"];
    let text = field.trim_ascii();
    text.is_empty() || text.len() <= 4 && WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A number in decimal digits, with or without a sign, decimals or an exponent.
fn decimal(field: &[u8]) -> Option<f64> {
    let text = field.trim_ascii();
    let is_number = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// Whether a field is a number of any kind.
pub(super) fn is_number(field: &[u8]) -> bool {
    decimal(field).is_some()
}

/// How large the whole part of a time is.
pub(super) fn magnitude(field: &[u8]) -> Option<f64> {
    decimal(field).filter(|units| *units >= 0.0)
}

/// A length of time, 0 or more, whole or with decimals or an exponent, in milliseconds.
pub(super) fn milliseconds(field: &[u8], unit: TimeUnit) -> Option<u64> {
    if let Some((units, nanos)) = fixed(field) {
        // The usual unit needs no division of large numbers, which would be felt.
        if unit == TimeUnit::S {
            return units.checked_mul(1000)?.checked_add(nanos / 1_000_000);
        }
        let nanounits = u128::from(units) * 1_000_000_000 + u128::from(nanos);
        return u64::try_from(nanounits / (u128::from(unit.per_second()) * 1_000_000)).ok();
    }
    let units = decimal(field)?;
    let milliseconds = units * 1000.0 / unit.per_second() as f64;
    (milliseconds >= 0.0 && milliseconds < u64::MAX as f64).then_some(milliseconds as u64)
}

/// A number of plain digits, with or without a point: its whole part, and the billionths behind the point.
fn fixed(field: &[u8]) -> Option<(u64, u64)> {
    const BILLIONTHS: usize = 9;

    if let Some(units) = whole(field) {
        return Some((units, 0));
    }
    let text = field.trim_ascii();
    let point = text.iter().position(|&byte| byte == b'.')?;
    let (units, digits) = (whole(&text[..point])?, &text[point + 1..]);
    let digits = &digits[..digits.len().min(BILLIONTHS)];
    if text[point + 1..].iter().any(|digit| !digit.is_ascii_digit()) {
        return None;
    }
    let part = digits.iter().fold(0, |part, digit| part * 10 + u64::from(digit - b'0'));
    Some((units, part * 10u64.pow((BILLIONTHS - digits.len()) as u32)))
}

/// The operation of that name; the names are those of memcached and its like and of block devices, in any case.
///
/// The text after a dot in a name is a detail, as in `getChunkData.Permanent`.
pub(super) fn op(field: &[u8]) -> Option<Op> {
    const OPS: [(&[&str], Op); 4] = [
        (&["get", "gets", "read", "get_lease", "r", "rs", "getchunkdata"], Op::Get),
        (
            &[
                "set",
                "replace",
                "cas",
                "append",
                "prepend",
                "incr",
                "decr",
                "write",
                "put",
                "set_lease",
                "w",
                "ws",
                "putchunk",
            ],
            Op::Set,
        ),
        (&["add"], Op::Add),
        (&["delete", "del", "remove"], Op::Delete),
    ];
    let name = field.trim_ascii().split(|&byte| byte == b'.').next().unwrap_or_default();
    let named = |names: &&[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    OPS.iter().find(|(names, _)| named(names)).map(|(_, op)| *op)
}

/// A field as a message shows it: in quotes, shortened, and without what a terminal might obey.
pub(super) fn shown(field: &[u8]) -> String {
    const MOST_CHARS: usize = 24;
    let text = String::from_utf8_lossy(field);
    let short: String = text.chars().take(MOST_CHARS).collect();
    let more = if text.chars().nth(MOST_CHARS).is_some() { "..." } else { "" };
    format!("\"{}{more}\"", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_digits_only() {
        assert_eq!(whole(b" 42 "), Some(42));
        assert_eq!(whole(b"9999999999999999999"), Some(9_999_999_999_999_999_999));
        for wrong in ["", "-1", "+1", "1.5", "1e3", "x", "99999999999999999999"] {
            assert_eq!(whole(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn times_become_milliseconds_from_any_unit() {
        assert_eq!(milliseconds(b"2", TimeUnit::S), Some(2000));
        assert_eq!(milliseconds(b"1.25", TimeUnit::S), Some(1250));
        assert_eq!(milliseconds(b"1999", TimeUnit::Us), Some(1));
        assert_eq!(milliseconds(b"1584000000000000000", TimeUnit::Ns), Some(1_584_000_000_000));
        // Exact, where a float would come out a little less.
        assert_eq!(milliseconds(b"1.001", TimeUnit::S), Some(1001));
        assert_eq!(milliseconds(b"1234.5678901234", TimeUnit::Ms), Some(1234));
        assert_eq!(milliseconds(b"1.5e3", TimeUnit::S), Some(1_500_000));
        assert_eq!(milliseconds(b"128166372003061629", TimeUnit::Ticks), Some(12_816_637_200_306));
        assert_eq!(
            (milliseconds(b"3.", TimeUnit::S), milliseconds(b".5", TimeUnit::S)),
            (Some(3000), Some(500))
        );
        for wrong in ["-1", "NaN", "inf", "soon", "", ".", "1.2.3", "1.x"] {
            assert_eq!(milliseconds(wrong.as_bytes(), TimeUnit::S), None, "{wrong}");
        }
    }

    #[test]
    fn operations_are_known_in_any_case() {
        assert_eq!(op(b"GET_LEASE"), Some(Op::Get));
        assert_eq!(op(b"cas"), Some(Op::Set));
        assert_eq!((op(b"getChunkData.Permanent"), op(b" W ")), (Some(Op::Get), Some(Op::Set)));
        assert_eq!(op(b"touch"), None);
    }

    #[test]
    fn sizes_may_be_written_as_data_frames_write_them() {
        for (text, bytes) in [("512", 512), (" 512.0 ", 512), ("1e3", 1000), ("1.5E3", 1500), ("-0", 0)] {
            assert_eq!(size(text.as_bytes()), Some(bytes), "{text}");
        }
        for wrong in ["-5", "0.5", "1e99", "nan", "inf", "1,5", "0x10", "1 2"] {
            assert_eq!(size(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(["", " ", "-", "NaN", "NULL"].iter().all(|text| is_untold(text.as_bytes())));
        assert!(!is_untold(b"0"));
    }

    #[test]
    fn a_shown_field_is_short_and_harmless() {
        assert_eq!(shown(b"a\x1b[31m"), r#""a\u{1b}[31m""#);
        assert_eq!(shown(&[b'x'; 99]), format!("\"{}...\"", "x".repeat(24)));
    }
}
