//! A Job whose main does what the test tells it, for the scenarios in which the node acts at a
//! certain moment.

use crate::support::pod::handle::Pod;
use crate::support::pod::kubelet::Manner;
use crate::support::pod::main_and_proxy::JOB_MAIN;
use crate::support::pod::scripts::{SERVE, STOP_MANNERS, StopManner, becomes_ready, traps};
use crate::support::pod::spec::{ContainerSpec, PodSpec, Policy};
use crate::support::random_rounds::Round;
use crate::support::signals::{KILL, USR1, USR2};
use std::time::Duration;

/// What becomes of a main.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MainEnd {
    Done,
    Fails,
    /// Its supervisor is killed.
    Lost,
}

impl MainEnd {
    pub fn trigger(self, pod: &Pod) -> bool {
        let signal = match self {
            MainEnd::Done => USR1,
            MainEnd::Fails => USR2,
            MainEnd::Lost => KILL,
        };
        pod.send("main", signal)
    }
}

/// A main that ends as [`MainEnd`] says. At TERM it fails, as a Job has to.
pub fn told_main(round: &Round) -> ContainerSpec {
    let script = format!(
        "trap ': >\"$shared/work-done\"; exit 0' USR1; trap 'exit 3' USR2; {}{SERVE}",
        becomes_ready("main", Duration::ZERO)
    );
    let delay = round.millis("main starts after", 0, 50);
    ContainerSpec::new("main", &format!("{JOB_MAIN} --ready-on signal"), script).after(delay)
}

/// A proxy that takes so long to stop: in its first life, and in later ones.
pub fn told_proxy(
    round: &Round,
    death_deps: &str,
    manner: StopManner,
    takes: [Duration; 2],
) -> ContainerSpec {
    let [first, later] = takes.map(|takes| traps(manner, takes));
    let script = format!(
        "if mkdir \"$shared/proxy-was-here\" 2>/dev/null; then {first}:; else {later}:; fi; {}{SERVE}",
        becomes_ready("proxy", round.millis("the proxy is ready after", 0, 100))
    );
    let options = format!("--death-deps {death_deps} --ready-on signal");
    let delay = round.millis("the proxy starts after", 0, 50);
    ContainerSpec::new("proxy", &options, script).after(delay)
}

/// How a proxy stops. One that exits with 0 at the TERM of the kubelet has succeeded under
/// OnFailure, and the node does not bring it back.
pub fn manner_of_proxy(round: &Round, policy: Policy, node: Manner) -> StopManner {
    let manners: &[StopManner] = match (policy, node) {
        (Policy::OnFailure, Manner::Terminated) => &[StopManner::DiesOfIt, StopManner::Exits143],
        _ => &STOP_MANNERS,
    };
    round.pick("the proxy, when stopped", manners)
}

/// The pod of a Job or Deployment, with an init container that sweeps.
pub fn swept(policy: Policy, sweep: &str, containers: Vec<ContainerSpec>) -> PodSpec {
    PodSpec::new(policy, containers)
        .sweeps(sweep)
        .grace(Duration::from_millis(700))
        .with_namespaces()
}
