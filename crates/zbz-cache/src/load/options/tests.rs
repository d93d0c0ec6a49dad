use super::*;
use crate::error::ErrorKind;
use crate::options;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn wrong_spans_and_shares_are_refused_with_both_values() {
    let new = LoadOptions::builder;
    let cases: [(LoadOptionsBuilder, &[&str]); 15] = [
        (new().ttl(SECOND).fresh_for(SECOND * 2), &["fresh_for is 2s", "ttl is 1s"]),
        (new().ttl(Duration::ZERO), &["ttl is zero", "more than zero", "Ttl::Never"]),
        (new().ttl(Duration::ZERO).fresh_for(SECOND), &["ttl is zero"]),
        (new().ttl(Ttl::Never).fresh_for(SECOND), &["fresh_for is 1s", "ttl is never"]),
        (new().ttl(Duration::MAX).fresh_for(SECOND), &["fresh_for is 1s", "ttl is never"]),
        (new().fresh_for(Duration::ZERO), &["fresh_for is 0ns", "more than zero"]),
        (new().fresh_for(Duration::MAX), &["fresh_for is", "100 years"]),
        (new().absent_ttl(Duration::ZERO), &["absent_ttl is 0ns"]),
        (new().absent_ttl(TTL_HORIZON + SECOND), &["absent_ttl is 3155760001s", "3155760000s"]),
        (new().stale_on_error(Duration::ZERO), &["stale_on_error is 0ns"]),
        (new().timeout(Duration::ZERO), &["timeout is 0ns"]),
        (new().jitter_percent(f64::NAN), &["jitter is NaN", "0 to 100"]),
        (new().jitter_percent(-0.1), &["jitter is -0.1", "0 to 100"]),
        (new().jitter_percent(100.5), &["jitter is 100.5", "0 to 100"]),
        (new().jitter_percent(f64::INFINITY), &["jitter is inf", "0 to 100"]),
    ];
    for (builder, words) in cases {
        let error = builder.clone().build().expect_err(&format!("{builder:?}"));
        assert_eq!(error.kind(), ErrorKind::Config);
        for word in words {
            assert!(error.to_string().contains(word), "{error} has no {word:?}");
        }
    }
    assert!(new().ttl(SECOND).fresh_for(SECOND).jitter_percent(100.0).build().is_ok());
    assert!(new().ttl(Duration::from_nanos(1)).fresh_for(Duration::from_millis(1)).build().is_ok());
}

#[test]
fn a_configuration_says_the_same_and_is_refused_alike() {
    let given = options! {
        "ttl" => "5m", "fresh_for" => 60, "absent_ttl" => "5s", "stale_on_error" => "500ms",
        "timeout" => 2.5, "jitter" => "10%",
    };
    let built = LoadOptions::from_options(&given).unwrap().refresh_by_callers().build().unwrap();
    assert_eq!(built.ttl, Ttl::After(SECOND * 300));
    assert_eq!((built.fresh_for, built.absent_ttl), (Some(SECOND * 60), Some(SECOND * 5)));
    assert_eq!((built.cool_down, built.timeout), (Some(SECOND / 2), Some(Duration::from_millis(2500))));
    assert_eq!(built.jitter, Some(10.0));
    for (given, words) in [
        (options! { "fresh_for" => -1 }, "got -1"),
        (options! { "timeout" => f64::NAN }, "got NaN"),
        (options! { "absent_ttl" => "0s" }, "absent_ttl is 0ns"),
        (options! { "jitter" => "110%" }, "jitter is 110"),
        (options! { "jitter" => "-1" }, "jitter is -1"),
        (options! { "jitter" => "NaN" }, "jitter is NaN"),
        (options! { "jitter" => "much" }, "takes a percentage"),
        (options! { "jitter" => true }, "takes a percentage"),
        (options! { "jitter" => "10%%" }, "takes a percentage"),
        (options! { "jitter" => "" }, "\"jitter\" is empty"),
        (options! { "ttl" => 0 }, "takes a duration of more than zero"),
        (options! { "ttl" => "30M" }, "say \"30m\""),
        (options! { "timeout" => "" }, "\"timeout\" is empty"),
        (options! { "freshfor" => 1 }, "did you mean \"fresh_for\""),
    ] {
        let error = LoadOptions::from_options(&given).unwrap_err();
        assert!(error.to_string().contains(words), "{error} has no {words:?}");
    }
}

#[test]
fn a_call_says_over_the_contract_and_both_are_judged_together() {
    let defaults = LoadOptions::builder().ttl(SECOND * 60).fresh_for(SECOND * 30).refresh_by_callers();
    let defaults = defaults.jitter_percent(5.0).build().unwrap();
    let call = LoadOptions::builder().ttl(SECOND * 10).build().unwrap().or(&defaults);
    assert_eq!((call.fresh_for, call.jitter), (Some(SECOND * 30), Some(5.0)));
    let refused = |options: &LoadOptions, ttl, header| {
        let error = Terms::resolve(options, ttl, header).expect_err("it does not go together");
        error.to_string()
    };
    assert!(refused(&call, Ttl::Default, true).contains("fresh_for is 30s and ttl is 10s"));
    assert!(refused(&defaults, Ttl::Default, false).contains("fresh_for is 30s and the contract is raw"));
    let absent = LoadOptions::builder().absent_ttl(SECOND).build().unwrap();
    assert!(refused(&absent, Ttl::Default, false).contains("absent_ttl is 1s and the contract is raw"));
    let fresh = LoadOptions::builder().fresh_for(SECOND).build().unwrap();
    assert!(refused(&fresh, Ttl::Default, true).contains("fresh_for is 1s and no ttl is given"));
    assert!(refused(&fresh, Ttl::After(SECOND * 2), true).contains("there is no spawner"));
    let jitter = LoadOptions::builder().jitter_percent(5.0).build().unwrap();
    assert!(refused(&jitter, Ttl::Default, true).contains("jitter is 5 percent and no ttl is given"));
    let stale = LoadOptions::builder().ttl(SECOND).stale_on_error(SECOND).build().unwrap();
    assert!(refused(&stale, Ttl::Default, true).contains("stale_on_error is 1s and there is no fresh_for"));
}

#[test]
fn jitter_shortens_the_time_and_the_fresh_time_alike() {
    let options = LoadOptions::builder().ttl(SECOND * 100).fresh_for(SECOND * 40).refresh_by_callers();
    let terms = Terms::resolve(&options.jitter_percent(50.0).build().unwrap(), Ttl::Default, true).unwrap();
    for draw in [0, 1, u64::MAX / 3, u64::MAX / 2, u64::MAX] {
        let (ttl, span) = terms.shortened(terms.ttl, draw);
        let Ttl::After(life) = ttl else { panic!("{ttl:?}") };
        assert!(life <= SECOND * 100 && life >= SECOND * 50, "{draw}: {life:?}");
        let fresh = life - span.unwrap();
        let share = fresh.as_secs_f64() / life.as_secs_f64();
        assert!((share - 0.4).abs() < 1e-6, "{draw}: {share}");
    }
    assert_eq!(terms.shortened(terms.ttl, 0), (Ttl::After(SECOND * 100), Some(SECOND * 60)));
    assert_eq!(terms.shortened(Ttl::Never, 7), (Ttl::Never, None));
    assert_eq!(terms.shortened(Ttl::After(Duration::ZERO), 7), (Ttl::After(Duration::ZERO), None));
    assert_eq!(terms.span(Ttl::After(SECOND)), None, "shorter than its fresh time: fresh throughout");
}
