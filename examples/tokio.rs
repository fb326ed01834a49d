//! Waits for a condition in a program that runs on tokio:
//! `EXIT_DIR=/tmp/exit cargo run --example tokio [NAME[:STATE]]`.
//!
//! Needs `tokio = { version = "1", default-features = false, features = ["net", "rt"] }`.

// The library never prints; a program may.
#![allow(clippy::print_stdout)]

use exitdir::{Condition, ExitDir, State, Verdict, Watch};
use std::error::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime;

fn main() -> Result<(), Box<dyn Error>> {
    let text = std::env::args().nth(1).unwrap_or("exitFile".to_owned());
    let condition = Condition::parse(&text, State::Died)?;
    let dir = ExitDir::from_env().ok_or("EXIT_DIR is not set")?;

    // AsyncFd needs the runtime's IO driver.
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let verdict = runtime.block_on(wait(dir.watch(&[condition])?))?;
    println!("{text}: {verdict:?}");
    Ok(())
}

/// Waits until the conditions of the watch hold or can no longer hold.
async fn wait(watch: Watch) -> Result<Verdict, Box<dyn Error>> {
    // Deprecated since tokio 1.54, because a type may close its descriptor too early. A Watch does
    // not. The replacement, AsyncFd::register_with_interest, is an unsafe function for that reason.
    #[allow(deprecated)]
    let mut watch = AsyncFd::with_interest(watch, Interest::READABLE)?;
    loop {
        let mut ready = watch.readable_mut().await?;
        // Before the check: a change that comes after it makes the watch readable again.
        ready.clear_ready();
        match ready.get_inner_mut().check()? {
            Verdict::Open => {}
            verdict => return Ok(verdict),
        }
    }
}
