//! Tries of real servers. The wake-ups are counted as the event loop has them.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(60);

fn source(text: &str) -> Source {
    Source::parse(text).unwrap()
}

/// A loop that does nothing but to try sources.
struct Loop {
    prober: Prober,
    warnings: Vec<String>,
    wake_ups: usize,
    tries: usize,
}

impl Loop {
    fn new(sources: &[Source]) -> Loop {
        Loop {
            prober: Prober::new(sources),
            warnings: Vec::new(),
            wake_ups: 0,
            tries: 0,
        }
    }

    fn turn(&mut self) {
        let began = self.starts();
        self.warnings.extend(self.prober.poll());
        let started = self.starts();
        self.tries += began.iter().zip(&started).filter(|(a, b)| a != b).count();
    }

    fn starts(&self) -> Vec<Option<Instant>> {
        self.prober.probes.iter().map(|probe| probe.next).collect()
    }

    fn sleep(&mut self) {
        let deadline = self.prober.deadline();
        poll::sleep(self.prober.interests(), deadline);
        self.wake_ups += 1;
    }

    fn until(&mut self, what: &str, mut is_met: impl FnMut(&Loop) -> bool) {
        let end = Instant::now() + PATIENCE;
        self.turn();
        while !is_met(self) {
            assert!(Instant::now() < end, "{what}");
            self.sleep();
            self.turn();
        }
    }

    fn standing(&self, source: &Source) -> &SourceStanding {
        self.prober.standing(source).unwrap()
    }
}

/// What a server does with a connection before it ends its side.
type Answer = fn(&mut TcpStream) -> std::io::Result<()>;
/// How a server saw the end of a connection.
type Ends = Arc<Mutex<Vec<std::io::Result<usize>>>>;

/// Answers each connection in a thread, and reads it to its end.
struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    ends: Ends,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(answer: Answer) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, ends) = (Arc::new(AtomicBool::new(false)), Ends::default());
        let (stopped, all_ends) = (Arc::clone(&stop), Arc::clone(&ends));
        let accepted = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&accepted);
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                let ends = Arc::clone(&all_ends);
                std::thread::spawn(move || serve(connection, answer, &ends));
            }
        });
        Server {
            port,
            stop,
            accepted,
            ends,
            thread: Some(thread),
        }
    }

    fn end_count(&self) -> usize {
        self.ends.lock().unwrap().len()
    }

    fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn serve(mut connection: TcpStream, answer: Answer, ends: &Ends) {
    let end = answer(&mut connection).and_then(|()| {
        connection.shutdown(std::net::Shutdown::Write)?;
        connection.read_to_end(&mut Vec::new())
    });
    ends.lock().unwrap().push(end);
}

fn read_request(connection: &mut TcpStream) {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|n| n == 1) {
        bytes.extend(byte);
    }
}

fn ready(connection: &mut TcpStream) -> std::io::Result<()> {
    read_request(connection);
    connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
}

fn unready(connection: &mut TcpStream) -> std::io::Result<()> {
    read_request(connection);
    connection.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
}

/// The status first, and the rest when the client has it.
fn in_pieces(connection: &mut TcpStream) -> std::io::Result<()> {
    read_request(connection);
    connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    greet(connection)
}

fn greet(connection: &mut TcpStream) -> std::io::Result<()> {
    for size in [10_000, 40_000] {
        std::thread::sleep(Duration::from_millis(20));
        connection.write_all(&vec![b'x'; size])?;
    }
    Ok(())
}

#[test]
fn a_tcp_try_is_one_wake_up_and_an_http_try_two() {
    let server = Server::start(unready);
    let tcp = source(&format!("tcp:{}", server.port));
    let http = source(&format!("http:{}/", server.port));
    for (source, most) in [(tcp, 1), (http, 2)] {
        let mut life = Loop::new(std::slice::from_ref(&source));
        life.until("some tries", |life| life.tries == 3);
        assert!(life.standing(&source).has_answered());
        assert!(life.wake_ups <= 3 * most, "{} for {source}", life.wake_ups);
    }
    server.stop();
}

#[test]
fn a_source_is_tried_once_a_second_however_often_it_is_named() {
    let server = Server::start(ready);
    let text = format!("http:{}/", server.port);
    let sources = vec![source(&text); 5];
    let mut life = Loop::new(&sources);
    let start = Instant::now();
    life.until("some tries", |life| life.tries >= 3);
    assert!(start.elapsed() >= 2 * TRY_INTERVAL);
    assert_eq!(life.prober.probes.len(), 1);
    assert!(life.standing(&sources[0]).holds());
    server.stop();
}

#[test]
fn servers_see_no_reset() {
    let servers = [
        ("http", in_pieces as Answer),
        ("http", ready),
        ("tcp", greet),
    ]
    .map(|(kind, answer)| (kind, Server::start(answer)));
    let sources = servers
        .each_ref()
        .map(|(kind, server)| source(&format!("{kind}:{}", server.port)));
    let have_ended = |least| {
        servers
            .iter()
            .all(|(_, server)| server.end_count() >= least)
    };
    let mut life = Loop::new(&sources);
    life.until("two answers of each", |_| have_ended(2));
    // The rest of the third answer is read though the sources are no longer needed.
    life.prober.keep_only(|_| false);
    life.until("nothing left", |life| life.prober.deadline().is_none());
    // The same by a process that ends. It does not wait for what no request has asked for.
    let asked = &sources[..2];
    let mut life = Loop::new(asked);
    life.until("one answer of each", |life| {
        asked.iter().all(|source| life.standing(source).holds())
    });
    life.prober.close();
    let deadline = Instant::now() + PATIENCE;
    let accepted = |server: &Server| server.accepted.load(Ordering::Relaxed);
    while !servers
        .iter()
        .all(|(_, server)| server.end_count() == accepted(server))
    {
        assert!(Instant::now() < deadline, "a connection is still open");
        poll::pause(Duration::from_millis(10));
    }
    for (kind, server) in servers {
        for end in server.ends.lock().unwrap().iter() {
            assert!(end.is_ok(), "{kind}: {end:?}");
        }
        server.stop();
    }
}

#[test]
fn a_server_that_ends_is_dead_after_three_refusals_and_revives() {
    let server = Server::start(ready);
    let port = server.port;
    let http = source(&format!("http:{port}/"));
    let mut life = Loop::new(std::slice::from_ref(&http));
    life.until("an answer", |life| life.standing(&http).holds());
    server.stop();
    life.until("a refusal", |life| !life.standing(&http).holds());
    assert_eq!(life.standing(&http).last(), Some(TryResult::Refused));
    assert_eq!(life.standing(&http).dead_since(), None);
    let before = life.tries;
    life.until("a death", |life| {
        life.standing(&http).dead_since().is_some()
    });
    assert_eq!(life.tries, before + 2);
    // A server at the same port.
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let thread = std::thread::spawn(move || unready(&mut listener.accept().unwrap().0).unwrap());
    life.until("a revival", |life| {
        life.standing(&http).dead_since().is_none()
    });
    assert_eq!(life.standing(&http).last(), Some(TryResult::Status(503)));
    assert!(!life.standing(&http).holds());
    thread.join().unwrap();
}

#[test]
fn sockets_and_files_are_found_and_their_absence_is_a_refusal() {
    let name = format!("exitdir-probe-{}", crate::sys::random::hex::<8>().unwrap());
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir(&dir).unwrap();
    let socket = source(&format!("unix:{}/socket", dir.display()));
    let file = source(&format!("file:{}/file", dir.display()));
    let mut life = Loop::new(&[socket.clone(), file.clone()]);
    life.turn();
    for source in [&socket, &file] {
        assert_eq!(life.standing(source).last(), Some(TryResult::Refused));
    }
    assert_eq!(reason(&file, TryResult::Refused), "it does not exist");
    let listener = UnixListener::bind(dir.join("socket")).unwrap();
    std::fs::write(dir.join("file"), "").unwrap();
    life.until("both", |life| {
        life.standing(&socket).holds() && life.standing(&file).holds()
    });
    // A full backlog: no answer, and no refusal.
    rustix::net::listen(&listener, 0).unwrap();
    let expected = TryResult::Silent(Silence::System(Errno::AGAIN.raw_os_error()));
    life.until("silence", |life| {
        life.standing(&socket).last() == Some(expected)
    });
    drop(listener);
    // The file of the socket is still there.
    life.until("a refusal", |life| {
        life.standing(&socket).last() == Some(TryResult::Refused)
    });
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn each_failure_has_its_reason() {
    let silent = |silence| TryResult::Silent(silence);
    for (text, result, words) in [
        ("tcp:db:1", silent(Silence::NoName), "db does not resolve"),
        ("tcp:1", silent(Silence::TimedOut), "no answer within 1s"),
        (
            "tcp:1",
            silent(Silence::System(1)),
            "Operation not permitted",
        ),
        ("http:1", silent(Silence::NotHttp), "the answer is not HTTP"),
        (
            "http:1",
            silent(Silence::Closed),
            "the connection was closed",
        ),
        ("http:1", TryResult::Status(503), "its status is 503"),
        ("tcp:1", TryResult::Refused, "connection refused"),
        ("unix:/x", TryResult::Refused, "no process listens there"),
        ("tcp:1", TryResult::Untried(1), "Operation not permitted"),
    ] {
        assert_eq!(reason(&source(text), result), words);
    }
}
