//! Scenarios of pods that run for ever: containers that follow each other are all ready again after
//! an accident, and a pod that drains stops in the right order.

use crate::support::pod::handle::Pod;
use crate::support::pod::main_and_proxy::{
    JOB_PROXY, any_manner, job_main, proxy_of, rounds_with_a_proxy,
};
use crate::support::pod::scripts::{
    ACCIDENTS, SERVE, STOP_MANNERS, StopManner, becomes_ready, pause,
};
use crate::support::pod::servers::{ReadySource, call};
use crate::support::pod::spec::{ContainerSpec, Policy};
use crate::support::random_rounds::{Round, rounds};
use crate::support::sandbox::Start;
use crate::support::signals::TERM;
use std::time::Duration;

/// How many lives of a container have ended so far.
fn ends(pod: &Pod, names: &[String]) -> Vec<usize> {
    names.iter().map(|name| pod.statuses(name).len()).collect()
}

/// How often exitdir-run has started the command of a container so far.
fn starts(pod: &Pod, names: &[String]) -> Vec<usize> {
    names.iter().map(|name| pod.starts(name)).collect()
}

/// A pod of containers that are servers, each with its options.
fn servers(round: &Round, members: &[(String, String)], quickest: u64) -> Pod {
    let member = |(name, options): &(String, String)| member(round, name, options, "", quickest);
    Pod::start(Policy::Always, members.iter().map(member).collect())
}

/// A server that may announce its readiness. It does `first` before anything else.
fn member(round: &Round, name: &str, options: &str, first: &str, quickest: u64) -> ContainerSpec {
    let manner = round.pick(&format!("{name}, when stopped"), &STOP_MANNERS);
    let takes = round.millis(&format!("{name} takes to stop"), quickest, 2500);
    let ready_on = start_or_signal(round, name);
    let script = ready_on.server(name, ready_on.after(round), manner, takes);
    let options = format!("{options} {}", ready_on.option());
    let delay = round.millis(&format!("{name} starts after"), 0, 100);
    ContainerSpec::new(name, &options, first.to_owned() + &script).after(delay)
}

fn start_or_signal(round: &Round, name: &str) -> ReadySource {
    if round.chance(&format!("{name} says when it is ready")) {
        ReadySource::Signal
    } else {
        ReadySource::Start
    }
}

/// A main that follows its proxy. Main waits for the proxy if it is restarted before it.
fn deployment(round: &Round, ready_on: ReadySource) -> Pod {
    let options = "--birth-deps proxy --death-deps proxy";
    let main = member(round, "main", options, &ready_on.call(), 0);
    let proxy = proxy_of(round, "", ready_on, any_manner(round));
    let back_off = round.millis("the proxy's back-off", 200, 700);
    Pod::start(Policy::Always, vec![main, proxy.back_off(back_off)])
}

#[test]
fn a_deployment_comes_back_when_its_proxy_crashes() {
    rounds_with_a_proxy("deployment", |round, ready_on| {
        let ready_on = match ready_on {
            ReadySource::Tcp(_) => ready_on,
            _ => start_or_signal(round, "proxy"),
        };
        let pod = deployment(round, ready_on);
        pod.settle();
        std::thread::sleep(round.millis("the accident comes after", 0, 300));
        assert!(
            round
                .pick("the accident", &ACCIDENTS)
                .trigger(&pod, "proxy")
        );
        pod.await_ends("proxy", 1);
        pod.await_ends("main", 1);
        pod.settle();
        assert_eq!(pod.statuses("main"), [143]);
        assert_eq!(pod.statuses("proxy").len(), 1, "only the accident ended it");
    });
}

/// How the members of a pod follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topology {
    /// Each member follows the next one, and the last one follows the first.
    Ring,
    /// Each member except the last follows the next one.
    Chain,
    /// Each member follows all others, by name.
    AllForOne,
    /// Each member follows all others, with a condition without a name.
    AllWithoutNames,
}

impl Topology {
    /// The names and options of `size` members.
    fn members(self, size: usize) -> Vec<(String, String)> {
        let name = |at: usize| format!("c{at}");
        let names = |all: Vec<usize>| all.into_iter().map(name).collect::<Vec<_>>().join(",");
        let follows = |at: usize| match self {
            Topology::Ring => name((at + 1) % size),
            Topology::Chain if at + 1 == size => String::new(),
            Topology::Chain => name(at + 1),
            Topology::AllForOne => names((0..size).filter(|other| *other != at).collect()),
            Topology::AllWithoutNames => ":died".to_owned(),
        };
        let options = |at| match follows(at) {
            none if none.is_empty() => none,
            deps => format!("--death-deps {deps}"),
        };
        (0..size).map(|at| (name(at), options(at))).collect()
    }

    /// Whether an accident of one member ends another one.
    fn reaches(self, failed: usize, member: usize) -> bool {
        self != Topology::Chain || member <= failed
    }
}

#[test]
fn two_containers_that_die_together_end_at_most_twice_for_each_accident() {
    rounds("two that die together", |round| {
        accidents_in(round, Topology::Ring, 2, 0)
    });
}

#[test]
fn in_a_ring_with_slow_stops_each_container_ends_at_most_twice_for_an_accident() {
    rounds("ring", |round| {
        accidents_in(round, Topology::Ring, round.pick("size", &[3, 4, 5]), 200)
    });
}

#[test]
fn in_a_chain_with_slow_stops_each_container_ends_at_most_twice_for_an_accident() {
    rounds("chain", |round| {
        accidents_in(round, Topology::Chain, round.pick("size", &[3, 4, 5]), 200)
    });
}

#[test]
fn where_all_follow_all_with_slow_stops_each_container_ends_at_most_twice_for_an_accident() {
    rounds("all for one", |round| {
        let topology = round.pick("shape", &[Topology::AllForOne, Topology::AllWithoutNames]);
        accidents_in(round, topology, round.pick("size", &[3, 4, 5]), 200);
    });
}

/// One accident, two at once, or a second one while the first is being recovered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AccidentCount {
    One,
    TwoAtOnce,
    OneAndAnother,
}

fn accidents_in(round: &Round, topology: Topology, size: usize, quickest: u64) {
    let members = topology.members(size);
    let names: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
    let pod = servers(round, &members, quickest);
    pod.settle();
    let (ended, started) = (ends(&pod, &names), starts(&pod, &names));
    std::thread::sleep(round.millis("the accident comes after", 0, 300));
    let accidents = round.pick(
        "mishap",
        &[
            AccidentCount::One,
            AccidentCount::TwoAtOnce,
            AccidentCount::OneAndAnother,
        ],
    );
    let all: Vec<usize> = (0..size).collect();
    let first = round.pick("struck", &all);
    assert!(
        round
            .pick("accident", &ACCIDENTS)
            .trigger(&pod, &names[first])
    );
    let mut bound = 2;
    if accidents != AccidentCount::One {
        if accidents == AccidentCount::OneAndAnother {
            std::thread::sleep(round.millis("the second one comes after", 1, 2500));
            bound += 2;
        }
        // This is no accident if the container is down already.
        round
            .pick("second accident", &ACCIDENTS)
            .trigger(&pod, &names[round.pick("struck too", &all)]);
    }
    let reached: Vec<usize> = all
        .into_iter()
        .filter(|member| topology.reaches(first, *member))
        .collect();
    for member in &reached {
        pod.await_ends(&names[*member], ended[*member] + 1);
    }
    pod.settle();
    // Of the lives that had started their command. How many were refused while a dependency was
    // down depends on how fast the node restarts it.
    let ends: Vec<usize> = starts(&pod, &names)
        .iter()
        .zip(&started)
        .map(|(after, before)| after - before)
        .collect();
    assert!(
        ends.iter().all(|ends| *ends <= bound),
        "each command ends at most twice for each accident: {names:?} {ends:?}"
    );
}

/// The kubelet runs preStop, waits for its end, and then sends TERM. Containers without preStop get
/// TERM at once.
#[test]
fn while_a_pod_drains_main_keeps_its_proxy() {
    rounds_with_a_proxy("drain", |round, ready_on| {
        let drains = pause(round.millis("main drains for", 0, 2500));
        let last_call = match ready_on {
            ReadySource::Tcp(address) => call(address),
            ReadySource::Start | ReadySource::Signal => "true".to_owned(),
        };
        // When it has drained it checks that its proxy is ready, and exits with the result.
        let main = format!(
            "looks() {{ \"$exitdir\" wait proxy:ready -t 0 && {last_call}; }}; trap '{drains}; looks; exit $?' TERM; {}{}{SERVE}",
            ready_on.call(),
            becomes_ready("main", Duration::ZERO)
        );
        let follows = round.chance("the proxy follows main");
        let options = if follows { JOB_PROXY } else { "" };
        let manner = any_manner(round);
        let proxy = proxy_of(round, options, ready_on, manner);
        let main = job_main(round, "--birth-deps proxy --ready-on signal", main);
        let pod = Pod::start(Policy::Never, vec![main, proxy]);
        pod.await_ready();
        std::thread::sleep(round.millis("the end comes after", 0, 300));
        let pre_stop = pod.sandbox.wait(["main", "-t", "25s"]).start();
        assert!(pod.send("main", TERM));
        assert_eq!(pre_stop.end().status, 0);
        // It may have ended already, because it follows main.
        pod.send("proxy", TERM);
        pod.await_end();
        assert_eq!(
            pod.statuses("main"),
            [0],
            "its proxy was ready until it had drained"
        );
        let proxy = pod.statuses("proxy");
        let own = if manner == StopManner::ExitsZero {
            0
        } else {
            143
        };
        assert!(
            proxy[..] == [own] || follows && proxy[..] == [0],
            "{proxy:?}"
        );
    });
}
