//! Waits for a condition in an event loop of mio:
//! `EXIT_DIR=/tmp/exit cargo run --example mio [NAME[:STATE]]`.
//!
//! Needs `mio = { version = "1", default-features = false, features = ["os-ext", "os-poll"] }`.

// The library never prints; a program may.
#![allow(clippy::print_stdout)]

use exitdir::{Condition, ExitDir, State, Verdict};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::error::Error;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;

const WATCH: Token = Token(0);

fn main() -> Result<(), Box<dyn Error>> {
    let text = std::env::args().nth(1).unwrap_or("exitFile".to_owned());
    let condition = Condition::parse(&text, State::Died)?;
    let dir = ExitDir::from_env().ok_or("EXIT_DIR is not set")?;

    let mut watch = dir.watch(&[condition])?;
    let mut poll = Poll::new()?;
    let descriptor = watch.as_raw_fd();
    poll.registry()
        .register(&mut SourceFd(&descriptor), WATCH, Interest::READABLE)?;

    let mut events = Events::with_capacity(16);
    let verdict = loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        // A program with more sources asks here which of them is ready.
        if events.iter().any(|event| event.token() == WATCH) {
            match watch.check()? {
                Verdict::Open => {}
                verdict => break verdict,
            }
        }
    };
    poll.registry().deregister(&mut SourceFd(&descriptor))?;
    println!("{text}: {verdict:?}");
    Ok(())
}
