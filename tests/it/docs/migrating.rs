//! The guide to migrating: what each table says stands here is run against real servers.

use super::read;
use crate::support::sandbox::{Sandbox, Start, binary};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

/// A server on a port of its own, which answers each request with 200. Returns the port and the
/// lines of the requests.
fn server() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            seen.lock()
                .unwrap()
                .extend(head.lines().next().map(str::to_owned));
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (port, requests)
}

/// The commands in the second column of the tables of a section.
fn lines(section: &str) -> Vec<String> {
    let page = read("docs/guides/migrating.md");
    let rest = page.split_once(&format!("\n## From {section}\n"));
    let rest = rest.unwrap_or_else(|| panic!("no section {section}")).1;
    let section = rest.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_suffix("` |"));
    let commands = cells
        .filter_map(|line| line.rsplit_once("| `"))
        .map(|(_, cell)| cell);
    commands.map(str::to_owned).collect()
}

/// Runs the lines of a section, each against fresh servers. Returns the requests of each.
fn play(section: &str, count: usize) -> Vec<(String, Vec<String>)> {
    let lines = lines(section);
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
        .into_iter()
        .map(|line| (line.clone(), run(&line)))
        .collect()
}

fn run(line: &str) -> Vec<String> {
    let sandbox = Sandbox::new();
    let (port, requests) = server();
    let socket = sandbox.path("a.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    sandbox.touch("done");
    for name in ["app", "job"] {
        sandbox.program(name, "#!/bin/sh\n: >ran\n");
    }
    let mut install = sandbox.applet("install");
    assert_eq!(
        install
            .arg("--inits")
            .arg(sandbox.path("bin"))
            .finish()
            .status,
        0
    );
    let mut script = line.to_owned();
    for host in ["db:5432", "web:8080"] {
        script = script.replace(host, &format!("127.0.0.1:{port}"));
    }
    for number in ["15021", "15020", "4191", "9191", "9000"] {
        script = script.replace(&format!(":{number}/"), &format!(":{port}/"));
    }
    let script = script
        .replace("/run/a.sock", socket.to_str().unwrap())
        .replace("/run/done", sandbox.path("done").to_str().unwrap());
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = sandbox.command("sh");
    command.args(["-c", &script]).current_dir(sandbox.path("."));
    command.env("PATH", format!("{}:{path}", sandbox.path("bin").display()));
    let ended = command.env_remove("EXIT_DIR").finish();
    assert_eq!(ended.status, 0, "{line}: {}", ended.stderr);
    assert!(sandbox.path("ran").exists(), "{line}: the command has run");
    assert!(binary().exists());
    requests.lock().unwrap().clone()
}

#[test]
fn what_stands_for_wait_for_it_and_dockerize_waits_for_real_servers() {
    for (line, requests) in [play("wait-for-it", 5), play("dockerize", 5)].concat() {
        let wants_http = line.contains("http:");
        let has_asked = requests.iter().any(|request| request.starts_with("GET /"));
        assert_eq!(has_asked, wants_http, "{line}: {requests:?}");
    }
}

#[test]
fn what_stands_for_scuttle_and_linkerd_await_waits_for_the_proxy_and_tells_it_to_quit() {
    for (line, requests) in [play("scuttle", 7), play("linkerd-await", 5)].concat() {
        let quits = requests.iter().any(|request| request.starts_with("POST /"));
        assert_eq!(quits, line.contains("post:"), "{line}: {requests:?}");
        let waits = requests.iter().any(|request| request.starts_with("GET /"));
        assert_eq!(waits, line.contains("http:"), "{line}: {requests:?}");
    }
}

#[test]
fn what_stands_for_tini_runs_the_command() {
    play("tini", 7);
}
