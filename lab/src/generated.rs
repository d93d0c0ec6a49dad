//! Generated traces: requests that are made while they are read.
//!
//! Invariants:
//! - The name settles every request: a trace read again is the same, in any run and on any machine.
//! - Memory follows the keys that a trace chooses among, never the number of its requests.
//!
//! Reading order: `sequence` (numbers that look random), `zipf`, `patterns` (keys alone: loops, scans, phases),
//! `mix` (requests with sizes and TTLs) of the figures in `clusters` and `cachelib` (what production caches hold) or in
//! `load` (the user's own).

use std::fmt::Write;
use std::path::Path;

use zbz_cache_cli::trace::{self, Format, Place, ReadAs, Reading, Records, Trace, TraceError};

use self::cachelib::CACHES;
use self::clusters::CLUSTERS;
use self::mix::Mix;
use self::patterns::{PATTERNS, Patterned};
use crate::names;

mod cachelib;
mod clusters;
mod load;
mod mix;
mod patterns;
mod sequence;
mod zipf;

/// What the name of a generated trace begins with.
const MARK: char = '@';

/// The name of the trace whose figures are told behind it.
const LOAD: &str = "load";

/// Requests of a trace, unless its description says otherwise.
const REQUESTS: u64 = 1_000_000;

/// The name of a generated trace with its mark, if that is what was asked for.
fn name_of(path: &Path) -> Option<&str> {
    path.to_str().filter(|name| name.starts_with(MARK))
}

/// Opens a trace: the generated one of a name that begins with `@`, else a file.
///
/// # Errors
///
/// No generated trace has that name, or the file cannot be opened or understood.
pub fn open(path: &Path, read_as: &ReadAs) -> Result<Trace, TraceError> {
    let Some(name) = name_of(path) else { return trace::open(path, read_as) };
    let Trace { reading, records } = named(name)?;
    Ok(Trace { reading: reading.after(read_as), records })
}

/// Begins the trace of that name.
///
/// # Errors
///
/// There is none; the message lists those that there are.
fn named(name: &str) -> Result<Trace, TraceError> {
    let plain = &name.trim_start_matches(MARK).to_ascii_lowercase();
    let records: Box<dyn Records> = if let Some(pattern) = PATTERNS.iter().find(|it| it.name == plain) {
        Box::new(Patterned::new(pattern))
    } else if let Some(cluster) = CLUSTERS.iter().find(|it| it.name == plain) {
        Box::new(Mix::new(cluster.figures()))
    } else if let Some(cache) = CACHES.iter().find(|it| it.name == plain) {
        Box::new(Mix::new(cache.figures()))
    } else if let Some(settings) = settings_of_load(plain) {
        let figures = load::figures(settings);
        Box::new(Mix::new(figures.map_err(|problem| TraceError::new(name, Place::File, problem))?))
    } else {
        return Err(TraceError::new(name, Place::File, unknown(name)));
    };
    Ok(Trace { reading: Reading::certain(Format::Generated, None), records })
}

/// What stands behind the name of the trace that the user makes up.
fn settings_of_load(plain: &str) -> Option<&str> {
    let settings = plain.strip_prefix(LOAD)?;
    if settings.is_empty() { Some(settings) } else { settings.strip_prefix(':') }
}

/// The generated traces, a line for each: its name and what it is.
pub fn list() -> String {
    let patterns = PATTERNS.iter().map(|pattern| (pattern.name, pattern.what));
    let clusters = CLUSTERS.iter().map(|cluster| (cluster.name, cluster.what));
    let caches = CACHES.iter().map(|cache| (cache.name, cache.what));
    let load = (LOAD, "figures of your own: @load:keys=1M:requests=13M:zipf=0.9:ttl=60; has settings");
    let mut lines = String::new();
    // Writing to a string cannot fail.
    for (name, what) in patterns.chain(clusters).chain(caches).chain([load]) {
        let _ = writeln!(lines, "{MARK}{name:<18}{what}");
    }
    for (name, at, what) in load::SETTINGS {
        let _ = writeln!(lines, "  {name:<9}{at:<8}{what}");
    }
    lines
}

fn unknown(name: &str) -> String {
    let names = PATTERNS.iter().map(|it| it.name).chain(CLUSTERS.iter().map(|it| it.name));
    let names = names.chain(CACHES.iter().map(|it| it.name)).chain([LOAD]);
    let nearest = names::nearest(name.trim_start_matches(MARK), names);
    let hint = nearest.map_or_else(String::new, |name| format!("did you mean {MARK}{name}? "));
    format!(
        "no generated trace has this name (a file of this name is ./{name}); {hint}known are\n{}",
        list().trim_end()
    )
}

#[cfg(test)]
mod tests;
