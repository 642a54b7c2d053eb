//! Whose data directory is taken, and whose is refused.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "what fails here is a failed test")]

use modelet_spec::TenantName;
use modelet_store::{Actor, Store, StoreError};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use tempfile::tempdir;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).map_or(0, |data| data.permissions().mode() & 0o777)
}

#[test]
fn a_new_data_directory_is_for_its_owner_alone() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("a/b");
    let store = Store::open(&data).unwrap();
    assert_eq!((mode(&data), mode(&data.join("blobs"))), (0o700, 0o700));
    let tenant = TenantName::default_tenant();
    let digest = store.put_blob(&tenant, b"x", u64::MAX).unwrap();
    assert_eq!(mode(&store.blob_path(&tenant, &digest)), 0o600);
}

#[test]
fn a_data_directory_open_to_others_is_refused_with_the_fix_and_left_alone() {
    for open in [0o750, 0o701, 0o777] {
        let dir = tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(open)).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::OpenToOthers { mode, .. } if mode == open), "{error}");
        assert!(error.to_string().contains("chmod 700"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn another_users_data_directory_is_refused() {
    let dir = tempdir().unwrap();
    // Root can give a directory away; anybody else can try root's.
    let is_root = chown(dir.path(), Some(12345), None).is_ok();
    let theirs = if is_root { dir.path() } else { Path::new("/") };
    let error = Store::open(theirs).unwrap_err();
    assert!(matches!(error, StoreError::ForeignOwner { .. }), "{error}");
}

#[test]
fn what_is_no_directory_is_refused() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Store::open(&file), Err(StoreError::NotADirectory(_))));
    assert!(matches!(Store::open(&file.join("below")), Err(StoreError::Io { .. })));
}

#[test]
fn a_lock_that_leads_elsewhere_is_not_followed() {
    let dir = tempdir().unwrap();
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let data = dir.path().join("data");
    drop(Store::open(&data).unwrap());
    fs::remove_file(data.join("lock")).unwrap();
    symlink(&victim, data.join("lock")).unwrap();
    assert!(matches!(Store::open(&data), Err(StoreError::Io { .. })));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn one_server_at_a_time_and_the_second_learns_who_is_there() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let first = Store::open(&data).unwrap();
    let error = Store::open(&data).unwrap_err();
    let here = std::process::id();
    assert!(matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == here), "{error}");
    assert!(error.to_string().contains(&format!("process {here}")), "{error}");
    drop(first);
    Store::open(&data).unwrap();
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    drop(Store::open(&data).unwrap());
    let database = rusqlite::Connection::open(data.join("modelet.db")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(&data).unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 2.., .. }), "{error}");
    let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn a_database_that_is_not_ours_is_refused_and_left_alone() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    drop(Store::open(&data).unwrap());
    let path = data.join("modelet.db");
    fs::write(&path, "this is not a database, it is a text of some length").unwrap();
    let error = Store::open(&data).unwrap_err();
    assert!(matches!(error, StoreError::ForeignDatabase { .. }), "{error}");

    fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = fs::read(&path).unwrap();
    let error = Store::open(&data).unwrap_err();
    assert!(matches!(error, StoreError::ForeignDatabase { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn the_database_is_opened_to_survive_a_power_failure() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    store.by(&Actor::Server).create_tenant(&"acme".parse().unwrap(), &modelet_spec::Claims::default()).unwrap();
    let database = rusqlite::Connection::open(data.join("modelet.db")).unwrap();
    let mode: String = database.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let intact: String = database.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
}
