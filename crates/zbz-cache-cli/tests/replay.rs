//! `zbz-cache replay`, as its users meet it: every format, every wrong input.

mod support;

use std::fs;
use std::io::Write;

use support::{Folder, oracle_record, refused, run};

/// Requests for a, b, a, a in each text format; the last comes when the first one's minute is over.
const CSV: &str = "time,key,size,ttl\n0,a,100,60\n1,b,200,60\n2,a,100,60\n62,a,100,60\n";
const TWITTER: &str = "0,a,1,100,1,get,60\n1,b,1,200,1,get,60\n2,a,1,100,1,get,60\n62,a,1,100,1,get,60\n";

/// The cells of the table's first row.
fn first_row(out: &str) -> Vec<String> {
    let row = out.lines().skip_while(|line| !line.starts_with("|--")).nth(1).unwrap_or_default();
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn every_format_plain_or_compressed_is_replayed_with_its_ttls() {
    let folder = Folder::new("formats");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(CSV.as_bytes()).unwrap();
    let compressed = gzip.finish().unwrap();
    let traces = [
        folder.file("plain.csv", CSV),
        folder.file("gzip.csv.gz", compressed),
        folder.file("twitter", TWITTER),
    ];
    for trace in traces {
        let run = run(&folder, &["replay", &trace, "--sizes", "1MiB"]);
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{trace}");
        assert!(!run.out.contains('\x1b'));
        let row = first_row(&run.out);
        // One of four gets hits, with 100 of 500 bytes; the last one finds a expired.
        assert_eq!(row[..5], ["engine", "1MiB", "1.00 MiB", "25.00 %", "20.00 %"], "{trace}: {}", run.out);
        assert_ne!(row[7], "0", "{trace}: {}", run.out);
    }
    let lines = folder.file("keys.txt", "a\nb\na\na\n");
    assert_eq!(first_row(&run(&folder, &["replay", &lines, "--sizes", "1MiB"]).out)[3..5], ["50.00 %", "-"]);
    let oracle =
        folder.file("t.oracleGeneral", [oracle_record(0, 7, 50, 1), oracle_record(9, 7, 50, -1)].concat());
    assert_eq!(
        first_row(&run(&folder, &["replay", &oracle, "--sizes", "1MiB"]).out)[3..5],
        ["50.00 %", "50.00 %"]
    );
}

#[test]
fn a_plot_and_a_json_file_are_written_where_asked() {
    let folder = Folder::new("outputs");
    let trace = folder.file("t.csv", CSV);
    let args = ["replay", &trace, "--sizes", "64KiB,1MiB", "--plot", "curve.svg", "--json", "all.json"];
    let run = run(&folder, &args);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(fs::read_to_string(folder.0.join("curve.svg")).unwrap().contains("64 KiB"));
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.0.join("all.json")).unwrap()).unwrap();
    let trace = &json["traces"][0];
    assert_eq!((&trace["requests"], &trace["rows"][1]["hit_ratio"]), (&4.into(), &0.25.into()));
}

#[test]
fn a_trace_that_cannot_be_understood_is_refused_with_its_line_or_offset() {
    let folder = Folder::new("wrong");
    let cases: [(&str, &[u8], &str); 9] = [
        ("columns.csv", b"time,key\n1,a\n1\n", "columns.csv, line 3: has 1 column; expected 2"),
        (
            "size.csv",
            b"key,size\na,1\nb,-2\n",
            "size.csv, line 3: the size is \"-2\"; expected a whole number",
        ),
        ("short", &[1; 5], "short, record 1 at byte 0: the file ends after 5 of the 24 bytes"),
        ("empty.csv", b"", "empty.csv: is empty; expected at least one request"),
        ("header.csv", b"time,key\n", "header.csv: holds no request; expected at least one"),
        (
            "unknown.csv",
            b"a,b\n1,2\n",
            "unknown.csv, line 1: no column is named like a key; the header names",
        ),
        ("noise", &[7; 100], "noise: is of no known format"),
        ("gap.txt", b"a\n\nb\n", "gap.txt, line 2: the line is empty; expected a key"),
        ("twitter", b"0,a,1,1,1,get,0\n0,a,1,1,get,0\n", "twitter, line 2: has 6 columns; expected 7"),
    ];
    for (name, bytes, expected) in cases {
        let trace = folder.file(name, bytes);
        let message = refused(&folder, &["replay", &trace, "--sizes", "1MiB"]);
        assert!(message.contains(expected), "{name}: {message}");
    }
    let long = format!("a\n{}\n", "k".repeat(40_000));
    let trace = folder.file("long.txt", long);
    assert!(
        refused(&folder, &["replay", &trace])
            .contains("long.txt, line 2: the line is longer than a key may be")
    );
    let records = [oracle_record(0, 7, 50, 1), oracle_record(9, 7, 50, -1)].concat();
    let trace = folder.file("cut", &records[..47]);
    assert!(
        refused(&folder, &["replay", &trace])
            .contains("cut, record 2 at byte 24: the file ends after 23 of the 24")
    );
    assert!(refused(&folder, &["replay", "gone"]).contains("gone: cannot be opened: there is no such file"));
}

#[test]
fn of_several_traces_a_wrong_one_is_told_before_any_is_replayed() {
    let folder = Folder::new("several");
    let (good, bad) = (folder.file("good.csv", CSV), folder.file("bad.csv", "key,size\na,x\n"));
    let message = refused(&folder, &["replay", &good, &bad, "--sizes", "1MiB"]);
    assert!(message.contains("bad.csv, line 2"), "{message}");
}

#[test]
fn wrong_arguments_are_refused_with_what_they_take() {
    let folder = Folder::new("arguments");
    let trace = folder.file("t.csv", CSV);
    let cases: [(&[&str], &str); 15] = [
        (&["--sizes", "much"], "takes a percentage (10%) or bytes (64MiB"),
        (&["--value-size", "-5"], "takes a number of bytes: 256, 4KiB, 1MB"),
        (&["--sizes", "10keys"], "takes a percentage (10%) or bytes (64MiB"),
        (&["--sizes", "1%"], "every size is too small: the cache takes 64.00 KiB or more"),
        (&["--sizes", "1MiB,"], "an empty size"),
        (&["--value-size", "1kk"], "takes a number of bytes: 256, 4KiB, 1MB"),
        (&["--delimiter", "comas"], "takes comma, tab, semicolon, bar, space"),
        (&["--comment", "//"], "takes one character, or none"),
        (&["--header", "--no-header"], "cannot be used with"),
        (&["--no-header", "--key-column", "key"], "columns go by number, from 1 to 4"),
        (&["--key-column", "none"], "a trace needs keys"),
        (&["--plot", "curve.png"], "only SVG is drawn"),
        (&["--json", "no/such/folder.json"], "no/such/folder.json cannot be written"),
        (&["--key-column", "url"], "there is no column \"url\"; the header names \"time\", \"key\""),
        (&["--format", "tsv"], "possible values: oracleGeneral, csv, twitter, lines"),
    ];
    for (args, expected) in cases {
        let message = refused(&folder, &[&["replay", &trace], args].concat());
        assert!(message.contains(expected), "{args:?}: {message}");
    }
    assert!(refused(&folder, &["replay"]).contains("TRACE"));
}

#[test]
fn help_shows_formats_and_examples() {
    let help = run(&Folder::new("replay-help"), &["replay", "--help"]);
    for expected in ["oracleGeneral", "--sizes", "--plot", "Examples:", "Exit codes"] {
        assert!(help.out.contains(expected), "{expected} is missing from\n{}", help.out);
    }
}
