//! `--ready-on tcp`, `http`, `unix` and `exec`: what is tried each second until it says that the
//! command is ready, and the names of hosts.

use crate::support::inspect::assert_sentence;
use crate::support::names::{NameServer, with_hosts};
use crate::support::proc::await_gone;
use crate::support::readiness_life::{life, port, probe, unready};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{CONDITION_TIMEOUT, Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::TERM;
use crate::support::users::{as_nobody, installed, nobody_is_permitted, open_to_all, set_mode};
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

// ---------------------------------------------------------------- tcp and http

#[test]
fn a_late_listener_makes_ready_on_ipv4_and_ipv6() {
    let mut addresses = vec![(SocketAddr::from(([127, 0, 0, 1], 0)), "")];
    if is_permitted(
        "IPv6",
        Command::new("grep").args(["-q", " lo$", "/proc/net/if_inet6"]),
    ) {
        addresses.push((SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), "[::1]:"));
    }
    for (address, host) in addresses {
        let sandbox = Sandbox::new();
        let (socket, port) = port(address);
        let _life = unready(&sandbox, &format!("tcp:{host}{port}"));
        rustix::net::listen(&socket, 8).unwrap();
        sandbox.await_key("x", "Ready");
    }
}

/// What a server does with one connection, after it has read a request.
enum Answer {
    Text(&'static str),
    Megabyte,
    /// The connection stays open until the server stops.
    Hang,
}

/// Answers one connection after the other, and with the last answer as often as it is asked: on a
/// busy machine an attempt may time out before it is answered.
struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    fn start(answers: Vec<Answer>) -> Server {
        Server::start_on("127.0.0.1:0", answers)
    }

    fn start_on(address: &str, answers: Vec<Answer>) -> Server {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || serve(&listener, &answers, &stopped));
        Server { port, stop, thread }
    }

    /// Stops the server, and returns the requests that it got.
    fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn serve(listener: &TcpListener, answers: &[Answer], stopped: &AtomicBool) -> Vec<String> {
    let mut held = Vec::new();
    let mut requests = Vec::new();
    for answer in answers.iter().chain(answers.last().into_iter().cycle()) {
        let accepted = eventually("a probe connects", || match listener.accept() {
            Ok((connection, _)) => Some(Some(connection)),
            Err(_) => stopped.load(Ordering::Relaxed).then_some(None),
        });
        let Some(mut connection) = accepted else {
            break;
        };
        connection.set_nonblocking(false).unwrap();
        connection
            .set_read_timeout(Some(CONDITION_TIMEOUT))
            .unwrap();
        requests.push(request(&mut connection));
        // The client may have closed the connection.
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
fn only_a_success_status_makes_ready() {
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
            let (sandbox, tries) = (Sandbox::new(), answers.len());
            let server = Server::start(answers);
            let source = format!("http:{}/healthz?a=b", server.port);
            let life = life(&sandbox, &source, "exec sleep 60").start();
            (sandbox, life, server, tries)
        })
        .collect();
    for (sandbox, life, server, tries) in lives {
        sandbox.await_key("x", "Ready");
        // No answer before the last one made it ready.
        let port = server.port;
        let requests = server.stop();
        assert!(requests.len() >= tries, "{requests:?}");
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
        life.send(TERM);
        assert_eq!(life.end().stderr, "");
    }
}

// ---------------------------------------------------------------- unix

#[test]
fn a_unix_socket_that_comes_late_makes_ready() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("socket");
    let _life = unready(&sandbox, &format!("unix:{}", path.display()));
    let _listener = UnixListener::bind(&path).unwrap();
    sandbox.await_key("x", "Ready");
}

#[test]
fn a_unix_socket_that_is_closed_to_us_is_named_once() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let path = sandbox.path("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    set_mode(&path, 0o600);
    open_to_all(&sandbox);
    let mut run = as_nobody(&sandbox, installed(&sandbox));
    let source = format!("unix:{}", path.display());
    let ended = run
        .args([
            "run",
            "-n",
            "x",
            "--ready-on",
            &source,
            "--",
            "sleep",
            "1.2",
        ])
        .finish();
    let message = format!("exitdir-run: cannot connect to {source}: Permission denied\n");
    assert_eq!((ended.status, ended.stderr), (0, message));
}

// ---------------------------------------------------------------- names

#[test]
fn localhost_is_every_loopback_address() {
    let ipv6 = Command::new("grep")
        .args(["-q", " lo$", "/proc/net/if_inet6"])
        .status();
    let mut addresses = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    if ipv6.is_ok_and(|status| status.success()) {
        addresses.push(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
    }
    for address in addresses {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let sandbox = Sandbox::new();
        let _life = life(&sandbox, &format!("tcp:localhost:{port}"), "exec sleep 60").start();
        sandbox.await_key("x", "Ready");
    }
}

#[test]
fn a_name_is_resolved_again_for_each_try_and_one_of_its_addresses_is_enough() {
    let sandbox = Sandbox::new();
    let binary = binary();
    let Some(mut run) = with_hosts(&sandbox, "", None, binary.to_str().unwrap()) else {
        return;
    };
    let answers = vec![Answer::Text("HTTP/1.1 200 OK\r\n\r\n")];
    let server = Server::start_on("127.0.0.9:0", answers);
    let source = format!("http://db.exitdir.test:{}/x", server.port);
    run.args(["run", "-n", "x", "--ready-on", &source, "--", "sleep", "60"]);
    let life = run.start();
    sandbox.await_key("x", "Born");
    assert_eq!(sandbox.key("x", "Ready"), None);
    // The first address refuses. That is the one which is nearer to our own.
    let hosts = "127.0.0.1 db.exitdir.test\n127.0.0.9 db.exitdir.test\n";
    std::fs::write(sandbox.path("hosts"), hosts).unwrap();
    sandbox.await_key("x", "Ready");
    let host = format!("\r\nHost: db.exitdir.test:{}\r\n", server.port);
    for request in server.stop() {
        assert!(request.starts_with("GET /x HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&host), "{request}");
    }
    life.send(TERM);
    let ended = life.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (143, ""));
}

#[test]
fn a_worker_that_resolves_a_name_is_no_process_that_the_command_left_behind() {
    let sandbox = Sandbox::new();
    let Some(server) = NameServer::bind() else {
        return;
    };
    let binary = binary();
    let Some(mut run) = with_hosts(&sandbox, "", Some(&server), binary.to_str().unwrap()) else {
        return;
    };
    run.args([
        "run",
        "-n",
        "x",
        "--wait-descendants",
        "--ready-on",
        "tcp:db.exitdir.test:1",
    ]);
    let script = "touch $W/up; while ! test -e $W/go; do sleep 0.01; done";
    let life = run.args(["--", "sh", "-c", script]).start();
    sandbox.await_file("up");
    wait_until("a worker asks", || server.asker().is_some());
    sandbox.touch("go");
    let ended = life.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

// ---------------------------------------------------------------- exec

#[test]
fn a_probe_is_repeated_until_it_succeeds_and_its_output_is_discarded() {
    let sandbox = Sandbox::new();
    let script =
        "echo try >>$W/tries; echo noise; echo noise >&2; cat; test $(wc -l <$W/tries) -ge 3";
    let life = life(&sandbox, &probe(&sandbox, script), "exec sleep 60").start();
    sandbox.await_key("x", "Ready");
    // One more for each attempt that timed out on a busy machine.
    assert!(sandbox.lines("tries").len() >= 3);
    life.send(TERM);
    let ended = life.end();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
}

#[test]
fn a_probe_can_print_even_if_exitdir_run_has_no_standard_output() {
    let sandbox = Sandbox::new();
    let run = life(&sandbox, "exec:/bin/echo hello", "exec sleep 60");
    let mut closed = sandbox.command("sh");
    closed.args(["-c", "exec \"$@\" <&- >&-", "sh"]);
    closed.arg(run.get_program()).args(run.get_args());
    let life = closed.env("W", sandbox.path(".")).start();
    sandbox.await_key("x", "Ready");
    life.send(TERM);
    assert_eq!(life.end().status, 143);
}

#[test]
fn probes_leave_no_processes_behind() {
    let sandbox = Sandbox::new();
    let script = "sleep 60 & echo $! >>$W/pids; echo $$ >>$W/pids
        test -e $W/second && exit 0; touch $W/second; exec sleep 60";
    let _life = life(&sandbox, &probe(&sandbox, script), "exec sleep 60").start();
    sandbox.await_key("x", "Ready");
    let pids = sandbox.lines("pids");
    // Two for each attempt; on a busy machine the second may time out too.
    assert!(pids.len() >= 4, "{pids:?}");
    for pid in pids {
        await_gone(&pid);
    }
}

#[test]
fn a_probe_ends_with_the_command() {
    let sandbox = Sandbox::new();
    let script = "echo $$ >>$W/pids; exec sleep 60";
    let command = "while ! test -s $W/pids; do sleep 0.01; done; exit 4";
    let ended = life(&sandbox, &probe(&sandbox, script), command).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (4, ""));
    assert_eq!(sandbox.key("x", "Ready"), None);
    for pid in sandbox.lines("pids") {
        await_gone(&pid);
    }
}

#[test]
fn a_probe_that_cannot_be_run_causes_one_warning() {
    let sandbox = Sandbox::new();
    let ended = life(&sandbox, "exec:/nowhere/probe", "sleep 1.2").finish();
    assert_sentence(&ended, "exitdir-run", 0);
    assert!(ended.stderr.contains("/nowhere/probe"), "{}", ended.stderr);
    assert_eq!(sandbox.key("x", "Ready"), None);
}
