//! The first screen of README.md: the Job that hangs does hang, and the same Job under exitdir
//! ends. Processes take the place of its containers.

use super::manifests::words;
use super::{absolute_binary, blocks_of, made, read};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::servers::reserve;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

/// As many lines as a manifest may have here.
const LINES: usize = 26;
const SHORT: &str = "examples/kubernetes/job-with-proxy/short.yaml";
/// The applets of busybox that the containers call.
const TOOLS: [&str; 4] = ["sh", "wget", "httpd", "sleep"];

fn manifests() -> [String; 2] {
    let mut blocks = blocks_of("README.md", "yaml").into_iter();
    let mut next = || blocks.next().expect("a manifest");
    [next(), next()]
}

/// A pod of the README, with a port and a directory of its own.
struct Pod {
    sandbox: Sandbox,
    spec: Yaml,
    port: u16,
    /// Keeps the port from other tests.
    _reserved: OwnedFd,
}

impl Pod {
    /// `None` if there is no busybox.
    fn of(manifest: &str) -> Option<Pod> {
        if !is_permitted("busybox", Command::new("busybox").arg("true")) {
            return None;
        }
        let object = &YamlLoader::load_from_str(manifest).expect("YAML")[0];
        let sandbox = Sandbox::new();
        let bin = made(sandbox.path("bin"));
        for tool in TOOLS {
            symlink("/bin/busybox", bin.join(tool)).expect("a link");
        }
        for directory in ["exit", "tmp"] {
            made(sandbox.path(directory));
        }
        let (reserved, port) = reserve();
        Some(Pod {
            sandbox,
            spec: object["spec"]["template"]["spec"].clone(),
            port,
            _reserved: reserved,
        })
    }

    /// The words of a container, with the paths and the port of this test.
    fn words(&self, list: &[&str], container: &Yaml) -> Vec<String> {
        let root = self.sandbox.path("");
        let root = root.display();
        let real = |word: String| {
            let word = word.replace("/tmp", "@tmp").replace("/exit/", "@exit/");
            let word = word.replace('@', &root.to_string());
            // Nothing has to be waited for by the clock here.
            let word = word.replace("sleep 5", "sleep 0");
            word.replace("8080", &self.port.to_string())
        };
        list.iter()
            .flat_map(|list| words(&container[*list]))
            .map(real)
            .collect()
    }

    fn start(&self, name: &str) -> Running {
        let mut containers = self.spec["containers"].as_vec().expect("containers").iter();
        let container = containers.find(|container| container["name"].as_str() == Some(name));
        let words = self.words(&["command", "args"], container.expect("a container"));
        let mut command = self.sandbox.command(&words[0]);
        command.args(&words[1..]).env_remove("EXIT_DIR");
        command.env("PATH", self.sandbox.path("bin")).start()
    }

    fn install(&self) {
        let container = &self.spec["initContainers"][0];
        let mut command = self.sandbox.command(absolute_binary());
        let command = command.args(self.words(&["args"], container));
        let ended = command.env_remove("EXIT_DIR").finish();
        assert_eq!(ended.status, 0, "{}", ended.stderr);
    }
}

#[test]
fn both_manifests_of_the_readme_fit_on_a_screen_and_have_the_same_containers() {
    let manifests = manifests();
    for manifest in &manifests {
        let lines = manifest.lines().count();
        assert!(lines <= LINES, "{lines} lines:\n{manifest}");
    }
    let [hangs, ends] = manifests.map(|manifest| images(&manifest));
    assert_eq!(hangs.len(), 2);
    assert_eq!(hangs, ends);
}

/// The names and the images of the containers.
fn images(manifest: &str) -> Vec<[String; 2]> {
    let object = &YamlLoader::load_from_str(manifest).expect("YAML")[0];
    let containers = &object["spec"]["template"]["spec"]["containers"];
    let containers = containers.as_vec().expect("containers").iter();
    let cells = |container: &Yaml| ["name", "image"].map(|key| container[key].clone());
    let text = |cell: Yaml| cell.into_string().expect("a text");
    containers
        .map(|container| cells(container).map(text))
        .collect()
}

#[test]
fn the_job_that_ends_is_the_short_one_among_the_examples() {
    let example = read(SHORT);
    let lines = example.lines().filter(|line| !line.starts_with('#'));
    let expected: Vec<&str> = lines.collect();
    assert_eq!(manifests()[1].trim_end(), expected.join("\n"));
}

#[test]
fn the_job_that_hangs_has_a_proxy_that_outlives_main() {
    let Some(pod) = Pod::of(&manifests()[0]) else {
        return;
    };
    let mut proxy = pod.start("proxy");
    let address = ("127.0.0.1", pod.port);
    wait_until("the proxy serves", || TcpStream::connect(address).is_ok());
    pod.start("main").end().assert_output(0, "hello\n");
    assert!(proxy.is_running());
}

#[test]
fn the_same_job_under_exitdir_ends() {
    let Some(pod) = Pod::of(&manifests()[1]) else {
        return;
    };
    pod.install();
    let (main, proxy) = (pod.start("main"), pod.start("proxy"));
    main.end().assert_output(0, "hello\n");
    let proxy = proxy.end();
    assert_eq!(proxy.status, 0, "{}", proxy.stderr);
}
