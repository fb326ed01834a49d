//! Scenarios of a node that ends all containers of a pod together and starts what the restart
//! policy wants, after the init containers. The init container sweeps as the guides say.

use crate::support::pod::handle::Pod;
use crate::support::pod::kubelet::{Manner, Next, Verdict};
use crate::support::pod::main_and_proxy::is_done;
use crate::support::pod::scripts::STOP_MANNERS;
use crate::support::pod::spec::{ContainerSpec, PodSpec, Policy};
use crate::support::pod::told::{MainEnd, manner_of_proxy, swept, told_main, told_proxy};
use crate::support::pod::users::{Medium, Volume};
use crate::support::random_rounds::{Round, rounds_of};
use crate::support::sandbox::Sandbox;
use std::time::Duration;

const ROUNDS: u64 = 6;
/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(100_000);

fn any_end(round: &Round) -> Manner {
    let manners = [Manner::Terminated, Manner::Killed, Manner::Crashed];
    round.pick("all are", &manners)
}

/// A pod that is ready, in a volume of a random kind.
fn start(round: &Round, policy: Policy, sweep: &str, proxy: ContainerSpec) -> Pod {
    let spec = swept(policy, sweep, vec![told_main(round), proxy]);
    let medium = round.pick("the volume is in", &[Medium::Disk, Medium::Memory]);
    let sandbox = Volume::new(medium).sandbox();
    let pod = Pod::start_in(sandbox.unwrap_or_else(Sandbox::new), spec);
    pod.await_ready();
    pod
}

/// A proxy that does not come to the end of its first stop.
fn held_proxy(round: &Round) -> ContainerSpec {
    let manner = round.pick("the proxy, when stopped", &STOP_MANNERS);
    told_proxy(round, "main", manner, [FOR_EVER, Duration::ZERO])
}

/// Main has ended with 0, and its proxy is stopping.
fn end_main(pod: &Pod, nth: usize) {
    assert!(MainEnd::Done.trigger(pod));
    pod.await_ends("main", nth);
    assert_eq!(pod.sandbox.await_key("proxy", "Cause"), "main");
}

#[test]
fn a_job_is_complete_if_its_sandbox_dies_after_main_and_before_the_proxy() {
    rounds_of(ROUNDS, "sandbox dies between main and proxy", |round| {
        let proxy = held_proxy(round);
        let pod = start(round, Policy::OnFailure, "--sweep-unfinished", proxy);
        end_main(&pod, 1);
        assert!(pod.end_all(any_end(round), Next::Sandbox));
        assert_eq!(pod.await_end(), Verdict::Complete);
        assert_eq!(pod.statuses("main"), [0]);
        assert_eq!(pod.statuses("proxy"), [137, 0]);
        assert_eq!(pod.starts("proxy"), 1, "there is nothing left to serve");
    });
}

#[test]
fn a_job_whose_sandbox_dies_while_main_works_does_its_work_again() {
    rounds_of(ROUNDS, "sandbox dies, OnFailure", |round| {
        let node = any_end(round);
        let manner = manner_of_proxy(round, Policy::OnFailure, node);
        let takes = round.millis("the proxy takes to stop", 0, 300);
        let proxy = told_proxy(round, "main", manner, [takes, takes]);
        let pod = start(round, Policy::OnFailure, "--sweep-unfinished", proxy);
        if round.chance("main fails before") {
            let end = round.pick("main", &[MainEnd::Fails, MainEnd::Lost]);
            assert!(end.trigger(&pod));
        }
        assert!(pod.end_all(node, Next::Sandbox));
        pod.settle();
        assert!(MainEnd::Done.trigger(&pod));
        assert_eq!(pod.await_end(), Verdict::Complete);
        assert!(is_done(&pod));
        for name in ["main", "proxy"] {
            let statuses = pod.statuses(name);
            assert_eq!(
                statuses.iter().position(|status| *status == 0),
                Some(statuses.len() - 1)
            );
        }
    });
}

#[test]
fn all_containers_of_a_job_that_are_restarted_in_place_do_its_work_again() {
    rounds_of(ROUNDS, "restart in place, OnFailure and Never", |round| {
        let node = round.pick("all are", &[Manner::Terminated, Manner::Killed]);
        let policy = round.pick("policy", &[Policy::OnFailure, Policy::Never]);
        let proxy = held_proxy(round);
        let pod = start(round, policy, "--sweep", proxy);
        let was_done = round.chance("main has ended with 0 before");
        if was_done {
            end_main(&pod, 1);
        }
        assert!(pod.end_all(node, Next::AllInPlace));
        pod.await_ready();
        end_main(&pod, 2);
        assert_eq!(pod.await_end(), Verdict::Complete);
        assert!(is_done(&pod));
        assert_eq!(pod.statuses("main").len(), 2);
        assert_eq!(pod.statuses("proxy"), [137, 0]);
    });
}

#[test]
fn a_deployment_comes_back_once_when_its_sandbox_dies() {
    rounds_of(ROUNDS, "sandbox dies, Always", |round| {
        let manner = round.pick("the proxy, when stopped", &STOP_MANNERS);
        let takes = round.millis("the proxy takes to stop", 0, 300);
        let proxy = told_proxy(round, "main", manner, [takes, takes]);
        let pod = start(round, Policy::Always, "--sweep", proxy);
        let next = round.pick("then", &[Next::Sandbox, Next::AllInPlace]);
        assert!(pod.end_all(any_end(round), next));
        pod.settle();
        assert_eq!(pod.statuses("main").len(), 1);
        assert_eq!(pod.statuses("proxy").len(), 1);
    });
}

/// The proxy was told to stop for a main that ended with 0 when the kubelet sends TERM.
#[test]
fn under_never_a_job_is_complete_if_its_proxy_was_stopping_when_the_sandbox_died() {
    rounds_of(ROUNDS, "sandbox dies, Never", |round| {
        let manner = round.pick("the proxy, when stopped", &STOP_MANNERS);
        let node = any_end(round);
        let takes = match node {
            Manner::Terminated => round.millis("the proxy takes to stop", 100, 400),
            Manner::Killed | Manner::Crashed => FOR_EVER,
        };
        let proxy = told_proxy(round, "main", manner, [takes, takes]);
        let spec = PodSpec::new(Policy::Never, vec![told_main(round), proxy]);
        let pod = Pod::start_in(Sandbox::new(), spec.with_namespaces());
        pod.await_ready();
        end_main(&pod, 1);
        let was_there = pod.end_all(node, Next::Sandbox);
        let verdict = pod.await_end();
        assert_eq!(pod.statuses("main"), [0]);
        if node == Manner::Terminated {
            assert_eq!(pod.statuses("proxy"), [0]);
        } else {
            assert!(was_there);
            assert_eq!(
                (verdict, pod.statuses("proxy")),
                (Verdict::Failed, vec![137])
            );
        }
    });
}
