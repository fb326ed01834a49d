//! What a test may do on this machine. A test that cannot run says so and counts as skipped.

use std::io::Write as _;
use std::process::Command;

/// Whether something can be done here at all. If not, the test is skipped by name; under CI it
/// fails.
pub fn is_permitted(what: &str, trial: &mut Command) -> bool {
    let permitted = trial.output().is_ok_and(|output| output.status.success());
    if !permitted {
        skip(what);
    }
    permitted
}

/// Says that this test is skipped because something is not possible here; under CI it fails.
pub fn skip(what: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        std::env::var_os("CI").is_none(),
        "{test}: {what} is not possible here"
    );
    // Not eprintln, whose output a test that passes does not show.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {test}: {what} is not possible here"
    );
}

/// Says that this test is skipped because no package of Debian has a tool; under CI, too.
pub fn skip_without_package(tool: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {tool} is not here");
}

/// Whether tests that take too long for every change are asked for.
pub fn is_long_run() -> bool {
    std::env::var_os("EXITDIR_TEST_LONG").is_some()
}

/// Whether the binary under test is the static one of scripts/build, whose figures are known.
pub fn static_binary_is_given() -> bool {
    let given = std::env::var_os("EXITDIR_TEST_BINARY").is_some();
    let answer = if given { "true" } else { "false" };
    is_permitted("measuring the static binary", &mut Command::new(answer))
}

pub fn perl_is_here() -> bool {
    is_permitted("perl", Command::new("perl").args(["-MSocket", "-e1"]))
}

pub fn strace_is_here() -> bool {
    is_permitted("strace", Command::new("strace").arg("--version"))
}

/// Whether strace may trace here, and change what system calls do.
pub fn strace_can_inject() -> bool {
    is_permitted(
        "injecting faults with strace",
        Command::new("strace").args(["-o", "/dev/null", "-e", "inject=getpid:error=EIO", "true"]),
    )
}
