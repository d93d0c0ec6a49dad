//! Numbers as people read them.

/// With commas: `76,118`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// In the largest unit of 1024 that leaves at least one: `2.00 MiB`, `512 B`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        // A number that would be shown as 1024 is shown as one of the next unit.
        if size < 1023.995 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{size:.2} {unit}") }
}

/// A round size without decimals: `64 KiB`.
pub fn short_bytes(size: u64) -> String {
    bytes(size).replace(".00", "")
}

/// A share in percent: `57.9 %`; `-` for the share of nothing.
pub fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1} %", part as f64 * 100.0 / whole as f64),
    }
}

/// Three digits and the unit a person would use: `1.24 M`, `640 k`.
pub fn rate(per_second: f64) -> String {
    let (scaled, unit) = match per_second {
        x if x >= 999.5e6 => (x / 1e9, " G"),
        x if x >= 999.5e3 => (x / 1e6, " M"),
        x if x >= 999.5 => (x / 1e3, " k"),
        x => (x, ""),
    };
    let decimals = match scaled {
        x if x >= 99.95 => 0,
        x if x >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.decimals$}{unit}")
}

/// A number of threads: `1 thread`, `2 threads`.
pub fn threads(number: u16) -> String {
    if number == 1 { "1 thread".to_owned() } else { format!("{number} threads") }
}

/// A length of time in its largest unit: `3.2 days`, `17 s`.
pub fn span(ms: u64) -> String {
    let seconds = ms as f64 / 1000.0;
    match seconds {
        s if s >= 2.0 * 86_400.0 => format!("{:.1} days", s / 86_400.0),
        s if s >= 2.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s if s >= 120.0 => format!("{:.1} min", s / 60.0),
        s => format!("{s:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn sizes_take_the_unit_that_fits() {
        assert_eq!(
            [0, 1023, 1024, 65_536, 1 << 21].map(bytes),
            ["0 B", "1023 B", "1.00 KiB", "64.00 KiB", "2.00 MiB"]
        );
        assert_eq!(bytes((1 << 20) - 1), "1.00 MiB");
    }

    #[test]
    fn shares_and_rates_are_short() {
        assert_eq!((percent(1, 3), percent(1, 0)), ("33.3 %".to_owned(), "-".to_owned()));
        assert_eq!([17_000, 7_200_000, 276_480_000].map(span), ["17.0 s", "2.0 h", "3.2 days"]);
        assert_eq!([12.3, 1234.0, 999_600.0, 56_789_000.0].map(rate), ["12.3", "1.23 k", "1.00 M", "56.8 M"]);
    }
}
