//! No part of a URL is shown, wherever one is given, and each says how it is written.

use zbz_cache::{Options, ProviderHandle, Result, new_provider, new_provider_from_url, options};

/// Every way to write a URL with a secret in it that people are known to have written.
fn urls_with(secret: &str) -> Vec<String> {
    let mut urls = Vec::new();
    for scheme in
        ["redis://", "redis+cluster://", "Redis://", "redis//", "redis:/", "redsi://", "://", "", "memory://"]
    {
        for tail in ["", ":6379", "/0", ":6379/0?call_timeout=1s", "?call_timeout=x", "\n", "?tls=maybe"] {
            for sign in [
                "", "?", "#", "/", "@", "\\", "[", "]", "%", "%zz", " ", "\n", "&", "=", ",", "+", "\u{fc}",
                "://",
            ] {
                let at = ["x", ":x", "u:x"].map(|user| user.replace('x', &format!("{secret}{sign}tail")));
                urls.extend(at.iter().map(|user| format!("{scheme}{user}@cache.example{tail}")));
                let at = ["x", ":x", "u:x"].map(|user| user.replace('x', &format!("head{sign}{secret}")));
                urls.extend(at.iter().map(|user| format!("{scheme}{user}@cache.example{tail}")));
            }
            urls.push(format!("{scheme}{secret}:pw@cache.example{tail}"));
            urls.push(format!("{scheme}:{secret}@a.example,:{secret}@b.example{tail}"));
            urls.push(format!("{scheme}cache.example/{secret}{tail}"));
            urls.push(format!("{scheme}cache.example:{secret}{tail}"));
            urls.push(format!("{scheme}cache.example#{secret}{tail}"));
        }
        for name in [
            "password",
            "username",
            "passwrd",
            "max_size",
            "tls",
            "call_timeout",
            "default_ttl",
            "database",
            "tls_key",
            "client_name",
            "far",
        ] {
            urls.push(format!("{scheme}cache.example?{name}={secret}"));
            urls.push(format!("{scheme}cache.example?password=a&{secret}={name}"));
            urls.push(format!("{scheme}cache.example?{name}={secret}&{name}={secret}"));
            urls.push(format!("{scheme}cache.example?{secret}"));
        }
    }
    urls.push(format!("{secret}://cache.example"));
    urls
}

/// All that can be printed of it.
fn shown(made: Result<ProviderHandle>) -> String {
    match made {
        Ok(handle) => format!("{handle:?}"),
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!("{source} {source:?}"));
            format!("{error} {error:?} {error:#?} {}", source.unwrap_or_default())
        }
    }
}

#[test]
fn a_value_of_a_url_that_is_well_formed_and_refused_is_not_shown() {
    const SECRET: &str = "4711";
    for (url, word) in [
        ("memory://?default_ttl=4711M", "say m or months"),
        ("memory://?default_ttl=4711S", "small letters"),
        ("memory://?cleanup_interval=4711H", "small letters"),
        ("memory://?max_size=4711", "at least 65536"),
        ("memory://?max_size=4711PiB", "at most"),
        ("memory://?max_size=4711G", "alone may be"),
        ("memory://?max_key_size=4711KiB", "32 KiB"),
        ("redis://h?call_timeout=4711h", "1 ms to 1 hour"),
        ("redis://h?tracking_interval=4711m", "1 ms to 1 hour"),
        ("redis://h?connect_timeout=0.00004711", "1 ms to 1 hour"),
        ("redis://h?max_key_size=4711MiB", "takes 1 to"),
        ("redis://h?default_ttl=4711MIN", "small letters"),
        ("tiered://?far=memory&coherence=ttl&near.max_size=4711", "\"near.max_size\" takes at least"),
        ("tiered://?far=memory&coherence=ttl&max_near_ttl=4711h", "24 hours"),
        ("tiered://?far=memory&coherence=ttl&far.max_size=4711", "at least 65536"),
        ("tiered://?far=redis://h?call_timeout=4711h", "1 ms to 1 hour"),
    ] {
        let words = shown(new_provider_from_url(url));
        assert!(!words.contains(SECRET), "{url} is shown: {words}");
        assert!(words.contains(word) && words.contains(" takes "), "{url}: {words}");
    }
    for option in ["cluster", "tls"] {
        let words = shown(new_provider_from_url(&format!("rediss+cluster://h?{option}=false")));
        assert!(words.contains("takes true, or nothing") && !words.contains("false"), "{words}");
    }
    let far = |url: &str| shown(new_provider("tiered", options! { "far" => url, "coherence" => "ttl" }));
    let words = far("memory://?max_size=4711");
    assert!(words.contains("at least 65536") && !words.contains(SECRET), "{words}");
    let twice = options! { "far" => "redis://h?4711=1", "far.4711" => 2 };
    let words = shown(new_provider("tiered", twice));
    assert!(words.contains("given twice") && !words.contains(SECRET), "{words}");
    let by_hand = shown(new_provider("redis", options! { "call_timeout" => "4711h" }));
    assert!(by_hand.contains("got \"4711h\""), "what is no part of a URL is shown: {by_hand}");
}

#[test]
fn a_password_in_a_url_within_a_url_is_percent_encoded_twice() {
    let near = "near.max_size=64KiB";
    for (inner, word) in [
        ("redis://host?password=sentinel%40ss", "@ is %2540"),
        ("redis://host?password=sentinel%23", "# is %2523"),
        ("redis://host?password=sentinel%25zz", "% is %2525"),
        ("redis%3A%2F%2F%3Asentinel%3Fx%40host", "? is %253F"),
        ("redis%3A%2F%2F%3Asentinel%40ss%40host", "@ is %2540"),
        ("redis://:sentinel@host", "and a URL within this one as a whole"),
    ] {
        let words = shown(new_provider_from_url(&format!("tiered://?{near}&far={inner}")));
        assert!(words.contains("percent-encode the password") && words.contains(word), "{inner}: {words}");
        assert!(!words.contains("sentinel"), "{words}");
    }
    for inner in [
        "redis://host?password=p%2540ss%2523",
        "redis%3A%2F%2F%3Ap%2540ss%40host",
        "redis://host&far.password=p%40ss",
    ] {
        let made = new_provider_from_url(&format!("tiered://?{near}&far={inner}"));
        assert!(made.is_ok(), "{inner}: {}", shown(made));
    }
    let once = options! { "near.max_size" => "64KiB", "far" => "redis://host?password=p%40ss" };
    assert!(new_provider("tiered", once).is_ok(), "by hand it is one URL");
    let words = shown(new_provider("tiered", options! { "far" => "redis://host?password=p@ss" }));
    assert!(words.contains("@ is %40,"), "{words}");
}

#[test]
fn no_part_of_a_url_is_ever_shown() {
    const SECRET: &str = "s3ntinel7c91";
    let tier = |options: Options| new_provider("tiered", options.with("near.max_size", "64KiB"));
    let urls = urls_with(SECRET);
    assert!(urls.len() > 2500);
    for url in urls {
        let encoded: String = url.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let address = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        for (way, words) in [
            ("a URL", shown(new_provider_from_url(&url))),
            (
                "a variable",
                shown(
                    Options::from_variables("tiered", [("ZBZ_CACHE_FAR".to_owned(), url.clone())])
                        .and_then(tier),
                ),
            ),
            ("a name", shown(new_provider(&url, options! {}))),
            ("options", format!("{:?}", Options::from_url(&url).map(|(_, options)| options))),
            ("far", shown(tier(options! { "far" => &url }))),
            (
                "far of a URL",
                shown(new_provider_from_url(&format!("tiered://?near.max_size=64KiB&far={encoded}"))),
            ),
            ("address", shown(new_provider("redis", options! { "address" => address }))),
            ("far.address", shown(tier(options! { "far" => "redis", "far.address" => address }))),
        ] {
            assert!(!words.contains(SECRET), "as {way}, {url:?} is shown: {words}");
        }
    }
}
