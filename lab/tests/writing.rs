//! Traces that are written into files, as users of the lab meet them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs;

use support::{Folder, json, refused, run};

#[test]
fn a_trace_that_was_written_is_replayed_as_the_one_it_was_made_of() {
    let folder = Folder::new("written");
    let ratio = |trace: &str, file: &str| {
        let done = run(&folder, &[trace, "--policy", "lru", "--sizes", "2000keys", "--json", file]);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        let json = json(&folder, file);
        let trace = json["traces"][0].clone();
        (trace["rows"][0]["hit_ratio"].clone(), trace["distinct_keys"].clone(), trace["gets"].clone())
    };
    let load = "@load:requests=50k:keys=10k:ttl=5:sets=10%:spread=1";
    for file in ["load.csv", "load.oracleGeneral"] {
        let written = run(&folder, &[load, "--write", file]);
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

    assert!(refused(&folder, &[load, "--write", "load.txt"]).contains("ends in .csv or .oracleGeneral"));
    assert!(refused(&folder, &["@loop", load, "--write", "a.csv"]).contains("--write takes one trace"));
    folder.file("wrong.csv", "key,size\na,1\nb,-1\n");
    assert!(refused(&folder, &["wrong.csv", "--write", "a.csv"]).contains("wrong.csv, line 3"));
    assert!(!folder.0.join("a.csv").exists());
}

#[test]
fn keys_that_need_quotes_are_written_so_that_they_are_read_as_they_were() {
    let folder = Folder::new("quotes");
    let keys = "a,b\n612c62\na b\n5\"\n\u{e9}\na,b\n";
    let file = folder.file("keys", keys);
    let out = folder.0.join("keys.csv").display().to_string();
    assert_eq!(run(&folder, &[&file, "--format", "lines", "--write", &out]).code, Some(0));
    let again = run(&folder, &["keys.csv", "--policy", "lru", "--sizes", "9keys"]);
    assert_eq!((again.code, &*again.err), (Some(0), ""), "{}", again.out);
    // The same five keys, of which one hits.
    assert!(again.out.contains("16.67 %"), "{}", again.out);
    let csv = fs::read_to_string(&out).unwrap();
    assert!(csv.contains(",\"a,b\",") && csv.contains(",\"5\"\"\",") && csv.contains(",a b,"), "{csv}");
}

#[test]
fn doubts_are_told_before_the_trace_is_read_to_its_end() {
    let folder = Folder::new("early");
    let file = folder.file("t", "1 a 5\n2 b 5\n3 c 5\n4 d\n");
    let done = run(&folder, &[&file, "--write", "out.csv"]);
    let (doubt, error) = (done.err.find("there is no header"), done.err.find("error: "));
    assert!(done.code == Some(2) && doubt.unwrap() < error.unwrap(), "{}", done.err);
    assert_eq!(done.err.matches("there is no header").count(), 1, "{}", done.err);
}

#[test]
fn what_a_file_was_taken_for_is_told_where_no_table_shows_it() {
    let folder = Folder::new("read-as");
    let spaces = folder.file("t", "time key size\n1 a 5\n2 b 5\n3 a 5\n");
    let expected = "read as: CSV, separated by spaces, columns time key size, times in seconds";
    let written = run(&folder, &[&spaces, "--write", "t.csv"]);
    assert!(written.out.contains(expected), "{}", written.out);
    let summary = [&spaces, "--policy", "lru,belady", "--sizes", "2keys", "--summary"];
    let summary = run(&folder, &summary);
    assert!(!summary.out.contains("read as") && summary.err.contains(expected), "{}", summary.err);
}
