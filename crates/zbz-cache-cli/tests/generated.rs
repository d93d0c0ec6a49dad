//! Generated traces, as users of `zbz-cache replay` meet them.

mod support;

use std::fs;

use support::{Folder, refused, run};

#[test]
fn a_pattern_is_replayed_through_policies_as_a_file_is() {
    let folder = Folder::new("pattern");
    let args = ["replay", "@loop", "--policy", "lru,tide", "--sizes", "50%,10000keys"];
    let run = run(&folder, &[&args[..], &["--json", "loop.json"]].concat());
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.0.join("loop.json")).unwrap()).unwrap();
    let trace = &json["traces"][0];
    assert_eq!((&trace["format"], &trace["distinct_keys"]), (&"generated".into(), &11_000.into()));
    let ratio = |row: usize| trace["rows"][row]["hit_ratio"].as_f64().unwrap();
    // LRU loses a loop that is larger than the cache; tide keeps most of what there is room for.
    assert_eq!((ratio(0), ratio(1)), (0.0, 0.0));
    assert!((ratio(3) - 0.857).abs() < 0.003, "{}", run.out);
}

#[test]
fn a_mix_is_replayed_through_the_cache_and_its_ttls_run_out() {
    let folder = Folder::new("mix");
    let args = ["replay", "@twitter-24", "--sizes", "20%", "--plot", "mix.svg", "--json", "mix.json"];
    let run = run(&folder, &args);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.0.join("mix.json")).unwrap()).unwrap();
    let trace = &json["traces"][0];
    assert!(trace["gets"].as_u64() < trace["requests"].as_u64());
    let row = &trace["rows"][0];
    assert!(row["byte_hit_ratio"].as_f64() < row["hit_ratio"].as_f64(), "{}", run.out);
    // A fifth of its keys live for a minute, in a trace of a month.
    assert!(row["expirations"].as_u64().unwrap() > 100_000, "{}", run.out);
    assert!(fs::read_to_string(folder.0.join("mix.svg")).unwrap().contains("@twitter-24"));
}

#[test]
fn generated_traces_are_listed_where_asked_for_and_where_a_name_is_wrong() {
    let folder = Folder::new("generated-list");
    let list = run(&folder, &["replay", "@list"]);
    assert_eq!((list.code, list.err.as_str()), (Some(0), ""));
    assert!(list.out.lines().any(|line| line.starts_with("@loop  ")), "{}", list.out);

    let message = refused(&folder, &["replay", "@lopo"]);
    assert!(message.contains("@lopo: no generated trace has this name"), "{message}");
    assert!(message.contains(list.out.trim_end()), "{message}");

    let help = run(&folder, &["replay", "--help"]);
    for line in list.out.lines() {
        let name = line.split(' ').next().unwrap();
        // The help shortens the names of a family to their ends.
        let told = name.strip_prefix("@twitter").unwrap_or(name);
        assert!(help.out.contains(told), "{name} is missing from\n{}", help.out);
    }
}

#[test]
fn a_file_whose_name_looks_generated_is_read_by_its_path() {
    let folder = Folder::new("at-file");
    folder.file("@mine", "a\nb\na\n");
    assert!(refused(&folder, &["replay", "@mine"]).contains("./@mine"));
    let run = run(&folder, &["replay", "./@mine", "--policy", "lru", "--sizes", "2keys"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("(lines)"), "{}", run.out);
}
