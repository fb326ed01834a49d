//! `/dev/termination-log`, which Kubernetes mounts into every container: a file that every user may
//! write to, shown by `kubectl describe pod`.

use crate::engine::{HARDENED, Recipe, SHELL};
use crate::harness::{Host, Obstacle, TestResult};
use crate::support::sandbox::Sandbox;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The file on the machine's side.
struct Log {
    _sandbox: Sandbox,
    path: PathBuf,
}

impl Log {
    fn new(text: &str) -> Log {
        let sandbox = Sandbox::new();
        let path = sandbox.path("termination-log");
        std::fs::write(&path, text).expect("writable");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).expect("ours");
        Log {
            _sandbox: sandbox,
            path,
        }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).expect("readable")
    }

    /// Runs `exitdir-run` with these arguments; returns its status.
    fn run<'w>(
        &self,
        machine: &Host,
        words: impl IntoIterator<Item = &'w str>,
    ) -> Result<i32, Obstacle> {
        let words = ["run"].into_iter().chain(words);
        Ok(self
            .mounted(machine.engine()?.container(SHELL))
            .run(words)
            .status)
    }

    fn mounted<'e>(&self, recipe: Recipe<'e>) -> Recipe<'e> {
        let mount = format!("{}:/dev/termination-log", self.path.display());
        recipe.options(HARDENED).options(["-v", &mount])
    }
}

pub fn a_command_that_does_not_exist_is_explained(machine: &Host) -> TestResult {
    let log = Log::new("");
    assert_eq!(log.run(machine, ["--", "/no/such/command"])?, 127);
    assert_eq!(
        log.text(),
        "exitdir-run: cannot run /no/such/command: No such file or directory\n"
    );
    Ok(())
}

pub fn a_command_line_that_is_wrong_is_explained(machine: &Host) -> TestResult {
    let log = Log::new("");
    assert_eq!(
        log.run(machine, ["--no-such-option", "--", "/bin/true"])?,
        125
    );
    let text = log.text();
    assert!(
        text.starts_with("exitdir-run: ") && text.contains("--no-such-option"),
        "{text:?}"
    );
    assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    Ok(())
}

pub fn a_stop_for_a_death_dependency_is_explained(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let log = Log::new("");
    let recipe = log
        .mounted(engine.container(SHELL))
        .shares(&engine.memory_volume());
    let container = recipe.start([
        "run",
        "-n",
        "proxy",
        "--death-deps",
        "main",
        "--",
        "/bin/sleep",
        "600",
    ]);
    container.awaits("proxy:ready");
    assert_eq!(log.text(), "", "nothing has happened yet");
    // It may be killed with the container that it ends.
    container.exec(["/exitdir-signal", "main"]);
    assert_eq!(container.end(), 0, "{}", container.log());
    let text = log.text();
    assert!(
        text.starts_with("exitdir-run: main ") && text.contains("/bin/sleep"),
        "{text:?}"
    );
    assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    Ok(())
}

pub fn a_command_that_ends_by_itself_leaves_no_termination_message(machine: &Host) -> TestResult {
    let log = Log::new("");
    assert_eq!(log.run(machine, ["--", "/bin/sh", "-c", "exit 3"])?, 3);
    assert_eq!(log.text(), "");
    Ok(())
}

pub fn a_termination_message_of_the_command_is_left_alone(machine: &Host) -> TestResult {
    let log = Log::new("out of cheese\n");
    assert_eq!(log.run(machine, ["--", "/no/such/command"])?, 127);
    assert_eq!(log.text(), "out of cheese\n");
    Ok(())
}
