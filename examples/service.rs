//! A program that supervises itself, without `exitdir-run`:
//! `EXIT_DIR=/tmp/exit cargo run --example service [NAME]`.
//!
//! It is ready at once and works until its standard input ends. If it is killed before, others see
//! it as lost.

// The library never prints; a program may.
#![allow(clippy::print_stdout)]

use exitdir::{ExitDir, OwnLife};
use std::error::Error;
use std::io;

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or("service".to_owned());
    let name = name.parse()?;

    // None when EXIT_DIR is unset: no other program looks at this one.
    let dir = ExitDir::from_env();
    let life = dir.map(|dir| dir.begin(&name)).transpose()?;

    println!("[Service] Ready");
    life.as_ref().map(OwnLife::ready).transpose()?;
    let bytes = io::copy(&mut io::stdin(), &mut io::sink())?;

    println!("[Service] Read {bytes} bytes");
    life.map(|life| life.finish(0)).transpose()?;
    Ok(())
}
