//! The compose project among the examples, with processes in place of its services: it ends, and
//! does so again with the volumes of the run before. The guide shows it as it is.

use super::manifests::words;
use super::{absolute_binary, blocks_of, made, read};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Running, Sandbox, Start};
use crate::support::servers::reserve;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

const EXAMPLE: &str = "examples/compose.yaml";
/// The applets of busybox that the services call.
const TOOLS: [&str; 3] = ["sh", "wget", "httpd"];

struct Project {
    sandbox: Sandbox,
    services: Yaml,
    port: u16,
    /// Keeps the port from other tests.
    _reserved: OwnedFd,
}

impl Project {
    /// `None` if there is no busybox.
    fn new() -> Option<Project> {
        if !is_permitted("busybox", Command::new("busybox").arg("true")) {
            return None;
        }
        let sandbox = Sandbox::new();
        let bin = made(sandbox.path("bin"));
        for tool in TOOLS {
            symlink("/bin/busybox", bin.join(tool)).expect("a link");
        }
        // The volumes, and the root file systems of the services.
        for directory in ["opt", "exit", "tmp"] {
            made(sandbox.path(directory));
        }
        let (reserved, port) = reserve();
        let project = &YamlLoader::load_from_str(&read(EXAMPLE)).expect("YAML")[0];
        Some(Project {
            sandbox,
            services: project["services"].clone(),
            port,
            _reserved: reserved,
        })
    }

    /// A text of the project, with the paths and the port of this test.
    fn real(&self, text: &str) -> String {
        let root = self.sandbox.path("").display().to_string();
        let mut text = text.to_owned();
        for directory in ["opt/", "exit/", "tmp"] {
            text = text.replace(&format!("/{directory}"), &format!("@{directory}"));
        }
        let text = text.replace("proxy:8080", "127.0.0.1:8080");
        text.replace("8080", &self.port.to_string())
            .replace('@', &root)
    }

    fn service(&self, name: &str) -> Command {
        let service = &self.services[name];
        let mut line = words(&service["entrypoint"]);
        line.extend(words(&service["command"]));
        let line: Vec<String> = line.iter().map(|word| self.real(word)).collect();
        let (program, words) = match name {
            // The entry point of the image.
            "exitdir" => (absolute_binary().display().to_string(), &line[..]),
            _ => (line[0].clone(), &line[1..]),
        };
        let mut command = self.sandbox.command(program);
        for (name, value) in variables(&service["environment"]) {
            command.env(name, self.real(&value));
        }
        command.args(words).env("PATH", self.sandbox.path("bin"));
        command
    }

    fn start(&self, name: &str) -> Running {
        self.service(name).start()
    }
}

/// The variables of a service, with those of another that it merges (`<<`).
fn variables(environment: &Yaml) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, value) in environment.as_hash().expect("variables") {
        match (name.as_str().expect("a name"), value.as_str()) {
            ("<<", _) => found.extend(variables(value)),
            (name, value) => found.push((name.to_owned(), value.expect("a value").to_owned())),
        }
    }
    found
}

#[test]
fn the_compose_project_ends_and_again_with_the_volumes_of_the_run_before() {
    let Some(project) = Project::new() else {
        return;
    };
    for _ in 0..2 {
        let installed = project.service("exitdir").finish();
        assert_eq!(installed.status, 0, "{}", installed.stderr);
        let (proxy, main) = (project.start("proxy"), project.start("main"));
        main.end().assert_output(0, "hello\n");
        let proxy = proxy.end();
        assert_eq!(proxy.status, 0, "{}", proxy.stderr);
    }
}

#[test]
fn the_guide_to_compose_shows_the_example_without_its_comments() {
    let example = read(EXAMPLE);
    let lines = example
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let expected: Vec<&str> = lines.collect();
    let shown = blocks_of("docs/guides/compose.md", "yaml").remove(0);
    assert_eq!(shown.trim_end(), expected.join("\n").trim_end());
}
