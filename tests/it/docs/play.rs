//! The play of a node: the containers of a manifest as processes, with a directory of the sandbox
//! in place of each volume.

use super::manifests::{Pod, exit_dir, is_ours, mounts, pods, words};
use super::{absolute_binary, made};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Ended, Running, Sandbox, Start, wait_until};
use crate::support::servers::reserve;
use crate::support::signals::TERM;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use yaml_rust2::Yaml;

const POD_UID: &str = "6a1d0000-0000-0000-0000-000000000000";

/// The containers of a pod as processes.
pub(super) struct Play {
    pub(super) sandbox: Sandbox,
    pod: Pod,
    /// The ports of the manifest that stand for others on this machine.
    pub(super) ports: HashMap<&'static str, u16>,
    /// Keeps the port of the pod's server from other tests.
    _reserved: OwnedFd,
    /// Variables of containers that are set to another value, or set at all.
    pub(super) changed: HashMap<&'static str, &'static str>,
}

impl Play {
    /// Plays the manifest of this path below `examples/kubernetes`. `None` if there is no busybox.
    pub(super) fn of(manifest: &str) -> Option<Play> {
        let path = format!("examples/kubernetes/{manifest}");
        let pod = pods().into_iter().find(|pod| pod.path == path);
        Play::of_pod(pod.expect("a manifest with a pod"))
    }

    /// Plays a pod that no manifest has.
    pub(super) fn of_pod(pod: Pod) -> Option<Play> {
        let mut busybox = Command::new("busybox");
        if !is_permitted("busybox", busybox.arg("true")) {
            return None;
        }
        let sandbox = Sandbox::new();
        let bin = made(sandbox.path("bin"));
        for applet in ["sh", "wget", "httpd", "sleep"] {
            symlink("/bin/busybox", bin.join(applet)).expect("a link");
        }
        let (reserved, port) = reserve();
        Some(Play {
            sandbox,
            pod,
            ports: HashMap::from([("8080", port)]),
            _reserved: reserved,
            changed: HashMap::new(),
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.pod.container(name).is_some()
    }

    fn container(&self, name: &str) -> &Yaml {
        self.pod.container(name).expect("a container of this name")
    }

    /// The directory of a volume; one in memory is sticky. An image volume holds the applets.
    pub(super) fn volume(&self, name: &str) -> PathBuf {
        let path = self.sandbox.path(&format!("volume-{name}"));
        let mut volumes = self.pod.spec["volumes"].as_vec().into_iter().flatten();
        let volume = volumes.find(|volume| volume["name"].as_str() == Some(name));
        match volume.is_some_and(|volume| !volume["image"].is_badvalue()) {
            true => self.install(path),
            false => sticky(path),
        }
    }

    /// A directory with what the image holds.
    fn install(&self, dir: PathBuf) -> PathBuf {
        if !dir.exists() {
            let mut installs = self.sandbox.applet("install");
            installs.arg(&dir).finish().assert_output(0, "");
        }
        dir
    }

    /// What stands on this machine for a path, a port or a host of a container: its volumes, a
    /// `/tmp` of its own, and in the image exitdir the applets.
    fn places(&self, container: &Yaml) -> Vec<(String, String)> {
        let place = |from: &str, to: PathBuf| (from.to_owned(), to.display().to_string());
        let mut places: Vec<(String, String)> = mounts(container)
            .map(|(volume, path)| place(path, self.volume(volume)))
            .collect();
        let name = container["name"].as_str().expect("a name");
        places.push(place(
            "/tmp",
            sticky(self.sandbox.path(&format!("tmp-{name}"))),
        ));
        if is_ours(container) {
            let image = self.install(self.sandbox.path("image"));
            for applet in ["exitdir-run", "exitdir-wait"] {
                places.push(place(&format!("/{applet}"), image.join(applet)));
            }
        }
        let ports = self.ports.iter();
        places.extend(ports.map(|(port, own)| ((*port).to_owned(), own.to_string())));
        let others = [("db", "127.0.0.1"), ("$(POD_UID)", POD_UID)];
        places.extend(others.map(|(word, own)| (word.to_owned(), own.to_owned())));
        places
    }

    /// A text of the manifest, with what stands for its words on this machine.
    fn real(&self, container: &Yaml, text: &str) -> String {
        let places = self.places(container);
        let mut real = String::new();
        let mut rest = text;
        let mut before = None;
        while let Some(first) = rest.chars().next() {
            let begins = !before.is_some_and(char::is_alphanumeric);
            let place = places.iter().filter(|_| begins).find_map(|(word, own)| {
                let behind = rest.strip_prefix(word.as_str())?;
                let ends = !behind.starts_with(|c: char| c.is_alphanumeric());
                ends.then_some((own.as_str(), behind))
            });
            let (own, behind) = place.unwrap_or_else(|| rest.split_at(first.len_utf8()));
            real.push_str(own);
            before = rest[..rest.len() - behind.len()].chars().next_back();
            rest = behind;
        }
        real
    }

    /// A command in a container, as the kubelet runs it.
    pub(super) fn command(&self, name: &str, words: &[String]) -> Command {
        let container = self.container(name);
        let mut real = words.iter().map(|word| self.real(container, word));
        let mut command = self.sandbox.command(real.next().expect("a program"));
        command.env_remove("EXIT_DIR");
        for variable in container["env"].as_vec().into_iter().flatten() {
            let name = variable["name"].as_str().expect("a name");
            if let Some(value) = variable["value"].as_str() {
                command.env(name, self.real(container, value));
            }
        }
        command.envs(&self.changed);
        let mut path = self.sandbox.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.args(real).env("PATH", path);
        command
    }

    /// The command of a container, and its arguments.
    pub(super) fn line(&self, name: &str) -> Vec<String> {
        let container = self.container(name);
        let mut line = words(&container["command"]);
        line.extend(words(&container["args"]));
        line
    }

    /// Runs the init container that installs, if there is one. The image's entry point is the
    /// binary.
    #[track_caller]
    pub(super) fn init(&self) {
        if self.has("exitdir") {
            let mut line = vec![absolute_binary().display().to_string()];
            line.extend(self.line("exitdir"));
            let ended = self.command("exitdir", &line).finish();
            assert_eq!(ended.status, 0, "{}: {}", self.pod.path, ended.stderr);
        }
    }

    pub(super) fn start(&self, name: &str) -> Running {
        self.command(name, &self.line(name)).start()
    }

    /// Starts a container whose log can be read while it runs: see [`Play::await_log`].
    pub(super) fn start_with_log(&self, name: &str) -> Running {
        let log = File::create(self.sandbox.path("log")).expect("a file");
        self.command(name, &self.line(name)).stdout(log).start()
    }

    pub(super) fn await_log(&self, text: &str) {
        wait_until(format!("it says {text:?}"), || {
            self.sandbox.read("log") == text
        });
    }

    /// Waits until the node would call a container ready or started.
    pub(super) fn await_probe(&self, name: &str) {
        let container = self.container(name);
        let probe = words(&container["readinessProbe"]["exec"]["command"]);
        let startup = container["startupProbe"]["httpGet"]["path"].as_str();
        let fetch = startup.map(|path| format!("wget -q -O /dev/null http://127.0.0.1:8080{path}"));
        let line = match fetch {
            Some(fetch) => fetch.split(' ').map(str::to_owned).collect(),
            None => probe,
        };
        if !line.is_empty() {
            wait_until(format!("the probe of {name} succeeds"), || {
                self.command(name, &line).finish().status == 0
            });
        }
    }

    /// Waits until a condition holds in the exit directory of the pod.
    #[track_caller]
    pub(super) fn await_condition(&self, condition: &str) {
        let found = self.pod.containers().find_map(|container| {
            let dir = exit_dir(container)?;
            Some(self.real(container, &dir))
        });
        let mut waits = self.sandbox.wait([condition]);
        let ended = waits.env("EXIT_DIR", found.expect("a directory")).finish();
        assert_eq!(ended.status, 0, "{condition}: {}", ended.stderr);
    }
}

/// Stops a container as the kubelet does.
pub(super) fn stop(running: Running) -> Ended {
    running.send(TERM);
    running.end()
}

fn sticky(path: PathBuf) -> PathBuf {
    if !path.exists() {
        let mode = PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(made(path.clone()), mode).expect("ours");
    }
    path
}
