//! A small restart loop that plays the kubelet: a pod of containers, each a plain process, started
//! again after a fixed back-off as the restart policy says, and a memory of how each life ended.
//!
//! One thread looks after a pod, as in a real kubelet: so ends are seen in the order in which they
//! happened, and containers are started in the order in which they are due. In Kubernetes the
//! back-off grows, so no container overtakes another even if a start takes longer than the
//! back-off. Here it is fixed, so a container waits for those that were due a whole back-off before
//! it.

use crate::support::pod::container::ContainerState;
use crate::support::pod::spec::{BACK_OFF, Policy};
use crate::support::sandbox::Sandbox;
use std::io::PipeReader;
use std::time::{Duration, Instant};

/// Between two checks of the kubelet on its processes.
pub const TICK: Duration = Duration::from_millis(5);

/// One round of the kubelet: reaps containers that have ended, and starts those that are due.
pub fn reconcile(
    states: &mut [ContainerState],
    sandbox: &Sandbox,
    policy: Policy,
    stdin: &PipeReader,
) {
    let now = Instant::now();
    states.iter_mut().for_each(|state| state.reap(policy, now));
    let mut due: Vec<usize> = (0..states.len())
        .filter(|at| states[*at].pending && states[*at].due <= now)
        .collect();
    due.sort_by_key(|at| states[*at].due);
    for at in due {
        let turn = states[at].due;
        let overtakes =
            |other: &ContainerState| other.due + BACK_OFF <= turn && other.is_starting(sandbox);
        if !states.iter().any(overtakes) {
            states[at].start(sandbox, stdin);
        }
    }
}
