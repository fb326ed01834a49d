//! Scenarios of pods that start in a directory with old tombstones. After a sweep they start as in
//! an empty one; after a sweep of the unfinished they know who has finished.

use crate::support::pod::handle::Pod;
use crate::support::pod::main_and_proxy::{
    JOB_MAIN, JOB_PROXY, any_manner, is_done, job_main, proxy_of, rounds_with_a_proxy, work,
};
use crate::support::pod::scripts::SERVE;
use crate::support::pod::spec::{ContainerSpec, PodSpec, Policy};
use crate::support::random_rounds::Round;
use crate::support::sandbox::{Sandbox, Start};
use crate::support::signals::KILL;

/// Tombstones that other pods have left, in every state.
fn foreign_tombstones() -> Vec<(&'static str, &'static str)> {
    let lock = "Lock: fcntl 6f1c9a3e-0000-0000-0000-000000000000 8:1 131\n";
    let began = "Waiting: \"2026-11-20T21:29:27.101220417Z\"\n";
    let born = "Born: \"2026-11-20T21:29:27.955560995Z\"\n";
    let ready = "Ready: \"2026-11-20T21:29:28.101220417Z\"\n";
    let died = |code: &str| {
        format!(
            "{began}{lock}{born}{ready}ExitCode: {code}\nReason: exited\nDied: \"2026-11-20T21:29:40.312004518Z\"\n"
        )
    };
    vec![
        ("empty", String::new()),
        ("garbage", "\u{1}\u{2} not a tombstone".to_owned()),
        (
            "kubexit's, alive",
            "Born: 2026-11-20T21:29:27Z\n".to_owned(),
        ),
        (
            "kubexit's, dead",
            "Born: 2026-11-20T21:29:27Z\nDied: 2026-11-20T21:29:29Z\nExitCode: -1\n".to_owned(),
        ),
        ("waiting", format!("{began}Lock: none\n")),
        ("born", format!("{began}Lock: none\n{born}")),
        ("ready", format!("{began}Lock: none\n{born}{ready}")),
        (
            "going down",
            format!("{began}Lock: none\n{born}{ready}Cause: main\n"),
        ),
        (
            "inactive",
            format!("{began}Lock: none\n{born}Inactive: \"2026-11-20T21:29:31.001220417Z\"\n"),
        ),
        ("of another boot", format!("{began}{lock}{born}{ready}")),
        ("ok", died("0")),
        ("failed", died("3")),
    ]
    .into_iter()
    .map(|(what, text): (&'static str, String)| (what, &*text.leak()))
    .collect()
}

/// Kills the supervisors of a first pod, so that its tombstones are lost ones of this boot.
fn leave_lost_ones(round: &Round, sandbox: Sandbox) -> Sandbox {
    let slow = |name: &str, options: &str| ContainerSpec::new(name, options, SERVE);
    let doing = round.pick("main was", &["waiting", "running"]);
    let proxy = if doing == "waiting" {
        "--ready-on signal"
    } else {
        ""
    };
    let containers = vec![slow("main", JOB_MAIN), slow("proxy", proxy)];
    let pod = Pod::start_in(sandbox, PodSpec::new(Policy::Never, containers));
    let key = if doing == "waiting" {
        "Waiting"
    } else {
        "Born"
    };
    pod.sandbox.await_key("main", key);
    pod.sandbox.await_key("proxy", "Born");
    assert!(pod.send("main", KILL) && pod.send("proxy", KILL));
    pod.await_end();
    pod.into_sandbox()
}

#[test]
fn after_a_sweep_a_pod_starts_as_in_an_empty_directory() {
    rounds_with_a_proxy("pod-wide restart", |round, ready_on| {
        let mut sandbox = Sandbox::new();
        if round.chance("both were lost") {
            sandbox = leave_lost_ones(round, sandbox);
        } else {
            std::fs::create_dir(sandbox.dir()).unwrap();
            for name in ["main", "proxy"] {
                let (what, text) = round.pick(name, &foreign_tombstones());
                assert!(!what.is_empty());
                std::fs::write(sandbox.dir().join(name), text).unwrap();
            }
        }
        std::fs::write(sandbox.dir().join(".proxy.new"), "Waiting: \"2026").unwrap();
        std::fs::create_dir(sandbox.dir().join("lost+found")).unwrap();
        let sweep = sandbox.applet("install").arg("--sweep").finish();
        assert_eq!(sweep.status, 0, "{}", sweep.stderr);
        assert_eq!(sandbox.entries(), ["lost+found"]);

        let works = work(round.millis("main works for", 0, 300));
        let main = job_main(round, JOB_MAIN, ready_on.call() + &works);
        let proxy = proxy_of(round, JOB_PROXY, ready_on, any_manner(round));
        let pod = Pod::start_in(sandbox, PodSpec::new(Policy::OnFailure, vec![main, proxy]));
        pod.await_end();
        assert!(is_done(&pod));
        assert_eq!(pod.statuses("main"), [0]);
        assert_eq!(pod.statuses("proxy"), [0]);
    });
}

/// Under OnFailure the node does not start main again.
#[test]
fn a_proxy_whose_main_had_finished_ends_after_a_sweep_of_the_unfinished() {
    let sandbox = Sandbox::new();
    let proxy = |script: &str| {
        let options = ["-n", "proxy", "--death-deps", "main", "--", "sh", "-c"];
        sandbox.run(options).arg(script).start()
    };
    let up = sandbox.path("up");
    let script = "trap '' TERM; : >UP; while :; do sleep 0.1; done";
    let stopping = proxy(&script.replace("UP", &up.display().to_string()));
    sandbox.await_file("up");
    sandbox
        .run(["-n", "main", "--", "true"])
        .finish()
        .assert_output(0, "");
    sandbox.await_key("proxy", "Cause");
    stopping.send(KILL);
    stopping.end();
    let sweep = sandbox.applet("install").arg("--sweep-unfinished").finish();
    assert_eq!(sweep.status, 0, "{}", sweep.stderr);
    assert_eq!(sandbox.entries(), ["main"]);
    proxy("sleep 1000").end().assert_output(0, "");
}
