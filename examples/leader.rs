//! Works for five seconds, then records its death:
//! `EXIT_DIR=/tmp/exit cargo run --example leader [NAME]`.
//!
//! Followers built on the Go library look for the name `exitFile`, so that is the default.

// The library never prints; a program may.
#![allow(clippy::print_stdout)]

use exitdir::{Announcement, ExitDir, Name};
use std::error::Error;
use std::time::Duration;

const WORK: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or("exitFile".to_owned());
    let name: Name = name.parse()?;

    println!("[Leader] Doing work...");
    std::thread::sleep(WORK);
    println!("[Leader] Exiting...");

    // None when EXIT_DIR is unset: there are no followers.
    if let Some(dir) = ExitDir::from_env() {
        dir.signal(&name, Announcement::Died(0), Some("work done"))?;
    }
    Ok(())
}
