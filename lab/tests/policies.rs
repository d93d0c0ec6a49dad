//! Simulated policies, as users of the lab meet them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::{Folder, first_row, json, refused, run, shop_trace};

#[test]
fn a_small_cache_hits_as_often_as_its_simulator_with_as_many_keys() {
    let folder = Folder::new("parity");
    let trace = shop_trace();
    let replay = |policy: &str, size: &str| {
        let run = run(&folder, &[&trace, "--policy", policy, "--sizes", size]);
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
    let list = run(&folder, &["--policy", "list"]);
    assert_eq!(list.code, Some(0), "{}", list.err);
    assert!(list.out.lines().any(|line| line == "lru"), "{}", list.out);

    let trace = shop_trace();
    let run = run(&folder, &[&trace, "--policy", "lru", "--sizes", "1%,10%,100keys"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let row = first_row(&run.out);
    // As libCacheSim measures LRU with 204 entries.
    assert_eq!((row[2].as_str(), &row[3][..4]), ("204 keys", "39.1"), "{}", run.out);
}

#[test]
fn belady_knows_the_future_of_every_format_and_tells_how_far_others_are_from_it() {
    let folder = Folder::new("belady");
    let trace = shop_trace();
    let args = [&trace, "--policy", "belady,lru,s3-fifo", "--sizes", "1%,10%", "--json", "all.json"];
    let shop = run(&folder, &args);
    assert_eq!(shop.code, Some(0), "{}", shop.err);
    let json = json(&folder, "all.json");
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
    let few = run(&folder, &[&lines, "--policy", "belady,lru", "--sizes", "2keys"]);
    assert_eq!(first_row(&few.out)[..4], ["belady", "2keys", "2 keys", "33.33 %"], "{}", few.out);
    assert!(few.out.contains("No trace was replayed at a size of 200 keys or more."), "{}", few.out);
    // That a will have expired is foreseen: it makes room for c, and b hits.
    let csv = folder.file("ttl.csv", "time,key,ttl\n0,a,5\n1,b,60\n2,c,60\n6,a,5\n7,b,60\n");
    let ttls = run(&folder, &[&csv, "--policy", "belady", "--sizes", "2keys"]);
    assert_eq!(first_row(&ttls.out)[3], "20.00 %", "{}", ttls.out);
}

#[test]
fn wrong_arguments_are_refused_with_what_they_take() {
    let folder = Folder::new("arguments");
    let trace = folder.file("t.csv", "key\na\nb\na\n");
    let cases: [(&[&str], &str); 9] = [
        (&["--sizes", "much"], "bytes (64MiB, 64MB, 65536, not 64M) or keys (5000keys)"),
        (&["--sizes", "10keys"], "the size 10keys is for simulated policies"),
        (&["--policy", "belady", "--sizes", "10%,1MiB"], "the size 1MiB is not for --policy belady"),
        (&["--policy", "SEIVE"], "did you mean \"sieve\"?"),
        (&["--policy", "lru,"], "an empty name in --policy"),
        (&["--policy", "best"], "no policy is named \"best\"; known are engine, lru"),
        (&["--policy", "tide:widnow=1"], "\"widnow\" is no setting"),
        (&["--policy", "lru:window=1"], "the policy lru takes no settings"),
        (&["--policy", "lru", "--sizes", "1%,64MiB", "--plot", "c.svg"], "sizes of one kind"),
    ];
    for (args, expected) in cases {
        let message = refused(&folder, &[&[trace.as_str()], args].concat());
        assert!(message.contains(expected), "{args:?}: {message}");
    }
    for policies in ["LRU,S3FIFO", "Lru,s3_fifo", "lru,S3-Fifo"] {
        let done = run(&folder, &[&trace, "--policy", policies, "--sizes", "1_000keys,1K keys"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(done.out.contains("| lru ") && done.out.contains("| s3-fifo "), "{}", done.out);
    }
    assert!(refused(&folder, &["--policy", "lru"]).contains("name a trace to replay"));
}

#[test]
fn sizes_whose_sum_is_beyond_all_numbers_do_not_wrap() {
    let folder = Folder::new("huge");
    let text = "key,size\na,9999999999999999999\nb,9999999999999999999\na,9999999999999999999\n";
    let file = folder.file("huge.csv", text);
    for policy in ["lru", "fifo", "sieve", "s3-fifo", "tide", "tide-log", "merlin-like"] {
        for sizes in ["2keys", "50%bytes,1000%bytes", "18446744073709551615"] {
            let done = run(&folder, &[&file, "--policy", policy, "--sizes", sizes, "--json", "h.json"]);
            assert_eq!(done.code, Some(0), "{policy} {sizes}: {}", done.err);
        }
    }
    let done = run(&folder, &[&file, "--policy", "lru", "--sizes", "2keys", "--json", "h.json"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let json = json(&folder, "h.json");
    let row = &json["traces"][0]["rows"][0];
    let near = |name: &str| (row[name].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9;
    assert!(near("hit_ratio") && near("byte_hit_ratio"), "{row}");
    let filled = folder.file("keys", "a\nb\na\n");
    let done = run(
        &folder,
        &[&filled, "--policy", "lru", "--sizes", "9keys", "--value-size", "18446744073709551615"],
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
}

#[test]
fn policies_are_compared_with_figures_from_elsewhere() {
    let folder = Folder::new("yardstick");
    let yardstick = "trace,size,ARC,Belady\n@loop,50%,1.5,49.1\n";
    folder.file("known.csv", yardstick);
    let args = ["@loop", "--policy", "tide,tide:window=0", "--sizes", "50%", "--summary"];
    let run = run(&folder, &[&args[..], &["--yardstick", "known.csv"]].concat());
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    for line in ["| tide ", "| tide:window=0 ", "| ARC "] {
        assert!(run.out.contains(line), "{line}: {}", run.out);
    }
    assert!(!run.out.contains("requests/s"), "{}", run.out);
    folder.file("known.csv", "trace,size,ARC\n@loop,half,1.5\n");
    let message = refused(&folder, &[&args[..], &["--yardstick", "known.csv"]].concat());
    assert!(message.contains("known.csv, line 2: the size \"half\""), "{message}");
    let alone = ["@loop", "--policy", "tide,lru", "--summary", "--sizes", "50%"];
    let words = refused(&folder, &alone);
    assert!(words.contains("name belady and another policy, or two policies and two traces"), "{words}");
}
