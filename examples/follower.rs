//! Ticks each second until the leader has died:
//! `EXIT_DIR=/tmp/exit cargo run --example follower [NAME]`.
//!
//! A death that was recorded before the follower began counts too, so remove an old `/tmp/exit`
//! first.

// The library never prints; a program may.
#![allow(clippy::print_stdout)]

use exitdir::{Condition, ExitDir, Name, State, Verdict};
use std::error::Error;
use std::time::Duration;

const TICK: Duration = Duration::from_secs(1);
/// Number of ticks when there is no leader to follow.
const TICKS_ALONE: u32 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or("exitFile".to_owned());
    let name: Name = name.parse()?;

    match ExitDir::from_env() {
        Some(dir) => follow(&dir, name)?,
        None => tick_alone(),
    }
    println!("[Follower] Exiting...");
    Ok(())
}

fn follow(dir: &ExitDir, leader: Name) -> Result<(), exitdir::Error> {
    let exit = Condition {
        name: Some(leader),
        state: State::Died,
    };
    let mut watch = dir.watch(&[exit])?;
    for tick in 0_u64.. {
        println!("[Follower] Tick {tick}");
        match watch.wait(Some(TICK))? {
            Verdict::Open => {}
            Verdict::Holds(_) | Verdict::Impossible => break,
        }
    }
    Ok(())
}

fn tick_alone() {
    println!("[Follower] EXIT_DIR is not set: there is no leader to follow");
    for tick in 0..TICKS_ALONE {
        println!("[Follower] Tick {tick}");
        std::thread::sleep(TICK);
    }
}
