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
    assert!(refused(&folder, &["replay", "@mine"]).contains("./@mine"));
    let run = run(&folder, &["replay", "./@mine", "--policy", "lru", "--sizes", "2keys"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("(lines)"), "{}", run.out);
}

#[test]
fn a_trace_that_was_written_is_replayed_as_the_one_it_was_made_of() {
    let folder = Folder::new("written");
    let ratio = |trace: &str, json: &str| {
        let done = run(&folder, &["replay", trace, "--policy", "lru", "--sizes", "2000keys", "--json", json]);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.0.join(json)).unwrap()).unwrap();
        let trace = json["traces"][0].clone();
        (trace["rows"][0]["hit_ratio"].clone(), trace["distinct_keys"].clone(), trace["gets"].clone())
    };
    let load = "@load:requests=50k:keys=10k:ttl=5:sets=10%:spread=1";
    for file in ["load.csv", "load.oracleGeneral"] {
        let written = run(&folder, &["replay", load, "--write", file]);
        assert_eq!(
            (written.code, written.out.as_str()),
            (Some(0), &*format!("50,000 requests are in {file}\n"))
        );
    }
    assert_eq!(ratio(load, "one.json"), ratio("load.csv", "other.json"));
    // Without TTLs and with writes as reads there are more hits.
    let (read, keys, gets) = ratio("load.oracleGeneral", "third.json");
    assert!(read.as_f64() > ratio(load, "one.json").0.as_f64());
    assert_eq!((keys, gets), (ratio(load, "one.json").1, 50_000.into()));

    assert!(
        refused(&folder, &["replay", load, "--write", "load.txt"]).contains("ends in .csv or .oracleGeneral")
    );
    assert!(
        refused(&folder, &["replay", "@loop", load, "--write", "a.csv"]).contains("--write takes one trace")
    );
    folder.file("wrong.csv", "key,size\na,1\nb,-1\n");
    assert!(refused(&folder, &["replay", "wrong.csv", "--write", "a.csv"]).contains("wrong.csv, line 3"));
    assert!(!folder.0.join("a.csv").exists());
}

#[test]
fn policies_are_compared_with_figures_from_elsewhere() {
    let folder = Folder::new("yardstick");
    let yardstick = "trace,size,ARC,Belady\n@loop,50%,1.5,49.1\n";
    folder.file("known.csv", yardstick);
    let args = ["replay", "@loop", "--policy", "tide,tide:window=0", "--sizes", "50%", "--summary"];
    let run = run(&folder, &[&args[..], &["--yardstick", "known.csv"]].concat());
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    for line in ["| tide ", "| tide:window=0 ", "| ARC "] {
        assert!(run.out.contains(line), "{line}: {}", run.out);
    }
    assert!(!run.out.contains("requests/s"), "{}", run.out);
    folder.file("known.csv", "trace,size,ARC\n@loop,half,1.5\n");
    let message = refused(&folder, &[&args[..], &["--yardstick", "known.csv"]].concat());
    assert!(message.contains("known.csv, line 2: the size \"half\""), "{message}");
    let alone = ["replay", "@loop", "--policy", "tide,lru", "--summary", "--sizes", "50%"];
    let words = refused(&folder, &alone);
    assert!(words.contains("name belady and another policy, or two policies and two traces"), "{words}");
}
