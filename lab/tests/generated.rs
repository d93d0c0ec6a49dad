//! Generated traces, as users of the lab meet them.

mod support;

use std::fs;

use support::{Folder, json, refused, run};

#[test]
fn a_pattern_is_replayed_through_policies_as_a_file_is() {
    let folder = Folder::new("pattern");
    let args = ["@loop", "--policy", "lru,tide", "--sizes", "50%,10000keys"];
    let run = run(&folder, &[&args[..], &["--json", "loop.json"]].concat());
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let json = json(&folder, "loop.json");
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
    let args = ["@twitter-24", "--sizes", "20%", "--plot", "mix.svg", "--json", "mix.json"];
    let run = run(&folder, &args);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let json = json(&folder, "mix.json");
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
    let list = run(&folder, &["@list"]);
    assert_eq!((list.code, list.err.as_str()), (Some(0), ""));
    assert!(list.out.lines().any(|line| line.starts_with("@loop  ")), "{}", list.out);

    let message = refused(&folder, &["@lopo"]);
    assert!(message.contains("@lopo: no generated trace has this name"), "{message}");
    assert!(message.contains(list.out.trim_end()), "{message}");

    let help = run(&folder, &["--help"]);
    for line in list.out.lines().filter(|line| line.starts_with('@')) {
        let name = line.split(' ').next().unwrap();
        // The help shortens the names of a family to their ends.
        let told =
            ["@twitter", "@cachelib"].iter().find_map(|family| name.strip_prefix(family)).unwrap_or(name);
        assert!(help.out.contains(told), "{name} is missing from\n{}", help.out);
    }
}

#[test]
fn a_file_whose_name_looks_generated_is_read_by_its_path() {
    let folder = Folder::new("at-file");
    folder.file("@mine", "a\nb\na\n");
    assert!(refused(&folder, &["@mine"]).contains("./@mine"));
    let run = run(&folder, &["./@mine", "--policy", "lru", "--sizes", "2keys"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("(lines)"), "{}", run.out);
}

#[test]
fn what_is_said_of_how_files_are_read_has_no_use_for_a_generated_trace() {
    let folder = Folder::new("generated-unused");
    let args = ["@load:keys=9:requests=99", "--policy", "lru", "--sizes", "9keys", "--time-unit", "ms"];
    assert!(run(&folder, &args).err.contains("is not used, since the trace is a generated one"));
}
