//! `post:`: what a server gets, what counts as success, and servers that mean harm.

use crate::support::readiness_life::port;
use crate::support::sandbox::{CONDITION_TIMEOUT, Sandbox, Start, eventually, wait_until};
use crate::support::signals::TERM;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a server does with one connection, after it has read the request.
#[derive(Clone, Copy)]
enum Answer {
    Text(&'static str),
    /// A success, and a body without an end.
    Endless,
    /// Nothing comes.
    Silence,
}

const OK: Answer = Answer::Text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK");

/// Gives its answers in their order, and the last one as often as it is asked.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(answers: &'static [Answer]) -> Server {
        Server::on(TcpListener::bind("127.0.0.1:0").unwrap(), answers)
    }

    fn on(listener: TcpListener, answers: &'static [Answer]) -> Server {
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log, stopped) = (Arc::clone(&requests), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut kept = Vec::new();
            for answer in answers.iter().chain(answers.last().into_iter().cycle()) {
                let Some(mut connection) = accept(&listener, &stopped) else {
                    return;
                };
                log.lock().unwrap().push(read_request(&mut connection));
                respond(&mut connection, *answer, &stopped);
                kept.push(connection);
            }
        });
        Server {
            port,
            requests,
            stop,
            thread: Some(thread),
        }
    }

    fn action(&self) -> String {
        format!("post:{}/quitquitquit?now=1", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn accept(listener: &TcpListener, stopped: &AtomicBool) -> Option<TcpStream> {
    loop {
        match listener.accept() {
            Ok((connection, _)) => return Some(connection),
            Err(_) if stopped.load(Ordering::Relaxed) => return None,
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
    }
}

fn read_request(connection: &mut TcpStream) -> String {
    connection.set_nonblocking(false).unwrap();
    connection
        .set_read_timeout(Some(CONDITION_TIMEOUT))
        .unwrap();
    let mut request = String::new();
    let mut byte = [0];
    while !request.ends_with("\r\n\r\n") && connection.read(&mut byte).is_ok_and(|n| n == 1) {
        request.push(char::from(byte[0]));
    }
    request
}

fn respond(connection: &mut TcpStream, answer: Answer, stopped: &AtomicBool) {
    match answer {
        Answer::Text(text) => {
            let _ = connection.write_all(text.as_bytes());
            let _ = connection.shutdown(std::net::Shutdown::Write);
        }
        Answer::Endless => {
            let head = "HTTP/1.1 200 OK\r\n\r\n";
            let mut sent = connection.write_all(head.as_bytes());
            while sent.is_ok() && !stopped.load(Ordering::Relaxed) {
                sent = connection.write_all(&[b'x'; 4096]);
            }
        }
        Answer::Silence => {}
    }
}

#[test]
fn a_post_is_empty_and_is_sent_once_if_it_is_answered() {
    let server = Server::start(&[OK]);
    let sandbox = Sandbox::new();
    let ended = sandbox
        .run(["--on-exit", &server.action(), "--", "sh", "-c", "exit 3"])
        .finish();
    ended.assert_output(3, "");
    assert_eq!(ended.stderr, "");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let mut lines = requests[0].split("\r\n");
    assert_eq!(lines.next(), Some("POST /quitquitquit?now=1 HTTP/1.1"));
    let headers: Vec<&str> = lines.collect();
    let host = format!("Host: 127.0.0.1:{}", server.port);
    for header in ["Content-Length: 0", "Connection: close", &host] {
        assert!(headers.contains(&header), "{headers:?}");
    }
}

#[test]
fn a_post_is_sent_again_until_it_is_answered_with_success() {
    let server = Server::start(&[
        Answer::Text("HTTP/1.1 503 no\r\n\r\n"),
        Answer::Text("nonsense\r\n\r\n"),
        Answer::Text("HTTP/1.1 302 there\r\n\r\n"),
    ]);
    let sandbox = Sandbox::new();
    let action = server.action().replace("post:", "post:localhost:");
    let ended = sandbox.run(["--on-exit", &action, "--", "true"]).finish();
    ended.assert_output(0, "");
    assert_eq!(server.requests().len(), 3, "{ended:?}");
}

#[test]
fn a_server_that_comes_late_gets_the_post() {
    let (socket, port) = port(([127, 0, 0, 1], 0).into());
    let sandbox = Sandbox::new();
    let action = format!("post:{port}/");
    let running = sandbox
        .run(["-n", "main", "--on-exit", &action, "--", "true"])
        .start();
    sandbox.await_key("main", "Died");
    rustix::net::listen(&socket, 8).unwrap();
    let server = Server::on(TcpListener::from(socket), &[OK]);
    assert_eq!(running.end().status, 0);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_body_without_an_end_delays_nothing() {
    let server = Server::start(&[Answer::Endless]);
    let sandbox = Sandbox::new();
    let ended = sandbox
        .run(["--on-exit", &server.action(), "--", "true"])
        .finish();
    ended.assert_output(0, "");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_server_that_does_not_answer_does_not_keep_exitdir_run_from_its_signals() {
    let server = Server::start(&[Answer::Silence]);
    let sandbox = Sandbox::new();
    let running = sandbox
        .run(["--on-exit", &server.action(), "--", "sh", "-c", "exit 5"])
        .start();
    wait_until("the server is asked", || !server.requests().is_empty());
    running.send(TERM);
    let ended = running.end();
    assert_eq!(ended.status, 5, "{ended:?}");
    let said = "exitdir-run: received TERM: ending --on-exit\n";
    assert_eq!(ended.stderr, said);
}

/// The recipe of docs/guides/jobs.md, without containers.
#[test]
fn a_helper_tells_an_injected_proxy_to_quit_once_main_has_ended_with_0() {
    let server = Server::start(&[OK]);
    let sandbox = Sandbox::new();
    let wait = sandbox.program(
        "exitdir-wait",
        &format!(
            "#!/bin/sh\nexec {} wait \"$@\"\n",
            crate::support::sandbox::binary().display()
        ),
    );
    let mut helper = sandbox
        .run(["--on-exit", &server.action(), "--"])
        .arg(wait)
        .args(["--keep-waiting", "main:ok"])
        .start();
    for code in ["1", "137"] {
        let script = format!("exit {code}");
        let ended = sandbox
            .run(["-n", "main", "--", "sh", "-c", &script])
            .finish();
        assert_eq!(ended.status.to_string(), code);
    }
    assert!(helper.is_running());
    assert_eq!(server.requests().len(), 0);
    assert_eq!(sandbox.run(["-n", "main", "--", "true"]).finish().status, 0);
    assert_eq!(helper.end().status, 0);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_post_drains_before_the_stop_signal_and_reloads_after_a_change() {
    let [drain, reload] = [Server::start(&[OK]), Server::start(&[OK])];
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("conf"), "1").unwrap();
    let mut command = sandbox.run(["-n", "main", "--config", "conf"]);
    command
        .args(["--pre-stop", &drain.action()])
        .args(["--on-config", &reload.action()])
        .args(["--", "sleep", "60"])
        .current_dir(sandbox.path("."));
    let running = command.start();
    sandbox.await_key("main", "Ready");
    std::fs::write(sandbox.path("conf"), "2").unwrap();
    wait_until("it is reloaded", || reload.requests().len() == 1);
    assert_eq!(drain.requests().len(), 0);
    running.send(TERM);
    assert_eq!(running.end().status, 143);
    let request = eventually("it is drained", || drain.requests().first().cloned());
    assert!(request.starts_with("POST "), "{request}");
    assert_eq!(reload.requests().len(), 1);
}
