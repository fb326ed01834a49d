//! What makes a command ready: every source that `--ready-on` knows, with real programs, and what must not.
//!
//! Where something must not become ready, the command ends by itself: what it said before its end is
//! read before the death is recorded, so the whole life can be judged.

use crate::cast::{dead, lines};
use crate::permits::{NOBODY, is_permitted, nobody_is_permitted};
use crate::seen::{assert_sentence, await_sleep, is_gone, keys};
use crate::signals::state_of;
use crate::world::{PATIENCE, Running, Start, World, eventually};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketType,
};
use std::collections::BTreeSet;
use std::fs;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const TERM: i32 = 15;
const CONT: i32 = 18;
const STOP: i32 = 19;

/// Sends each of its words as a datagram, with perl, which every Debian has, since no shell can.
const SAY: &str = r#"use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die "$!"; (my $a = $ENV{NOTIFY_SOCKET}) =~ s/^@/\0/;
connect($s, pack_sockaddr_un($a)) or die "connect: $!"; for (@ARGV) { send($s, $_, 0) // die "send: $!" }"#;

/// `exitdir-run -n x --ready-on SOURCE -- sh -c SCRIPT`, where `$W` is the world and `say` the client of `$NOTIFY_SOCKET`.
pub fn life(world: &World, source: &str, script: &str) -> Command {
    life_with(world, &["-n", "x", "--ready-on", source], script)
}

fn life_with(world: &World, options: &[&str], script: &str) -> Command {
    let script = format!("say() {{ perl -e \"$SAY\" \"$@\"; }}; {script}");
    let mut command = world.run(options);
    command
        .args(["--", "sh", "-c", &script])
        .env("SAY", SAY)
        .env("W", world.path("."));
    command
}

/// Starts a life that is not ready before somebody does something for it.
fn unready(world: &World, source: &str) -> Running {
    let life = life(world, source, "exec sleep 60").start();
    world.await_key("x", "Born");
    assert_eq!(world.key("x", "Ready"), None, "{source}");
    life
}

fn touch(world: &World, name: &str) {
    fs::write(world.path(name), "").unwrap();
}

fn await_file(world: &World, name: &str) {
    eventually(format!("there is {name}"), || {
        world.path(name).exists().then_some(())
    });
}

pub fn perl_is_here() -> bool {
    is_permitted("perl", Command::new("perl").args(["-MSocket", "-e1"]))
}

fn systemd_notify_is_here() -> bool {
    is_permitted(
        "systemd-notify",
        Command::new("systemd-notify").arg("--version"),
    )
}

fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn systemd_notify_makes_ready_and_its_barrier_returns_since_what_it_sends_along_is_closed() {
    if !systemd_notify_is_here() {
        return;
    }
    let world = World::new();
    let script = "systemd-notify --ready --status='up and away' && touch $W/sent
        while ! test -e $W/go; do sleep 0.01; done
        systemd-notify --status=one && systemd-notify --status=two && touch $W/again; exec sleep 60";
    let life = life(&world, "notify", script).start();
    world.await_key("x", "Ready");
    assert_eq!(world.key("x", "Message"), None, "it would be old soon");
    await_file(&world, "sent");
    let before = descriptors(life.pid());
    touch(&world, "go");
    await_file(&world, "again");
    assert_eq!(descriptors(life.pid()), before, "nothing is kept");
    life.kill(TERM);
    assert_eq!(life.end().stderr, "");
    assert_eq!(world.key("x", "Message").unwrap(), "\"two\"");
}

/// Sends a datagram and a descriptor along with it, as sd_pid_notify_with_fds(3) does.
fn send_along(address: &str, text: &str, descriptor: &impl AsFd) {
    let name = address.strip_prefix('@').expect("an abstract socket");
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let text = [IoSlice::new(text.as_bytes())];
    let flags = SendFlags::empty();
    rustix::net::sendmsg_addr(&socket, &address, &text, &mut control, flags).unwrap();
}

#[test]
fn a_descriptor_that_is_sent_to_be_stored_is_closed_and_says_nothing_of_readiness() {
    let world = World::new();
    let script = "echo $NOTIFY_SOCKET >$W/new; mv $W/new $W/address; exec sleep 60";
    let life = life(&world, "notify", script).start();
    await_file(&world, "address");
    world.await_key("x", "Born");
    let address = lines(&world.path("address")).remove(0);
    let before = descriptors(life.pid());
    for text in ["FDSTORE=1\nFDNAME=x", "FDSTORE=1", "BARRIER=1", ""] {
        let (reader, writer) = std::io::pipe().unwrap();
        send_along(&address, text, &writer);
        drop(writer);
        // The other end is closed when nobody holds it any more.
        let mut closed = [PollFd::new(&reader, PollFlags::empty())];
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let heard = rustix::event::poll(&mut closed, Some(&patience)).unwrap();
        assert_eq!(heard, 1, "{text:?}: it is kept");
    }
    assert_eq!(descriptors(life.pid()), before);
    assert_eq!(world.key("x", "Ready"), None);
    life.kill(TERM);
    assert_eq!(life.end().stderr, "");
}

#[test]
fn a_term_from_outside_before_a_command_is_ready_reaches_it_and_leaves_nothing_behind() {
    let (_listener, port) = port(SocketAddr::from(([127, 0, 0, 1], 0)));
    let world = World::new();
    // The first probe hangs, and the life ends while it does.
    let slow = "sleep 60 & echo $$ $! | tr ' ' '\\n' >$W/pids; touch $W/probed; wait";
    let probe = probe(&world, slow);
    let nowhere = format!("file:{}", world.path("nowhere").display());
    let (tcp, http) = (format!("tcp:{port}"), format!("http:{port}/"));
    for source in ["notify", "fd", &nowhere, &tcp, &http, &probe, "signal"] {
        let got = "trap 'touch $W/got; trap - TERM; kill -TERM $$' TERM; touch $W/up; while :; do sleep 0.01; done";
        let life = life(&world, source, got).start();
        await_file(&world, "up");
        world.await_key("x", "Born");
        if source == probe {
            await_file(&world, "probed");
        }
        life.kill(TERM);
        let ended = life.end();
        assert_eq!(ended.status, 143, "{source}");
        // Closed without a newline: that is said, whatever the reason.
        assert_eq!(ended.stderr, "");
        let expected = "Waiting Lock Born ExitCode Signal Reason Died";
        assert_eq!(keys(&world, "x"), expected, "{source}");
        assert_eq!(world.entries(), ["x"], "{source}");
        for file in ["got", "up"] {
            fs::remove_file(world.path(file)).expect("CMD got it");
        }
    }
    for pid in lines(&world.path("pids")) {
        eventually("the probe is gone", || is_gone(&pid).then_some(()));
    }
}

#[test]
fn a_thousand_statuses_do_not_grow_the_tombstone_and_the_newest_is_told_with_the_death() {
    if !perl_is_here() {
        return;
    }
    let world = World::new();
    let script = "say READY=1; while ! test -e $W/go; do sleep 0.01; done
        say $(seq -f STATUS=%g 1000) STOPPING=1 MAINPID=1 READY=1 READY=1; touch $W/said; exec sleep 60";
    let life = life(&world, "notify", script).start();
    world.await_key("x", "Ready");
    let before = world.tombstone("x");
    touch(&world, "go");
    await_file(&world, "said");
    life.kill(TERM);
    let ended = life.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (143, ""));
    let after = world.tombstone("x");
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
fn what_a_command_says_right_before_its_end_is_heard_to_the_last_word() {
    if !perl_is_here() {
        return;
    }
    let world = World::new();
    let script = "say $(seq -f STATUS=%g 500) READY=1 STATUS=last";
    let ended = life(&world, "notify", script).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(
        world.key("x", "Ready").is_some(),
        "{}",
        world.tombstone("x")
    );
    let text = world.tombstone("x");
    let messages = text.lines().filter(|line| line.starts_with("Message: "));
    assert_eq!(
        messages.collect::<Vec<_>>(),
        ["Message: \"last\""],
        "{text}"
    );
}

#[test]
fn a_notification_of_another_user_is_refused_with_one_complaint_unless_it_is_the_command() {
    if !nobody_is_permitted() || !perl_is_here() {
        return;
    }
    let world = World::new();
    let say = format!(
        "{} perl -e \"$SAY\" READY=1 READY=1 STATUS=x",
        NOBODY.join(" ")
    );
    let ended = life(&world, "notify", &format!("{say}; {say}; true")).finish();
    assert_eq!(
        ended.stderr,
        "exitdir-run: a notification of user 65534 was refused\n"
    );
    assert_eq!(ended.status, 0);
    assert_eq!(world.key("x", "Ready"), None);
    assert_eq!(world.key("x", "Message"), None);

    let ended = life(&world, "notify", &format!("exec {say}")).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(
        world.key("x", "Ready").is_some(),
        "{}",
        world.tombstone("x")
    );
}

/// A life that says nothing of itself, and where it could be said.
fn silent(world: &World) -> (Running, String) {
    let script = "echo $NOTIFY_SOCKET >$W/new; mv $W/new $W/address; exec sleep 60";
    let life = life(world, "notify", script).start();
    await_file(world, "address");
    world.await_key("x", "Born");
    (life, lines(&world.path("address")).remove(0))
}

#[test]
fn a_connection_that_is_sent_along_and_lingers_holds_nobody_up() {
    let world = World::new();
    let (life, address) = silent(&world);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_never_read, _) = listener.accept().unwrap();
    connection.set_nonblocking(true).unwrap();
    while connection.write(&[0; 65536]).is_ok() {}
    // Whoever closes it last waits until what was written has been read.
    rustix::net::sockopt::set_socket_linger(&connection, Some(Duration::from_secs(600))).unwrap();
    // So that it is the last to close it.
    life.kill(STOP);
    eventually("it is stopped", || {
        (state_of(life.pid()) == Some('T')).then_some(())
    });
    send_along(&address, "READY=1", &connection);
    drop(connection);
    life.kill(CONT);
    world.await_key("x", "Ready");
    life.kill(TERM);
    assert_eq!(
        (life.end().status, world.key("x", "Signal")),
        (143, Some("TERM".to_owned()))
    );
}

#[test]
fn our_own_tombstone_sent_along_again_and_again_neither_costs_the_lock_nor_all_descriptors() {
    let world = World::new();
    let (life, address) = silent(&world);
    let before = descriptors(life.pid());
    let tombstone = fs::File::open(world.dir().join("x")).unwrap();
    for _ in 0..8 {
        send_along(&address, "STATUS=look", &tombstone);
    }
    eventually("all of them are kept", || {
        (descriptors(life.pid()) == before + 8).then_some(())
    });
    // Nobody hears any more, so nobody has to keep it.
    send_along(&address, "READY=1", &tombstone);
    let waited = world.wait(["-t", "0", "x:born"]).finish();
    assert_eq!(waited.status, 0, "{}", waited.stderr);
    life.kill(TERM);
    let ended = life.end();
    assert_eq!((ended.status, ended.stderr.lines().count()), (143, 1));
    assert!(
        ended.stderr.contains("our own tombstone"),
        "{}",
        ended.stderr
    );
    assert_eq!(world.key("x", "Ready"), None);
}

#[test]
fn what_is_between_a_process_and_its_manager_is_not_told_to_an_outer_one() {
    if !perl_is_here() {
        return;
    }
    let world = World::new();
    let path = world.path("outer");
    let outer = UnixDatagram::bind(&path).unwrap();
    let script = "say \"$(printf 'MAINPID=1\\nFDSTORE=1\\nREADY=1\\nFDNAME=x\\nSTATUS=up')\" MAINPID=1 BARRIER=1 STOPPING=1";
    let ended = life(&world, "notify", script)
        .env("NOTIFY_SOCKET", &path)
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    outer.set_read_timeout(Some(PATIENCE)).unwrap();
    for expected in ["READY=1\nSTATUS=up", "STOPPING=1"] {
        let mut text = [0; 64];
        let length = outer.recv(&mut text).unwrap();
        assert_eq!(std::str::from_utf8(&text[..length]).unwrap(), expected);
    }
}

#[test]
fn a_probe_that_prints_has_somewhere_to_print_also_where_we_had_not() {
    let world = World::new();
    let run = life(&world, "exec:/bin/echo hello", "exec sleep 60");
    let mut closed = world.command("sh");
    closed.args(["-c", "exec \"$@\" <&- >&-", "sh"]);
    closed.arg(run.get_program()).args(run.get_args());
    let life = closed.env("W", world.path(".")).start();
    world.await_key("x", "Ready");
    life.kill(TERM);
    assert_eq!(life.end().status, 143);
}

#[test]
fn the_highest_descriptor_that_the_limit_allows_is_one_to_say_it_on() {
    let world = World::new();
    let run = life(&world, "fd:40", "exec sleep 60");
    let mut limited = world.command("sh");
    limited.args(["-c", "ulimit -n 41; exec \"$@\"", "sh"]);
    limited.arg(run.get_program()).args(run.get_args());
    let life = limited.env("W", world.path(".")).start();
    world.await_key("x", "Born");
    life.kill(TERM);
    assert_eq!(life.end().status, 143);
}

#[test]
fn an_outer_notify_socket_is_told_too_and_a_life_without_a_name_can_be_notified() {
    if !perl_is_here() {
        return;
    }
    let world = World::new();
    let path = world.path("outer");
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
            let ended = life_with(&world, options, script)
                .env("NOTIFY_SOCKET", &variable)
                .env("OUTER", &variable)
                .finish();
            assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{variable}");
            outer.set_read_timeout(Some(PATIENCE)).unwrap();
            for expected in ["READY=1", "STATUS=fine"] {
                let mut text = [0; 64];
                let length = outer.recv(&mut text).unwrap();
                assert_eq!(std::str::from_utf8(&text[..length]).unwrap(), expected);
            }
        }
    }
    // One that nobody listens on holds nobody up.
    let ended = life(&world, "notify", "say READY=1")
        .env("NOTIFY_SOCKET", world.path("nobody"))
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

#[test]
fn a_newline_on_the_descriptor_makes_ready_and_who_goes_on_writing_is_not_held_up() {
    for (source, number) in [("fd", 3), ("fd:7", 7)] {
        let world = World::new();
        let script = format!(
            "printf half >&{number}; touch $W/half; while ! test -e $W/go; do sleep 0.01; done
             printf ' a line\\nand' >&{number}; head -c 300000 /dev/zero >&{number} && touch $W/more; exec sleep 60"
        );
        let life = life(&world, source, &script).start();
        await_file(&world, "half");
        world.await_key("x", "Born");
        assert_eq!(world.key("x", "Ready"), None);
        touch(&world, "go");
        world.await_key("x", "Ready");
        await_file(&world, "more");
        life.kill(TERM);
        assert_eq!(life.end().stderr, "");
    }
}

#[test]
fn a_descriptor_that_is_closed_without_a_newline_is_complained_of_once_and_does_not_make_ready() {
    // One that ends is not complained of: its end says it all.
    let sentence =
        "exitdir-run: descriptor 3 was closed without a newline: the command is not ready\n";
    for (script, said) in [
        ("printf half >&3; exec 3>&-; sleep 2", sentence),
        ("exec 3>&-; sleep 2", sentence),
        ("exec 3>&-", ""),
        ("printf half >&3", ""),
    ] {
        let world = World::new();
        let ended = life(&world, "fd", script).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, said), "{script}");
        assert_eq!(world.key("x", "Ready"), None, "{script}");
    }
}

#[test]
fn the_command_gets_the_descriptor_that_was_asked_for_and_none_of_ours() {
    let world = World::new();
    let exitdir = crate::world::binary();
    // In one process, which may have inherited more.
    let listed = |source: &str| {
        let script = "ls /proc/self/fd; echo and; exec \"$0\" run -n x --death-deps never --ready-on \"$1\" -- ls /proc/self/fd";
        let ended = world
            .command("sh")
            .args(["-c", script])
            .arg(&exitdir)
            .arg(source)
            .finish();
        let (plain, ours) = ended.stdout.split_once("and\n").unwrap();
        [plain, ours].map(|list| {
            let numbers = list.lines().map(|line| line.parse().unwrap());
            numbers.collect::<BTreeSet<u32>>()
        })
    };
    for source in [
        "notify",
        "file:/nowhere",
        "tcp:1",
        "http:1/",
        "exec:sleep 9",
        "signal",
    ] {
        let [plain, ours] = listed(source);
        assert_eq!(ours, plain, "{source}");
    }
    for number in [100, 255] {
        let [mut plain, ours] = listed(&format!("fd:{number}"));
        plain.insert(number);
        assert_eq!(ours, plain, "fd:{number}");
    }

    // Also where we have inherited something of that number.
    let script = "exec 3</dev/null; exec \"$0\" run -n x --ready-on fd -- sh -c 'echo >&3'";
    let ended = world
        .command("sh")
        .args(["-c", script])
        .arg(&exitdir)
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(
        world.key("x", "Ready").is_some(),
        "{}",
        world.tombstone("x")
    );
}

#[test]
fn a_file_makes_ready_however_it_appears() {
    let cases: [(&str, fn(&World), fn(&World)); 5] = [
        ("file", |_| (), |world| touch(world, "file")),
        (
            "file",
            |_| (),
            |world| {
                touch(world, "other");
                fs::rename(world.path("other"), world.path("file")).unwrap();
            },
        ),
        (
            "file",
            |_| (),
            |world| fs::create_dir(world.path("file")).unwrap(),
        ),
        (
            "a/b/file",
            |_| (),
            |world| {
                fs::create_dir(world.path("a")).unwrap();
                fs::create_dir(world.path("a/b")).unwrap();
                touch(world, "a/b/file");
            },
        ),
        (
            "a/file",
            |world| fs::create_dir(world.path("a")).unwrap(),
            |world| {
                fs::remove_dir(world.path("a")).unwrap();
                fs::create_dir(world.path("a")).unwrap();
                touch(world, "a/file");
            },
        ),
    ];
    for (number, (path, before, then)) in cases.into_iter().enumerate() {
        let world = World::new();
        before(&world);
        let source = format!("file:{}", world.path(path).display());
        let life = unready(&world, &source);
        await_sleep(&life);
        then(&world);
        eventually(format!("case {number} is ready"), || {
            world.key("x", "Ready")
        });
    }
    let world = World::new();
    touch(&world, "file");
    let source = format!("file:{}", world.path("file").display());
    let _life = life(&world, &source, "exec sleep 60").start();
    world.await_key("x", "Ready");
}

/// A port on which nobody listens yet, and nobody else can.
fn port(address: SocketAddr) -> (OwnedFd, u16) {
    let family = if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let socket = rustix::net::socket(family, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &address).unwrap();
    let bound = rustix::net::getsockname(&socket).unwrap();
    let port = SocketAddr::try_from(bound).unwrap().port();
    (socket, port)
}

#[test]
fn a_listener_that_comes_late_makes_ready_on_ipv4_and_ipv6() {
    let mut addresses = vec![(SocketAddr::from(([127, 0, 0, 1], 0)), "")];
    if is_permitted(
        "IPv6",
        Command::new("grep").args(["-q", " lo$", "/proc/net/if_inet6"]),
    ) {
        addresses.push((SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), "[::1]:"));
    }
    for (address, host) in addresses {
        let world = World::new();
        let (socket, port) = port(address);
        let _life = unready(&world, &format!("tcp:{host}{port}"));
        rustix::net::listen(&socket, 8).unwrap();
        world.await_key("x", "Ready");
    }
}

/// What a server does with one connection, after it has read a request.
enum Answer {
    Text(&'static str),
    Megabyte,
    /// It is held open until the next one is answered.
    Hang,
}

/// Answers one connection after the other, then closes.
struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    fn start(answers: Vec<Answer>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || serve(&listener, answers, &stopped));
        Server { port, stop, thread }
    }

    /// What was asked so far. Nobody is served any more.
    fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn serve(listener: &TcpListener, answers: Vec<Answer>, stopped: &AtomicBool) -> Vec<String> {
    let mut held = Vec::new();
    let mut requests = Vec::new();
    for answer in answers {
        let accepted = eventually("somebody asks", || match listener.accept() {
            Ok((connection, _)) => Some(Some(connection)),
            Err(_) => stopped.load(Ordering::Relaxed).then_some(None),
        });
        let Some(mut connection) = accepted else {
            break;
        };
        connection.set_nonblocking(false).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        requests.push(request(&mut connection));
        // Whoever has heard enough may have hung up.
        match answer {
            Answer::Text(text) => drop(connection.write_all(text.as_bytes())),
            Answer::Megabyte => {
                drop(connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
                drop(connection.write_all(&vec![b'x'; 1 << 20]));
            }
            Answer::Hang => held.push(connection),
        }
    }
    requests
}

fn request(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|n| n == 1) {
        bytes.extend(byte);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn only_an_answer_of_success_makes_ready_whatever_else_a_server_does() {
    const OK: Answer = Answer::Text("HTTP/1.1 204 No Content\r\n\r\n");
    let cases = [
        vec![Answer::Text("HTTP/1.1 503 Service Unavailable\r\n\r\n"), OK],
        vec![Answer::Text(
            "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n",
        )],
        vec![Answer::Hang, OK],
        vec![Answer::Megabyte],
        vec![Answer::Text("220 mail.example.org ESMTP ready\r\n"), OK],
        vec![Answer::Text(""), Answer::Text("HTTP/1.1 2"), OK],
    ];
    let lives: Vec<_> = cases
        .into_iter()
        .map(|answers| {
            let (world, tries) = (World::new(), answers.len());
            let server = Server::start(answers);
            let source = format!("http:{}/healthz?a=b", server.port);
            let life = life(&world, &source, "exec sleep 60").start();
            (world, life, server, tries)
        })
        .collect();
    for (world, life, server, tries) in lives {
        world.await_key("x", "Ready");
        // All that it would answer was asked for, and nothing more was needed.
        let port = server.port;
        let requests = server.stop();
        assert_eq!(requests.len(), tries);
        for request in requests {
            assert!(
                request.starts_with("GET /healthz?a=b HTTP/1.1\r\n"),
                "{request}"
            );
            assert!(
                request.contains(&format!("\r\nHost: 127.0.0.1:{port}\r\n")),
                "{request}"
            );
        }
        life.kill(TERM);
        assert_eq!(life.end().stderr, "");
    }
}

/// `exec:` with a script that is written to a file.
fn probe(world: &World, script: &str) -> String {
    let path = world.path("probe");
    fs::write(&path, script).unwrap();
    format!("exec:sh {}", path.display())
}

#[test]
fn a_probe_is_repeated_until_it_succeeds_and_what_it_prints_is_not_seen() {
    let world = World::new();
    let script =
        "echo try >>$W/tries; echo noise; echo noise >&2; cat; test $(wc -l <$W/tries) -ge 2";
    let life = life(&world, &probe(&world, script), "exec sleep 60").start();
    world.await_key("x", "Ready");
    assert_eq!(lines(&world.path("tries")).len(), 2);
    life.kill(TERM);
    let ended = life.end();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
}

#[test]
fn a_probe_that_hangs_is_killed_with_its_forks_and_one_that_succeeds_leaves_none() {
    let world = World::new();
    let script = "sleep 60 & echo $! >>$W/pids; echo $$ >>$W/pids
        test -e $W/second && exit 0; touch $W/second; exec sleep 60";
    let _life = life(&world, &probe(&world, script), "exec sleep 60").start();
    world.await_key("x", "Ready");
    let pids = lines(&world.path("pids"));
    assert_eq!(pids.len(), 4, "{pids:?}");
    for pid in pids {
        eventually(format!("{pid} is gone"), || is_gone(&pid).then_some(()));
    }
}

#[test]
fn a_probe_ends_with_the_command() {
    let world = World::new();
    let script = "echo $$ >>$W/pids; exec sleep 60";
    let command = "while ! test -s $W/pids; do sleep 0.01; done; exit 4";
    let ended = life(&world, &probe(&world, script), command).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (4, ""));
    assert_eq!(world.key("x", "Ready"), None);
    for pid in lines(&world.path("pids")) {
        eventually("the probe is gone", || is_gone(&pid).then_some(()));
    }
}

#[test]
fn a_probe_that_cannot_be_run_is_complained_of_once() {
    let world = World::new();
    let ended = life(&world, "exec:/nowhere/probe", "sleep 1.2").finish();
    assert_sentence(&ended, "exitdir-run", 0);
    assert!(ended.stderr.contains("/nowhere/probe"), "{}", ended.stderr);
    assert_eq!(world.key("x", "Ready"), None);
}

#[test]
fn after_a_restart_in_place_the_command_is_asked_again() {
    let lives = [("fd", "echo >&3"), ("notify", "say READY=1")].map(|(source, ready)| {
        let world = World::new();
        let script = format!(
            "echo >>$W/mark; n=$(wc -l <$W/mark); await() {{ while ! test -e $W/$1; do sleep 0.01; done; }}
             await say$n; {ready}; await end$n"
        );
        let options = ["-n", "x", "--restart", "always", "--ready-on", source];
        let life = life_with(&world, &options, &script).start();
        (world, life)
    });
    if !perl_is_here() {
        return;
    }
    for (world, _) in &lives {
        touch(world, "say1");
        world.await_key("x", "Ready");
        touch(world, "end1");
    }
    for (world, life) in &lives {
        eventually("a second start", || {
            (lines(&world.path("mark")).len() == 2).then_some(())
        });
        assert_eq!(world.key("x", "Ready"), None, "{}", world.tombstone("x"));
        touch(world, "say2");
        world.await_key("x", "Ready");
        life.kill(TERM);
    }
    for (_, life) in lives {
        assert_eq!(life.end().status, 143);
    }
}

#[test]
fn a_source_that_makes_no_sense_is_one_sentence_and_a_tombstone_and_the_command_is_not_started() {
    for source in [
        "Start",
        "start:",
        "notify:1",
        "fd:",
        "fd:2",
        "fd:256",
        "fd:x",
        "file",
        "file:",
        "tcp:",
        "tcp:0",
        "tcp:65536",
        "tcp:localhost:80",
        "tcp:::1:80",
        "http:/x",
        "http:80/a b",
        "http:80/a\nb",
        "exec:",
        "exec: ",
    ] {
        let world = World::new();
        let ended = life(&world, source, "touch $W/started").finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(ended.stderr.contains("--ready-on"), "{}", ended.stderr);
        assert!(!world.path("started").exists(), "{source}");
        assert_eq!(
            world.key("x", "ExitCode").as_deref(),
            Some("125"),
            "{source}"
        );

        let ended = life_with(&world, &["-n", "y"], "touch $W/started")
            .env("EXITDIR_READY_ON", source)
            .finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(
            ended.stderr.contains("EXITDIR_READY_ON"),
            "{}",
            ended.stderr
        );
        assert!(!world.path("started").exists(), "{source}");
    }
}

#[test]
fn a_command_that_is_being_stopped_is_not_made_ready_any_more() {
    if !perl_is_here() {
        return;
    }
    for (source, ready) in [("fd", "echo >&3"), ("notify", "say READY=1")] {
        let world = World::new();
        let script =
            format!("trap '{ready}; exit 0' TERM; touch $W/up; while :; do sleep 0.01; done");
        let options = ["-n", "x", "--ready-on", source, "--death-deps", "dep"];
        let life = life_with(&world, &options, &script).start();
        await_file(&world, "up");
        world.await_key("x", "Born");
        dead(&world, "dep", "0");
        assert_eq!(life.end().status, 0);
        let text = world.tombstone("x");
        assert_eq!(world.key("x", "Ready"), None, "{text}");
        assert!(world.key("x", "Cause").is_some(), "{text}");
    }
}

/// The inodes of the directories that a process has inotify watches on (proc_pid_fdinfo(5)).
fn watched(pid: i32) -> BTreeSet<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return BTreeSet::new();
    };
    let texts = entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let inode = |line: &str| {
        let rest = line.strip_prefix("inotify ")?.split_once("ino:")?.1;
        u64::from_str_radix(rest.split(' ').next()?, 16).ok()
    };
    texts
        .flat_map(|text| text.lines().filter_map(inode).collect::<Vec<_>>())
        .collect()
}

#[test]
fn the_nearest_directory_on_the_way_to_a_file_is_watched_so_that_it_is_heard_at_once() {
    let world = World::new();
    let source = format!("file:{}", world.path("a/b/file").display());
    let life = unready(&world, &source);
    for path in [".", "a", "a/b"] {
        fs::create_dir_all(world.path(path)).unwrap();
        let inode = fs::metadata(world.path(path)).unwrap().ino();
        eventually(format!("{path} is watched"), || {
            (watched(life.pid()) == BTreeSet::from([inode])).then_some(())
        });
    }
    touch(&world, "a/b/file");
    world.await_key("x", "Ready");
    eventually("nothing is watched any more", || {
        watched(life.pid()).is_empty().then_some(())
    });
}
