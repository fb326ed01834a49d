//! Scenarios of a node that crashes: all processes of a pod end in one moment, and none of them
//! writes anything after that. The volume is kept (on disk) or lost (in memory).

use crate::support::pod::handle::Pod;
use crate::support::pod::kubelet::{Manner, Next, Verdict};
use crate::support::pod::main_and_proxy::{
    JOB_MAIN, JOB_PROXY, any_manner, is_done, job_main, proxy_of, work,
};
use crate::support::pod::servers::ReadySource;
use crate::support::pod::spec::Policy;
use crate::support::pod::told::{MainEnd, swept, told_main, told_proxy};
use crate::support::pod::users::{Medium, Volume};
use crate::support::random_rounds::rounds_of;
use std::time::Duration;

#[test]
fn a_job_completes_at_whatever_moment_its_node_crashes() {
    rounds_of(8, "node crashes, the volume is kept", |round| {
        let main = job_main(
            round,
            JOB_MAIN,
            work(round.millis("main works for", 0, 400)),
        );
        let proxy = proxy_of(round, JOB_PROXY, ReadySource::Signal, any_manner(round));
        // If main needs a proxy that the node does not start again, it gives up.
        let main = main.option("--birth-timeout 3s");
        let spec = swept(Policy::OnFailure, "--sweep-unfinished", vec![main, proxy]);
        let sandbox = Volume::new(Medium::Disk).sandbox().unwrap();
        let pod = Pod::start_in(sandbox, spec.backoff_limit(12));
        for _ in 0..round.pick("crashes", &[1, 2]) {
            std::thread::sleep(round.millis("the node crashes after", 0, 800));
            pod.end_all(Manner::Crashed, Next::Sandbox);
        }
        let verdict = pod.await_end();
        if !pod.disagrees() {
            assert_eq!(verdict, Verdict::Complete);
        }
        if verdict == Verdict::Complete {
            assert!(is_done(&pod));
            assert_eq!(pod.statuses("main").last(), Some(&0));
        }
    });
}

#[test]
fn a_job_completes_although_its_node_lost_the_volume_while_main_worked() {
    rounds_of(4, "node crashes, the volume is lost", |round| {
        let volume = Volume::new(Medium::Memory);
        let Some(sandbox) = volume.sandbox() else {
            return;
        };
        let takes = [Duration::ZERO; 2];
        let proxy = told_proxy(round, "main", any_manner(round), takes);
        let spec = swept(
            Policy::OnFailure,
            "--sweep-unfinished",
            vec![told_main(round), proxy],
        );
        let pod = Pod::start_in(sandbox, spec);
        std::thread::sleep(round.millis("the node crashes after", 0, 800));
        assert!(pod.end_all(Manner::Crashed, Next::SandboxWithout(volume)));
        pod.await_ready();
        assert!(MainEnd::Done.trigger(&pod));
        assert_eq!(pod.await_end(), Verdict::Complete);
        assert!(is_done(&pod));
    });
}
