//! What a node starts again, as a table: the restart policy, what the proxy follows, what happened
//! before, how all containers end, and who comes first. With the sweep that the guides name, each
//! case has the right end. A sample of the table is played.

use crate::support::pod::handle::Pod;
use crate::support::pod::kubelet::{Manner, Next, Verdict};
use crate::support::pod::main_and_proxy::is_done;
use crate::support::pod::spec::{ContainerSpec, Policy};
use crate::support::pod::told::{MainEnd, manner_of_proxy, swept, told_main, told_proxy};
use crate::support::pod::users::{Medium, Volume};
use crate::support::random_rounds::{Round, rounds_of};
use crate::support::requirements::is_long_run;
use crate::support::signals::{KILL, USR1};
use std::time::Duration;

/// What happened before all containers ended together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// Main has ended; a proxy that follows it is stopping.
    End(MainEnd),
    /// Main has ended, and all are back.
    EndAndRestart(MainEnd),
    ProxyCrash,
    ProxyKill,
}

const BEFORE: [Before; 9] = [
    Before::Nothing,
    Before::End(MainEnd::Done),
    Before::End(MainEnd::Fails),
    Before::End(MainEnd::Lost),
    Before::EndAndRestart(MainEnd::Done),
    Before::EndAndRestart(MainEnd::Fails),
    Before::EndAndRestart(MainEnd::Lost),
    Before::ProxyCrash,
    Before::ProxyKill,
];

const DISK: Volume = Volume {
    medium: Medium::Disk,
    mode: 0o777,
    exit_dir: "tombstones",
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    policy: Policy,
    follows: &'static str,
    before: Before,
    manner: Manner,
    next: Next,
    main_is_first: bool,
}

impl Case {
    /// Whether the pod would come to its end without what the node does, and the node has not
    /// forgotten what it needs.
    fn is_sound(&self) -> bool {
        let ends = self.policy != Policy::Always;
        let is_job = match self.follows {
            "main:failed" => !ends,
            "main:ok" => self.policy != Policy::Never,
            _ => true,
        };
        let restart = match self.before {
            Before::EndAndRestart(MainEnd::Done) => self.policy == Policy::Always,
            Before::EndAndRestart(_) => self.policy != Policy::Never,
            _ => true,
        };
        // The proxy cannot know of a main that has ended, is not started again, and has left
        // nothing behind.
        let is_forgotten = self.policy == Policy::OnFailure
            && self.before == Before::End(MainEnd::Done)
            && self.next == Next::SandboxWithout(DISK);
        is_job && restart && !is_forgotten
    }

    /// Whether it goes wrong with another sweep.
    fn needs_its_sweep(&self) -> bool {
        self.policy == Policy::OnFailure && self.before == Before::End(MainEnd::Done)
    }

    /// The sweep that the guides name.
    fn sweep(&self) -> &'static str {
        match (self.policy, self.next) {
            (Policy::Always, _) | (_, Next::AllInPlace) => "--sweep",
            (Policy::OnFailure | Policy::Never, _) => "--sweep-unfinished",
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let nexts = [Next::Sandbox, Next::SandboxWithout(DISK), Next::AllInPlace];
    for policy in [Policy::Always, Policy::OnFailure, Policy::Never] {
        for follows in ["main", "main:ok", "main:failed"] {
            for before in BEFORE {
                for manner in [Manner::Terminated, Manner::Killed] {
                    for next in nexts {
                        cases.extend([false, true].map(|main_is_first| Case {
                            policy,
                            follows,
                            before,
                            manner,
                            next,
                            main_is_first,
                        }));
                    }
                }
            }
        }
    }
    cases.retain(Case::is_sound);
    cases
}

fn start(round: &Round, case: Case) -> Pod {
    let manner = manner_of_proxy(round, case.policy, case.manner);
    let takes = match case.before {
        // Longer than any test.
        Before::End(_) => Duration::from_secs(100_000),
        _ => Duration::ZERO,
    };
    let proxy = told_proxy(round, case.follows, manner, [takes, Duration::ZERO]);
    let first = |container: ContainerSpec, is_first: bool| {
        container.after(Duration::from_millis(if is_first { 0 } else { 150 }))
    };
    let main = first(told_main(round), case.main_is_first);
    let proxy = first(proxy, !case.main_is_first);
    let spec = swept(case.policy, case.sweep(), vec![main, proxy]);
    let pod = Pod::start_in(DISK.sandbox().unwrap(), spec);
    pod.await_ready();
    pod
}

fn happen(pod: &Pod, before: Before) {
    match before {
        Before::Nothing => {}
        Before::End(end) => {
            assert!(end.trigger(pod));
            pod.await_ends("main", 1);
        }
        Before::EndAndRestart(end) => {
            assert!(end.trigger(pod));
            pod.await_ends("main", 1);
            pod.settle();
        }
        Before::ProxyCrash => assert!(pod.send("proxy", USR1)),
        Before::ProxyKill => assert!(pod.send("proxy", KILL)),
    }
}

#[test]
fn with_the_right_sweep_every_restart_of_a_node_comes_to_the_right_end() {
    let all = cases();
    let needing: Vec<Case> = all.iter().copied().filter(Case::needs_its_sweep).collect();
    let count = if is_long_run() { 400 } else { 16 };
    rounds_of(count, "the table of restarts", |round| {
        let needs_it = round.chance("needs its sweep");
        let case = round.pick("case", if needs_it { &needing } else { &all });
        let pod = start(round, case);
        happen(&pod, case.before);
        assert!(pod.end_all(case.manner, case.next));
        let is_new = case.next != Next::AllInPlace;
        match case.policy {
            Policy::Always => pod.settle(),
            Policy::Never if is_new => assert_eq!(pod.await_end(), Verdict::Failed),
            Policy::OnFailure if is_new && case.before == Before::End(MainEnd::Done) => {
                assert_eq!(pod.await_end(), Verdict::Complete);
            }
            Policy::OnFailure | Policy::Never => {
                pod.await_ready();
                assert!(MainEnd::Done.trigger(&pod));
                assert_eq!(pod.await_end(), Verdict::Complete);
                assert!(is_done(&pod));
            }
        }
    });
}
