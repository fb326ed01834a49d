//! A Docker engine for these tests, with its own directory and socket, which ends with them. And
//! containers that do not outlive their test.

use crate::harness::Obstacle;
use crate::support::sandbox::{CONDITION_TIMEOUT, Ended, Start, repository};
use exitdir::Timestamp;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

/// The image of the repository's Dockerfile.
pub const SCRATCH: &str = "exitdir:test";
/// The same with a shell.
pub const SHELL: &str = "exitdir-shell:test";
/// An image with a shell and without exitdir.
pub const FOREIGN: &str = "foreign:test";

/// As much as a container can be denied.
pub const HARDENED: [&str; 3] = [
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
];

/// What the commands of the tests need, all of it one static binary.
const TOOLS: [&str; 8] = ["sh", "cat", "dd", "id", "ls", "sleep", "true", "grep"];

/// Runs the engine until standard input closes, which happens even if the test is killed: no engine
/// is left behind.
const SHEPHERD: &str = r#"
PATH=$PATH:/usr/sbin:/sbin
cd "$1"
dockerd --config-file daemon.json --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/docker.pid" \
    -H "unix://$1/docker.sock" --bridge=none --iptables=false --ip6tables=false >log 2>&1 &
read -r _ || :
kill "$!"
wait "$!" || :
cd /
rm -rf --one-file-system "$1"
"#;

pub struct Engine {
    root: PathBuf,
    shepherd: Child,
}

impl Engine {
    /// Starts the engine and builds the images.
    pub fn start() -> Result<Engine, Obstacle> {
        if !rustix::process::geteuid().is_root() {
            return Err(Obstacle::Missing(
                "no container engine: not root".to_owned(),
            ));
        }
        for program in ["dockerd", "docker", "busybox"] {
            find(program).ok_or_else(|| {
                Obstacle::Missing(format!("no container engine: {program} is not installed"))
            })?;
        }
        if !repository().join("dist/image/exitdir").exists() {
            return Err(Obstacle::Missing(
                "no dist/image: scripts/build --small makes it".to_owned(),
            ));
        }
        let root = std::env::temp_dir().join(format!("exitdir-containers-{}", std::process::id()));
        std::fs::create_dir(&root).expect("a fresh directory");
        // The configuration of the machine's own engine does not count.
        std::fs::write(root.join("daemon.json"), "{}").expect("writable");
        let shepherd = Command::new("sh")
            .args(["-c", SHEPHERD, "sh"])
            .arg(&root)
            // ^C ends the tests; the shepherd then sees the end of standard input.
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        let engine = Engine { root, shepherd };
        engine.await_start()?;
        engine.build_images().map_err(Obstacle::Broken)?;
        Ok(engine)
    }

    fn await_start(&self) -> Result<(), Obstacle> {
        let began = Instant::now();
        while self.docker(["version"]).finish().status != 0 {
            if began.elapsed() > CONDITION_TIMEOUT {
                let log = std::fs::read_to_string(self.root.join("log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(3).collect();
                return Err(Obstacle::Missing(format!(
                    "no container engine: dockerd did not start: {last:?}"
                )));
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(())
    }

    fn build_images(&self) -> Result<(), String> {
        self.build_ours(&mut self.docker([]), SCRATCH)?;
        let busybox = find("busybox").expect("found before");
        let context = self.root.join("context");
        std::fs::create_dir_all(context.join("bin")).expect("a fresh directory");
        std::fs::copy(busybox, context.join("bin/busybox")).expect("a copy");
        for tool in TOOLS {
            std::os::unix::fs::symlink("busybox", context.join("bin").join(tool))
                .expect("a fresh link");
        }
        for (image, from) in [(SHELL, SCRATCH), (FOREIGN, "scratch")] {
            let text = format!("FROM {from}\nCOPY bin/ /bin/\nUSER 65532:65532\n");
            std::fs::write(context.join("Dockerfile"), text).expect("writable");
            let context = context.to_str().expect("plain");
            succeed(&mut self.docker([
                "build",
                "--quiet",
                "--network=none",
                "-t",
                image,
                context,
            ]))?;
        }
        let shell = self
            .container(FOREIGN)
            .command(["run", "--rm"], ["/bin/sh", "-c", "exit 0"])
            .finish();
        (shell.status == 0).then_some(()).ok_or(format!(
            "busybox must be static (package busybox-static): {}",
            shell.stderr
        ))
    }

    /// Builds the repository's image, as its first lines say, with this client.
    pub fn build_ours(&self, client: &mut Command, tag: &str) -> Result<(), String> {
        client
            .current_dir(repository())
            .args([
                "build",
                "--network=none",
                "-f",
                "Dockerfile.scratch",
                "--build-arg",
                "SOURCE=https://example.org/exitdir",
            ])
            .args(["-t", tag, "."]);
        succeed(client).map(drop)
    }

    /// The client, with these arguments.
    pub fn docker<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Command {
        self.client(Path::new("docker"), words)
    }

    /// A particular client.
    pub fn client<'w>(&self, program: &Path, words: impl IntoIterator<Item = &'w str>) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .env_remove("DOCKER_CONTEXT")
            .env(
                "DOCKER_HOST",
                format!("unix://{}/docker.sock", self.root.display()),
            )
            // Without credentials or proxies.
            .env("DOCKER_CONFIG", &self.root)
            .env("DOCKER_BUILDKIT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Where the engine's own containerd listens.
    pub fn containerd_socket(&self) -> PathBuf {
        self.root.join("exec/containerd/containerd.sock")
    }

    /// What the client prints, which must succeed.
    pub fn must<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> String {
        succeed(&mut self.docker(words)).expect("an engine that obeys")
    }

    /// A directory in memory for the containers of one pod, open to all, as Kubernetes makes it.
    pub fn memory_volume(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("exit-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let words = "volume create --driver local --opt type=tmpfs --opt device=tmpfs --opt o=size=256k,mode=0777";
        self.must(words.split(' ').chain([name.as_str()]))
    }

    /// A container that is not started yet.
    pub fn container<'e>(&'e self, image: &'e str) -> Recipe<'e> {
        Recipe {
            engine: self,
            image,
            options: Vec::new(),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.shepherd.stdin.take());
        let _ = self.shepherd.wait();
    }
}

/// How to run a container.
#[derive(Clone)]
pub struct Recipe<'e> {
    engine: &'e Engine,
    image: &'e str,
    options: Vec<String>,
}

impl<'e> Recipe<'e> {
    pub fn options<'w>(mut self, words: impl IntoIterator<Item = &'w str>) -> Recipe<'e> {
        self.options.extend(words.into_iter().map(str::to_owned));
        self
    }

    /// The volume as the exit directory.
    pub fn shares(self, volume: &str) -> Recipe<'e> {
        self.options(["-e", "EXIT_DIR=/exit", "-v", &format!("{volume}:/exit")])
    }

    /// A member of a pod: the volume, a user of its own, and no other rights at all.
    pub fn member(self, volume: &str, user: u32) -> Recipe<'e> {
        self.shares(volume)
            .options(HARDENED)
            .options(["--user", &format!("{user}:{user}")])
    }

    /// Runs it to its end.
    pub fn run<'w>(self, words: impl IntoIterator<Item = &'w str>) -> Ended {
        self.command(["run", "--rm"], words).finish()
    }

    /// Starts it and leaves it running.
    pub fn start<'w>(self, words: impl IntoIterator<Item = &'w str>) -> Container<'e> {
        let id = succeed(&mut self.command(["run", "-d"], words)).expect("a container that starts");
        Container {
            engine: self.engine,
            id,
        }
    }

    fn command<'w>(&self, how: [&str; 2], words: impl IntoIterator<Item = &'w str>) -> Command {
        let mut command = self.engine.docker(how);
        command
            .arg("--network=none")
            .args(&self.options)
            .arg(self.image)
            .args(words);
        command
    }
}

/// A container, removed at the end.
pub struct Container<'e> {
    engine: &'e Engine,
    id: String,
}

impl Container<'_> {
    /// Waits for its end, and returns its status.
    pub fn end(&self) -> i32 {
        self.engine
            .must(["wait", &self.id])
            .parse()
            .expect("a status")
    }

    /// Runs another process in it.
    pub fn exec<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Ended {
        self.engine.docker(["exec", &self.id]).args(words).finish()
    }

    /// Waits until a condition holds in its exit directory.
    pub fn awaits(&self, condition: &str) {
        let ended = self.exec(["/exitdir", "wait", "-t", "100s", condition]);
        assert_eq!(ended.status, 0, "{}{}", ended.stderr, self.log());
    }

    /// `docker stop`, by which KILL follows after as long as no test waits: a status that is not
    /// 137 says that it was not needed.
    pub fn stop(&self) {
        self.engine.must(["stop", "--time", "20", &self.id]);
    }

    pub fn kill(&self, signal: &str) {
        self.engine.must(["kill", "--signal", signal, &self.id]);
    }

    pub fn ran_out_of_memory(&self) -> bool {
        self.inspect("{{.State.OOMKilled}}") == "true"
    }

    pub fn is_running(&self) -> bool {
        self.inspect("{{.State.Running}}") == "true"
    }

    /// When it ended, as the engine saw it.
    pub fn finished_at(&self) -> SystemTime {
        let text = self.inspect("{{.State.FinishedAt}}");
        Timestamp::from_text(text).to_system_time().expect("a time")
    }

    fn inspect(&self, format: &str) -> String {
        self.engine.must(["inspect", "--format", format, &self.id])
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        let ended = self.engine.docker(["logs", &self.id]).finish();
        ended.stdout + &ended.stderr
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self
            .engine
            .docker(["rm", "--force", "--volumes", &self.id])
            .finish();
    }
}

/// What the command prints, or why it did not succeed.
fn succeed(command: &mut Command) -> Result<String, String> {
    let ended = command.finish();
    match ended.status {
        0 => Ok(ended.stdout.trim_end().to_owned()),
        status => Err(format!("{command:?} ended with {status}: {}", ended.stderr)),
    }
}

/// Where a program is.
pub fn find(program: &str) -> Option<PathBuf> {
    find_all(program).into_iter().next()
}

/// Everywhere a program is. Root's own directories are not always in the path.
pub fn find_all(program: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/bin"].map(PathBuf::from));
    directories
        .map(|directory| directory.join(program))
        .filter(|path| path.is_file())
        .collect()
}
