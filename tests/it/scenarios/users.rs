//! The scenario of a pod whose containers have different users and share a volume.

use crate::support::pod::handle::Pod;
use crate::support::pod::kubelet::{Manner, Next, Verdict};
use crate::support::pod::main_and_proxy::is_done;
use crate::support::pod::scripts::StopManner;
use crate::support::pod::spec::{ContainerSpec, PodSpec, Policy};
use crate::support::pod::told::{MainEnd, told_main, told_proxy};
use crate::support::pod::users::{Medium, User, Volume, users_are_permitted};
use crate::support::random_rounds::{Round, rounds_of};
use std::time::Duration;

/// Every kind of volume with an exit directory below it, and those without the sticky bit as the
/// exit directory itself.
fn volumes() -> Vec<Volume> {
    let mut volumes = Vec::new();
    for medium in [Medium::Disk, Medium::Memory] {
        for mode in [0o777, 0o1777] {
            let exit_dir = "tombstones";
            volumes.push(Volume {
                medium,
                mode,
                exit_dir,
            });
        }
        let plain = Volume {
            exit_dir: "",
            ..Volume::new(medium)
        };
        volumes.push(Volume {
            mode: 0o777,
            ..plain
        });
    }
    volumes
}

fn any_user(round: &Round, name: &str) -> User {
    let users = [
        User::Id("1001"),
        User::Id("1002"),
        User::Id("65532"),
        User::RootWithoutCapabilities,
    ];
    round.pick(&format!("the user of {name}"), &users)
}

fn pod_of_users(round: &Round) -> PodSpec {
    let takes = [Duration::ZERO; 2];
    let proxy = told_proxy(round, "main", StopManner::DiesOfIt, takes);
    let logger = ContainerSpec::new(
        "logger",
        "--death-deps main --birth-deps setup:failed",
        proxy.script.replace("proxy", "logger"),
    );
    let main = told_main(round);
    let containers = [main, proxy, logger];
    let containers = containers.map(|container| {
        let user = any_user(round, &container.name);
        container.run_as(user)
    });
    // The third one records another end of the life that the second one has lived.
    let mut pod = PodSpec::new(Policy::OnFailure, containers.to_vec())
        .sweeps("--sweep-unfinished")
        .init(ContainerSpec::new("setup", "", "true"))
        .init(ContainerSpec::bare(
            "again",
            "\"$exitdir\" signal -c 1 setup",
        ));
    for container in &mut pod.init {
        container.user = any_user(round, &container.name);
    }
    pod.grace(Duration::from_millis(700)).with_namespaces()
}

#[test]
fn any_mix_of_users_works_below_every_volume() {
    if !users_are_permitted() {
        return;
    }
    let volumes = volumes();
    rounds_of(volumes.len() as u64, "users", |round| {
        let volume = volumes[round.number as usize];
        let Some(sandbox) = volume.sandbox() else {
            return;
        };
        let pod = Pod::start_in(sandbox, pod_of_users(round));
        pod.await_ready();
        let end = round.pick("main", &[MainEnd::Fails, MainEnd::Lost]);
        assert!(end.trigger(&pod));
        for name in ["main", "proxy", "logger"] {
            pod.await_ends(name, 1);
        }
        pod.settle();
        let node = round.pick("all are", &[Manner::Killed, Manner::Crashed]);
        assert!(pod.end_all(node, Next::Sandbox));
        pod.await_ready();
        assert!(MainEnd::Done.trigger(&pod));
        assert_eq!(pod.await_end(), Verdict::Complete);
        assert!(is_done(&pod));
        assert_eq!(pod.lives("exitdir").len(), 2, "the sweep did not fail");
    });
}
