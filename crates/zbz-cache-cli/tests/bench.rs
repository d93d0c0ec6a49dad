//! `zbz-cache bench`, as its users meet it.

mod support;

use std::fs;

use support::{Folder, refused, run};

#[test]
fn a_quick_run_prints_claims_grid_and_layers_and_writes_them_as_json() {
    let folder = Folder::new("bench");
    let run = run(
        &folder,
        &["bench", "--quick", "--keys", "1k,1_000,1e3", "--threads", "1", "--json", "bench.json"],
    );
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert!(!run.out.contains('\x1b'));
    for expected in [
        "sets a second",
        "50.0 M",
        "bytes of overhead per key",
        "10,000 expired",
        "batches of 32",
        "Cache<T>",
        "with a TTL",
        "after overwrites",
    ] {
        assert!(run.out.contains(expected), "{expected} is missing from\n{}", run.out);
    }
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.0.join("bench.json")).unwrap()).unwrap();
    assert_eq!(
        (json["grid"].as_array().map(Vec::len), json["layers"].as_array().map(Vec::len)),
        (Some(4), Some(6))
    );
    assert!(json["overhead"][0]["accounted_per_key"].as_f64().unwrap() > 0.0);
}

#[test]
fn wrong_arguments_are_refused() {
    let folder = Folder::new("bench-arguments");
    for wrong in ["0", "63", "-1", "1e99", "1.5", "many", "64MiB", "1kk", "2G", "1000,", ""] {
        let message = refused(&folder, &["bench", "--keys", wrong]);
        assert!(
            message.contains("takes whole numbers from 64 to 1000000000, as 1000, 100k or 4M"),
            "{message}"
        );
    }
    for wrong in ["0", "1025", "-1", "all", "2k"] {
        let message = refused(&folder, &["bench", "--threads", wrong]);
        assert!(message.contains("takes whole numbers from 1 to 1024, as 1 or 8"), "{message}");
    }
    assert!(
        refused(&folder, &["bench", "--json", "no/such.json"]).contains("no/such.json cannot be written")
    );
}
