//! The notification socket, to which every process of the network namespace can send: descriptors
//! of every kind, floods, and users that look like our own. And system calls that are refused.

use crate::support::hostile::{as_attacker_thread, as_user_thread, attacker_is_permitted};
use crate::support::inspect::{assert_sentence, while_stopped};
use crate::support::notifications::{
    MOST_DESCRIPTORS, address, lingering_connection, send, send_along, sender, silent,
    try_send_along,
};
use crate::support::proc::{ProcStat, children, descriptors, has_reaped};
use crate::support::readiness_life::{life, life_with};
use crate::support::requirements::{is_permitted, perl_is_here, strace_can_inject};
use crate::support::sandbox::{Ended, Running, Sandbox, Start, binary, wait_until, words};
use crate::support::signals::{STOP, TERM};
use crate::support::syscalls::{strace_log, traced};
use rustix::net::{AddressFamily, SendFlags, SocketType};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// What is said about messages of the hostile user.
const REFUSED: &str = "exitdir-run: refused a notification from user 1001\n";

#[track_caller]
fn assert_stopped(sandbox: &Sandbox, ended: &Ended, stderr: &str) {
    assert_eq!((ended.status, ended.stderr.as_str()), (143, stderr));
    assert_eq!(sandbox.key("x", "ExitCode").as_deref(), Some("143"));
}

/// A FUSE file system with one file, which is opened and passed to the action. Then its process
/// stops to answer, so that no process must have the file open any more: to close it would wait for
/// an answer. `None` where there is no such file system.
fn with_unanswered_file(sandbox: &Sandbox, action: impl FnOnce(&fs::File)) -> Option<Running> {
    let [back, front] = ["back", "front"].map(|name| sandbox.path(name));
    for dir in [&back, &front] {
        fs::create_dir(dir).unwrap();
    }
    fs::write(back.join("file"), "x").unwrap();
    let mut trial = sandbox.command("sh");
    trial.args(["-c", "bindfs \"$0\" \"$1\" && umount -l \"$1\""]);
    if !is_permitted("a bindfs mount", trial.args([&back, &front])) {
        return None;
    }
    let device = || fs::metadata(&front).ok().map(|found| found.dev());
    let bare = device();
    let mut bindfs = sandbox.command("bindfs");
    // Without a cache, so that fstat(2) asks it each time.
    let bindfs = bindfs.args(["-f", "-o", "attr_timeout=0"]);
    let bindfs = bindfs.args([&back, &front]).start();
    wait_until("the mount is there", || {
        device().is_some_and(|now| Some(now) != bare)
    });
    let path = front.join("file");
    let file = fs::File::open(&path).unwrap();
    action(&file);
    drop(file);
    // A process that another test has just started may have it until it executes its program.
    wait_until("no process has the file open", || {
        let mut all = ProcStat::all().into_iter();
        all.all(|process| !descriptors(process.pid).contains(&path))
    });
    // So that nothing else meets it.
    let unmounted = Command::new("umount").arg("-l").arg(&front).status();
    assert!(unmounted.unwrap().success());
    bindfs.send(STOP);
    Some(bindfs)
}

#[test]
fn a_file_of_a_silent_file_system_does_not_keep_deaths_and_signals_from_a_supervisor() {
    if !attacker_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let (life, address) = silent(&sandbox);
    let mut bindfs = None;
    while_stopped(&life, || {
        bindfs = with_unanswered_file(&sandbox, |file| {
            as_attacker_thread(|| send_along(&address, "READY=1", &[file.as_fd(); 7]));
            send_along(&address, "READY=1", &[file.as_fd()]);
            as_attacker_thread(|| send_along(&address, "READY=1", &[file.as_fd()]));
        });
    });
    if bindfs.is_some() {
        sandbox.await_key("x", "Ready");
        life.send(TERM);
        assert_stopped(&sandbox, &life.end(), REFUSED);
    }
}

#[test]
fn messages_behind_descriptors_that_take_minutes_to_release_are_read() {
    if !attacker_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let (life, address) = silent(&sandbox);
    let before = descriptors(life.pid()).len();
    let mut other_ends = Vec::new();
    // So that nothing but the supervisor has the descriptors.
    while_stopped(&life, || {
        for _ in 0..4 {
            let (connection, other_end) = lingering_connection();
            other_ends.push(other_end);
            as_attacker_thread(|| send_along(&address, "", &[connection.as_fd()]));
        }
        send(&address, b"READY=1");
    });
    sandbox.await_key("x", "Ready");
    assert_eq!(
        descriptors(life.pid()).len(),
        before,
        "it has received some"
    );
    wait_until("no process is left that releases them", || {
        children(life.pid()).len() == 1
    });
    life.send(TERM);
    assert_stopped(&sandbox, &life.end(), REFUSED);
}

#[test]
fn descriptors_whose_release_cannot_be_interrupted_keep_no_signal_waiting() {
    let packet_socket = || rustix::net::socket(AddressFamily::PACKET, SocketType::RAW, None);
    if !attacker_is_permitted() || packet_socket().is_err() {
        return;
    }
    let sandbox = Sandbox::new();
    let (life, address) = silent(&sandbox);
    assert!(!has_reaped(life.pid()));
    while_stopped(&life, || {
        // The kernel waits for all processors for each of them.
        let sockets: Vec<_> = (0..MOST_DESCRIPTORS)
            .map(|_| packet_socket().unwrap())
            .collect();
        let all: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
        as_attacker_thread(|| send_along(&address, "", &all));
    });
    // Their release goes on while the supervisor does other work, or is over already.
    wait_until("another process releases them", || {
        children(life.pid()).len() > 1 || has_reaped(life.pid())
    });
    send(&address, b"READY=1");
    sandbox.await_key("x", "Ready");
    life.send(TERM);
    assert_stopped(&sandbox, &life.end(), REFUSED);
}

/// The processor time of a process.
fn cpu_time(pid: i32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    let nanoseconds = text.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(nanoseconds)
}

#[test]
fn floods_cost_little_and_a_message_of_the_command_gets_through() {
    if !attacker_is_permitted() {
        return;
    }
    let null = fs::File::open("/dev/null").unwrap();
    let large = vec![b'x'; 100_000];
    let floods: [(u32, &[u8], usize); 3] = [
        (1001, b"READY=1", 0),
        (1001, b"READY=1", MOST_DESCRIPTORS),
        (0, &large, 0),
    ];
    for (user, text, count) in floods {
        let sandbox = Sandbox::new();
        let (life, address) = silent(&sandbox);
        let along = vec![null.as_fd(); count];
        let flood = || {
            as_user_thread(user, || {
                let socket = sender(&address);
                let sends = || match count {
                    0 => rustix::net::send(&socket, text, SendFlags::empty()).is_ok(),
                    _ => try_send_along(&socket, "READY=1", &along).is_ok(),
                };
                // It ends with the supervisor.
                while sends() {}
            });
        };
        std::thread::scope(|scope| {
            scope.spawn(flood);
            let (began, before) = (Instant::now(), cpu_time(life.pid()));
            std::thread::sleep(Duration::from_secs(1));
            send(&address, b"READY=1");
            sandbox.await_key("x", "Ready");
            let (passed, used) = (began.elapsed(), cpu_time(life.pid()) - before);
            life.send(TERM);
            let ended = life.end();
            // A tenth, because the first datagrams are read without a rest.
            assert!(used < passed / 10, "user {user}: {used:?} of {passed:?}");
            let stderr = if user == 0 { "" } else { REFUSED };
            assert_stopped(&sandbox, &ended, stderr);
        });
    }
}

#[test]
fn messages_of_many_foreign_users_cause_one_line() {
    if !attacker_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let (life, address) = silent(&sandbox);
    for user in 1001..1020 {
        as_user_thread(user, || send(&address, b"READY=1\nSTATUS=x"));
    }
    send(&address, b"STATUS=read");
    life.send(TERM);
    assert_stopped(&sandbox, &life.end(), REFUSED);
    assert_eq!(sandbox.key("x", "Message").unwrap(), "\"read\"");
}

#[test]
fn where_strangers_have_our_own_number_only_the_process_group_of_the_command_counts() {
    let mut trial = Command::new("unshare");
    trial.args(["--map-user=65534", "true"]);
    if !attacker_is_permitted() || !perl_is_here() || !is_permitted("a user namespace", &mut trial)
    {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "echo $NOTIFY_SOCKET >$W/new; mv $W/new $W/address
        while ! test -e $W/go; do sleep 0.01; done
        exec perl -e \"$SAY; sleep 60\" 'STATUS=own
READY=1'";
    let mut command = sandbox.command("unshare");
    command.arg("--map-user=65534").arg(binary());
    let life = life(&sandbox, "notify", script);
    command.args(life.get_args());
    for (name, value) in life.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let life = command.start();
    let address = address(&sandbox);
    as_attacker_thread(|| send(&address, b"READY=1\nSTATUS=forged"));
    send(&address, b"READY=1\nSTATUS=forged");
    sandbox.touch("go");
    sandbox.await_key("x", "Ready");
    life.send(TERM);
    let ended = life.end();
    assert_sentence(&ended, "exitdir-run", 143);
    assert!(ended.stderr.contains("process group"), "{}", ended.stderr);
    assert_eq!(sandbox.key("x", "Message").unwrap(), "\"own\"");
}

/// A life under strace, which makes some system calls of exitdir-run itself fail.
fn refusing(sandbox: &Sandbox, inject: &str, source: &str, script: &str) -> Ended {
    let inject = format!("-e inject={inject}");
    let options: Vec<&str> = inject.split(' ').collect();
    let life = life_with(sandbox, &["-n", "x", "--ready-on", source], script);
    let words: Vec<&str> = life.get_args().map(|word| word.to_str().unwrap()).collect();
    let mut command = traced(sandbox, &options, &words);
    for (name, value) in life.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.finish()
}

#[test]
fn refused_reads_of_the_socket_are_reported_once_and_do_not_spin() {
    if !strace_can_inject() || !perl_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "say READY=1; sleep 1.2";
    let ended = refusing(&sandbox, "recvmsg:error=EPERM", "notify", script);
    assert_eq!(
        (ended.status, ended.stderr.as_str()),
        (
            0,
            "exitdir-run: cannot read notifications: Operation not permitted\n"
        )
    );
    let log = strace_log(&sandbox);
    let reads = log.lines().filter(|line| line.starts_with("recvmsg("));
    // Each second, and once for each signal.
    assert!(reads.count() < 12, "{log}");
}

#[test]
fn a_refused_worker_is_reported_once_and_tried_again_each_second() {
    if !strace_can_inject() || !perl_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "say STATUS=before; systemd-notify --ready & sleep 1.2; kill $! || :";
    let mut trial = Command::new("systemd-notify");
    if !is_permitted("systemd-notify", trial.arg("--version")) {
        return;
    }
    // The first two make the directory and start the command. fork(2) of musl is a call of its own.
    let inject = "clone,clone3:error=EAGAIN:when=3+ -e inject=fork:error=EAGAIN";
    let ended = refusing(&sandbox, inject, "notify", script);
    assert_eq!(ended.status, 0);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("cannot start a process to release"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_refused_socket_is_named_and_not_taken_for_a_server_that_is_not_ready() {
    if !strace_can_inject() {
        return;
    }
    for (inject, source) in [
        ("socket:error=EPERM", "tcp:1"),
        ("connect:error=EPERM", "http:1/x"),
    ] {
        let sandbox = Sandbox::new();
        let ended = refusing(&sandbox, inject, source, "sleep 1.2");
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (
                0,
                format!("exitdir-run: cannot connect to {source}: Operation not permitted\n")
                    .as_str()
            )
        );
    }
}

#[test]
fn a_notification_socket_or_readiness_pipe_that_cannot_be_made_is_named() {
    if !strace_can_inject() {
        return;
    }
    for (inject, source, what) in [
        ("socket:error=EMFILE", "notify", "notification socket"),
        ("bind:error=EACCES", "notify", "notification socket"),
        ("pipe2:error=ENFILE:when=1", "fd", "readiness pipe"),
    ] {
        let sandbox = Sandbox::new();
        let ended = refusing(&sandbox, inject, source, ":");
        assert_sentence(&ended, "exitdir-run", 125);
        let sentence = format!("exitdir-run: cannot create the {what} of sh: ");
        assert!(ended.stderr.starts_with(&sentence), "{}", ended.stderr);
    }
}

#[test]
fn a_command_that_would_outlive_its_supervisor_is_reported_once() {
    if !strace_can_inject() {
        return;
    }
    let sandbox = Sandbox::new();
    // Of the command's process too, which makes the call.
    let options = ["-f", "-e", "inject=prctl:error=EPERM"];
    let words = words("run -n x --restart on-failure --restart-limit 1 -- sh -c");
    let words: Vec<&str> = words.into_iter().chain(["exit 3"]).collect();
    let ended = traced(&sandbox, &options, &words).finish();
    let sentence = "exitdir-run: sh would outlive a killed exitdir-run: prctl: Operation not \
        permitted";
    let said = ended.stderr.lines().filter(|line| *line == sentence);
    assert_eq!((ended.status, said.count()), (3, 1), "{}", ended.stderr);
}
