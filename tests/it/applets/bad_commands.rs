//! Commands that cannot be executed.

use crate::support::inspect::{assert_recorded_dead, assert_sentence};
use crate::support::sandbox::{Sandbox, Start};
use crate::support::users::set_mode;
use std::ffi::OsString;

/// Commands that cannot be executed, with the status that a shell would give.
fn commands(sandbox: &Sandbox) -> [(OsString, i32); 7] {
    let file = |name: &str, text: &str, mode: u32| {
        let path = sandbox.program(name, text);
        set_mode(&path, mode);
        path.into_os_string()
    };
    [
        ("/nonexistent/program".into(), 127),
        ("exitdir-no-such-program".into(), 127),
        ("".into(), 127),
        (sandbox.path("plain").join("below").into_os_string(), 127),
        (
            file("no-interpreter", "#!/nonexistent/interpreter\n", 0o755),
            127,
        ),
        (file("plain", "#!/bin/sh\n", 0o644), 126),
        (sandbox.path(".").into_os_string(), 126),
    ]
}

#[test]
fn a_command_that_cannot_be_executed_exits_126_or_127_and_is_recorded_dead() {
    // Without directories that this user may not enter: the program could be there.
    let path = "/usr/bin:/bin";
    for at in 0..7 {
        let sandbox = Sandbox::new();
        let (command, status) = commands(&sandbox)[at].clone();
        let ended = sandbox
            .run(["-n", "main", "--"])
            .arg(&command)
            .env("PATH", path)
            .finish();
        assert_sentence(&ended, "exitdir-run", status);
        assert_recorded_dead(&sandbox, "main", status);
        assert_eq!(
            sandbox.key("main", "Reason").as_deref(),
            Some("exec-failed"),
            "{command:?}"
        );
        assert_eq!(
            sandbox.key("main", "Born"),
            None,
            "{command:?} was never born"
        );

        assert_sentence(
            &sandbox
                .wait(["main", "--"])
                .arg(&command)
                .env("PATH", path)
                .finish(),
            "exitdir-wait",
            status,
        );

        let _living = sandbox
            .run(["-n", "db", "--ready-on", "signal", "--", "sleep", "60"])
            .start();
        sandbox.await_key("db", "Born");
        assert_sentence(
            &sandbox
                .signal(["--ready", "db", "--"])
                .arg(&command)
                .env("PATH", path)
                .finish(),
            "exitdir-signal",
            status,
        );
        assert_eq!(
            sandbox.key("db", "Ready"),
            None,
            "{command:?}: a probe that did not run says nothing"
        );
    }
}
