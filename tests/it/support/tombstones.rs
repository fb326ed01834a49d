//! Tombstones that a test writes by hand.

use crate::support::sandbox::Sandbox;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

pub const TIME: &str = "\"2026-11-20T21:29:27.101220417Z\"";

/// Writes a complete tombstone by hand, with an old modification time; `T` stands for a time.
pub fn write_tombstone(sandbox: &Sandbox, name: &str, text: &str) {
    std::fs::create_dir_all(sandbox.dir()).unwrap();
    let mut file = File::create(sandbox.dir().join(name)).unwrap();
    file.write_all(text.replace(": T", &format!(": {TIME}")).as_bytes())
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60))
        .unwrap();
}
