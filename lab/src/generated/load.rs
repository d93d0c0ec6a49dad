//! `@load`: a mix of the user's own figures, `@load:keys=1M:requests=13M:zipf=0.9:bytes=256:ttl=60:sets=10%`.

use zbz_cache_cli::numbers;

use super::mix::{Figures, Popularity, Ttls, Values};
use super::zipf::Zipf;
use crate::names;

/// Its settings, with what they stand at and mean.
pub(super) const SETTINGS: [(&str, &str, &str); 10] = [
    ("keys", "100k", "keys that are asked for again and again"),
    ("requests", "1M", "requests in all"),
    ("zipf", "1", "the exponent of the keys' popularity; 0: all alike"),
    ("once", "0%", "requests for keys that are asked for once"),
    ("key", "16", "bytes of a key, 8 or more"),
    ("bytes", "256", "bytes of a value, the mean of them"),
    ("spread", "0", "their log-normal deviation; 1 is common"),
    ("ttl", "none", "seconds to live"),
    ("sets", "0%", "writes among requests"),
    ("rate", "1000", "requests in a second of the trace's time"),
];

/// The figures of `settings`, which are `name=value:name=value` or nothing.
///
/// # Errors
///
/// There is no such setting, or it does not take this value.
pub(super) fn figures(settings: &str) -> Result<Figures, String> {
    let mut given = Vec::new();
    for setting in settings.split(':').filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        if !SETTINGS.iter().any(|(known, ..)| *known == name) {
            let names = SETTINGS.map(|(name, ..)| name).join(", ");
            let hint = names::hint(name, SETTINGS.map(|(name, ..)| name));
            return Err(format!("@load has no setting \"{name}\"; it has {names}{hint}"));
        }
        given.push((name, value));
    }
    let text = |name: &str| {
        let last = given.iter().rfind(|(known, _)| *known == name).map(|&(_, value)| value);
        let stands_at = SETTINGS.iter().find(|(known, ..)| *known == name).map(|&(_, at, _)| at);
        last.or(stands_at).unwrap_or_default()
    };
    let within = |name: &str, least: f64, most: f64| {
        number(text(name)).filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            format!("the setting {name} takes a number from {least} to {most}, not \"{}\"", text(name))
        })
    };
    let requests = within("requests", 1.0, 1e12)?;
    Ok(Figures {
        seed: 0x10AD,
        requests: requests as u64,
        span_ms: (1000.0 * requests / within("rate", 1e-3, 1e9)?) as u64,
        popularity: Popularity::Zipf(Zipf::over(
            within("keys", 1.0, 1e9)? as u64,
            within("zipf", 0.0, 10.0)?,
        )),
        once: within("once", 0.0, 1.0)?,
        key_bytes: within("key", 8.0, 32_768.0)? as usize,
        values: Values::Spread {
            mean_bytes: within("bytes", 1.0, 1e6)? as u64,
            deviation: within("spread", 0.0, 5.0)?,
        },
        ttls: match text("ttl") {
            "none" => Ttls::Never,
            _ => Ttls::Ms((1000.0 * within("ttl", 0.001, 1e9)?) as u64),
        },
        write_percent: 100.0 * within("sets", 0.0, 1.0)?,
    })
}

/// `1.5`, `10%`, `100k` or `13M`.
fn number(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => numbers::scaled(percent).map(|percent| percent / 100.0),
        None => numbers::scaled(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_not_given_stand_at_what_is_listed() {
        let figures = figures("").unwrap();
        assert_eq!((figures.requests, figures.span_ms, figures.key_bytes), (1_000_000, 1_000_000, 16));
        assert!(matches!(figures.values, Values::Spread { mean_bytes: 256, deviation: 0.0 }));
        assert!(matches!(figures.ttls, Ttls::Never));
    }

    #[test]
    fn settings_are_taken_and_wrong_ones_told() {
        let some = figures("keys=2k:requests=13M:ttl=60:sets=10%:once=0.5:rate=100").unwrap();
        assert_eq!((some.requests, some.span_ms, some.once), (13_000_000, 130_000_000, 0.5));
        assert!((some.write_percent - 10.0).abs() < 1e-9 && matches!(some.ttls, Ttls::Ms(60_000)));
        for (wrong, told) in [
            ("kyes=1", "@load has no setting \"kyes\"; it has keys, requests"),
            ("keys", "keys takes a number from 1 to 1000000000, not \"\""),
            ("sets=110%", "sets takes a number from 0 to 1, not"),
            ("zipf=-1", "zipf takes"),
            ("key=4", "key takes a number from 8"),
        ] {
            let message = figures(wrong).err().unwrap();
            assert!(message.contains(told), "{wrong}: {message}");
        }
    }
}
