//! The machine's class and the versions of what raced on it.

use crate::contestant::Card;
use crate::results::{Entrant, Machine};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const LOCK_FILE: &str = include_str!("../Cargo.lock");

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// What kind of machine this is, without its name.
pub fn describe() -> Machine {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name| field(&processor, name).unwrap_or("unknown").to_string();
    Machine {
        processor: field("model name"),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cache: last_level_cache().unwrap_or_else(|| field("cache size")),
        memory_gib: kilobytes(&memory, "MemTotal").map_or(0, |kilobytes| kilobytes.div_ceil(1 << 20)),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

/// Bytes of memory the system could still give.
pub fn available_bytes() -> Option<u64> {
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    Some(kilobytes(&memory, "MemAvailable")? * 1024)
}

/// Every card's name with the version that is compiled in.
///
/// # Errors
///
/// When the lock file this program was built with cannot be read.
pub fn entrants(cards: &[&'static Card]) -> Result<Vec<Entrant>, String> {
    let lock: Lock = toml::from_str(LOCK_FILE).map_err(|error| format!("the lock file: {error}"))?;
    let versions: HashMap<String, String> =
        lock.package.into_iter().map(|package| (package.name, package.version)).collect();
    let version = |card: &Card| match card.package {
        Some(package) => versions.get(package).cloned().unwrap_or_else(|| "not in the lock file".to_string()),
        None => "standard library".to_string(),
    };
    Ok(cards.iter().map(|card| Entrant { name: card.name, version: version(card) }).collect())
}

/// The size of the outermost cache of the first core, as the system writes it.
fn last_level_cache() -> Option<String> {
    let folders = fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    let read =
        |folder: &Path, file: &str| Some(fs::read_to_string(folder.join(file)).ok()?.trim().to_string());
    let levels = folders.filter_map(|folder| {
        let folder = folder.ok()?.path();
        let level: u32 = read(&folder, "level")?.parse().ok()?;
        Some((level, read(&folder, "size")?))
    });
    levels.max_by_key(|(level, _)| *level).map(|(_, size)| size)
}

fn field<'text>(text: &'text str, name: &str) -> Option<&'text str> {
    text.lines().find_map(|line| {
        let (label, value) = line.split_once(':')?;
        (label.trim() == name).then(|| value.trim())
    })
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestants::CARDS;

    #[test]
    fn a_field_is_found_by_its_whole_label() {
        let text = "model\t\t: 17\nmodel name\t: Fast One\ncache size\t: 1024 KB\n";
        assert_eq!(field(text, "model name"), Some("Fast One"));
        assert_eq!(field(text, "name"), None);
        assert_eq!(kilobytes("MemTotal:   2048 kB\n", "MemTotal"), Some(2048));
    }

    #[test]
    fn every_contestant_has_a_version() {
        let cards: Vec<_> = CARDS.iter().collect();
        for entrant in entrants(&cards).expect("versions") {
            assert_ne!(entrant.version, "not in the lock file", "{}", entrant.name);
        }
    }
}
