//! Servers and name servers that do what no honest one does. A try ends after its second, and what
//! is read has a limit.

use crate::support::names::{NameServer, with_hosts};
use crate::support::proc::{await_gone, children, only_child};
use crate::support::readiness_life::life;
use crate::support::requirements::strace_is_here;
use crate::support::sandbox::{Running, Sandbox, Start, binary, wait_until};
use crate::support::signals::{TERM, USR1, send_all};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// More than the kernel holds of a connection, and far less than an endless answer has.
const BUFFERED: usize = 64 << 20;

/// Sends one text to each connection, and then another one again and again.
struct EndlessServer {
    port: u16,
    tries: Arc<AtomicUsize>,
    /// The bytes that the connection took that took most.
    most: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

#[derive(Clone, Copy)]
struct Answer {
    first: &'static str,
    then: &'static str,
    pause: Duration,
}

impl EndlessServer {
    fn start(answer: Answer) -> EndlessServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tries, most, stop) = (Arc::default(), Arc::default(), Arc::default());
        let (tried, sent, stopped): (Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicBool>) =
            (Arc::clone(&tries), Arc::clone(&most), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for mut connection in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let count = send_on(&mut connection, answer, &stopped);
                sent.fetch_max(count, Ordering::Relaxed);
                tried.fetch_add(1, Ordering::Relaxed);
            }
        });
        EndlessServer {
            port,
            tries,
            most,
            stop,
            thread,
        }
    }

    /// Returns the most bytes that one connection took.
    fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.thread.join().unwrap();
        self.most.load(Ordering::Relaxed)
    }
}

/// Sends until the client has closed the connection. Returns the bytes sent.
fn send_on(connection: &mut TcpStream, answer: Answer, stopped: &AtomicBool) -> usize {
    drop(connection.read(&mut [0; 1000]));
    let many = match answer.pause.is_zero() {
        true => answer.then.repeat(1000),
        false => answer.then.to_owned(),
    };
    let mut sent = answer.first.len();
    drop(connection.write_all(answer.first.as_bytes()));
    while !stopped.load(Ordering::Relaxed) && connection.write_all(many.as_bytes()).is_ok() {
        sent += many.len();
        std::thread::sleep(answer.pause);
    }
    sent
}

const NO_PAUSE: Duration = Duration::ZERO;

#[test]
fn an_answer_without_an_end_makes_not_ready_and_costs_neither_time_nor_memory() {
    let answer = |first, then| Answer {
        first,
        then,
        pause: NO_PAUSE,
    };
    let answers = [
        answer("", "x"),
        answer("HTTP/1.1 ", "2x"),
        answer("HTTP/1.1 100 Continue\r\n", "X: y\r\n"),
        answer("", "HTTP/1.1 100 Continue\r\n\r\n"),
        answer("HTTP/1.1 100 Continue\r\nX: ", "y"),
        Answer {
            first: "HTTP/1.1",
            then: " ",
            pause: Duration::from_millis(300),
        },
    ];
    let lives = answers.map(|answer| {
        let sandbox = Sandbox::new();
        let server = EndlessServer::start(answer);
        let source = format!("http:{}/", server.port);
        let life = life(&sandbox, &source, "exec sleep 60").start();
        (sandbox, server, life)
    });
    for (sandbox, server, life) in lives {
        wait_until("two tries end", || {
            server.tries.load(Ordering::Relaxed) >= 2
        });
        assert_eq!(sandbox.key("x", "Ready"), None);
        end(life);
        assert!(server.stop() < BUFFERED);
    }
}

#[test]
fn a_body_without_an_end_is_not_read_to_its_end() {
    for first in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
        let sandbox = Sandbox::new();
        let server = EndlessServer::start(Answer {
            first,
            then: "X: y\r\n",
            pause: NO_PAUSE,
        });
        let source = format!("http:{}/", server.port);
        let life = life(&sandbox, &source, "exec sleep 60").start();
        sandbox.await_key("x", "Ready");
        wait_until("the connection is closed", || {
            server.tries.load(Ordering::Relaxed) >= 1
        });
        end(life);
        assert!(server.stop() < BUFFERED);
    }
}

fn end(life: Running) {
    life.send(TERM);
    let ended = life.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (143, ""));
}

#[test]
fn a_name_server_that_does_not_answer_delays_nothing_and_leaves_no_process() {
    let sandbox = Sandbox::new();
    let Some(server) = NameServer::bind() else {
        return;
    };
    let binary = binary();
    let Some(mut run) = with_hosts(&sandbox, "", Some(&server), binary.to_str().unwrap()) else {
        return;
    };
    let script = "trap 'touch $W/got' USR1; touch $W/up; while :; do sleep 0.01; done";
    run.args(["run", "-n", "x", "--ready-on", "tcp:db.exitdir.test:1"]);
    let life = run.args(["--", "sh", "-c", script]).start();
    sandbox.await_file("up");
    // Each try has a worker of its own, because the one before was ended.
    let mut askers = BTreeSet::new();
    wait_until("three tries ask", || {
        askers.extend(server.asker());
        askers.len() >= 3
    });
    life.send(USR1);
    sandbox.await_file("got");
    // CMD, the worker of this try, and one that was not reaped yet.
    let children = children(life.pid());
    assert!(children.len() <= 3, "{children:?}");
    assert_eq!(sandbox.key("x", "Ready"), None);
    end(life);
    for child in children {
        await_gone(child);
    }
}

#[test]
fn of_hundreds_of_addresses_a_few_are_tried() {
    if !strace_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let line = |number| {
        format!(
            "127.1.{}.{} many.exitdir.test\n",
            number / 250,
            number % 250 + 1
        )
    };
    let lines: String = (0..200).map(line).collect();
    let Some(mut run) = with_hosts(&sandbox, &lines, None, "strace") else {
        return;
    };
    let log = sandbox.path("log");
    run.args(["-e", "trace=connect,clone,clone3,fork,vfork", "-o"]);
    run.arg(&log).arg(binary());
    run.args(["run", "-n", "x", "--ready-on", "tcp:many.exitdir.test:1"]);
    let life = run.args(["--", "sleep", "60"]).start();
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    // After the addresses of a try, the process of the next one is started.
    wait_until("addresses are tried", || {
        let log = text();
        let after = log.rsplit("\nconnect(").next().unwrap_or_default();
        log.contains("\nconnect(") && after.lines().count() > 1
    });
    let log = text();
    let connections = log.matches("\nconnect(").count();
    let processes = log.lines().count() - connections;
    assert!(connections >= 16, "{log}");
    assert!(connections <= 16 * processes, "{connections} {processes}");
    let traced = only_child("exitdir-run runs", life.pid());
    send_all(traced, &[TERM]);
    assert_eq!(life.end().status, 143);
}
