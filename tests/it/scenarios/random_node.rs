//! Random events of a node over random pods: whatever is killed when, no Job comes to a wrong end,
//! and every pod comes to rest.
//!
//! `EXITDIR_TEST_LONG` plays many more rounds.

use crate::support::pod::handle::Pod;
use crate::support::pod::kubelet::{Manner, Next, Verdict};
use crate::support::pod::main_and_proxy::{is_done, work};
use crate::support::pod::scripts::{Accident, STOP_MANNERS, StopManner, for_the_first, pause};
use crate::support::pod::servers::ReadySource;
use crate::support::pod::spec::{ContainerSpec, PodSpec, Policy};
use crate::support::pod::told::swept;
use crate::support::pod::users::{Medium, Volume};
use crate::support::random_rounds::{Round, rounds_of};
use crate::support::requirements::is_long_run;
use crate::support::sandbox::Sandbox;
use crate::support::signals::KILL;

fn round_count(ordinary: u64) -> u64 {
    if is_long_run() { 400 } else { ordinary }
}

/// What a node does to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeEvent {
    NewSandbox(Manner),
    RestartInPlace(Manner),
    /// The volume is kept.
    Crash,
    /// What was in the volume is lost.
    CrashAndLoss,
    /// The first process of one container is killed.
    Kill,
    /// The liveness probe of one container fails.
    FailedProbe,
}

/// Events after which the init container must keep what has ended with 0.
const NEW_SANDBOX: [NodeEvent; 7] = [
    NodeEvent::NewSandbox(Manner::Terminated),
    NodeEvent::NewSandbox(Manner::Killed),
    NodeEvent::Crash,
    NodeEvent::CrashAndLoss,
    NodeEvent::Kill,
    NodeEvent::Kill,
    NodeEvent::FailedProbe,
];

/// Events after which the init container must forget all.
const IN_PLACE: [NodeEvent; 4] = [
    NodeEvent::RestartInPlace(Manner::Terminated),
    NodeEvent::RestartInPlace(Manner::Killed),
    NodeEvent::Kill,
    NodeEvent::FailedProbe,
];

/// All of them, for containers that always come back.
const ANY: [NodeEvent; 8] = [
    NodeEvent::NewSandbox(Manner::Terminated),
    NodeEvent::NewSandbox(Manner::Killed),
    NodeEvent::RestartInPlace(Manner::Terminated),
    NodeEvent::RestartInPlace(Manner::Killed),
    NodeEvent::Crash,
    NodeEvent::CrashAndLoss,
    NodeEvent::Kill,
    NodeEvent::FailedProbe,
];

/// One to four events at random times.
fn befall(round: &Round, pod: &Pod, volume: Volume, events: &[NodeEvent], names: &[&str]) {
    for _ in 0..round.pick("events", &[1, 2, 3, 4]) {
        std::thread::sleep(round.millis("after", 0, 700));
        let name = round.pick("struck", names);
        match round.pick("event", events) {
            NodeEvent::NewSandbox(manner) => pod.end_all(manner, Next::Sandbox),
            NodeEvent::RestartInPlace(manner) => pod.end_all(manner, Next::AllInPlace),
            NodeEvent::Crash => pod.end_all(Manner::Crashed, Next::Sandbox),
            NodeEvent::CrashAndLoss => pod.end_all(Manner::Crashed, Next::SandboxWithout(volume)),
            NodeEvent::Kill => pod.send(name, KILL),
            NodeEvent::FailedProbe => pod.fail_liveness(name),
        };
    }
}

fn any_volume(round: &Round) -> (Volume, Sandbox) {
    let medium = round.pick("the volume is in", &[Medium::Disk, Medium::Memory]);
    let volume = Volume::new(medium);
    match volume.sandbox() {
        Some(sandbox) => (volume, sandbox),
        None => {
            let volume = Volume::new(Medium::Disk);
            (volume, volume.sandbox().unwrap())
        }
    }
}

/// A container that serves, and never exits with 0 at the TERM of the kubelet if it is not brought
/// back then.
fn server(round: &Round, name: &str, options: &str, manners: &[StopManner]) -> ContainerSpec {
    let manner = round.pick(&format!("{name}, when stopped"), manners);
    let takes = round.millis(&format!("{name} takes to stop"), 0, 300);
    let ready_on = ReadySource::Signal;
    let script = ready_on.server(name, ready_on.after(round), manner, takes);
    let options = format!("{options} {}", ready_on.option());
    ContainerSpec::new(name, &options, script).after(round.millis("it starts after", 0, 100))
}

/// A main that works, perhaps after it has failed, and one or two servers that follow it.
fn job(round: &Round, policy: Policy, sweep: &str) -> PodSpec {
    let accident = round.pick(
        "main's accident",
        &[Accident::Crash, Accident::CommandKilled],
    );
    let fails = format!(
        "{}; {}",
        pause(round.millis("main fails after", 0, 300)),
        accident.script()
    );
    let failures = round.pick("main fails", &[0, 0, 1, 2]);
    let works = work(round.millis("main works for", 0, 600));
    let two = round.chance("there is a cache");
    let needs = if two { "proxy,cache" } else { "proxy" };
    let script = for_the_first(failures, &fails) + &works;
    // If main needs a server that the node does not start again, it gives up.
    let options = format!("--birth-deps {needs} --birth-timeout 3s");
    let mut containers = vec![ContainerSpec::new("main", &options, script)];
    let follows = match policy {
        Policy::Never => "main",
        _ => round.pick("the servers follow", &["main", "main:ok"]),
    };
    let manners = match policy {
        Policy::Never => &STOP_MANNERS[..],
        _ => &[StopManner::DiesOfIt, StopManner::Exits143],
    };
    let names = if two {
        &["proxy", "cache"][..]
    } else {
        &["proxy"]
    };
    // If main was killed before it began, or its end is lost, there is nothing to see.
    let options = format!("--death-deps {follows} --missing-timeout 3s");
    containers.extend(
        names
            .iter()
            .map(|name| server(round, name, &options, manners)),
    );
    swept(policy, sweep, containers).backoff_limit(28)
}

#[test]
fn no_job_comes_to_a_wrong_end_whatever_a_node_does() {
    rounds_of(round_count(14), "random node, Jobs", |round| {
        let policy = round.pick(
            "policy",
            &[Policy::Never, Policy::OnFailure, Policy::OnFailure],
        );
        let in_place = round.chance("restarts are in place");
        let (sweep, events) = match in_place {
            true => ("--sweep", &IN_PLACE[..]),
            false => ("--sweep-unfinished", &NEW_SANDBOX[..]),
        };
        let (volume, sandbox) = any_volume(round);
        let pod = Pod::start_in(sandbox, job(round, policy, sweep));
        befall(round, &pod, volume, events, &["main", "proxy"]);
        let verdict = pod.await_end();
        let main = pod.statuses("main");
        if verdict == Verdict::Complete {
            assert!(is_done(&pod), "Complete without the work");
            assert_eq!(main.last(), Some(&0));
        } else {
            let excused = policy == Policy::Never || pod.disagrees();
            assert!(
                excused,
                "the Job failed, and main could be restarted: {main:?}"
            );
        }
    });
}

#[test]
fn every_deployment_comes_to_rest_whatever_a_node_does() {
    rounds_of(round_count(10), "random node, Deployments", |round| {
        let names = ["a", "b", "c"];
        let containers = names.map(|name| {
            let mut follows: Vec<&str> = names.into_iter().filter(|other| *other != name).collect();
            follows.retain(|other| round.chance(&format!("{name} follows {other}")));
            let options = match follows.is_empty() {
                true => String::new(),
                false => format!("--death-deps {}", follows.join(",")),
            };
            server(round, name, &options, &STOP_MANNERS)
        });
        let (volume, sandbox) = any_volume(round);
        let pod = Pod::start_in(
            sandbox,
            swept(Policy::Always, "--sweep", containers.to_vec()),
        );
        befall(round, &pod, volume, &ANY, &names);
        pod.settle();
    });
}
