//! Running the lab as its users do, and folders to run it in.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The source tree's trace.
pub fn shop_trace() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../data/cache2k-web07.oracleGeneral.zst")
        .display()
        .to_string()
}

/// What a run came to.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs the lab with these arguments in a folder.
pub fn run<S: AsRef<std::ffi::OsStr>>(folder: &Folder, args: &[S]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    let output = command.current_dir(&folder.0).env_remove("NO_COLOR").args(args).output().unwrap();
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs it and expects it to refuse its input: exit code 2, a message, no result.
pub fn refused<S: AsRef<std::ffi::OsStr>>(folder: &Folder, args: &[S]) -> String {
    let run = run(folder, args);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{}", run.err);
    assert!(run.err.starts_with("error: "), "{}", run.err);
    run.err
}

/// The cells of the table's first row.
pub fn first_row(out: &str) -> Vec<String> {
    let row = out.lines().skip_while(|line| !line.starts_with("|--")).nth(1).unwrap_or_default();
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// What a run wrote as JSON.
pub fn json(folder: &Folder, file: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.0.join(file)).unwrap()).unwrap()
}

/// A folder that is gone when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("zbz-cache-lab-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    /// Writes a file and answers its name.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.0.join(name), bytes).unwrap();
        name.to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
