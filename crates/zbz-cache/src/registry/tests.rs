use super::*;

#[test]
fn a_provider_that_is_not_in_the_build_is_named_with_its_feature() {
    for built_in in built_in::ALL {
        for name in built_in.names {
            let error = unknown_provider(name, Some(name), &["own"], &[built_in]);
            assert_eq!(error.kind(), ErrorKind::UnknownProvider);
            let (words, feature) = (error.to_string(), format!("the feature {:?}", built_in.feature));
            assert!(words.contains(&feature) && words.contains("this build has: own"), "{words}");
            assert!(!words.contains("did you mean"), "{words}");
        }
    }
    let words = unknown_provider("reddis", Some("reddis"), &["memory"], &[&built_in::REDIS]).to_string();
    assert!(words.contains("did you mean \"redis\"? it is not in this build"), "{words}");
    assert!(words.contains("turn on the feature \"redis\""), "{words}");
    let words = unknown_provider("xyz", Some("xyz"), &["memory"], &[]).to_string();
    assert!(!words.contains("did you mean"), "nothing is like it: {words}");
}

#[test]
fn what_may_be_a_url_is_no_name_and_is_not_shown() {
    for name in ["redis://:sentinel@host", "sentinel host", "Sentinel", ":sentinel@host:6379", ""] {
        let words = unknown_provider(name, Some(name), &["redis"], &[]).to_string();
        assert!(words.contains("new_provider_from_url") && !words.contains("entinel"), "{words}");
    }
    let words = unknown_provider("sentinel", None, &["redis"], &[]).to_string();
    assert!(!words.contains("sentinel"), "{words}");
}

#[test]
fn the_names_of_built_in_providers_are_those_that_are_registered() {
    let factories = registry().read().unwrap();
    let here = built_in::ALL.into_iter().filter(|built_in| match built_in.feature {
        "memory" => cfg!(feature = "memory"),
        "redis" => cfg!(feature = "redis"),
        "tiered" => cfg!(feature = "tiered"),
        feature => panic!("{feature} is no feature"),
    });
    for built_in in here {
        for name in built_in.names {
            let factory = factories.get(*name).unwrap_or_else(|| panic!("{name} is not registered"));
            assert_eq!(factory.options.as_deref().unwrap(), built_in.options);
        }
    }
    drop(factories);
    #[cfg(feature = "redis")]
    for scheme in crate::providers::redis::SCHEMES {
        assert!(built_in::REDIS.names.contains(&scheme.name), "{scheme:?}");
    }
}

#[test]
fn options_of_a_provider_that_is_not_in_the_build_are_told_from_unknown_ones() {
    let knowing = KnownOptions {
        own: Some(Arc::from(["max_size".to_owned()])),
        others: BTreeSet::new(),
        missing: vec![&built_in::REDIS, &built_in::TIERED],
    };
    let feature = |name| knowing.missing_provider(name).map(|missing| missing.feature);
    assert_eq!(feature("address"), Some("redis"));
    assert_eq!(feature("far.address"), Some("tiered"));
    assert_eq!(feature("near.max_size"), Some("tiered"));
    assert_eq!(feature("max_sise"), None);
}

#[test]
fn a_provider_that_did_not_name_its_options_takes_none_that_are_known_to_be_for_others() {
    let knowing = KnownOptions {
        own: None,
        others: BTreeSet::from(["max_size".to_owned(), "near.*".to_owned()]),
        missing: vec![&built_in::REDIS, &built_in::TIERED],
    };
    for theirs in ["max_size", "near.max_size", "password", "tls_ca", "far", "far.password", "url"] {
        assert!(!knowing.takes(theirs), "{theirs}");
    }
    for own in ["path", "urls", "passwords", "near"] {
        assert!(knowing.takes(own), "{own}");
    }
    let names_it =
        KnownOptions { own: Some(Arc::from(["url".to_owned(), "password".to_owned()])), ..knowing };
    assert!(names_it.takes("url") && names_it.takes("password"), "what it names is its own");
}
