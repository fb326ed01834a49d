//! `examples/dependent.rs`, a program that needs another one.

use crate::support::inspect::await_watch;
use crate::support::library_examples::example;
use crate::support::sandbox::{Sandbox, Start, words};
use crate::support::signals::{KILL, TERM};

#[test]
fn a_program_ends_with_the_code_of_the_life_that_it_needs() {
    let sandbox = Sandbox::new();
    let program = sandbox.command(example("dependent")).start();
    let db = sandbox.run(words("--name db -- sleep 1000")).start();
    sandbox.await_key("api", "Ready");
    db.send(KILL);
    assert_eq!(program.end().status, 137);
    assert!(sandbox.holds("db:lost") && sandbox.holds("api:exit=137"));
    db.end();
}

#[test]
fn a_program_is_never_ready_if_the_life_that_it_needs_ends_before() {
    let sandbox = Sandbox::new();
    let db = sandbox.run(words("--name db --ready-on signal -- sleep 1000"));
    let db = { db }.start();
    sandbox.await_key("db", "Born");
    // A death before the wait would be that of an earlier life.
    let program = sandbox.command(example("dependent")).start();
    await_watch(&program);
    db.send(TERM);
    db.end();
    let ended = program.end();
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.stderr.contains("db has ended"), "{ended:?}");
    assert_eq!(sandbox.entries(), ["db"]);
}
