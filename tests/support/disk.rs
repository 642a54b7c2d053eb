//! A disk of a test's own, small enough to be filled; and a user who may not write everywhere.
//!
//! Both take a namespace, which only a process with one thread can enter: the test runs once more, alone, in a process that
//! `unshare` has put into one. Neither needs to be root where users may make namespaces of their own.

use std::env;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells the second process that it is the second one, and where its folder is.
const FOLDER: &str = "TEST_NAMESPACE_FOLDER";

/// The user of the second process where it must not be root; any but 0.
const USER: &str = "1000";

/// Runs `work` with a folder in which `data` is a disk of `bytes` in memory. `test` is the calling test, as `--exact` takes it.
///
/// # Panics
/// When `work` does, or no disk can be had; the message says how to get one.
pub fn small(test: &str, bytes: u64, work: impl FnOnce(&Path)) {
    if let Some(folder) = second() {
        let data = folder.join("data");
        fs::create_dir(&data).unwrap();
        mount(&data, bytes);
        return work(&folder);
    }
    // A user of their own first; root in a container may have none to give and still mount.
    let ways: [&[&str]; 2] = [&["--user", "--map-root-user", "--mount"], &["--mount"]];
    let probe = |way: &&&[&str]| {
        let mounts = Command::new("unshare").args(**way).args(["mount", "-t", "tmpfs", "probe", "/tmp"]).output();
        mounts.is_ok_and(|mounts| mounts.status.success())
    };
    let Some(way) = ways.iter().find(probe) else {
        panic!(
            "`unshare --user --map-root-user --mount mount -t tmpfs …` does not work here, and this test fills a disk of its own: install \
             util-linux, let users make namespaces (`sysctl kernel.unprivileged_userns_clone=1`, and on Ubuntu \
             `kernel.apparmor_restrict_unprivileged_userns=0`), or run the tests as root outside of a container"
        );
    };
    again(way, test);
}

/// Runs `work` with a folder, as a user to whom the modes of files and folders apply: root passes by them.
///
/// # Panics
/// When `work` does, or root can become nobody else; the message says how.
pub fn as_a_user(test: &str, work: impl FnOnce(&Path)) {
    if let Some(folder) = second() {
        return work(&folder);
    }
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        let folder = tempfile::tempdir().unwrap();
        return work(folder.path());
    }
    let user = [format!("--map-user={USER}"), format!("--map-group={USER}")];
    let way = ["--user", &user[0], &user[1]];
    let works = Command::new("unshare").args(way).arg("true").output().is_ok_and(|ran| ran.status.success());
    assert!(
        works,
        "`unshare --user --map-user={USER} …` does not work here, and root may write anywhere: run the tests as another user, or let \
         root make user namespaces (util-linux 2.38, and a container that allows them)"
    );
    again(&way, test);
}

/// Fills the disk that a folder is on, to the last byte.
///
/// # Panics
/// When something other than the end of the room ends it.
#[must_use]
pub fn fill(folder: &Path) -> Ballast {
    let path = folder.join("ballast");
    let mut file = fs::File::create(&path).unwrap();
    for piece in [1 << 20, 4096, 1] {
        let bytes = vec![0x5a; piece];
        let end = std::iter::repeat_with(|| file.write_all(&bytes)).find_map(Result::err).unwrap();
        assert_eq!(end.kind(), ErrorKind::StorageFull, "{end}");
    }
    Ballast(path)
}

/// What fills a disk. Dropping it frees all.
#[derive(Debug)]
pub struct Ballast(PathBuf);

impl Ballast {
    /// Frees this many bytes.
    ///
    /// # Panics
    /// When it has fewer.
    pub fn free(&self, bytes: u64) {
        let file = fs::File::options().write(true).open(&self.0).unwrap();
        file.set_len(file.metadata().unwrap().len().checked_sub(bytes).unwrap()).unwrap();
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn second() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

/// The calling test alone, in the namespaces that `way` makes.
fn again(way: &[&str], test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut second = Command::new("unshare");
    second.args(way).arg(env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]);
    let ran = second.env(FOLDER, folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
}

fn mount(at: &Path, bytes: u64) {
    let options = format!("size={bytes},mode=0700");
    let mut mount = Command::new("mount");
    let mounted = mount.args(["-t", "tmpfs", "-o", &options, "modelet-test"]).arg(at).output().unwrap();
    assert!(mounted.status.success(), "mount: {}", String::from_utf8_lossy(&mounted.stderr));
}
