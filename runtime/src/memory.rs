//! Whether the machine, or the part of it that this process may use, is short of memory.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use modelet_engine::ports::{Memory, Pressure};

/// Below this part of the whole, little is left.
const HIGH: u64 = 10;
/// Below this part of the whole, nearly nothing is left: one in so many.
const CRITICAL: u64 = 25;

/// More than `/proc/meminfo` has.
const MEMINFO_BYTES: usize = 8 << 10;

/// The machine's memory, and that of the control group that the process is in, whichever is shorter.
#[derive(Debug)]
pub(crate) struct SystemMemory {
    meminfo: PathBuf,
    group: Option<Group>,
}

/// A control group's figures. Version 1 and 2 have the same ones under other names.
#[derive(Debug)]
struct Group {
    limit: PathBuf,
    used: PathBuf,
    stat: PathBuf,
    /// In `stat`: pages of files that the kernel can drop at any time.
    droppable: &'static str,
}

impl SystemMemory {
    /// Finds where the figures are. What a machine does not have counts as enough.
    pub(crate) fn find() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self { meminfo: "/proc/meminfo".into(), group: group(Path::new("/sys/fs/cgroup"), &groups) }
    }
}

impl Memory for SystemMemory {
    fn pressure(&self) -> Pressure {
        let machine = machine(&self.meminfo).map_or(Pressure::None, |(free, all)| judge(free, all));
        let group = self.group.as_ref().and_then(Group::read).map_or(Pressure::None, |(free, all)| judge(free, all));
        machine.max(group)
    }
}

fn judge(free: u64, all: u64) -> Pressure {
    match free {
        free if free < all / CRITICAL => Pressure::Critical,
        free if free < all / HIGH => Pressure::High,
        _ => Pressure::None,
    }
}

/// The figures of the group that `groups`, the text of `/proc/self/cgroup`, names.
fn group(root: &Path, groups: &str) -> Option<Group> {
    let named = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let path = path.trim_start_matches('/').to_owned();
        Some((controllers.to_owned(), path))
    };
    let lines: Vec<_> = groups.lines().filter_map(named).collect();
    // Inside of a container the path may be that outside of it: then the root is the container's own group.
    let folder = |base: &Path, path: &str, file: &str| {
        [base.join(path), base.to_owned()].into_iter().find(|folder| folder.join(file).is_file())
    };
    for (controllers, path) in &lines {
        if controllers.split(',').any(|one| one == "memory")
            && let Some(folder) = folder(&root.join("memory"), path, "memory.limit_in_bytes")
        {
            let (limit, used) = (folder.join("memory.limit_in_bytes"), folder.join("memory.usage_in_bytes"));
            return Some(Group { limit, used, stat: folder.join("memory.stat"), droppable: "total_inactive_file" });
        }
    }
    let (_, path) = lines.iter().find(|(controllers, _)| controllers.is_empty())?;
    let folder = folder(root, path, "memory.max")?;
    let (limit, used) = (folder.join("memory.max"), folder.join("memory.current"));
    Some(Group { limit, used, stat: folder.join("memory.stat"), droppable: "inactive_file" })
}

impl Group {
    /// What is left and what there may be, in bytes; `None`: there is no limit.
    fn read(&self) -> Option<(u64, u64)> {
        let number = |path: &Path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        // Without a limit it is the word `max`, or in version 1 a number larger than any machine.
        let all = number(&self.limit).filter(|all| *all < 1 << 60)?;
        let stat = fs::read_to_string(&self.stat).unwrap_or_default();
        let droppable = stat.lines().find_map(|line| line.strip_prefix(self.droppable)?.trim().parse().ok());
        Some(((all.saturating_sub(number(&self.used)?)).saturating_add(droppable.unwrap_or(0)), all))
    }
}

/// What is left and what there is of the machine's memory, in KiB.
fn machine(meminfo: &Path) -> Option<(u64, u64)> {
    // The system says of this file that it is empty: without room for it, it would be made anew for each small piece.
    let mut text = String::with_capacity(MEMINFO_BYTES);
    fs::File::open(meminfo).ok()?.read_to_string(&mut text).ok()?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    Some((of("MemAvailable:")?, of("MemTotal:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn a_tenth_left_is_little_and_a_twenty_fifth_is_nearly_nothing() {
        assert_eq!(judge(11, 100), Pressure::None);
        assert_eq!(judge(9, 100), Pressure::High);
        assert_eq!(judge(3, 100), Pressure::Critical);
        assert_eq!(judge(0, 0), Pressure::None);
    }

    #[test]
    fn the_machines_figures_are_read() {
        let dir = tempfile::tempdir().unwrap();
        lay(dir.path(), &[("meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    50 kB\n")]);
        let memory = SystemMemory { meminfo: dir.path().join("meminfo"), group: None };
        assert_eq!(memory.pressure(), Pressure::High);
        assert_eq!(SystemMemory { meminfo: dir.path().join("none"), group: None }.pressure(), Pressure::None);
    }

    #[test]
    fn a_group_of_either_version_counts_with_what_can_be_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        lay(
            root,
            &[
                ("two/a/memory.max", "1000\n"),
                ("two/a/memory.current", "990\n"),
                ("two/a/memory.stat", "anon 5\ninactive_file 20\n"),
                ("one/memory/memory.limit_in_bytes", "1000\n"),
                ("one/memory/memory.usage_in_bytes", "980\n"),
                ("one/memory/memory.stat", "total_inactive_file 0\n"),
                ("free/memory.max", "max\n"),
                ("free/memory.current", "1\n"),
            ],
        );
        let read = |root: &Path, groups: &str| group(root, groups).and_then(|group| group.read());
        assert_eq!(read(&root.join("two"), "0::/a\n"), Some((30, 1000)));
        assert_eq!(read(&root.join("one"), "4:memory:/far/away\n0::/\n"), Some((20, 1000)));
        assert_eq!(read(&root.join("free"), "0::/\n"), None);
        assert_eq!(read(&root.join("nowhere"), "0::/\n"), None);
    }
}
