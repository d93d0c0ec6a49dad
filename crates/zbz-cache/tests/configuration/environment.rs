//! Options from the environment.

use zbz_cache::{
    Error, ErrorKind, MemoryCache, Options, memory, new_provider, options, register_provider,
    register_provider_with_options,
};

#[test]
fn the_environment_gives_options_and_refuses_what_nobody_knows() {
    let variables = |pairs: &[(&str, &str)]| {
        let owned: Vec<_> = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Options::from_variables("memory", owned)
    };
    let read =
        variables(&[("ZBZ_CACHE_MAX_SIZE", "64MiB"), ("ZBZ_CACHE_WHEN_FULL", "reject"), ("PATH", "x")]);
    assert_eq!(read.unwrap(), options! { "max_size" => "64MiB", "when_full" => "reject" });
    let error = variables(&[("ZBZ_CACHE_MAX_SISE", "1")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("ZBZ_CACHE_MAX_SISE") && text.contains("\"max_size\""), "{text}");

    let make = |_: &Options| Err::<memory::MemoryProvider, _>(Error::closed());
    register_provider_with_options("env-other", &["path"], make).unwrap();
    assert!(variables(&[("ZBZ_CACHE_PATH", "/x")]).unwrap().is_empty(), "another provider's option");
    assert_eq!(Options::from_variables("no", []).unwrap_err().kind(), ErrorKind::UnknownProvider);
    assert!(Options::from_env("memory").unwrap().is_empty());

    for empty in ["ZBZ_CACHE_MAX_SIZE", "ZBZ_CACHE_WHEN_FULL", "ZBZ_CACHE_DEFAULT_TTL"] {
        let error = variables(&[(empty, "")]).unwrap_err();
        assert!(error.to_string().contains(&format!("{empty} is empty; unset it")), "{error}");
    }
    assert!(variables(&[("ZBZ_CACHE_PATH", "")]).unwrap().is_empty(), "another provider's to judge");
    let twice = variables(&[("ZBZ_CACHE_MAX_SIZE", "1MiB"), ("ZBZ_CACHE_max_size", "2MiB")]).unwrap_err();
    assert!(twice.to_string().contains("two environment variables"), "{twice}");
}

#[cfg(feature = "tracing")]
#[test]
fn a_url_in_the_environment_and_options_of_absent_providers_cost_one_warning_each() {
    let variables = || {
        [
            ("ZBZ_CACHE_URL", "redis://:sentinel@host"),
            ("ZBZ_CACHE_ADDRESS", "sentinel:6379"),
            ("ZBZ_CACHE_FAR__PASSWORD", "sentinel"),
            ("ZBZ_CACHE_MAX_SIZE", "64MiB"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let said = crate::warnings::Warnings::of(|| {
        for _ in 0..3 {
            let read = Options::from_variables("memory", variables()).unwrap();
            assert_eq!(read, options! { "max_size" => "64MiB" });
        }
    });
    let about = |name: &str| said.iter().filter(|words| words.contains(name)).count();
    assert_eq!(about("ZBZ_CACHE_URL"), 1, "{said:?}");
    assert_eq!(about("ZBZ_CACHE_ADDRESS"), usize::from(!cfg!(feature = "redis")), "{said:?}");
    assert_eq!(about("ZBZ_CACHE_FAR__PASSWORD"), usize::from(!cfg!(feature = "tiered")), "{said:?}");
    assert!(said.iter().all(|words| words.starts_with("WARN") && !words.contains("sentinel")), "{said:?}");
    assert!(said.iter().any(|words| words.contains("new_provider_from_url")), "{said:?}");
    let unknown = ("ZBZ_CACHE_MAX_SISE".to_owned(), "1".to_owned());
    assert!(Options::from_variables("memory", [unknown]).is_err(), "no provider has it");
}

#[test]
fn a_provider_that_did_not_name_its_options_is_given_what_nobody_else_has() {
    register_provider("env-plain", |options| {
        options.refuse_unknown(&["folder"])?;
        Ok(memory::MemoryProvider::new(MemoryCache::builder().build()?))
    })
    .unwrap();
    let read = |names: &[&str]| {
        let variables = names.iter().map(|name| (format!("ZBZ_CACHE_{name}"), "sentinel".to_owned()));
        Options::from_variables("env-plain", variables).unwrap()
    };
    // In their own spelling, since a variable is warned of once.
    for others in ["Url", "Password", "Tls_Ca", "Far", "Far__Password", "Near__Max_Size", "Cleanup_Interval"]
    {
        let given = read(&["FOLDER", others]);
        assert_eq!(given, options! { "folder" => "sentinel" }, "{others}");
        assert!(new_provider("env-plain", given).is_ok());
    }
    let unknown = new_provider("env-plain", read(&["FOLDR"])).unwrap_err().to_string();
    assert!(unknown.contains("did you mean \"folder\""), "what it does not know, it refuses: {unknown}");
}
