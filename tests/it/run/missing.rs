//! Death dependencies that are never seen, as with a typing error in a name: the notice.

use crate::support::sandbox::{Running, Sandbox, Start};
use crate::support::signals::TERM;
use std::io::{BufRead as _, BufReader, PipeReader};

/// A life called `name`, and the other end of its standard error.
fn begin(sandbox: &Sandbox, name: &str, options: &str) -> (Running, BufReader<PipeReader>) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let life = sandbox
        .run(["-n", name])
        .args(options.split(' '))
        .args(["--", "sleep", "60"])
        .stderr(writer)
        .start();
    sandbox.await_key(name, "Lock");
    (life, BufReader::new(reader))
}

#[test]
fn after_ten_seconds_one_line_names_the_death_dependencies_that_were_never_seen() {
    let sandbox = Sandbox::new();
    sandbox.record_ready("main");
    let (seen, mut seen_stderr) = begin(&sandbox, "seen", "--death-deps main");
    let unseen = [
        begin(&sandbox, "runs", "--death-deps mian,main"),
        begin(&sandbox, "waits", "--birth-deps no --death-deps :lost,mian"),
    ];
    let notice = format!(
        "exitdir-run: death dependencies: no tombstone of mian was seen ({} has main, runs, seen, waits)",
        sandbox.dir().display()
    );
    for (life, stderr) in unseen {
        let mut lines = stderr.lines().map(|line| line.expect("a line"));
        let found = lines.find(|line| !line.contains("still waiting"));
        assert_eq!(found.as_ref(), Some(&notice));
        life.send(TERM);
        assert_eq!(life.end().status, 143);
        let more = lines.find(|line| line.contains("no tombstone"));
        assert_eq!(more, None, "a second notice");
    }
    seen.send(TERM);
    assert_eq!(seen.end().status, 143);
    let mut line = String::new();
    seen_stderr.read_line(&mut line).expect("the end");
    assert_eq!(line, "", "a notice where nothing is missing");
}
