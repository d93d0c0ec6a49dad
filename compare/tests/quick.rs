//! A whole run with tiny sizes, as a user would start it.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should end it")]

use std::path::PathBuf;
use std::process::{Command, Output};

const CONTESTANTS: &str = if cfg!(feature = "zbz") {
    "zbz-cache,quick_cache,moka,foyer,segcache,segcache-merge,segcache-s3fifo,TinyUFO,dashmap,papaya,rwlock-map"
} else {
    "quick_cache,moka,foyer,segcache,segcache-merge,segcache-s3fifo,TinyUFO,dashmap,papaya,rwlock-map"
};

/// A folder of this test's own, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zbz-compare-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn compare(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_zbz-cache-compare")).args(arguments).output().unwrap()
}

/// A loop over few objects with a far longer tail, as libCacheSim's records.
fn write_trace(path: &str) {
    let mut bytes = Vec::new();
    for time in 0..30_000u64 {
        let object = if time % 3 == 0 { 10_000 + time } else { time % 701 };
        bytes.extend((time as u32).to_le_bytes());
        bytes.extend(object.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend((-1i64).to_le_bytes());
    }
    std::fs::write(path, zstd::encode_all(&bytes[..], 1).unwrap()).unwrap();
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_contestant_finishes_every_measurement_with_right_answers() {
    let folder = Folder::new("whole");
    write_trace(&folder.file("tiny.oracleGeneral.zst"));
    let (markdown, json) = (folder.file("tables.md"), folder.file("all.json"));
    let output = compare(&[
        "--only",
        CONTESTANTS,
        "--keys",
        "1k,50k",
        "--threads",
        "1,2",
        "--rounds",
        "1",
        "--slice-ms",
        "2",
        "--memory-keys",
        "20k",
        "--budget-mib",
        "1",
        "--traces",
        &folder.0.display().to_string(),
        "--markdown",
        &markdown,
        "--json",
        &json,
    ]);
    assert!(output.status.success(), "{}", error_of(&output));

    let tables = std::fs::read_to_string(&markdown).unwrap();
    assert_eq!(tables, String::from_utf8_lossy(&output.stdout).trim_end().to_string() + "\n");
    for heading in [
        "Fill",
        "Get",
        "Batch get",
        "90/10",
        "Set with room",
        "Batch set",
        "Set at full",
        "90/10 with a TTL",
        "Resident bytes",
        "equal entries",
        "equal resident",
    ] {
        let found = tables.lines().any(|line| line.starts_with("## ") && line.contains(heading));
        assert!(found, "no section {heading}");
    }
    assert!(!tables.contains(&folder.file("")), "the tables name a folder of this machine");

    let all: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    let laps = all["speed"].as_array().unwrap();
    for name in CONTESTANTS.split(',').filter(|name| !name.starts_with("segcache-")) {
        let gets = laps.iter().filter(|lap| lap["contestant"] == name && lap["work"] == "get").count();
        assert_eq!(gets, 4, "{name}: two sizes by two thread counts");
        let full = laps.iter().any(|lap| lap["contestant"] == name && lap["work"] == "set-full");
        let ttl = laps.iter().any(|lap| lap["contestant"] == name && lap["work"] == "ttl");
        assert_eq!(ttl, ["zbz-cache", "moka", "segcache"].contains(&name), "{name}");
        assert_eq!(full, !["dashmap", "papaya", "rwlock-map"].contains(&name), "{name}");
    }
    assert_eq!(all["per_key"].as_array().unwrap().len(), CONTESTANTS.split(',').count());
    for row in all["equal_entries"].as_array().unwrap().iter().chain(all["equal_memory"].as_array().unwrap())
    {
        for hits in row["hits"].as_array().unwrap() {
            let percent = hits["percent"].as_f64().unwrap();
            assert!((0.0..=67.0).contains(&percent), "{hits}");
        }
    }
    assert!(!all["equal_memory"].as_array().unwrap().is_empty());
}

#[test]
fn hit_ratios_without_traces_are_said_to_be_left_out() {
    let output = compare(&["--only", "quick_cache", "--work", "entries", "--traces", ""]);
    assert!(output.status.success(), "{}", error_of(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no folder of traces was given"));
}

#[test]
fn wrong_input_ends_with_code_2_and_a_reason() {
    let folder = Folder::new("wrong");
    let empty = folder.0.display().to_string();
    for (arguments, reason) in [
        (&["--only", "redis"][..], "no such contestant"),
        (&["--keys", "many"], "whole number"),
        (&["--keys", "5"], "from 100"),
        (&["--threads", "0"], "0"),
        (&["--work", "sleep"], "sleep"),
        (&["--traces", "no/such/folder"], "there is no folder"),
        (&["--work", "entries", "--traces", &empty], "no trace in"),
        (&["--markdown", "no/such/folder/file.md"], "cannot write"),
        (&["--value-bytes", "8"], "from 24"),
    ] {
        let output = compare(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", error_of(&output));
        assert!(error_of(&output).contains(reason), "{arguments:?}: {}", error_of(&output));
    }
}

#[test]
fn a_broken_trace_ends_with_code_2_and_its_name() {
    let folder = Folder::new("broken");
    std::fs::write(folder.file("torn.oracleGeneral.zst"), b"not zstd").unwrap();
    let output = compare(&["--work", "entries", "--traces", &folder.0.display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(error_of(&output).contains("torn.oracleGeneral.zst"), "{}", error_of(&output));
}
