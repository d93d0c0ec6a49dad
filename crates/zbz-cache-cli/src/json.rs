//! Results as JSON files.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;

/// Refuses a file that could not be written, before any work is done for it.
///
/// # Errors
///
/// There is no such folder, or the file is one.
pub fn check_place(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() && !file.is_dir() {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "{} cannot be written; name a file in a folder that is there",
        file.display()
    )))
}

/// Writes results, indented.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(file: &Path, results: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(results)
        .map_err(|error| Failure::Work(format!("the results cannot be put into JSON: {error}")))?;
    fs::write(file, json + "\n")
        .map_err(|error| Failure::Work(format!("{} cannot be written: {error}", file.display())))
}
