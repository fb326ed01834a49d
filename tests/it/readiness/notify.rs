//! `--ready-on notify`: the protocol of sd_notify(3), with real clients. What makes ready, which
//! senders count, descriptors that are sent along, and what is passed on to an outer manager.
//!
//! Where something must not become ready, the command ends by itself. Its notifications are read
//! before the death is recorded, so the tombstone shows the whole life.

use crate::support::inspect::while_stopped;
use crate::support::notifications::{lingering_connection, send_along, silent};
use crate::support::proc::descriptors;
use crate::support::readiness_life::{life, life_with};
use crate::support::requirements::{is_permitted, perl_is_here};
use crate::support::sandbox::{CONDITION_TIMEOUT, Sandbox, Start, wait_until};
use crate::support::signals::TERM;
use crate::support::users::{NOBODY, nobody_is_permitted};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::fs;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::process::Command;

fn systemd_notify_is_here() -> bool {
    is_permitted(
        "systemd-notify",
        Command::new("systemd-notify").arg("--version"),
    )
}

#[test]
fn systemd_notify_makes_ready_and_its_barrier_returns() {
    if !systemd_notify_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "systemd-notify --ready --status='up and away' && touch $W/sent
        while ! test -e $W/go; do sleep 0.01; done
        systemd-notify --status=one && systemd-notify --status=two && touch $W/again; exec sleep 60";
    let life = life(&sandbox, "notify", script).start();
    sandbox.await_key("x", "Ready");
    assert_eq!(
        sandbox.key("x", "Message"),
        None,
        "it would soon be outdated"
    );
    sandbox.await_file("sent");
    let before = descriptors(life.pid()).len();
    sandbox.touch("go");
    sandbox.await_file("again");
    wait_until("nothing is kept", || {
        descriptors(life.pid()).len() == before
    });
    life.send(TERM);
    assert_eq!(life.end().stderr, "");
    assert_eq!(sandbox.key("x", "Message").unwrap(), "\"two\"");
}

#[test]
fn a_descriptor_sent_for_storing_is_closed_and_does_not_make_ready() {
    let sandbox = Sandbox::new();
    let script = "echo $NOTIFY_SOCKET >$W/new; mv $W/new $W/address; exec sleep 60";
    let life = life(&sandbox, "notify", script).start();
    sandbox.await_file("address");
    sandbox.await_key("x", "Born");
    let address = sandbox.lines("address").remove(0);
    let before = descriptors(life.pid()).len();
    for text in ["FDSTORE=1\nFDNAME=x", "FDSTORE=1", "BARRIER=1", ""] {
        let (reader, writer) = std::io::pipe().unwrap();
        send_along(&address, text, &[writer.as_fd()]);
        drop(writer);
        // The pipe closes when the last descriptor of its writing end does.
        let mut closed = [PollFd::new(&reader, PollFlags::empty())];
        let patience = Timespec::try_from(CONDITION_TIMEOUT).unwrap();
        let heard = rustix::event::poll(&mut closed, Some(&patience)).unwrap();
        assert_eq!(heard, 1, "{text:?}: the descriptor is kept");
    }
    wait_until("nothing is kept", || {
        descriptors(life.pid()).len() == before
    });
    assert_eq!(sandbox.key("x", "Ready"), None);
    life.send(TERM);
    assert_eq!(life.end().stderr, "");
}

#[test]
fn a_thousand_statuses_add_only_the_newest_to_the_death_record() {
    if !perl_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "say READY=1; while ! test -e $W/go; do sleep 0.01; done
        say $(seq -f STATUS=%g 1000) STOPPING=1 MAINPID=1 READY=1 READY=1; touch $W/said; exec sleep 60";
    let life = life(&sandbox, "notify", script).start();
    sandbox.await_key("x", "Ready");
    let before = sandbox.tombstone("x");
    sandbox.touch("go");
    sandbox.await_file("said");
    life.send(TERM);
    let ended = life.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (143, ""));
    let after = sandbox.tombstone("x");
    let death = after
        .strip_prefix(&before)
        .unwrap_or_else(|| panic!("nothing but the death was added:\n{before}and then\n{after}"));
    assert_eq!(
        death
            .lines()
            .filter(|line| line.starts_with("Message: "))
            .collect::<Vec<_>>(),
        ["Message: \"1000\""]
    );
    assert!(death.starts_with("ExitCode: 143\n"), "{death}");
}

#[test]
fn notifications_right_before_the_end_of_a_command_are_all_read() {
    if !perl_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "say $(seq -f STATUS=%g 500) READY=1 STATUS=last";
    let ended = life(&sandbox, "notify", script).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(
        sandbox.key("x", "Ready").is_some(),
        "{}",
        sandbox.tombstone("x")
    );
    let text = sandbox.tombstone("x");
    let messages = text.lines().filter(|line| line.starts_with("Message: "));
    assert_eq!(
        messages.collect::<Vec<_>>(),
        ["Message: \"last\""],
        "{text}"
    );
}

#[test]
fn notifications_of_another_user_cause_one_warning_unless_the_command_sends_them() {
    if !nobody_is_permitted() || !perl_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let say = format!(
        "{} perl -e \"$SAY\" READY=1 READY=1 STATUS=x",
        NOBODY.join(" ")
    );
    let ended = life(&sandbox, "notify", &format!("{say}; {say}; true")).finish();
    assert_eq!(
        ended.stderr,
        "exitdir-run: refused a notification from user 65534\n"
    );
    assert_eq!(ended.status, 0);
    assert_eq!(sandbox.key("x", "Ready"), None);
    assert_eq!(sandbox.key("x", "Message"), None);

    let ended = life(&sandbox, "notify", &format!("exec {say}")).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(
        sandbox.key("x", "Ready").is_some(),
        "{}",
        sandbox.tombstone("x")
    );
}

#[test]
fn a_sent_connection_that_lingers_does_not_block_the_supervisor() {
    let sandbox = Sandbox::new();
    let (life, address) = silent(&sandbox);
    let (connection, _never_read) = lingering_connection();
    // So that the supervisor is the last to close it.
    while_stopped(&life, || {
        send_along(&address, "READY=1", &[connection.as_fd()]);
        drop(connection);
    });
    sandbox.await_key("x", "Ready");
    life.send(TERM);
    assert_eq!(
        (life.end().status, sandbox.key("x", "Signal")),
        (143, Some("TERM".to_owned()))
    );
}

#[test]
fn sending_its_own_tombstone_to_a_supervisor_costs_neither_lock_nor_descriptors() {
    let sandbox = Sandbox::new();
    let (life, address) = silent(&sandbox);
    let before = descriptors(life.pid()).len();
    let tombstone = fs::File::open(sandbox.dir().join("x")).unwrap();
    for _ in 0..20 {
        send_along(&address, "STATUS=look", &[tombstone.as_fd()]);
    }
    send_along(&address, "READY=1", &[tombstone.as_fd()]);
    sandbox.await_key("x", "Ready");
    wait_until("nothing is kept", || {
        descriptors(life.pid()).len() == before
    });
    let waited = sandbox.wait(["-t", "0", "x:ready"]).finish();
    assert_eq!(waited.status, 0, "{}", waited.stderr);
    life.send(TERM);
    let ended = life.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (143, ""));
    assert_eq!(sandbox.key("x", "Message").unwrap(), "\"look\"");
}

#[test]
fn fields_for_the_direct_manager_are_not_passed_on_to_an_outer_one() {
    if !perl_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let path = sandbox.path("outer");
    let outer = UnixDatagram::bind(&path).unwrap();
    let script = "say \"$(printf 'MAINPID=1\\nFDSTORE=1\\nREADY=1\\nFDNAME=x\\nSTATUS=up')\" MAINPID=1 BARRIER=1 STOPPING=1";
    let ended = life(&sandbox, "notify", script)
        .env("NOTIFY_SOCKET", &path)
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    outer.set_read_timeout(Some(CONDITION_TIMEOUT)).unwrap();
    for expected in ["READY=1\nSTATUS=up", "STOPPING=1"] {
        let mut text = [0; 64];
        let length = outer.recv(&mut text).unwrap();
        assert_eq!(std::str::from_utf8(&text[..length]).unwrap(), expected);
    }
}

#[test]
fn notifications_are_passed_on_to_an_outer_socket_even_without_a_name() {
    if !perl_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let path = sandbox.path("outer");
    let name = format!("exitdir-it-outer-{}", std::process::id());
    let abstract_one = UnixAddr::from_abstract_name(&name).unwrap();
    for (outer, variable) in [
        (
            UnixDatagram::bind(&path).unwrap(),
            path.display().to_string(),
        ),
        (
            UnixDatagram::bind_addr(&abstract_one).unwrap(),
            format!("@{name}"),
        ),
    ] {
        let script = "test \"$NOTIFY_SOCKET\" != \"$OUTER\" && say READY=1 STATUS=fine";
        for options in [
            &["-n", "x", "--ready-on", "notify"][..],
            &["--ready-on", "notify"],
        ] {
            let ended = life_with(&sandbox, options, script)
                .env("NOTIFY_SOCKET", &variable)
                .env("OUTER", &variable)
                .finish();
            assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{variable}");
            outer.set_read_timeout(Some(CONDITION_TIMEOUT)).unwrap();
            for expected in ["READY=1", "STATUS=fine"] {
                let mut text = [0; 64];
                let length = outer.recv(&mut text).unwrap();
                assert_eq!(std::str::from_utf8(&text[..length]).unwrap(), expected);
            }
        }
    }
    // An outer socket without a listener does not block the supervisor.
    let ended = life(&sandbox, "notify", "say READY=1")
        .env("NOTIFY_SOCKET", sandbox.path("no-listener"))
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

#[test]
fn with_all_a_notification_of_another_user_makes_ready() {
    if !nobody_is_permitted() || !perl_is_here() {
        return;
    }
    for (source, makes_ready) in [("notify:all", true), ("notify", false)] {
        let sandbox = Sandbox::new();
        let script = format!("{} perl -e \"$SAY\" READY=1 STATUS=hello", NOBODY.join(" "));
        let ended = life(&sandbox, source, &script).finish();
        assert_eq!(ended.status, 0, "{ended:?}");
        assert_eq!(sandbox.key("x", "Ready").is_some(), makes_ready, "{source}");
        assert_eq!(ended.stderr.is_empty(), makes_ready, "{ended:?}");
    }
}
