//! `--ready-on` in containers: a database under a user of its own on a read-only root, without any
//! network but its own loopback, and an app in another container that starts only when it is ready.
//!
//! The database becomes ready when a hidden file in the shared directory lets it, so that the test
//! does not depend on which is faster.

use crate::engine::{Container, Engine, SCRATCH, SHELL, find};
use crate::harness::{Host, Obstacle, TestResult};
use crate::support::sandbox::wait_until;
use std::path::Path;

const APP: u32 = 10_001;
const DB: u32 = 10_002;
/// Neither of the two, nor the image's own user.
const SIGNALLER: u32 = 65_533;

/// What the database does first. Hidden, so it is no tombstone.
const LET: &str = "until [ -e /exit/.let ]; do sleep 0.05; done";

struct ReadinessPod<'e> {
    engine: &'e Engine,
    volume: String,
    app: Container<'e>,
    db: Container<'e>,
}

impl<'e> ReadinessPod<'e> {
    /// Starts both, and returns when the database runs, which is not ready, and the app waits for
    /// it.
    fn start(engine: &'e Engine, source: &str, work: &str, options: &[&str]) -> ReadinessPod<'e> {
        let volume = engine.memory_volume();
        let app = [
            "run",
            "-n",
            "app",
            "--birth-deps",
            "db",
            "--",
            "/bin/grep",
            "-q",
            "^Ready: ",
            "/exit/db",
        ];
        let db = [
            "run",
            "-n",
            "db",
            "--ready-on",
            source,
            "--death-deps",
            "app",
            "--",
            "/bin/sh",
            "-c",
            work,
        ];
        let app = engine.container(SHELL).member(&volume, APP).start(app);
        let db = engine
            .container(SHELL)
            .member(&volume, DB)
            .options(["--tmpfs=/tmp"])
            .options(options.iter().copied())
            .start(db);
        let both = app.exec(["/exitdir-wait", "-t", "100s", "db:born", "app:waiting"]);
        assert_eq!(both.status, 0, "{}{}", both.stderr, db.log());
        let early = app.exec(["/exitdir-wait", "-t", "0", "--any", "db:ready", "app:born"]);
        assert_eq!(early.status, 124, "{}", early.stderr);
        ReadinessPod {
            engine,
            volume,
            app,
            db,
        }
    }

    /// Lets the database do what makes it ready. How this process ends says nothing: the app may be
    /// quicker, and whatever else is in its container ends with it.
    fn let_it(&self) {
        self.app.exec(["/bin/sh", "-c", ": >/exit/.let"]);
    }

    /// The app has started, found it ready, and ended; and with it the database.
    fn end(&self) {
        let logs = || format!("{}\n{}", self.app.log(), self.db.log());
        assert_eq!((self.app.end(), self.db.end()), (0, 0), "{}", logs());
    }
}

/// Lets the database become ready, and the app start for it.
fn play(machine: &Host, source: &str, work: &str) -> TestResult {
    let pod = ReadinessPod::start(machine.engine()?, source, work, &[]);
    pod.let_it();
    pod.end();
    Ok(())
}

pub fn a_container_of_another_user_announces_readiness(machine: &Host) -> TestResult {
    let pod = ReadinessPod::start(machine.engine()?, "signal", "exec sleep 600", &[]);
    let said = pod
        .engine
        .container(SCRATCH)
        .member(&pod.volume, SIGNALLER)
        .options(["--entrypoint", "/exitdir-signal"])
        .run(["--ready", "db"]);
    assert_eq!((said.status, said.stderr.as_str()), (0, ""));
    pod.end();
    Ok(())
}

pub fn a_file_in_memory_makes_ready(machine: &Host) -> TestResult {
    play(
        machine,
        "file:/tmp/up",
        &format!("{LET}; : >/tmp/up; exec sleep 600"),
    )
}

pub fn a_listener_on_the_containers_own_loopback_makes_ready(machine: &Host) -> TestResult {
    play(
        machine,
        "tcp:5432",
        &format!("{LET}; exec busybox httpd -f -p 127.0.0.1:5432"),
    )
}

pub fn an_answer_on_the_containers_own_loopback_makes_ready_and_a_404_does_not(
    machine: &Host,
) -> TestResult {
    let serve = "busybox httpd -f -vv -p 127.0.0.1:8080 -h /tmp";
    let work = format!("{serve} & {LET}; : >/tmp/healthz; wait");
    let pod = ReadinessPod::start(machine.engine()?, "http:8080/healthz", &work, &[]);
    wait_until("it was asked", || pod.db.log().contains("response:404"));
    let early = pod.app.exec(["/exitdir-wait", "-t", "0", "db:ready"]);
    assert_eq!(early.status, 124, "{}", early.stderr);
    pod.let_it();
    pod.end();
    Ok(())
}

pub fn a_probe_in_the_container_makes_ready_and_runs_as_its_user(machine: &Host) -> TestResult {
    play(
        machine,
        "exec:/bin/sh /tmp/probe",
        "echo '[ -e /exit/.let ] && [ $(id -u) = 10002 ]' >/tmp/probe; exec sleep 600",
    )
}

/// Sends it with perl, since busybox knows no abstract sockets.
const NOTIFY: &str = r#"use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die "$!"; (my $a = $ENV{NOTIFY_SOCKET}) =~ s/^@/\0/;
connect($s, pack_sockaddr_un($a)) or die "$!"; defined send($s, "READY=1", 0) or die "$!""#;

pub fn a_notification_needs_no_writable_directory(machine: &Host) -> TestResult {
    let perl = find("perl").filter(|path| path.starts_with("/usr"));
    let perl = perl.ok_or(Obstacle::Extra("perl is not installed".to_owned()))?;
    // The machine's own, with all that it is linked to.
    let mounts: Vec<String> = ["/usr", "/lib", "/lib64"]
        .iter()
        .filter(|path| Path::new(path).exists())
        .flat_map(|path| ["-v".to_owned(), format!("{path}:{path}:ro")])
        .collect();
    let mut options: Vec<&str> = mounts.iter().map(String::as_str).collect();
    let notify = format!("NOTIFY={NOTIFY}");
    options.extend(["-e", &notify]);
    let work = format!(
        "{LET}; {} -e \"$NOTIFY\" || exit; exec sleep 600",
        perl.display()
    );
    let pod = ReadinessPod::start(machine.engine()?, "notify", &work, &options);
    pod.let_it();
    pod.end();
    Ok(())
}
