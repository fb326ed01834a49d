//! Memory that unsafe code reads and writes: valgrind's memcheck finds no error in the applets,
//! compiled without optimization. `scripts/test` runs the unit tests of `src/sys/` under it too.

use crate::support::parallel::{WORKERS, check_each};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start};
use std::process::Command;

/// What memcheck takes for an error: it does not know that this call reads half of its argument.
const SUPPRESSIONS: &str = "{
    FS_IOC_SETFLAGS
    Memcheck:Param
    ioctl(generic)
    ...
    fun:*ioctl_setflags*
}
";

/// The status when memcheck has found an error.
const FOUND: i32 = 99;

#[test]
fn memcheck_finds_no_error_in_the_applets() {
    let mut trial = Command::new("valgrind");
    if !is_permitted("valgrind", trial.arg("--version")) {
        return;
    }
    let cases = [
        ("run -n a --ready-on notify --death-deps b -- true", 0),
        ("run -n a --config source=copy -- true", 0),
        ("run -- ./missing", 127),
        ("wait -t 0 b:died", 124),
        ("signal -c 3 b", 0),
        ("status", 0),
    ];
    check_each(WORKERS, &cases, |(words, status)| {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.path("source")).unwrap();
        sandbox.touch("source/file");
        let suppressions = sandbox.path("suppressions");
        std::fs::write(&suppressions, SUPPRESSIONS).unwrap();
        sandbox.record_death("c", "0");
        let mut command = sandbox.command("valgrind");
        command
            .args(["-q", &format!("--error-exitcode={FOUND}")])
            .arg(format!("--suppressions={}", suppressions.display()))
            .arg(env!("CARGO_BIN_EXE_exitdir"))
            .args(words.split(' '))
            .current_dir(sandbox.path("."));
        let ended = command.finish();
        let is_right = ended.status == *status && !ended.stderr.contains("points to uninit");
        is_right
            .then_some(())
            .ok_or(format!("{words}: {}: {}", ended.status, ended.stderr))
    });
}

#[test]
fn an_overflow_panics_in_tests() {
    let sum = std::panic::catch_unwind(|| std::hint::black_box(255_u8) + std::hint::black_box(1));
    assert!(sum.is_err(), "{sum:?}");
}
