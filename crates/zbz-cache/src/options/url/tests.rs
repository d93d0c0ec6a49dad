use super::*;
use crate::options;

fn read(url: &str) -> Options {
    Options::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}")).1
}

#[test]
fn a_url_gives_what_it_says() {
    for (url, wanted) in [
        ("memory://", options! {}),
        ("memory://?", options! {}),
        ("redis://host/", options! { "address" => "host" }),
        ("redis://host?password=a+b", options! { "address" => "host", "password" => "a+b" }),
        ("redis://host?password=a%20b%2Bc", options! { "address" => "host", "password" => "a b+c" }),
        ("redis://host?password=a=b%26c", options! { "address" => "host", "password" => "a=b&c" }),
        ("redis://host?password=p%40ss%23", options! { "address" => "host", "password" => "p@ss#" }),
        ("redis://:a/b+c@host", options! { "address" => ":a/b+c@host" }),
        ("redis://:a%3Fb@host/2?tls=true", options! { "address" => ":a%3Fb@host/2", "tls" => "true" }),
        ("memory://?max_size=25%", options! { "max_size" => "25%" }),
        ("memory://?max_size=25%25&", options! { "max_size" => "25%" }),
    ] {
        assert_eq!(read(url), wanted, "{url}");
    }
    assert_eq!(Options::from_url("REDIS+Cluster://host").unwrap().0, "redis+cluster", "schemes have no case");
}

#[test]
fn a_url_that_says_something_else_than_it_seems_is_refused_and_not_shown() {
    for (url, word) in [
        ("redis://:sentinel?rest@cache.example:6379/0", "percent-encode the password"),
        ("redis://ann:sentinel#9@cache.example/0", "percent-encode the password"),
        ("redis://:sentinel?a#b@host", "percent-encode the password"),
        ("tiered://?far=redis://:sentinel@host", "percent-encode the password"),
        ("redis://host?password=sentinel#9", "has a #"),
        ("redis://host#sentinel", "has a #"),
        ("memory://?max_size=1MiB#sentinel", "has a #"),
        ("redis://host?password=sentinel%zz", "hexadecimal"),
        ("redis://host?password=sentinel%2", "hexadecimal"),
        ("redis://host?password=sentinel%ff", "UTF-8"),
        ("redis://host?sentinel%zz=1", "hexadecimal"),
        ("redis://host?sentinel=1&sentinel=2", "twice"),
        ("redis://host:6379\n", "line break"),
        ("redis://host/0\n", "line break"),
        ("\tredis://host", "line break"),
        ("redis://:sentinel \u{a0}@host", "space"),
        ("redis://host\0", "control character"),
        ("redis://host\u{85}", "control character"),
        ("redis//:sentinel@host", "begins with its provider"),
        ("rediss:/:sentinel@host", "begins with its provider"),
        ("ann:sentinel@host:6379", "begins with its provider"),
        (":sentinel@host:6379", "begins with its provider"),
        ("://:sentinel@host", "begins with its provider"),
        ("sentinel", "begins with its provider"),
        ("", "begins with its provider"),
    ] {
        let error = Options::from_url(url).map(drop).expect_err(url);
        assert!(error.to_string().contains(word), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("sentinel"), "{error}");
    }
}

#[cfg(feature = "tiered")]
#[test]
fn a_url_within_a_url_is_decoded_by_both() {
    for (far, wanted) in [
        ("redis://host?password=p%2540ss%2525", options! { "address" => "host", "password" => "p@ss%" }),
        ("redis%3A%2F%2F%3Ap%2540ss%40host", options! { "address" => ":p%40ss@host" }),
        ("redis://host?a=1%26b=2", options! { "address" => "host", "a" => "1", "b" => "2" }),
    ] {
        let outer = read(&format!("tiered://?far={far}"));
        let inner = outer.text("far").unwrap().unwrap();
        assert_eq!(Options::from_inner_url(&inner).unwrap(), ("redis".to_owned(), wanted), "{far}");
    }
}

#[test]
fn what_a_url_names_is_concealed_where_the_provider_is_made() {
    let (_, options) = Options::from_url("memory://?sentinel=1").unwrap();
    let words = options.refuse_unknown(&["max_size"]).unwrap_err().to_string();
    assert!(
        words.contains("the URL has an option that is unknown") && !words.contains("sentinel"),
        "{words}"
    );
    let (_, options) = Options::from_url("memory://?max_sise=1").unwrap();
    let words = options.refuse_unknown(&["max_size"]).unwrap_err().to_string();
    assert!(words.contains("did you mean \"max_size\""), "{words}");
    let (_, options) = Options::from_url("memory://?max_size=sentinel&when_full=sentinel").unwrap();
    for words in [options.bytes("max_size"), options.word("when_full", &["evict"]).map(|_| None)] {
        let words = words.unwrap_err().to_string();
        assert!(words.contains("takes") && !words.contains("sentinel"), "{words}");
    }
    let hand = options! { "max_size" => "redis://:sentinel@host", "when_full" => ":sentinel@host" };
    for words in [hand.bytes("max_size"), hand.word("when_full", &["evict"]).map(|_| None)] {
        let words = words.unwrap_err().to_string();
        assert!(words.contains("looks like a URL") && !words.contains("sentinel"), "{words}");
    }
}
