//! The first run, as a new user meets it.

mod support;

use std::fs;
use std::io::Read;
use std::process::Stdio;

use support::{Folder, oracle_record, refused, run, shop_trace, zbz_cache};

#[test]
fn without_arguments_the_trace_of_the_tree_is_found_and_reported_without_escape_codes() {
    let folder = Folder::new("plain");
    fs::create_dir_all(folder.0.join("data")).unwrap();
    fs::create_dir_all(folder.0.join("deep/down")).unwrap();
    fs::copy(shop_trace(), folder.0.join("data/cache2k-web07.oracleGeneral.zst")).unwrap();
    let output = zbz_cache(&folder).current_dir(folder.0.join("deep/down")).output().unwrap();
    let run = support::Run::from(output);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert!(!run.out.contains('\x1b'), "{}", run.out);
    let next = run.out.lines().last().unwrap().strip_prefix("Next: ").unwrap();
    let program = next.strip_suffix(" --help").unwrap();
    let typed = std::process::Command::new(program).arg("--help").output().unwrap();
    assert!(support::Run::from(typed).out.contains("Usage: "), "{next}");
    for expected in
        ["76,118 for 20,484", "CC BY 4.0", "hit ratio", "evictions", "not found", "native", "reject"]
    {
        assert!(run.out.contains(expected), "{expected} is missing from\n{}", run.out);
    }
}

#[test]
fn cargo_tells_where_the_tree_is() {
    let folder = Folder::new("cargo");
    let mut command = zbz_cache(&folder);
    command.env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR")).env("CARGO", "cargo");
    let run = support::Run::from(command.output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.lines().last().unwrap().starts_with("Next: cargo run "), "{}", run.out);
}

#[test]
fn an_absent_trace_is_told_with_where_it_was_looked_for() {
    let folder = Folder::new("absent");
    let none: [&str; 0] = [];
    let message = refused(&folder, &none);
    assert!(message.contains("data/cache2k-web07.oracleGeneral.zst"), "{message}");
    assert!(message.contains(concat!(env!("CARGO_BIN_EXE_zbz-cache"), " --trace FILE")), "{message}");
    let message = refused(&folder, &["--trace", "gone.zst"]);
    assert_eq!(message, "error: gone.zst: cannot be opened: there is no such file\n");
}

#[test]
fn a_trace_cut_short_or_of_another_format_is_refused_before_anything_is_printed() {
    let folder = Folder::new("cut");
    let whole = fs::read(shop_trace()).unwrap();
    let cut = folder.file("cut.zst", &whole[..whole.len() / 2]);
    let message = refused(&folder, &["--trace", &cut]);
    assert!(message.starts_with("error: cut.zst: the zstd data is truncated"), "{message}");

    let records = [oracle_record(0, 1, 1, -1), oracle_record(0, 2, 1, -1)].concat();
    let cut = folder.file("cut.bin", &records[..40]);
    let message = refused(&folder, &["--trace", &cut]);
    assert!(
        message.starts_with("error: cut.bin, record 2 at byte 24: the file ends after 16 of the 24"),
        "{message}"
    );

    let text = folder.file("readme.md", "# This is no trace at all, but a text\n");
    let message = refused(&folder, &["--trace", &text]);
    assert!(message.contains("record 1 at byte 0: expected an oracleGeneral record"), "{message}");
    assert!(message.contains(" replay FILE"), "{message}");

    let empty = folder.file("empty", "");
    assert_eq!(
        refused(&folder, &["--trace", &empty]),
        "error: empty: is empty; expected at least one request\n"
    );
}

#[test]
fn another_trace_of_the_format_is_taken_without_the_attribution() {
    let folder = Folder::new("other");
    let trace = folder.file("mine.bin", [oracle_record(0, 7, 1, 1), oracle_record(0, 7, 1, -1)].concat());
    let run = run(&folder, &["--trace", &trace]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("mine.bin") && run.out.contains("2 for 1 products"), "{}", run.out);
    assert!(!run.out.contains("CC BY"), "{}", run.out);
}

#[test]
fn a_reader_that_goes_away_early_is_no_failure() {
    let folder = Folder::new("pipe");
    let mut child = zbz_cache(&folder)
        .arg("--trace")
        .arg(shop_trace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn help_and_version_tell_what_there_is() {
    let folder = Folder::new("help");
    let help = run(&folder, &["--help"]);
    assert_eq!(help.code, Some(0));
    for expected in ["replay", "first run", "--trace", "Exit codes"] {
        assert!(help.out.contains(expected), "{expected} is missing from\n{}", help.out);
    }
    let version = run(&folder, &["--version"]);
    assert_eq!(version.out, concat!("zbz-cache ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn an_unknown_argument_is_refused_with_a_usage() {
    let folder = Folder::new("unknown");
    let message = refused(&folder, &["--trase", "x"]);
    assert!(message.contains("--trace") && message.contains("Usage"), "{message}");
}
