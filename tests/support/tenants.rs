//! More tenants than the one that is there from the start.

use crate::cli;
use crate::host::TestHost;
use std::process::Command;

/// Writes tenants into the metadata of a server that does not run.
const INSERT: &str = r#"
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.executemany("INSERT INTO tenant (name, created_ms) VALUES (?, 0)", [(name,) for name in sys.argv[2:]])
database.commit()
"#;

/// Makes tenants, while the server stands still: no command does it yet.
///
/// # Panics
/// When they cannot be made.
pub fn create(host: &mut TestHost, names: &[&str]) {
    host.halt();
    let database = host.data_dir().join("modelet.db");
    cli::ran(Command::new("python3").args(["-c", INSERT]).arg(database).args(names)).done();
    host.start_again();
}
