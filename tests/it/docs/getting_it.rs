//! What README.md says about getting exitdir, besides what `visits.rs` and the tests of containers
//! run: its fragments of manifests do what the text says, with processes in place of containers.

use super::manifests::{variable, words};
use super::{absolute_binary, blocks_of, made, read};
use crate::support::sandbox::{Ended, Sandbox, Start, entries};
use crate::support::servers::reserve;
use std::net::TcpListener;
use yaml_rust2::{Yaml, YamlLoader};

/// What stands below this key, which is at the top of a block of YAML in README.md.
fn fragment(key: &str) -> Yaml {
    let blocks = blocks_of("README.md", "yaml").into_iter();
    let mut blocks = blocks.filter(|block| block.starts_with(&format!("{key}:")));
    let block = blocks.next().unwrap_or_else(|| panic!("no block {key}"));
    assert_eq!(blocks.next(), None, "more than one block {key}");
    YamlLoader::load_from_str(&block).expect("YAML")[0][key].clone()
}

/// Runs the image with these arguments and this exit directory, with volumes below the sandbox.
fn install(sandbox: &Sandbox, arguments: &[String], exit_dir: &str) {
    for volume in ["opt", "exit"] {
        made(sandbox.path(volume));
    }
    let below = |path: &str| format!("{}{path}", sandbox.path(".").display());
    let mut command = sandbox.command(absolute_binary());
    for argument in arguments {
        command.arg(match argument.starts_with('/') {
            true => below(argument),
            false => argument.clone(),
        });
    }
    let ended = command.env("EXIT_DIR", below(exit_dir)).finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(entries(&sandbox.path("opt/exitdir")).contains(&"exitdir-run".to_owned()));
    assert_eq!(entries(&sandbox.path("exit")), ["tombstones"]);
}

#[test]
fn the_init_container_of_the_readme_installs_the_binary_and_makes_the_exit_directory() {
    let container = &fragment("initContainers")[0];
    let exit_dir = variable(container, "EXIT_DIR").expect("an exit directory");
    install(&Sandbox::new(), &words(&container["args"]), exit_dir);
}

#[test]
fn the_compose_service_of_the_readme_does_the_same() {
    let service = &fragment("services")["exitdir"];
    let exit_dir = service["environment"]["EXIT_DIR"].as_str();
    let exit_dir = exit_dir.expect("an exit directory");
    install(&Sandbox::new(), &words(&service["command"]), exit_dir);
}

/// The blocks of a container with a `command` of its own: the one of an entry point, and the one
/// that waits for a port.
fn commands() -> [Vec<String>; 2] {
    let blocks = blocks_of("README.md", "yaml").into_iter();
    let mut blocks = blocks.filter(|block| block.starts_with("command:"));
    let mut next = || {
        let block = blocks.next().expect("a command");
        let container = &YamlLoader::load_from_str(&block).expect("YAML")[0];
        [words(&container["command"]), words(&container["args"])].concat()
    };
    [next(), next()]
}

/// Runs a command of the README with this program in place of one of its words.
fn run(sandbox: &Sandbox, command: &[String], word: &str, program: &str) -> Ended {
    let bin = sandbox.path("opt/exitdir");
    let mut installed = sandbox.applet("install");
    assert_eq!(installed.arg(&bin).finish().status, 0);
    let program = sandbox.program("program", program).display().to_string();
    assert!(command.iter().any(|part| part == word), "{command:?}");
    let real = |part: &String| match part.strip_prefix("/opt/exitdir/") {
        Some(applet) => bin.join(applet).display().to_string(),
        None if part == word => program.clone(),
        None => part.clone(),
    };
    let line: Vec<String> = command.iter().map(real).collect();
    sandbox.command(&line[0]).args(&line[1..]).finish()
}

#[test]
fn an_entry_point_that_is_repeated_gets_the_arguments_of_the_image() {
    let [command, _] = commands();
    let script = "#!/bin/sh\nprintf '<%s>' \"$@\"\n";
    let ended = run(&Sandbox::new(), &command, "/docker-entrypoint.sh", script);
    ended.assert_output(0, "<nginx><-g><daemon off;>");
}

/// Runs the command that waits for a port with this port, and this long.
fn wait_for(port: u16, patience: &str) -> Ended {
    let [_, command] = commands();
    let here = format!("tcp:127.0.0.1:{port}");
    let real = |word: &String| word.replace("tcp:db:5432", &here).replace("30s", patience);
    let command: Vec<String> = command.iter().map(real).collect();
    run(&Sandbox::new(), &command, "/app", "#!/bin/sh\necho runs\n")
}

#[test]
fn the_command_that_waits_for_a_port_runs_the_application_once_the_port_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    wait_for(port, "100s").assert_output(0, "runs\n");
    let (_reserved, silent) = reserve();
    wait_for(silent, "0").assert_output(124, "");
}

#[test]
fn the_restricted_pod_of_the_readme_has_the_rights_that_the_manifests_have() {
    let context = fragment("securityContext");
    let context = context.as_hash().expect("settings");
    let job = read("examples/kubernetes/job-with-proxy/job.yaml");
    for name in context.keys().filter_map(Yaml::as_str) {
        assert!(job.contains(&format!("{name}: ")), "job.yaml has no {name}");
    }
    assert_eq!(context.len(), 6);
}

#[test]
fn the_readme_names_every_variable_of_kubexit_that_has_a_meaning() {
    let page = read("docs/kubexit.md");
    let rows = page.lines().filter(|line| line.starts_with("| `KUBEXIT_"));
    let rows = rows.filter(|row| !row.contains("versions of the original"));
    let variables: Vec<&str> = rows.flat_map(|row| row.split('`')).collect();
    let variables = variables.iter().filter(|word| word.starts_with("KUBEXIT_"));
    let readme = read("README.md");
    let mut count = 0;
    for variable in variables {
        let named = readme.contains(&format!("`{variable}`"));
        assert!(named, "README.md does not name {variable}");
        count += 1;
    }
    assert!(count > 7, "{count} variables");
}
