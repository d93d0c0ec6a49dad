//! Resident memory of this process.
//!
//! Anonymous memory counts: heap, maps and stacks, not the program's own pages.

use std::fs;

/// Anonymous resident bytes of this process.
///
/// # Errors
///
/// Where the system does not tell (it is read from `/proc`, so Linux only).
pub fn resident_bytes() -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|error| format!("resident memory can only be read on Linux: {error}"))?;
    anonymous_bytes(&status)
        .ok_or_else(|| "the system does not tell the anonymous resident memory".to_string())
}

fn anonymous_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_anonymous_part_is_read_in_bytes() {
        let status = "VmRSS:\t    5000 kB\nRssAnon:\t    1234 kB\nRssFile:\t    3766 kB\n";
        assert_eq!(anonymous_bytes(status), Some(1234 * 1024));
    }

    #[test]
    fn a_status_without_the_line_gives_nothing() {
        assert_eq!(anonymous_bytes("VmRSS:\t 1 kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_is_touched_is_resident() {
        let before = resident_bytes().expect("resident memory");
        let touched = vec![1u8; 32 << 20];
        let after = resident_bytes().expect("resident memory");
        assert!(after - before >= 31 << 20, "{before} {after}");
        drop(touched);
    }
}
