//! `zbz-cache replay`, as its users meet it: every format, every wrong input.

mod support;

use std::fs;
use std::io::Write;

use support::{Folder, oracle_record, refused, run, shop_trace};

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
fn a_small_cache_hits_as_often_as_its_simulator_with_as_many_keys() {
    let folder = Folder::new("parity");
    let trace = shop_trace().display().to_string();
    let replay = |policy: &str, size: &str| {
        let run = run(&folder, &["replay", &trace, "--policy", policy, "--sizes", size]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        first_row(&run.out)
    };
    let hits = |row: &[String]| row[3].trim_end_matches(" %").parse::<f64>().unwrap();
    for size in ["100KiB", "200KiB"] {
        let cache = replay("engine", size);
        let keys = cache.last().unwrap().replace(',', "");
        let simulator = replay("tide-log", &format!("{keys}keys"));
        assert!((hits(&cache) - hits(&simulator)).abs() < 0.5, "{cache:?} {simulator:?}");
    }
}

#[test]
fn policies_are_listed_and_a_percentage_of_the_keys_is_their_size() {
    let folder = Folder::new("policies");
    let list = run(&folder, &["replay", "--policy", "list"]);
    assert_eq!(list.code, Some(0), "{}", list.err);
    assert!(list.out.lines().any(|line| line == "lru"), "{}", list.out);

    let trace = shop_trace().display().to_string();
    let run = run(&folder, &["replay", &trace, "--policy", "lru", "--sizes", "1%,10%,100keys"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let row = first_row(&run.out);
    // As libCacheSim measures LRU with 204 entries.
    assert_eq!((row[2].as_str(), &row[3][..4]), ("204 keys", "39.1"), "{}", run.out);
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
fn belady_knows_the_future_of_every_format_and_tells_how_far_others_are_from_it() {
    let folder = Folder::new("belady");
    let trace = shop_trace().display().to_string();
    let args =
        ["replay", &trace, "--policy", "belady,lru,s3-fifo", "--sizes", "1%,10%", "--json", "all.json"];
    let shop = run(&folder, &args);
    assert_eq!(shop.code, Some(0), "{}", shop.err);
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.0.join("all.json")).unwrap()).unwrap();
    // As libCacheSim measures it with 204 and 2,048 entries.
    for (row, known) in [(0, 0.534), (1, 0.681)] {
        let found = json["traces"][0]["rows"][row]["hit_ratio"].as_f64().unwrap();
        assert!((found - known).abs() < 0.000_5, "{found} is not {known}");
    }
    let lru = &json["summary"]["policies"][0];
    assert_eq!((&lru["policy"], &lru["cells"]), (&"lru".into(), &2.into()));
    // LRU has 39.15 and 55.66 %.
    let distance = lru["mean_distance_points"].as_f64().unwrap();
    assert!((distance - 13.33).abs() < 0.05, "{distance}");
    let line = shop.out.lines().rfind(|line| line.starts_with("| lru")).unwrap_or_default();
    assert!(line.contains("13.3") && line.contains("cache2k-web07"), "{}", shop.out);

    let lines = folder.file("keys.txt", "a\nb\nc\na\nb\nc\n");
    let few = run(&folder, &["replay", &lines, "--policy", "belady,lru", "--sizes", "2keys"]);
    assert_eq!(first_row(&few.out)[..4], ["belady", "2keys", "2 keys", "33.33 %"], "{}", few.out);
    assert!(few.out.contains("No trace was replayed at a size of 200 keys or more."), "{}", few.out);
    // That a will have expired is foreseen: it makes room for c, and b hits.
    let csv = folder.file("ttl.csv", "time,key,ttl\n0,a,5\n1,b,60\n2,c,60\n6,a,5\n7,b,60\n");
    let ttls = run(&folder, &["replay", &csv, "--policy", "belady", "--sizes", "2keys"]);
    assert_eq!(first_row(&ttls.out)[3], "20.00 %", "{}", ttls.out);
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
    let cases: [(&[&str], &str); 21] = [
        (&["--sizes", "much"], "takes a percentage (10%, 10%bytes), bytes (64MiB"),
        (&["--value-size", "-5"], "takes a number of bytes: 256, 4KiB, 1MB"),
        (&["--sizes", "10keys"], "is for simulated policies"),
        (&["--policy", "belady", "--sizes", "10%,1MiB"], "the size 1MiB is not for --policy belady"),
        (&["--sizes", "1%"], "every size is too small: the cache takes 64.00 KiB or more"),
        (&["--policy", "SEIVE"], "did you mean \"sieve\"?"),
        (&["--policy", "lru,"], "an empty name in --policy"),
        (&["--sizes", "1MiB,"], "an empty size"),
        (&["--value-size", "1kk"], "takes a number of bytes: 256, 4KiB, 1MB"),
        (&["--delimiter", "comas"], "takes comma, tab, semicolon, bar, space"),
        (&["--comment", "//"], "takes one character, or none"),
        (&["--header", "--no-header"], "cannot be used with"),
        (&["--no-header", "--key-column", "key"], "columns go by number, from 1 to 4"),
        (&["--key-column", "none"], "a trace needs keys"),
        (&["--policy", "best"], "no policy is named \"best\"; known are engine, lru"),
        (&["--policy", "tide:widnow=1"], "\"widnow\" is no setting"),
        (&["--policy", "lru:window=1"], "the policy lru takes no settings"),
        (&["--plot", "curve.png"], "only SVG is drawn"),
        (&["--json", "no/such/folder.json"], "no/such/folder.json cannot be written"),
        (&["--key-column", "url"], "there is no column \"url\"; the header names \"time\", \"key\""),
        (&["--format", "tsv"], "possible values: oracleGeneral, csv, twitter, lines"),
    ];
    for (args, expected) in cases {
        let message = refused(&folder, &[&["replay", &trace], args].concat());
        assert!(message.contains(expected), "{args:?}: {message}");
    }
    for policies in ["LRU,S3FIFO", "Lru,s3_fifo", "lru,S3-Fifo"] {
        let done = run(&folder, &["replay", &trace, "--policy", policies, "--sizes", "1_000keys,1K keys"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(done.out.contains("| lru ") && done.out.contains("| s3-fifo "), "{}", done.out);
    }
    assert!(refused(&folder, &["replay"]).contains("TRACE"));
    let mixed = ["replay", &trace, "--policy", "lru", "--sizes", "1%,64MiB", "--plot", "c.svg"];
    assert!(refused(&folder, &mixed).contains("sizes of one kind"));
}

#[test]
fn help_shows_formats_and_examples() {
    let help = run(&Folder::new("replay-help"), &["replay", "--help"]);
    for expected in ["oracleGeneral", "--sizes", "--plot", "--policy", "Examples:", "Exit codes"] {
        assert!(help.out.contains(expected), "{expected} is missing from\n{}", help.out);
    }
}
