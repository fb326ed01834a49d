//! A program that needs another one, without `exitdir-run`:
//! `EXIT_DIR=/tmp/exit cargo run --example dependent`.
//!
//! It starts when `db` is ready, lives as `api`, and ends when `db` dies, with the same exit code.

use exitdir::{ExitDir, Match, Verdict, Watch};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // None when EXIT_DIR is unset or empty: there is no other program to wait for.
    let Some(dir) = ExitDir::from_env() else {
        return Ok(ExitCode::SUCCESS);
    };

    let mut db = dir.watch(&["db:ready".parse()?])?;
    match db.wait(Some(Duration::from_secs(30)))? {
        Verdict::Holds(_) => {}
        // It has died. Begin a new watch to wait for its next life.
        Verdict::Impossible => return Err("db has ended before it was ready".into()),
        Verdict::Open => return Err("db is not ready after 30 seconds".into()),
    }

    // If this process is killed from now on, or returns early, others see the life as lost.
    let life = dir.begin(&"api".parse()?)?;
    life.ready()?;
    let code = serve(dir.watch(&["db:died".parse()?])?)?;
    // This only records the code, so main returns it too.
    life.finish(code)?;
    Ok(ExitCode::from(code))
}

/// Works until the other life has ended, and returns its exit code: 137 if it was killed.
fn serve(mut end: Watch) -> Result<u8, exitdir::Error> {
    loop {
        // An event loop polls the descriptor of the watch, and calls `check`, which never blocks.
        match end.wait(Some(Duration::from_secs(1)))? {
            Verdict::Holds(ended) => return Ok(ended.first().map_or(0, Match::exit_code)),
            Verdict::Open | Verdict::Impossible => { /* One second of work. */ }
        }
    }
}
