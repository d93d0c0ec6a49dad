//! Settings in a policy's name, for trying other rules: `tide-log:window=1/8:credit=off`.

use super::rules::Rules;
use crate::names;

/// Every setting of a two-queue policy, with what it takes and means.
pub(super) const SETTINGS: [(&str, &str); 20] = [
    ("window", "share of the small queue whose hits do not count"),
    ("promote", "counted hits that take an item to the main queue"),
    ("hits", "where the hit counter saturates"),
    ("reach", "small evictions for which a ghost is believed, in live keys"),
    ("reuse", "on or off: are ghosts turned away that took longer than main keeps an item"),
    ("margin", "share of its age that is added to a ghost's age in that test"),
    ("kept", "items kept for one that is dropped, at most"),
    ("object", "share of the capacity that an object may take"),
    ("small", "the small queue's share at the start"),
    ("line", "on or off: do ghosts move the line between the queues"),
    ("credit", "on or off: do votes for a larger small queue need credit"),
    ("credits", "credits that are kept, as a share of the live keys"),
    ("step", "what a vote moves beside a mean item, as a share of the capacity"),
    ("least", "the smallest small queue"),
    ("most", "the largest"),
    ("young", "within how many evictions a return is a vote, as a share of the live keys"),
    ("ghost-keys", "live keys for each word of ghosts, log forms"),
    ("ghost-bits", "bits of a ghost's fingerprint, log forms"),
    ("overwrites", "share of hits that write their entry anew"),
    ("clean", "a segment that is alive to this share at most is moved forward, -tight forms"),
];

/// These rules with settings `name=value:name=value`.
///
/// # Errors
///
/// There is no such setting, or it does not take this value.
pub(super) fn apply(mut rules: Rules, settings: &str) -> Result<Rules, String> {
    for setting in settings.split(':') {
        let (name, value) = setting.split_once('=').ok_or_else(|| unknown(setting))?;
        set(&mut rules, name, value)?;
    }
    Ok(rules)
}

fn set(rules: &mut Rules, name: &str, value: &str) -> Result<(), String> {
    let line = &mut rules.line;
    let wrong = |takes: &str| format!("the setting {name} takes {takes}, not \"{value}\"");
    let share = || share(value).ok_or_else(|| wrong("a number, 1/4 or 25%"));
    let switch = || match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(wrong("on or off")),
    };
    let few = || value.parse::<u8>().map_err(|_| wrong("a whole number to 255"));
    match name {
        "window" => rules.window = share()?,
        "promote" => rules.promote_hits = few()?,
        "hits" => rules.max_hits = few()?,
        "reach" => rules.reach = share()?,
        "reuse" => rules.reuse_test = switch()?,
        "margin" => rules.margin = share()?,
        "kept" => rules.patience = value.parse().map_err(|_| wrong("a whole number"))?,
        "object" => rules.object = share()?,
        "small" => line.small = share()?,
        "line" => line.moves = switch()?,
        "credit" => line.credit = switch()?,
        "credits" => line.credits = share()?,
        "step" => line.step = share()?,
        "least" => line.least = share()?,
        "most" => line.most = share()?,
        "young" => line.young = share().and_then(|young| more_than_none(young, wrong))?,
        "ghost-keys" => {
            rules.ghosts.keys_per_word = share().and_then(|keys| more_than_none(keys, wrong))?;
        }
        "ghost-bits" => {
            let bits = few()?.into();
            let some = (4..=30).contains(&bits).then_some(bits);
            rules.ghosts.bits = some.ok_or_else(|| wrong("a whole number from 4 to 30"))?;
        }
        "overwrites" => rules.overwrites = share()?,
        "clean" => rules.clean = share()?,
        _ => return Err(unknown(name)),
    }
    Ok(())
}

fn more_than_none(number: f64, wrong: impl Fn(&str) -> String) -> Result<f64, String> {
    if number > 0.0 { Ok(number) } else { Err(wrong("more than zero")) }
}

/// A share of something, as people write it.
pub(super) fn share(text: &str) -> Option<f64> {
    let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    match (text.split_once('/'), text.strip_suffix('%')) {
        (Some((part, whole)), _) => Some(number(part)? / number(whole).filter(|&whole| whole > 0.0)?),
        (_, Some(percent)) => Some(number(percent)? / 100.0),
        _ => number(text),
    }
}

fn unknown(name: &str) -> String {
    let names = SETTINGS.map(|(name, _)| name).join(", ");
    let hint = names::hint(name, SETTINGS.map(|(name, _)| name));
    format!("\"{name}\" is no setting (as window=1/8) of a two-queue policy; those are {names}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tide(settings: &str) -> Result<Rules, String> {
        apply(Rules::by_name("tide").unwrap(), settings)
    }

    #[test]
    fn settings_change_what_they_name_and_no_more() {
        let rules = tide("window=1/8:credit=off:kept=7:small=20%:reach=2").unwrap();
        assert_eq!((rules.window, rules.reach, rules.patience), (0.125, 2.0, 7));
        assert_eq!((rules.line.small, rules.line.credit, rules.line.moves), (0.2, false, true));
    }

    #[test]
    fn every_setting_that_is_listed_is_known() {
        for (name, _) in SETTINGS {
            assert!(["1", "on", "4"].iter().any(|value| tide(&format!("{name}={value}")).is_ok()), "{name}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (settings, told) in [
            ("", "\"\" is no setting"),
            ("window", "\"window\" is no setting (as window=1/8)"),
            ("widnow=1", "those are window, promote"),
            ("window=much", "window takes a number, 1/4 or 25%, not \"much\""),
            ("window=1/0", "window takes a number"),
            ("line=1", "line takes on or off"),
            ("young=0", "young takes more than zero"),
            ("ghost-bits=64", "from 4 to 30"),
        ] {
            let message = tide(settings).unwrap_err();
            assert!(message.contains(told), "{settings}: {message}");
        }
    }
}
