//! Running the command as a user would, and folders to run it in.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The source tree's trace.
pub fn shop_trace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/cache2k-web07.oracleGeneral.zst")
}

/// The command, as if the user had typed it in an empty folder with nothing in the environment to help.
pub fn zbz_cache(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zbz-cache"));
    command
        .current_dir(&folder.0)
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO")
        .env_remove("NO_COLOR");
    command
}

/// The result of a run.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        Run {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the command with these arguments in a folder.
pub fn run<S: AsRef<std::ffi::OsStr>>(folder: &Folder, args: &[S]) -> Run {
    zbz_cache(folder).args(args).output().unwrap().into()
}

/// Runs it and expects it to refuse its input: exit code 2, a message, no result.
pub fn refused<S: AsRef<std::ffi::OsStr>>(folder: &Folder, args: &[S]) -> String {
    let run = run(folder, args);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{}", run.err);
    assert!(run.err.starts_with("error: "), "{}", run.err);
    run.err
}

/// A folder that is gone when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("zbz-cache-cli-{}-{name}", std::process::id()));
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

/// An oracleGeneral record.
pub fn oracle_record(time: u32, object: u64, size: u32, next: i64) -> Vec<u8> {
    let mut bytes = time.to_le_bytes().to_vec();
    bytes.extend(object.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(next.to_le_bytes());
    bytes
}
