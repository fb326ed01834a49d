//! The program in docs/tombstone.md that reads a tombstone, in another language than ours.

use super::blocks_of;
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start};
use crate::support::signals::KILL;
use std::process::Command;

#[test]
fn the_reader_in_python_tells_the_living_from_the_dead_and_the_killed() {
    if !is_permitted("python3", Command::new("python3").arg("--version")) {
        return;
    }
    let sandbox = Sandbox::new();
    let program = blocks_of("docs/tombstone.md", "python").concat();
    let program = format!("{program}\nimport sys\nprint(*(read(path) for path in sys.argv[1:]))\n");
    std::fs::write(sandbox.path("reader.py"), program).expect("a program");
    sandbox.record_death("failed", "3");
    let alive = sandbox
        .run(["--name", "alive", "--", "sleep", "1000"])
        .start();
    let lost = sandbox
        .run(["--name", "lost", "--", "sleep", "1000"])
        .start();
    for name in ["alive", "lost"] {
        sandbox.await_key(name, "Ready");
    }
    lost.send(KILL);
    lost.end();
    std::fs::write(sandbox.dir().join("empty"), "").expect("a file");
    let mut reader = sandbox.command("python3");
    reader.arg(sandbox.path("reader.py"));
    for name in ["failed", "alive", "lost", "empty"] {
        reader.arg(sandbox.dir().join(name));
    }
    reader.finish().assert_output(0, "3 None 137 0\n");
    drop(alive);
}
