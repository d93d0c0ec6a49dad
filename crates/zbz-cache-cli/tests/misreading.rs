//! A misread trace must not look like a result.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs;

use support::{Folder, Run, oracle_record, refused, run};

/// Replays a file at a size that has room for all of it.
fn replay(folder: &Folder, file: &str, args: &[&str]) -> Run {
    run(folder, &[&["replay", file, "--sizes", "1MiB"], args].concat())
}

#[test]
fn a_time_in_place_of_a_count_is_refused_at_once() {
    let folder = Folder::new("counts");
    let headless = folder.file("web.csv", "/a.png,GET,5120,1584000000,17\n/b.png,GET,5120,1584000001,17\n");
    assert!(refused(&folder, &["replay", &headless]).contains("--key-column N"));
    let named = folder.file("named.csv", "time,key\n1584000000,a\n");
    let message = refused(&folder, &["replay", &named, "--count-column", "time"]);
    assert!(message.contains("line 2: the count is \"1584000000\"; expected a whole number"), "{message}");
}

#[test]
fn doubts_are_told_before_the_trace_is_read_to_its_end() {
    let folder = Folder::new("early");
    let file = folder.file("t", "1 a 5\n2 b 5\n3 c 5\n4 d\n");
    let done = run(&folder, &["replay", &file]);
    let (doubt, error) = (done.err.find("there is no header"), done.err.find("error: "));
    assert!(done.code == Some(2) && doubt.unwrap() < error.unwrap(), "{}", done.err);
    assert_eq!(done.err.matches("there is no header").count(), 1, "{}", done.err);
}

#[test]
fn sizes_whose_sum_is_beyond_all_numbers_do_not_wrap() {
    let folder = Folder::new("huge");
    let text = "key,size\na,9999999999999999999\nb,9999999999999999999\na,9999999999999999999\n";
    let file = folder.file("huge.csv", text);
    let done = replay(&folder, &file, &["--json", "h.json"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.0.join("h.json")).unwrap()).unwrap();
    let row = &json["traces"][0]["rows"][0];
    assert_eq!((&row["byte_hit_ratio"], &row["too_large"]), (&0.0.into(), &3.into()), "{row}");
    let filled = folder.file("keys", "a\nb\na\n");
    let done = replay(&folder, &filled, &["--value-size", "18446744073709551615"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
}

#[test]
fn lines_that_all_differ_are_told_though_each_stands_for_several_requests() {
    let folder = Folder::new("repeats");
    let text = "time,key,trace_id,op_count\n1,a,t1,3\n2,a,t2,3\n3,a,t3,3\n";
    let file = folder.file("t.csv", text);
    let wrong = replay(&folder, &file, &["--key-column", "trace_id"]);
    assert!(wrong.err.contains("no two lines are for the same key"), "{}", wrong.err);
    assert!(!replay(&folder, &file, &[]).err.contains("no two"), "a key was asked for again");
    let once = replay(&folder, &file, &["--key-column", "trace_id", "--count-column", "none"]);
    assert!(once.err.contains("no two requests are for the same key"), "{}", once.err);
}

#[test]
fn times_that_span_years_are_told_where_ttls_run_out_by_them() {
    let folder = Folder::new("spans");
    let ttls = folder.file("ttls.csv", "time,key,ttl\n0,a,60\n40000000,a,60\n");
    assert!(replay(&folder, &ttls, &[]).err.contains("in seconds its times span"));
    assert_eq!(replay(&folder, &ttls, &["--time-unit", "s"]).err, "");
    let none = folder.file("none.csv", "time,key\n0,a\n40000000,a\n");
    assert_eq!(replay(&folder, &none, &[]).err, "");
    let confirmed = folder.file("ms.csv", "time,key,ttl\n1584000000000,a,86400\n1584000090000,a,86400\n");
    let done = replay(&folder, &confirmed, &["--time-unit", "ms"]);
    assert!(done.err.contains("the TTLs are taken for milliseconds"), "{}", done.err);
}

#[test]
fn texts_that_begin_like_other_files_are_read() {
    let folder = Folder::new("magic");
    for text in ["PAR1-LHR\nPAR1-LHR\n", "ARROW1x\nARROW1x\n"] {
        let file = folder.file("keys", text);
        assert_eq!(replay(&folder, &file, &[]).code, Some(0), "{text:?}");
    }
    let file = folder.file("pages", "<html>\n<html>\n");
    assert!(refused(&folder, &["replay", &file]).contains("web page"));
    assert_eq!(replay(&folder, &file, &["--format", "lines"]).code, Some(0));
    let file = folder.file("t.xz", b"\xFD7zXZ\0\0\x04");
    assert!(refused(&folder, &["replay", &file, "--format", "lines"]).contains("xz -d"));
}

#[test]
fn a_letter_that_is_two_units_is_refused() {
    let folder = Folder::new("units");
    let file = folder.file("keys", "a\na\n");
    for size in ["64M", "64k", "1G", "2 t"] {
        assert!(refused(&folder, &["replay", &file, "--sizes", size]).contains("64MiB, 64MB"), "{size}");
        assert!(refused(&folder, &["replay", &file, "--value-size", size]).contains("4KiB, 1MB"), "{size}");
    }
}

#[test]
fn what_is_said_and_has_no_use_is_warned_of() {
    let folder = Folder::new("unused");
    let records = [oracle_record(0, 7, 50, 1), oracle_record(9, 7, 50, -1)].concat();
    let files = [
        folder.file("t.oracleGeneral", records),
        folder.file("twitter", "0,a,1,1,1,get,0\n1,a,1,1,1,set,0\n"),
        folder.file("keys", "a\na\n"),
    ];
    for file in files {
        for args in [["--time-unit", "ms"], ["--op-column", "none"], ["--ttl-unit", "s"]] {
            let done = replay(&folder, &file, &args);
            assert!(done.err.contains("is not used"), "{file} {args:?}: {}", done.err);
        }
    }
    for (file, args, is_warned) in [
        ("t.oracleGeneral", &["--comment", "%"][..], true),
        ("t.oracleGeneral", &["--delimiter", ","], true),
        ("keys", &["--format", "lines", "--delimiter", ","], true),
        ("keys", &["--format", "lines", "--quote", "'"], true),
        ("keys", &["--comment", "%"], false),
        ("twitter", &["--quote", "'"], true),
        ("twitter", &["--delimiter", "comma", "--no-header"], false),
    ] {
        let done = replay(&folder, file, args);
        assert_eq!(done.err.contains("is not used"), is_warned, "{file} {args:?}: {}", done.err);
        assert_eq!(done.err.contains("--format csv takes it"), is_warned && file == "keys", "{}", done.err);
    }
    let comments = folder.file("comments", "# nothing yet\n".repeat(6000) + "key,size\na,1\n");
    assert!(refused(&folder, &["replay", &comments]).contains("say --format"));
}

#[test]
fn what_help_says_of_reading_is_so() {
    let help = run(&Folder::new("misreading-help"), &["replay", "--help"]).out;
    assert!(!help.contains("[default: #]") && !help.contains("[default: \"]"), "{help}");
    assert!(help.contains("squid-access.log") && help.contains("--size-column 5"), "{help}");
}
