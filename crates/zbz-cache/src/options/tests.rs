use std::collections::HashMap;

use super::*;
use crate::error::ErrorKind;
use crate::ttl::Ttl;

fn refused<T: fmt::Debug>(answer: Result<T>) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

#[test]
fn a_size_is_bytes_with_or_without_a_unit() {
    let bytes = |value: OptionValue| Options::new().with("max_size", value).bytes("max_size");
    assert_eq!(bytes(104_857_600.into()).unwrap(), Some(104_857_600));
    assert_eq!(bytes(3_000_000_000_u64.into()).unwrap(), Some(3_000_000_000));
    assert_eq!(bytes("100MB".into()).unwrap(), Some(100_000_000));
    assert_eq!(bytes("64MiB".into()).unwrap(), Some(64 << 20));
    assert_eq!(bytes(" 1.5 GiB ".into()).unwrap(), Some(3 << 29));
    assert_eq!(bytes("1024".into()).unwrap(), Some(1024));
    assert_eq!(bytes(4096.0.into()).unwrap(), Some(4096));
    assert_eq!(Options::new().bytes("max_size").unwrap(), None);
    assert_eq!(bytes("64Mi".into()).unwrap(), Some(64 << 20));
    assert_eq!(bytes("100mb".into()).unwrap(), Some(100_000_000));
    for wrong in ["100M", "64m", "1 G", "5k", "1.5T", "1e", "1P"] {
        let words = refused(bytes(wrong.into()));
        assert!(words.contains("alone may be") && words.contains("say which"), "{words}");
    }
    for wrong in ["99999999999999999999", "99999999999EB", "1e3", "1_000"] {
        refused(bytes(wrong.into()));
    }
    assert!(refused(bytes("".into())).contains("max_size\" is empty"));
    for wrong in ["-1", " ", "MiB", "12 parsecs", "-5%", "101%", "0%", "NaN%", "1e400%"] {
        let words = refused(bytes(wrong.into()));
        assert!(words.contains("max_size") && words.contains("takes bytes"), "{words}");
    }
    for wrong in [f64::NAN, f64::INFINITY, -1.0, 0.5, 1e300] {
        refused(bytes(wrong.into()));
    }
    refused(bytes((-1).into()));
    refused(bytes(true.into()));
    refused(bytes(Duration::from_secs(1).into()));
}

#[test]
#[cfg(target_os = "linux")]
fn a_percentage_is_of_what_the_process_may_use() {
    let bytes = |text: &str| Options::new().with("max_size", text).bytes("max_size").unwrap().unwrap();
    let (quarter, whole) = (bytes("25%"), bytes("100%"));
    assert!(quarter > 0 && quarter.abs_diff(whole / 4) <= 4096, "{quarter} of {whole}");
}

#[test]
fn a_duration_is_seconds_or_has_units() {
    let duration = |value: OptionValue| Options::new().with("d", value).duration("d");
    for (value, millis) in [
        (120.into(), 120_000),
        (OptionValue::from("120"), 120_000),
        ("0".into(), 0),
        ("90s".into(), 90_000),
        ("1m30s".into(), 90_000),
        ("2m".into(), 120_000),
        ("500ms".into(), 500),
        ("0.5".into(), 500),
        (0.25.into(), 250),
        (Duration::from_millis(7).into(), 7),
    ] {
        assert_eq!(duration(value.clone()).unwrap(), Some(Duration::from_millis(millis)), "{value}");
    }
    for wrong in ["30M", "1M", "2 M", "1h 5M", "1.5M"] {
        let words = refused(duration(wrong.into()));
        let (minutes, months) = (wrong.replace('M', "m"), wrong.replace('M', "months"));
        let says = format!("M may be minutes or months: say {minutes:?} or {months:?}");
        assert!(words.contains(&says), "{words}");
    }
    assert_eq!(duration("1month".into()).unwrap(), Some(Duration::from_secs(2_630_016)), "spelled out");
    for (wrong, meant) in
        [("30S", "30s"), ("5D", "5d"), ("1Y", "1y"), ("90 MIN", "90 min"), ("1H30m", "1h30m")]
    {
        let words = refused(duration(wrong.into()));
        assert!(words.contains(&format!("did you mean {meant:?}?")), "{words}");
    }
    assert!(refused(duration("".into())).contains("d\" is empty"));
    for wrong in [" ", "-1s", "-1", "soon", "NaN", "inf", "1 fortnight", "1_000", "1:30"] {
        let words = refused(duration(wrong.into()));
        assert!(words.contains("takes a duration"), "{words}");
    }
    for wrong in [f64::NAN, f64::INFINITY, -0.5] {
        refused(duration(wrong.into()));
    }
    refused(duration(true.into()));
    assert_eq!(Options::new().with("t", "never").ttl("t").unwrap(), Some(Ttl::Never));
    assert!(refused(Options::new().with("t", "nevr").ttl("t")).contains("never"));
    for zero in
        [0.into(), "0".into(), "0s".into(), 0.0.into(), 1e-12.into(), OptionValue::Duration(Duration::ZERO)]
    {
        let words = refused(Options::new().with("t", zero).ttl("t"));
        assert!(words.contains("more than zero") && words.contains("never"), "{words}");
    }
}

#[test]
fn a_word_is_one_of_those_known() {
    let word = |value: OptionValue| Options::new().with("w", value).word("w", &["evict", "reject"]);
    assert_eq!(word("reject".into()).unwrap(), Some(1));
    assert_eq!(word("EVICT".into()).unwrap(), Some(0));
    assert!(refused(word("rejct".into())).contains("did you mean \"reject\""));
    refused(word(1.into()));
}

#[test]
fn an_unknown_option_names_the_nearest_known_one() {
    let options = options! { "max_sise" => 1 };
    let words = refused(options.refuse_unknown(&["max_size", "default_ttl"]));
    assert!(words.contains("\"max_sise\"") && words.contains("did you mean \"max_size\""), "{words}");
}

#[test]
fn maps_and_serde_formats_and_urls_give_the_same_options() {
    let by_hand = options! { "max_size" => "64MiB", "when_full" => "reject" };
    assert_eq!(Options::from(HashMap::from([("max_size", "64MiB"), ("when_full", "reject")])), by_hand);
    let json: Options = serde_json::from_str(r#"{"max_size": "64MiB", "when_full": "reject"}"#).unwrap();
    assert_eq!(json, by_hand);
    let (name, url) = Options::from_url("memory://?max_size=64MiB&when_full=reject").unwrap();
    assert_eq!((name.as_str(), url), ("memory", by_hand));
    let (_, percent) = Options::from_url("memory://?max_size=25%").unwrap();
    assert_eq!(percent, options! { "max_size" => "25%" });
    let (_, with_host) = Options::from_url("redis://host:6379/0?a=b%20c").unwrap();
    assert_eq!(with_host, options! { "address" => "host:6379/0", "a" => "b c" });
    refused(Options::from_url("memory"));
    refused(Options::from_url("://?a=b"));
    refused(Options::from_url("memory://?a=1&a=2"));
    let big: Options = serde_json::from_str(r#"{"a": 18446744073709551615, "b": 1.5, "c": true}"#).unwrap();
    assert_eq!(big, options! { "a" => u64::MAX, "b" => 1.5, "c" => true });
}

fn from_json(json: &str) -> Result<Options, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[test]
fn null_in_a_serde_format_is_as_good_as_left_out() {
    assert_eq!(
        from_json(r#"{"max_size": null, "when_full": "reject"}"#),
        Ok(options! { "when_full" => "reject" })
    );
    assert_eq!(from_json("null"), Ok(Options::new()));
    #[derive(serde::Deserialize)]
    struct Config {
        #[serde(default)]
        cache: Options,
        #[serde(flatten)]
        rest: Options,
    }
    let config: Config = serde_json::from_str(r#"{"cache": null, "a": null, "b": 1}"#).unwrap();
    assert!(config.cache.is_empty());
    assert_eq!(config.rest, options! { "b" => 1 });
    let nil = rmp_serde::to_vec(&[("a", None::<u8>)].into_iter().collect::<HashMap<_, _>>()).unwrap();
    assert_eq!(rmp_serde::from_slice::<Options>(&nil).unwrap(), Options::new());
    assert!(
        serde_json::from_str::<OptionValue>("null").unwrap_err().to_string().contains("leave the option out")
    );
}

#[test]
fn what_a_serde_format_gives_in_place_of_a_value_is_refused_with_what_to_write() {
    for (json, words) in [
        (r#"{"near": {"max_size": 1}}"#, &["\"near\": got a table", "as in \"near.max_size\""][..]),
        (r#"{"near": {}}"#, &["as in \"near.max_size\""]),
        (r#"{"far": {"password": "sentinel"}}"#, &["as in \"far.password\""]),
        (r#"{"far": {"sentinel": {"a": 1}}}"#, &["as in \"far.address\""]),
        (r#"{"max_size": {"sentinel": null}}"#, &["\"max_size\": got a table"]),
        (r#"{"address": ["sentinel:1", "b:2"]}"#, &["got a list", "one text, with commas"]),
        (r#"{"max_size": []}"#, &["got a list", "takes a text, a number, true or false"]),
        (r#"{"max_size": [[null], {"a": [1]}]}"#, &["got a list"]),
        (r#"{"max_size": 1, "max_size": 2}"#, &["\"max_size\" is given twice"]),
        (r#"["sentinel"]"#, &["expected a table of options"]),
        (r#""redis://:sentinel@host""#, &["got a text, expected a table", "new_provider_from_url"]),
        ("5", &["expected a table of options"]),
    ] {
        let error = from_json(json).expect_err(json);
        for word in words {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
        assert!(!error.contains("sentinel") && !error.contains("untagged"), "{error}");
    }
    let numbered = rmp_serde::to_vec(&HashMap::from([(5, "sentinel")])).unwrap();
    let error = rmp_serde::from_slice::<Options>(&numbered).unwrap_err().to_string();
    assert!(error.contains("an option's name is a text; got a number"), "{error}");
    // {"password": bytes}
    let bytes = [&b"\x81\xa8password\xc4\x08"[..], b"sentinel"].concat();
    let error = rmp_serde::from_slice::<Options>(&bytes).unwrap_err().to_string();
    assert!(error.contains("got bytes, takes a text") && !error.contains("sentinel"), "{error}");
}

/// As serde_json gives a number with its feature `arbitrary_precision`.
fn exact(text: &str) -> String {
    format!(r#"{{"$serde_json::private::Number": {text:?}}}"#)
}

#[test]
fn a_number_that_serde_json_keeps_as_its_text_is_that_number() {
    for (text, number) in [
        ("0.5", OptionValue::Float(0.5)),
        ("-2.5e3", OptionValue::Float(-2500.0)),
        ("1E400", OptionValue::Text(String::new())),
        ("-1e999", OptionValue::Text(String::new())),
        ("sentinel", OptionValue::Text(String::new())),
        ("-7", OptionValue::Integer(-7)),
        ("18446744073709551615", OptionValue::Unsigned(u64::MAX)),
        ("18446744073709551616", OptionValue::Float(18_446_744_073_709_551_616.0)),
    ] {
        let read = from_json(&format!(r#"{{"cleanup_interval": {}}}"#, exact(text)));
        match number {
            OptionValue::Text(_) => {
                let words = read.expect_err(text);
                assert!(words.contains("\"cleanup_interval\": got a number of more than 64 bits"), "{words}");
                assert!(!words.contains("sentinel") && !words.contains("a table"), "{words}");
            }
            number => assert_eq!(read, Ok(options! { "cleanup_interval" => number }), "{text}"),
        }
    }
    let value: OptionValue = serde_json::from_str(&exact("1.25")).unwrap();
    assert_eq!(value, OptionValue::Float(1.25));
    let words = from_json(&exact("1.5")).unwrap_err();
    assert!(words.contains("got a number, expected a table of options"), "{words}");
}

#[test]
fn debug_shows_no_value() {
    let options = options! { "password" => "sentinel" };
    assert!(!format!("{options:?} {:?}", options.get("password")).contains("sentinel"));
}
