//! The compose project among the examples, under the real docker-compose: it ends, and does so
//! again with the volumes of the run before.

use crate::engine::{Engine, FOREIGN, SCRATCH, find};
use crate::harness::{Host, Obstacle, TestResult};
use crate::support::sandbox::{Ended, Sandbox, Start, repository};
use std::path::PathBuf;

/// In place of busybox:1.36: with links for all applets, and a directory that its server needs.
const BUSYBOX: &str = "busybox-of-compose:test";
const DOCKERFILE: &str = r#"USER 0:0
RUN ["/bin/busybox", "mkdir", "/tmp"]
RUN ["/bin/busybox", "--install", "-s", "/bin"]
"#;
/// The engine of these tests has no network, so main shares the loopback interface of proxy.
const OVERRIDE: &str = "services:
  exitdir: {network_mode: none}
  proxy: {network_mode: none}
  main: {network_mode: 'service:proxy'}
";

struct Project<'e> {
    engine: &'e Engine,
    program: PathBuf,
    sandbox: Sandbox,
}

impl<'e> Project<'e> {
    fn of(engine: &'e Engine) -> Result<Project<'e>, Obstacle> {
        let program = find("docker-compose");
        let program = program.ok_or(Obstacle::Missing(
            "docker-compose is not installed".to_owned(),
        ))?;
        let sandbox = Sandbox::new();
        let write = |name: &str, text: &str| {
            std::fs::write(sandbox.path(name), text).expect("writable");
        };
        write("Dockerfile", &format!("FROM {FOREIGN}\n{DOCKERFILE}"));
        let context = sandbox.path(".").display().to_string();
        engine.must([
            "build",
            "--quiet",
            "--network=none",
            "-t",
            BUSYBOX,
            &context,
        ]);
        let example = repository().join("examples/compose.yaml");
        let example = std::fs::read_to_string(example).expect("an example");
        let ours = format!("exitdir:{}", env!("CARGO_PKG_VERSION"));
        let real = example
            .replace(&ours, SCRATCH)
            .replace("busybox:1.36", BUSYBOX);
        write("compose.yaml", &real.replace("//proxy:", "//127.0.0.1:"));
        write("override.yaml", OVERRIDE);
        Ok(Project {
            engine,
            program,
            sandbox,
        })
    }

    fn compose(&self, words: &[&str]) -> Ended {
        let name = format!("exitdir-{}", std::process::id());
        let options = [
            "--project-name",
            &name,
            "-f",
            "compose.yaml",
            "-f",
            "override.yaml",
        ];
        let mut command = self.engine.client(&self.program, options);
        command
            .args(words)
            .current_dir(self.sandbox.path("."))
            .finish()
    }

    fn status(&self, service: &str) -> String {
        let id = self.compose(&["ps", "--all", "--quiet", service]).stdout;
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        self.engine.must(["inspect", "--format", format, id.trim()])
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        self.compose(&["down", "--volumes"]);
    }
}

pub fn the_compose_project_among_the_examples_ends_and_again(host: &Host) -> TestResult {
    let project = Project::of(host.engine()?)?;
    for _ in 0..2 {
        let ended = project.compose(&["up", "--no-color"]);
        assert_eq!(ended.status, 0, "{}{}", ended.stdout, ended.stderr);
        let shown = ended.stdout.lines().any(|line| line.ends_with("| hello"));
        assert!(shown, "{}{}", ended.stdout, ended.stderr);
        for service in ["exitdir", "main", "proxy"] {
            assert_eq!(project.status(service), "exited 0", "{service}");
        }
    }
    Ok(())
}
