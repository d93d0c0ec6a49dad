//! No part of a URL is shown, wherever one is given.

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

#[test]
fn no_part_of_a_url_is_ever_shown() {
    const SECRET: &str = "s3ntinel7c91";
    let shown = |made: Result<ProviderHandle>| match made {
        Ok(handle) => format!("{handle:?}"),
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!("{source} {source:?}"));
            format!("{error} {error:?} {error:#?} {}", source.unwrap_or_default())
        }
    };
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
