//! Scenarios with the probes and hooks of the kubelet: a readinessProbe that records readiness, a
//! livenessProbe that fails, and the deletion of a pod.

use crate::support::pod::handle::Pod;
use crate::support::pod::kubelet::{Manner, Next};
use crate::support::pod::main_and_proxy::any_manner;
use crate::support::pod::scripts::{SERVE, pause, traps};
use crate::support::pod::spec::{ContainerSpec, Policy};
use crate::support::pod::told::swept;
use crate::support::random_rounds::{Round, rounds_of};
use crate::support::sandbox::Sandbox;
use std::time::Duration;

const ROUNDS: u64 = 6;

/// As in the guide to readiness.
fn probe(name: &str) -> String {
    format!("\"$exitdir\" signal --ready {name} -- test -e \"$shared/{name}-is-up\"")
}

/// A server that its readinessProbe makes ready.
fn probed(round: &Round, name: &str, options: &str, traps: &str) -> ContainerSpec {
    let up_after = pause(round.millis("up after", 0, 300));
    let script = format!(
        "{traps}rm -f \"$shared/{name}-is-up\"; {up_after}; : >\"$shared/{name}-is-up\"; {SERVE}"
    );
    ContainerSpec::new(name, &format!("{options} --ready-on signal"), script).readiness(probe(name))
}

/// The proxy drains in its hook if it stops quickly; else it is killed, and its end is not
/// recorded.
#[test]
fn a_container_whose_liveness_probe_fails_comes_back_with_its_follower() {
    rounds_of(ROUNDS, "liveness", |round| {
        let hangs = round.chance("the proxy ignores TERM");
        let stops = match hangs {
            true => "trap '' TERM; ".to_owned(),
            false => traps(any_manner(round), round.millis("it takes to stop", 0, 300)),
        };
        let hook = "echo \"hook $(cat \"$EXIT_DIR/proxy\" | grep -c ^Cause)\" >>\"$shared/hooks\"";
        let proxy = probed(round, "proxy", "", &stops).pre_stop(hook);
        let main = probed(round, "main", "--birth-deps proxy --death-deps proxy", "");
        let pod = swept(Policy::Always, "--sweep", vec![main, proxy]);
        let pod = Pod::start_in(Sandbox::new(), pod);
        pod.settle();
        assert!(pod.fail_liveness("proxy"));
        pod.await_ends("main", 1);
        pod.settle();
        assert_eq!(pod.statuses("main"), [143]);
        let proxy = pod.statuses("proxy");
        assert_eq!((proxy.len(), proxy[0] == 137), (1, hangs), "{proxy:?}");
        assert_eq!(pod.sandbox.lines("hooks"), ["hook 0"]);
    });
}

/// How a proxy stays until main has drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drain {
    /// It waits for main before it is stopped.
    Hook,
    /// It delays its own stop, which the end of main ends.
    StopDelay,
}

#[test]
fn a_pod_that_is_deleted_keeps_its_proxy_until_main_has_drained() {
    rounds_of(ROUNDS, "deletion", |round| {
        let drains = pause(round.millis("main drains for", 0, 1500));
        let looks = "\"$exitdir\" wait proxy:ready -t 0";
        let main_traps = format!("trap '{drains}; {looks}; exit $?' TERM; ");
        let main = probed(round, "main", "--birth-deps proxy", &main_traps);
        let (options, hook) = match round.pick("the proxy has", &[Drain::Hook, Drain::StopDelay]) {
            Drain::Hook => ("", Some("\"$exitdir\" wait main -t 25s")),
            Drain::StopDelay => ("--death-deps main --stop-delay 25s", None),
        };
        let stops = traps(any_manner(round), Duration::ZERO);
        let mut proxy = probed(round, "proxy", options, &stops);
        proxy.pre_stop = hook.map(str::to_owned);
        let pod = swept(Policy::Always, "--sweep", vec![main, proxy]);
        let pod = Pod::start_in(Sandbox::new(), pod.grace(Duration::from_secs(30)));
        pod.await_ready();
        assert!(pod.end_all(Manner::Terminated, Next::Nothing));
        pod.await_end();
        assert_eq!(pod.statuses("main"), [0], "its proxy was ready to the end");
        assert_eq!(pod.statuses("proxy").len(), 1);
    });
}
