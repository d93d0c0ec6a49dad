//! What text formats share: numbers, times and operations in fields.

use clap::ValueEnum;

use super::Op;

/// What one unit of a time is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TimeUnit {
    /// Seconds
    #[default]
    S,
    /// Milliseconds
    Ms,
    /// Microseconds
    Us,
    /// Nanoseconds
    Ns,
}

impl TimeUnit {
    fn per_second(self) -> u64 {
        match self {
            TimeUnit::S => 1,
            TimeUnit::Ms => 1_000,
            TimeUnit::Us => 1_000_000,
            TimeUnit::Ns => 1_000_000_000,
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

/// A length of time, 0 or more, whole or with a decimal point, in milliseconds.
pub(super) fn milliseconds(field: &[u8], unit: TimeUnit) -> Option<u64> {
    let per_second = unit.per_second();
    if let Some(units) = whole(field) {
        let milliseconds = u128::from(units) * 1000 / u128::from(per_second);
        return u64::try_from(milliseconds).ok();
    }
    let units: f64 = std::str::from_utf8(field).ok()?.trim().parse().ok()?;
    let milliseconds = units * 1000.0 / per_second as f64;
    (milliseconds >= 0.0 && milliseconds < u64::MAX as f64).then_some(milliseconds as u64)
}

/// The operation of that name; the names are those of memcached and its like, in any case.
pub(super) fn op(field: &[u8]) -> Option<Op> {
    const OPS: [(&[&str], Op); 4] = [
        (&["get", "gets", "read", "get_lease"], Op::Get),
        (
            &["set", "replace", "cas", "append", "prepend", "incr", "decr", "write", "put", "set_lease"],
            Op::Set,
        ),
        (&["add"], Op::Add),
        (&["delete", "del", "remove"], Op::Delete),
    ];
    let name = field.trim_ascii();
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
        for wrong in ["-1", "NaN", "inf", "soon", ""] {
            assert_eq!(milliseconds(wrong.as_bytes(), TimeUnit::S), None, "{wrong}");
        }
    }

    #[test]
    fn operations_are_known_in_any_case() {
        assert_eq!(op(b"GET_LEASE"), Some(Op::Get));
        assert_eq!(op(b"cas"), Some(Op::Set));
        assert_eq!(op(b"touch"), None);
    }

    #[test]
    fn a_shown_field_is_short_and_harmless() {
        assert_eq!(shown(b"a\x1b[31m"), r#""a\u{1b}[31m""#);
        assert_eq!(shown(&[b'x'; 99]), format!("\"{}...\"", "x".repeat(24)));
    }
}
