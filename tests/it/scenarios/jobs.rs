//! Scenarios of Jobs: main works, fails and is restarted, and its proxy ends and comes back with
//! it.

use crate::support::pod::handle::Pod;
use crate::support::pod::main_and_proxy::{
    JOB_MAIN, JOB_PROXY, any_manner, is_done, job_main, proxy_of, proxy_with, rounds_with_a_proxy,
    work,
};
use crate::support::pod::scripts::{
    ACCIDENTS, Accident, STOP_MANNERS, StopManner, becomes_ready, for_the_first, pause, traps,
};
use crate::support::pod::servers::{ReadySource, tcp_server};
use crate::support::pod::spec::{ContainerSpec, Policy};
use crate::support::random_rounds::{Round, rounds};
use crate::support::sandbox::Start;

/// Main writes down for which life of the proxy it was started.
const NOTES_PROXY: &str =
    "read -r life <\"$EXIT_DIR/proxy\"; echo \"$life\" >>\"$shared/born-on\"; ";

/// Main is not started for a proxy that is going down, as far as this could be seen at its start.
/// Only for a main that [`NOTES_PROXY`] in each of its lives.
fn assert_started_for_a_proxy_that_stays(pod: &Pod) {
    let notes = std::fs::read_to_string(pod.sandbox.path("born-on")).unwrap();
    let notes: Vec<&str> = notes.lines().collect();
    let lives = pod.lives("main");
    assert_eq!(notes.len(), lives.len());
    for (note, life) in notes.into_iter().zip(&lives) {
        assert!(
            !life.terminating.iter().any(|going| going == note),
            "started for {note}, which was going down: {lives:?}"
        );
    }
}

#[test]
fn a_job_completes_with_its_proxy() {
    rounds_with_a_proxy("job", |round, ready_on| {
        let time = round.millis("main works for", 0, 400);
        let policy = round.pick("policy", &[Policy::Never, Policy::OnFailure]);
        let main = job_main(round, JOB_MAIN, ready_on.call() + &work(time));
        let proxy = proxy_of(round, JOB_PROXY, ready_on, any_manner(round));
        let pod = Pod::start(policy, vec![main, proxy]);
        pod.await_end();
        assert_eq!(pod.statuses("main"), [0]);
        assert_eq!(pod.statuses("proxy"), [0]);
        assert!(is_done(&pod));
    });
}

#[test]
fn when_main_fails_and_the_policy_is_never_the_proxy_fails_too() {
    rounds_with_a_proxy("job, main fails, Never", |round, ready_on| {
        let fails = format!(
            "{}{}; exit 1",
            ready_on.call(),
            pause(round.millis("main fails after", 0, 400))
        );
        let main = job_main(round, JOB_MAIN, fails);
        let proxy = proxy_of(round, JOB_PROXY, ready_on, any_manner(round));
        let pod = Pod::start(Policy::Never, vec![main, proxy]);
        pod.await_end();
        assert_eq!(pod.statuses("main"), [1]);
        assert_eq!(pod.statuses("proxy"), [143]);
    });
}

#[test]
fn a_job_whose_main_fails_once_is_restarted_with_its_proxy_and_does_its_work() {
    rounds_with_a_proxy("job, OnFailure", |round, ready_on| {
        main_fails_once(round, ready_on, any_manner(round))
    });
}

#[test]
fn a_proxy_that_exits_0_when_it_is_stopped_is_restarted_with_a_main_that_failed() {
    rounds_with_a_proxy("proxy exits 0 on TERM, OnFailure", |round, ready_on| {
        main_fails_once(round, ready_on, StopManner::ExitsZero)
    });
}

fn main_fails_once(round: &Round, ready_on: ReadySource, manner: StopManner) {
    let accident = round.pick("main's accident", &ACCIDENTS);
    let fails = format!(
        "{}; {}",
        pause(round.millis("main fails after", 0, 400)),
        accident.script()
    );
    let works = work(round.millis("main works for", 0, 400));
    let main = job_main(
        round,
        JOB_MAIN,
        NOTES_PROXY.to_owned() + &ready_on.call() + &for_the_first(1, &fails) + &works,
    );
    let proxy = proxy_of(round, JOB_PROXY, ready_on, manner);
    let pod = Pod::start(Policy::OnFailure, vec![main, proxy]);
    pod.await_end();
    assert!(is_done(&pod), "Complete without the work");
    assert_eq!(pod.statuses("main"), [accident.status(), 0]);
    assert_started_for_a_proxy_that_stays(&pod);
    // Once for the accident, and once more if it was restarted before main.
    let proxy = pod.statuses("proxy");
    assert!(matches!(proxy[..], [143, 0] | [143, 143, 0]), "{proxy:?}");
}

#[test]
fn a_job_survives_a_proxy_that_crashes_first() {
    rounds_with_a_proxy("proxy crashes first, OnFailure", |round, ready_on| {
        let accident = round.pick("the proxy's accident", &ACCIDENTS);
        let before = round.chance("before it was ready");
        let proxy = proxy_that_crashes_first(round, ready_on, accident, before);
        let stops = traps(
            round.pick("main, when stopped", &STOP_MANNERS),
            round.millis("main takes to stop", 0, 2500),
        );
        let works = work(round.millis("main works for", 0, 400));
        let main = job_main(
            round,
            "--birth-deps proxy --death-deps proxy:failed",
            stops + &ready_on.call() + &works,
        );
        let pod = Pod::start(Policy::OnFailure, vec![main, proxy]);
        pod.await_end();
        assert!(is_done(&pod), "Complete without the work");
        let (main, proxy) = (pod.statuses("main"), pod.statuses("proxy"));
        assert!(matches!(main[..], [0] | [143, 0]), "{main:?}");
        // There is no accident if main was done before.
        assert!(
            proxy[..] == [accident.status(), 0] || !before && proxy[..] == [0],
            "{proxy:?}"
        );
    });
}

fn proxy_that_crashes_first(
    round: &Round,
    ready_on: ReadySource,
    accident: Accident,
    before: bool,
) -> ContainerSpec {
    let lasts = round.millis("the accident comes after", 0, 500);
    let manner = any_manner(round);
    let takes = round.millis("the proxy takes to stop", 0, 2500);
    let ready_after = ready_on.after(round);
    let in_shell = format!("{}; {}", pause(lasts), accident.script());
    let first = match ready_on {
        ReadySource::Signal if !before => becomes_ready("proxy", ready_after) + &in_shell,
        ReadySource::Tcp(address) if !before => {
            let accident = Some((lasts, accident));
            tcp_server(address, ready_after, manner, takes, accident)
        }
        _ => in_shell,
    };
    let script = traps(manner, takes)
        + &for_the_first(1, &first)
        + &ready_on.server("proxy", ready_on.after(round), manner, takes);
    let back_off = round.millis("the proxy's back-off", 200, 700);
    proxy_with(round, JOB_PROXY, ready_on, script).back_off(back_off)
}

#[test]
fn a_proxy_that_waits_for_success_stays_while_main_fails_and_is_restarted() {
    rounds_with_a_proxy("proxy stays, OnFailure", |round, ready_on| {
        let accident = round.pick("main's accident", &ACCIDENTS);
        let fails = format!(
            "{}; {}",
            pause(round.millis("main fails after", 0, 300)),
            accident.script()
        );
        let works = work(round.millis("main works for", 0, 300));
        let script = ready_on.call() + &for_the_first(2, &fails) + &works;
        let main = job_main(round, JOB_MAIN, script);
        let proxy = proxy_of(round, "--death-deps main:ok", ready_on, any_manner(round));
        let pod = Pod::start(Policy::OnFailure, vec![main, proxy]);
        pod.await_end();
        assert!(is_done(&pod));
        assert_eq!(
            pod.statuses("main"),
            [accident.status(), accident.status(), 0]
        );
        assert_eq!(pod.statuses("proxy"), [0], "started once");
    });
}

#[test]
fn a_script_that_calls_exitdir_signal_itself_may_fail_and_be_restarted_before_it_succeeds() {
    rounds("signal by hand", |round| {
        let fails = pause(round.millis("the work fails after", 0, 300));
        let works = work(round.millis("main works for", 0, 300));
        let script = format!(
            "\"$exitdir\" signal --ready main; ( {}{works} ); code=$?; \"$exitdir\" signal -c $code main; exit $code",
            for_the_first(1, &format!("{fails}; exit 4"))
        );
        let main =
            ContainerSpec::bare("main", script).after(round.millis("main starts after", 0, 150));
        let proxy = proxy_of(
            round,
            "--death-deps main:ok",
            ReadySource::Signal,
            any_manner(round),
        );
        let pod = Pod::start(Policy::OnFailure, vec![main, proxy]);
        let waits = pod.sandbox.wait(["main:ok", "--keep-waiting"]).start();
        pod.await_end();
        assert!(is_done(&pod));
        assert_eq!(pod.statuses("main"), [4, 0]);
        assert_eq!(pod.statuses("proxy"), [0], "started once");
        assert_eq!(waits.end().status, 0);
    });
}
