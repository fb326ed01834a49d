//! Scenarios of deaths that are not plain ends: a death that `exitdir-signal` records while the
//! command is restarted in place, and a supervisor that is killed and records nothing.

use crate::support::pod::handle::Pod;
use crate::support::pod::main_and_proxy::{
    JOB_PROXY, any_manner, proxy_of, proxy_with, rounds_with_a_proxy,
};
use crate::support::pod::scripts::{SERVE, becomes_ready, for_the_first, pause, traps};
use crate::support::pod::servers::ReadySource;
use crate::support::pod::spec::{ContainerSpec, Policy};
use crate::support::random_rounds::{Round, rounds};
use crate::support::sandbox::Start;
use crate::support::signals::{KILL, TERM, USR1};
use std::time::Duration;

/// Main itself announces the death at about the time when it goes down, or the test does at any
/// time.
#[test]
fn a_death_that_is_announced_during_restarts_in_place_is_not_lost() {
    rounds("signal during a restart in place", |round| {
        let lasts = round.millis("main lasts for", 0, 40);
        let code = round.pick("the word is exit code", &[0, 5]);
        let own = round.chance("it is main's own");
        let says = format!(
            "{{ sleep {}; exec \"$exitdir\" signal -c {code} main; }} & :",
            round.millis("said after", 0, 40).as_secs_f64()
        );
        let first = if own {
            for_the_first(1, &says)
        } else {
            String::new()
        };
        let script = format!("{first}{}; exit 3", pause(lasts));
        let main = ContainerSpec::new("main", "--restart always", script);
        let proxy = proxy_of(round, JOB_PROXY, ReadySource::Signal, any_manner(round));
        let pod = Pod::start(Policy::Never, vec![main, proxy]);
        if !own {
            pod.sandbox.await_key("main", "Born");
            std::thread::sleep(round.millis("said after", 0, 2500));
            let said = pod
                .sandbox
                .signal(["-c", &code.to_string(), "main"])
                .finish();
            assert_eq!((said.status, said.stderr.as_str()), (0, ""));
        }
        pod.await_ends("proxy", 1);
        assert_eq!(pod.statuses("proxy"), [if code == 0 { 0 } else { 143 }]);
        let record = format!("\nExitCode: {code}\nReason: said\nDied: ");
        assert!(
            pod.statuses("main").is_empty(),
            "its death was announced, and it goes on"
        );
        std::thread::sleep(round.millis("main goes on for", 0, 1200));
        assert!(pod.send("main", TERM));
        pod.await_end();
        // 3 if it ended by itself just before the TERM.
        let main = pod.statuses("main");
        assert!(matches!(main[..], [143] | [3]), "{main:?}");
        let text = pod.sandbox.tombstone("main");
        assert!(text.contains(&record), "{text}");
        assert_eq!(text.matches("\nDied: ").count(), 1, "{text}");
        assert!(text.matches("\nReady: ").count() <= 1, "{text}");
    });
}

/// What main does when its supervisor is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MainPhase {
    Waiting,
    Running,
    /// For a TERM from outside.
    Stopping,
    /// For a death dependency, which its tombstone names as the cause.
    StoppingForAnother,
}

#[test]
fn when_mains_supervisor_is_killed_main_is_lost_and_the_proxy_stops_without_polling() {
    rounds_with_a_proxy("SIGKILL of main's supervisor", |round, ready_on| {
        let doings = [
            MainPhase::Waiting,
            MainPhase::Running,
            MainPhase::Stopping,
            MainPhase::StoppingForAnother,
        ];
        let phase = round.pick("main is", &doings);
        let pod = start_job_that_loses_main(round, ready_on, phase);
        bring_main_to(&pod, phase);
        std::thread::sleep(round.millis("the kill comes after", 0, 400));
        assert!(pod.send("main", KILL));
        pod.await_end();
        assert_eq!(pod.statuses("main"), [137]);
        assert_eq!(pod.statuses("proxy"), [143]);
        assert_eq!(
            pod.sandbox.wait(["main:lost", "-t", "0"]).finish().status,
            0
        );
        let table = pod.sandbox.applet("status").finish().stdout;
        let row = table
            .lines()
            .find(|line| line.starts_with("main "))
            .unwrap();
        assert_eq!(row.split_whitespace().nth(1), Some("lost"), "{table}");
    });
}

fn start_job_that_loses_main(round: &Round, ready_on: ReadySource, phase: MainPhase) -> Pod {
    // After a TERM it reads until the pod is gone.
    let slow = format!(
        "trap 'read -r line' TERM; {}{}{SERVE}",
        ready_on.call(),
        becomes_ready("main", Duration::ZERO)
    );
    let options = match phase {
        MainPhase::StoppingForAnother => "--birth-deps proxy --death-deps other --ready-on signal",
        MainPhase::Waiting | MainPhase::Running | MainPhase::Stopping => {
            "--birth-deps proxy --ready-on signal"
        }
    };
    let takes = round.millis("the proxy takes to stop", 0, 300);
    let manner = any_manner(round);
    let proxy = match phase {
        MainPhase::Waiting => traps(manner, takes) + SERVE,
        _ => ready_on.server("proxy", ready_on.after(round), manner, takes),
    };
    let mut containers = vec![
        ContainerSpec::new("main", options, slow),
        // Only an event can tell the proxy of the death.
        proxy_with(round, &format!("{JOB_PROXY} --poll off"), ready_on, proxy),
    ];
    if phase == MainPhase::StoppingForAnother {
        containers.push(ContainerSpec::new(
            "other",
            "",
            format!("trap 'exit 3' USR1; {SERVE}"),
        ));
    }
    Pod::start(Policy::Never, containers)
}

fn bring_main_to(pod: &Pod, phase: MainPhase) {
    if phase == MainPhase::Waiting {
        pod.sandbox.await_key("main", "Waiting");
        pod.sandbox.await_key("proxy", "Born");
        return;
    }
    pod.await_ready();
    match phase {
        MainPhase::Waiting | MainPhase::Running => {}
        MainPhase::Stopping => assert!(pod.send("main", TERM)),
        MainPhase::StoppingForAnother => {
            assert!(pod.send("other", USR1));
            assert_eq!(pod.sandbox.await_key("main", "Cause"), "other");
        }
    }
}
