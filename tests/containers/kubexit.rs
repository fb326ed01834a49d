//! kubexit's own examples, migrated by the three edits: its pods played with containers that have
//! no API server, no service account and no network but the pod's own.
//!
//! Names, variables and command lines are the examples'. What cannot be had here are their images,
//! so scripts stand in for `curl`, `nginx`, `psql` and `cloud_sql_proxy`; and where an example
//! sleeps so that its server is late, the server waits until the client is waiting for it.

use crate::engine::{Container, Engine, FOREIGN, HARDENED, SCRATCH, SHELL};
use crate::harness::{Host, TestResult};
use crate::support::sandbox::{Ended, Sandbox, Start};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// Users that the containers do not share with each other, nor with the init container.
const FIRST: u32 = 10_001;
const SECOND: u32 = 10_002;

/// What a server answers.
const ANSWER: &str = "the answer";

type Variables<'v> = &'v [(&'v str, &'v str)];

/// What every container of the examples has.
const GRAVEYARD: (&str, &str) = ("KUBEXIT_GRAVEYARD", "/graveyard");
/// What the examples take from the pod by `fieldRef`, for the original to ask the API server with.
const POD_NAME: (&str, &str) = ("KUBEXIT_POD_NAME", "example-job-x7k2p");
const NAMESPACE: (&str, &str) = ("KUBEXIT_NAMESPACE", "default");

/// A pod: an emptyDir for the program, one in memory for the graveyard, and one network.
struct ExamplePod<'e> {
    engine: &'e Engine,
    sandbox: Sandbox,
    graveyard: String,
    /// Holds the network and the graveyard for as long as the pod lives, and can look into it.
    pause: Container<'e>,
}

impl<'e> ExamplePod<'e> {
    /// A pod whose init container has run: the second edit.
    fn start(engine: &'e Engine) -> ExamplePod<'e> {
        let graveyard = engine.memory_volume();
        let pause = engine.container(SHELL).member(&graveyard, 65_535);
        let pause = pause
            .options(["--name", &format!("pod-{graveyard}")])
            .start(["wait", "doomsday"]);
        let sandbox = Sandbox::new();
        for volume in ["kubexit", "programs"] {
            std::fs::create_dir(sandbox.path(volume)).expect("a fresh directory");
            open_to_all(&sandbox.path(volume));
        }
        let mount = format!("{}:/kubexit", sandbox.path("kubexit").display());
        let ended = engine
            .container(SCRATCH)
            .options(HARDENED)
            .options(["-v", &mount, "--entrypoint", "/exitdir-install"])
            .run(["/kubexit"]);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        let pod = ExamplePod {
            engine,
            sandbox,
            graveyard,
            pause,
        };
        std::fs::write(pod.program("index.html"), ANSWER).expect("writable");
        pod
    }

    /// Where the programs of the images are.
    fn program(&self, name: &str) -> PathBuf {
        self.sandbox.path("programs").join(name)
    }

    fn stand_in(&self, name: &str, script: &str) {
        std::fs::write(self.program(name), format!("#!/bin/sh\n{script}\n")).expect("writable");
        open_to_all(&self.program(name));
    }

    /// A server that needs a while to come up, and ends with 0 at TERM, as nginx does.
    fn stand_in_server(&self, name: &str, arguments: &str, port: u16) {
        let script = format!(
            "[ \"$*\" = \"{arguments}\" ] || exit 64
            trap 'echo {name}: TERM; kill $!; exit 0' TERM
            sleep 0.2
            httpd -f -p {port} -h /usr/local/bin &
            wait"
        );
        self.stand_in(name, &script);
    }

    /// A client that fails when there is no server.
    fn stand_in_client(&self, name: &str, arguments: &str, port: u16) {
        let script = format!(
            "[ \"$*\" = \"{arguments}\" ] || exit 64
            exec wget -q -O - http://localhost:{port}/"
        );
        self.stand_in(name, &script);
    }

    /// An image of another project, with this user and these variables.
    fn command(&self, how: &[&str], user: u32, variables: Variables, words: &[&str]) -> Command {
        let mut command = self.engine.docker(["run"]);
        command
            .args(how)
            .args(HARDENED)
            .arg(format!("--user={user}:{user}"))
            .arg(format!("--network=container:pod-{}", self.graveyard))
            .arg(format!("--volume={}:/graveyard", self.graveyard));
        for (volume, place) in [("kubexit", "/kubexit"), ("programs", "/usr/local/bin:ro")] {
            let volume = self.sandbox.path(volume);
            command.arg(format!("--volume={}:{place}", volume.display()));
        }
        for (name, value) in variables {
            command.arg(format!("--env={name}={value}"));
        }
        command.arg(FOREIGN).args(words);
        command
    }

    /// Runs a container to its end.
    fn run(&self, user: u32, variables: Variables, words: &[&str]) -> Ended {
        self.command(&["--rm"], user, variables, words).finish()
    }

    /// Starts a container.
    fn member(&self, user: u32, variables: Variables, words: &[&str]) -> Member<'e> {
        let started = self.command(&["-d"], user, variables, words).finish();
        assert_eq!(started.status, 0, "{}", started.stderr);
        Member {
            engine: self.engine,
            id: started.stdout.trim_end().to_owned(),
        }
    }

    /// What a container has left in the graveyard.
    fn tombstone(&self, name: &str) -> TombstoneText {
        let ended = self.pause.exec(["/bin/cat", &format!("/exit/{name}")]);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        TombstoneText(ended.stdout)
    }
}

fn open_to_all(path: &std::path::Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).expect("ours");
}

/// A container in the network of the pause container, removed at the end.
struct Member<'e> {
    engine: &'e Engine,
    id: String,
}

impl Member<'_> {
    /// Waits for its end, and returns its status.
    fn end(&self) -> i32 {
        let status = self.engine.must(["wait", &self.id]);
        status.parse().expect("a status")
    }

    fn kill(&self, signal: &str) {
        self.engine.must(["kill", "--signal", signal, &self.id]);
    }

    fn log(&self) -> String {
        let ended = self.engine.docker(["logs", &self.id]).finish();
        ended.stdout + &ended.stderr
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        let _ = self
            .engine
            .docker(["rm", "--force", "--volumes", &self.id])
            .finish();
    }
}

struct TombstoneText(String);

impl TombstoneText {
    /// The value of a key; empty if it is not there. Times can be compared as they stand.
    fn key(&self, key: &str) -> &str {
        let value = |line| str::strip_prefix(line, key)?.strip_prefix(": ");
        self.0.lines().find_map(value).unwrap_or_default()
    }

    fn assert_keys(&self, wanted: &[(&str, &str)]) {
        for (key, value) in wanted {
            assert_eq!(self.key(key), *value, "{key} of\n{}", self.0);
        }
    }
}

/// Both have ended with 0, so the Job is complete; and in this order: the server was ready, the
/// client was born and died, the server got TERM and ended.
fn assert_complete(pod: &ExamplePod, client: (&str, &Member), server: (&str, &Member)) {
    let logs = || format!("{}\n{}", client.1.log(), server.1.log());
    assert_eq!((client.1.end(), server.1.end()), (0, 0), "{}", logs());
    assert!(client.1.log().contains(ANSWER), "{}", logs());
    assert!(server.1.log().contains(": TERM\n"), "{}", logs());

    let (one, other) = (pod.tombstone(client.0), pod.tombstone(server.0));
    one.assert_keys(&[("Reason", "exited"), ("ExitCode", "0"), ("Cause", "")]);
    other.assert_keys(&[
        ("Reason", "stopped"),
        ("ExitCode", "0"),
        ("Cause", client.0),
    ]);
    let order = [
        one.key("Waiting"),
        other.key("Born"),
        other.key("Ready"),
        one.key("Born"),
        one.key("Died"),
        other.key("Died"),
    ];
    assert!(
        order.is_sorted() && !order.contains(&""),
        "{}\n{}",
        one.0,
        other.0
    );
}

/// What begins the scripts of the examples.
const STRICTLY: &str = "set -o errexit -o nounset -o pipefail";
/// The client of the Job in examples/client-server-job and ci/e2e-test.
const CLIENT: &str = "/kubexit/kubexit curl -v --fail http://localhost:80/";

/// Starts client and server, the server as late as the client's state says.
fn start_client_and_server<'e>(
    pod: &ExamplePod<'e>,
    timeout: Option<&str>,
    late: &str,
) -> (Member<'e>, Member<'e>) {
    pod.stand_in_client("curl", "-v --fail http://localhost:80/", 80);
    pod.stand_in_server("nginx", "-g daemon off;", 80);
    let client = [
        ("KUBEXIT_NAME", "client"),
        GRAVEYARD,
        ("KUBEXIT_BIRTH_DEPS", "server"),
        POD_NAME,
        NAMESPACE,
    ];
    let timeout = timeout.map(|timeout| ("KUBEXIT_BIRTH_TIMEOUT", timeout));
    let client: Vec<_> = client.into_iter().chain(timeout).collect();
    let server = [
        ("KUBEXIT_NAME", "server"),
        GRAVEYARD,
        ("KUBEXIT_DEATH_DEPS", "client"),
        // The third edit: its readinessProbe is `tcpSocket: {port: 80}`.
        ("EXITDIR_READY_ON", "tcp:80"),
    ];
    let work = format!("{STRICTLY}\n{CLIENT}\n");
    let serve = format!(
        "{STRICTLY}\n/kubexit/exitdir-wait -d /graveyard -t 20s client:{late}\n\
         /kubexit/kubexit nginx -g 'daemon off;'\n"
    );
    (
        pod.member(FIRST, &client, &["sh", "-c", &work]),
        pod.member(SECOND, &server, &["sh", "-c", &serve]),
    )
}

pub fn the_client_server_job_is_complete(machine: &Host) -> TestResult {
    let pod = ExamplePod::start(machine.engine()?);
    let (client, server) = start_client_and_server(&pod, None, "waiting");
    assert_complete(&pod, ("client", &client), ("server", &server));
    Ok(())
}

pub fn a_client_whose_server_starts_too_slowly_gives_up_with_124(machine: &Host) -> TestResult {
    let pod = ExamplePod::start(machine.engine()?);
    // In the example 15 s, for a server that needs 30.
    let (client, server) = start_client_and_server(&pod, Some("150ms"), "died");
    // The dependency failed, and nginx has never been started.
    let statuses = (client.end(), server.end());
    assert_eq!(statuses, (124, 143), "{}{}", client.log(), server.log());
    pod.tombstone("client").assert_keys(&[
        ("Reason", "birth-timeout"),
        ("ExitCode", "124"),
        ("Born", ""),
    ]);
    pod.tombstone("server").assert_keys(&[
        ("Reason", "stopped"),
        ("Cause", "client"),
        ("Born", ""),
    ]);
    Ok(())
}

pub fn the_cloudsql_proxy_job_is_complete(machine: &Host) -> TestResult {
    let pod = ExamplePod::start(machine.engine()?);
    // Its images have kubexit in the path, copied at build time: the first edit is there.
    std::fs::copy(pod.sandbox.path("kubexit/kubexit"), pod.program("kubexit")).expect("a copy");
    pod.stand_in_client("psql", "-c SELECT * FROM foo;", 5432);
    pod.stand_in_server("cloud_sql_proxy", "-term_timeout=10s", 5432);
    let client = [
        ("KUBEXIT_NAME", "psql"),
        GRAVEYARD,
        ("KUBEXIT_BIRTH_DEPS", "cloudsql-proxy"),
        POD_NAME,
        NAMESPACE,
        (
            "PGDATABASE",
            "postgres://user:pass@localhost:5432/db?sslmode=disable",
        ),
    ];
    let server = [
        ("INSTANCES", "project:region:instance=tcp:localhost:5432"),
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            "/credentials/credentials.json",
        ),
        ("KUBEXIT_NAME", "cloudsql-proxy"),
        GRAVEYARD,
        ("KUBEXIT_DEATH_DEPS", "psql"),
        ("EXITDIR_READY_ON", "tcp:5432"),
    ];
    let client = pod.member(
        FIRST,
        &client,
        &["kubexit", "psql", "-c", "SELECT * FROM foo;"],
    );
    // As late as the example's server, which sleeps.
    pod.pause.awaits("psql:waiting");
    let server = pod.member(
        SECOND,
        &server,
        &["kubexit", "cloud_sql_proxy", "-term_timeout=10s"],
    );
    assert_complete(&pod, ("psql", &client), ("cloudsql-proxy", &server));
    Ok(())
}

/// Romeo and Juliet, in the default graveyard.
const ROMEO: Variables = &[("KUBEXIT_NAME", "app1")];
const JULIET: Variables = &[
    ("KUBEXIT_NAME", "app2"),
    ("KUBEXIT_DEATH_DEPS", "app1"),
    // So that Juliet sees it because an event wakes its supervisor.
    ("EXITDIR_POLL", "1h"),
];

fn start_juliet<'e>(pod: &ExamplePod<'e>) -> Member<'e> {
    let juliet = pod.member(SECOND, JULIET, &["/kubexit/kubexit", "sleep", "600"]);
    pod.pause.awaits("app2:ready");
    juliet
}

pub fn a_container_gets_term_when_its_death_dependency_dies(machine: &Host) -> TestResult {
    let pod = ExamplePod::start(machine.engine()?);
    let juliet = start_juliet(&pod);
    let romeo = pod.run(FIRST, ROMEO, &["/kubexit/kubexit", "true"]);
    assert_eq!(romeo.status, 0, "{}", romeo.stderr);
    assert_eq!(juliet.end(), 0, "{}", juliet.log());
    pod.tombstone("app2").assert_keys(&[
        ("Reason", "stopped"),
        ("Signal", "TERM"),
        ("Cause", "app1"),
    ]);
    Ok(())
}

pub fn a_container_that_is_killed_is_seen_by_the_other_at_once(machine: &Host) -> TestResult {
    let pod = ExamplePod::start(machine.engine()?);
    let romeo = pod.member(FIRST, ROMEO, &["/kubexit/kubexit", "sleep", "600"]);
    pod.pause.awaits("app1:ready");
    let juliet = start_juliet(&pod);
    romeo.kill("KILL");
    let statuses = (romeo.end(), juliet.end());
    assert_eq!(statuses, (137, 143), "{}", juliet.log());
    pod.pause.awaits("app1:lost");
    pod.tombstone("app2")
        .assert_keys(&[("Reason", "stopped"), ("Cause", "app1")]);
    Ok(())
}

/// Hercules and Iphicles.
pub fn who_depends_on_a_birth_starts_when_the_other_says_that_it_is_ready(
    machine: &Host,
) -> TestResult {
    let pod = ExamplePod::start(machine.engine()?);
    let first = [
        ("KUBEXIT_NAME", "app1"),
        GRAVEYARD,
        ("EXITDIR_READY_ON", "signal"),
    ];
    let second = [
        ("KUBEXIT_NAME", "app2"),
        GRAVEYARD,
        ("KUBEXIT_BIRTH_DEPS", "app1"),
        POD_NAME,
        NAMESPACE,
    ];
    let second = pod.member(SECOND, &second, &["/kubexit/kubexit", "true"]);
    let first = pod.member(FIRST, &first, &["/kubexit/kubexit", "sleep", "600"]);
    // Said only when the one runs and the other waits for it.
    let mut say = vec!["/exitdir-wait", "-t", "100s", "app1:born", "app2:waiting"];
    say.extend(["--", "/exitdir-signal", "--ready", "app1"]);
    let said = pod.pause.exec(say);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_eq!(second.end(), 0, "{}", second.log());
    let (one, other) = (pod.tombstone("app1"), pod.tombstone("app2"));
    let order = [one.key("Born"), one.key("Ready"), other.key("Born")];
    assert!(
        order.is_sorted() && !order.contains(&""),
        "{}{}",
        one.0,
        other.0
    );
    // No container depends on that, so the first goes on.
    first.kill("TERM");
    assert_eq!(first.end(), 143, "{}", first.log());
    Ok(())
}

pub fn a_wrong_start_has_a_status_of_its_own_and_under_a_name_a_tombstone(
    machine: &Host,
) -> TestResult {
    let pod = ExamplePod::start(machine.engine()?);
    let unnamed = pod.run(FIRST, &[GRAVEYARD], &["/kubexit/kubexit", "true"]);
    assert_eq!(unnamed.status, 2, "{}", unnamed.stderr);
    assert!(
        unnamed.stderr.contains("KUBEXIT_NAME"),
        "{}",
        unnamed.stderr
    );
    let empty = pod.pause.exec(["/bin/ls", "/exit"]);
    assert_eq!((empty.status, empty.stdout.as_str()), (0, ""));

    let missing = [("KUBEXIT_NAME", "app1"), GRAVEYARD];
    let missing = pod.run(FIRST, &missing, &["/kubexit/kubexit", "no-such-command"]);
    assert_eq!(missing.status, 127, "{}", missing.stderr);
    pod.tombstone("app1")
        .assert_keys(&[("Reason", "exec-failed"), ("ExitCode", "127")]);
    Ok(())
}
