//! The shipped crates and the lab, checked.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::path::{Path, PathBuf};

use tidy::graph::Sources;
use tidy::layers::{LAYERS, NOT_YET, TOO_LONG, WITHOUT_CIRCLES};
use tidy::rules::{Failure, Rules, imports, sizes};

const PACKAGES: [&str; 4] = ["crates/zbz-cache", "crates/zbz-cache-memory", "crates/zbz-cache-cli", "lab"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust files below a folder, by their paths from `base`.
fn add(sources: &mut Sources, base: &Path, folder: &Path) {
    for entry in folder.read_dir().into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add(sources, base, &path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(base).unwrap().to_str().unwrap().replace('\\', "/");
            sources.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn expect_none(failures: &[Failure]) {
    let told: Vec<_> = failures.iter().map(Failure::to_string).collect();
    assert!(told.is_empty(), "{} failures:\n\n{}\n", told.len(), told.join("\n"));
}

#[test]
fn files_and_functions_are_short() {
    let mut sources = Sources::new();
    for package in PACKAGES.into_iter().chain(["tidy"]) {
        for part in ["src", "tests", "examples"] {
            add(&mut sources, &workspace(), &workspace().join(package).join(part));
        }
    }
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    expect_none(&sizes(&sources, TOO_LONG));
}

#[test]
fn imports_point_downward_and_in_no_circle() {
    let mut failures = Vec::new();
    for package in PACKAGES {
        let mut sources = Sources::new();
        let base = workspace().join(package).join("src");
        add(&mut sources, &base, &base);
        let circles = WITHOUT_CIRCLES.iter().filter(|(of, _)| *of == package);
        let rules = Rules {
            package,
            without_circles: circles.map(|(_, inside)| *inside).collect(),
            layers: LAYERS.iter().filter(|layers| layers.package == package).collect(),
            not_yet: NOT_YET.iter().filter(|entry| entry.package == package).collect(),
        };
        failures.extend(imports(&sources, &rules));
    }
    expect_none(&failures);
}
