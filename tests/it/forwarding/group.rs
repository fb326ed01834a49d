//! With `--group` a signal goes to all processes of the command's process group, and to a command
//! that has left the group.

use crate::support::listener::{ListeningLife, can_listen};
use crate::support::proc::{await_gone, children, is_gone, only_child};
use crate::support::sandbox::{eventually, wait_until};
use crate::support::signals::{KILL, LAST, TERM, USR1, send_all};

#[test]
fn with_group_a_signal_goes_to_all_in_the_group_and_not_to_a_child_that_has_left_it() {
    if !can_listen() {
        return;
    }
    for (options, in_group) in [("-g", vec![TERM, USR1, 32, 64]), ("", Vec::new())] {
        let life = ListeningLife::start_as(options, "family");
        for name in ["member", "leaver"] {
            wait_until(format!("the {name} listens"), || life.log(name) == "up\n");
        }
        for signal in [TERM, USR1, 32, 64] {
            life.send_and_await(signal, signal);
        }
        assert_eq!(life.received(), [TERM, USR1, 32, 64]);
        let command = only_child("the command", life.pid);
        for (child, name) in children(command).iter().zip(["member", "leaver"]) {
            // The child takes this signal after all those that it must not get.
            send_all(*child, &[LAST]);
            let mut expected = if name == "member" {
                in_group.clone()
            } else {
                Vec::new()
            };
            expected.push(LAST);
            wait_until(format!("the {name} has what was sent"), || {
                life.received_by(name)
                    .iter()
                    .filter(|s| **s == LAST)
                    .count()
                    == expected.iter().filter(|s| **s == LAST).count()
            });
            assert_eq!(life.received_by(name), expected, "{options} {name}");
        }
        life.assert_ends_by_itself();
    }
}

#[test]
fn with_group_a_command_that_has_left_its_empty_group_still_gets_its_signals() {
    if !can_listen() {
        return;
    }
    let life = ListeningLife::start_as("-g", "stray");
    for signal in [TERM, USR1, 64] {
        life.send_and_await(signal, signal);
    }
    assert_eq!(life.received(), [TERM, USR1, 64]);
    life.assert_ends_by_itself();
}

fn start_deserter(options: &str) -> (ListeningLife, String) {
    let life = ListeningLife::start_as(options, "deserter");
    wait_until("the member listens", || life.log("member") == "up\n");
    let member = only_child("the member", only_child("the command", life.pid));
    (life, member.to_string())
}

#[test]
fn with_group_a_command_that_has_left_its_group_and_the_rest_of_the_group_get_each_signal_once() {
    if !can_listen() {
        return;
    }
    let (life, _) = start_deserter("-g --death-deps dep --grace-period 1h");
    for signal in [USR1, 64] {
        life.send_and_await(signal, signal);
    }
    life.trigger_stop();
    life.await_times(TERM, 1);
    assert_eq!(life.all_received(), [USR1, 64, TERM]);
    wait_until("the member has what was sent", || {
        life.received_by("member") == [USR1, 64, TERM, LAST]
    });
    life.assert_ends_by_itself();
}

#[test]
fn with_group_the_kill_after_the_grace_period_is_for_the_group_and_a_command_that_has_left_it() {
    if !can_listen() {
        return;
    }
    let (life, member) = start_deserter("-g --death-deps dep --grace-period 50ms");
    life.trigger_stop();
    let ListeningLife {
        running, sandbox, ..
    } = life;
    let ended = running.end();
    assert_eq!(ended.status, 128 + KILL, "{ended:?}");
    await_gone(&member);
    drop(sandbox);
}

#[test]
fn with_group_the_kill_after_the_grace_period_is_for_the_whole_group() {
    if !can_listen() {
        return;
    }
    let life = ListeningLife::start_as("-g --death-deps dep --grace-period 50ms", "family");
    let family: Vec<i32> = eventually("both children listen", || {
        let up = |name| life.log(name) == "up\n";
        (up("member") && up("leaver")).then(|| children(only_child("the command", life.pid)))
    });
    life.trigger_stop();
    await_gone(family[0]);
    assert!(!is_gone(family[1]), "the leaver lives");
    let (ended, _) = life.end();
    assert_eq!(ended.status, 128 + KILL, "{ended:?}");
}
