//! How much memory this process may use: the smallest limit among its cgroups, v1 or v2, and
//! their parents, else the physical memory. Known on Linux only.

use std::fs;
use std::path::{Path, PathBuf};

/// In bytes; `None` if it cannot be determined.
pub(super) fn memory_limit() -> Option<u64> {
    memory_limit_under(Path::new("/"))
}

fn memory_limit_under(root: &Path) -> Option<u64> {
    let physical = physical_memory(&fs::read_to_string(root.join("proc/meminfo")).ok()?)?;
    let cgroups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    let limits = cgroups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let version_2 = controllers.is_empty();
        if !version_2 && !controllers.split(',').any(|controller| controller == "memory") {
            return None;
        }
        let (mounted_at, mounted_path) = mount_of(&mounts, version_2)?;
        let inside = path.strip_prefix(mounted_path.trim_end_matches('/')).unwrap_or(path);
        let file = if version_2 { "memory.max" } else { "memory.limit_in_bytes" };
        smallest_upwards(root.join(mounted_at.trim_start_matches('/')), inside, file)
    });
    limits.chain([physical]).min()
}

/// `MemTotal:       24689764 kB`
fn physical_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The mount point of the hierarchy, and the folder of it that is mounted there.
fn mount_of(mounts: &str, version_2: bool) -> Option<(&str, &str)> {
    mounts.lines().find_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let mut source = source.split(' ');
        let right = match source.next()? {
            "cgroup2" => version_2,
            "cgroup" => !version_2 && source.nth(1)?.split(',').any(|option| option == "memory"),
            _ => false,
        };
        let mut fields = mount.split(' ').skip(3);
        let (shown, at) = (fields.next()?, fields.next()?);
        right.then_some((at, shown))
    })
}

/// The smallest number in `file`, over the folders from `inside` up to the mount point. A file that is
/// missing or says `max` sets no limit.
fn smallest_upwards(mount: PathBuf, inside: &str, file: &str) -> Option<u64> {
    let start = mount.join(inside.trim_start_matches('/'));
    let folders = start.ancestors().take_while(|folder| folder.starts_with(&mount));
    folders.filter_map(|folder| fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("zbz-cache-cgroups-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:  1024 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_smallest_limit_on_the_way_up_wins() {
        let mounts = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let root = tree(
            "v2",
            &[
                MEMINFO,
                ("proc/self/cgroup", "0::/a/b\n"),
                ("proc/self/mountinfo", mounts),
                ("sys/fs/cgroup/a/memory.max", "4096\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ],
        );
        assert_eq!(memory_limit_under(&root), Some(4096));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn version_1_counts_its_memory_hierarchy_only_as_far_as_it_is_mounted() {
        let mounts = "31 1 0:27 /box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 1 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        let root = tree(
            "v1",
            &[
                MEMINFO,
                ("proc/self/cgroup", "5:cpu:/box/x\n4:memory:/box/x\n"),
                ("proc/self/mountinfo", mounts),
                ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "8192\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/cpu/x/memory.limit_in_bytes", "1\n"),
            ],
        );
        assert_eq!(memory_limit_under(&root), Some(8192));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn without_a_limit_it_is_the_physical_memory_and_without_that_unknown() {
        let root = tree("none", &[MEMINFO]);
        assert_eq!(memory_limit_under(&root), Some(1024 * 1024));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(memory_limit_under(&root), None);
    }
}
