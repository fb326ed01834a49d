//! A server in the test process: it accepts connections, and answers GET requests.

use rustix::net::{AddressFamily, SocketType, sockopt};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A port that is its own from the beginning to the end, whether a server listens there or not.
pub struct Server {
    _reserved: OwnedFd,
    /// What listens, while the server does.
    listener: Mutex<Option<TcpListener>>,
    pub port: u16,
    status: Arc<AtomicU16>,
    tries: Arc<AtomicUsize>,
}

impl Server {
    /// No process listens yet: connections are refused.
    pub fn closed() -> Server {
        let (reserved, port) = reserve();
        Server {
            _reserved: reserved,
            listener: Mutex::default(),
            port,
            status: Arc::new(AtomicU16::new(200)),
            tries: Arc::default(),
        }
    }

    pub fn open() -> Server {
        let server = Server::closed();
        server.listen();
        server
    }

    /// The kernel accepts as many connections as the backlog holds, and the server none.
    pub fn hung() -> Server {
        let server = Server::closed();
        server.begin(0);
        server
    }

    pub fn listen(&self) {
        let listener = self.begin(64);
        let (status, tries) = (self.status.clone(), self.tries.clone());
        thread::spawn(move || {
            // Until the socket is shut down.
            while let Ok((connection, _)) = listener.accept() {
                tries.fetch_add(1, Ordering::SeqCst);
                answer(connection, status.load(Ordering::SeqCst));
            }
        });
    }

    fn begin(&self, backlog: i32) -> TcpListener {
        let (socket, _) = bound(self.port);
        rustix::net::listen(&socket, backlog).expect("a listener");
        let listener = TcpListener::from(socket);
        let own = listener.try_clone().expect("a descriptor");
        *self.listener.lock().unwrap() = Some(own);
        listener
    }

    /// Connections are refused from now on.
    pub fn close(&self) {
        if let Some(listener) = self.listener.lock().unwrap().take() {
            // It ends the wait for connections in the thread.
            let _ = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both);
        }
    }

    /// The status of the answers to come.
    pub fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// How many connections were accepted.
    pub fn tries(&self) -> usize {
        self.tries.load(Ordering::SeqCst)
    }

    pub fn tcp(&self) -> String {
        format!("tcp:{}", self.port)
    }

    pub fn http(&self) -> String {
        format!("http:{}/healthz/ready", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

/// A port that the kernel gives to no other socket. A process that names it, and sets
/// `SO_REUSEADDR` as servers do, can listen there.
pub fn reserve() -> (OwnedFd, u16) {
    bound(0)
}

fn bound(port: u16) -> (OwnedFd, u16) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    let bound = rustix::net::getsockname(&socket).unwrap();
    let port = SocketAddr::try_from(bound).unwrap().port();
    (socket, port)
}

fn answer(mut connection: TcpStream, status: u16) {
    let _ = connection.set_read_timeout(Some(Duration::from_secs(5)));
    let mut head = [0; 512];
    // A try of `tcp:` sends nothing.
    if connection.read(&mut head).is_ok_and(|length| length > 0) {
        let _ = write!(
            connection,
            "HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok"
        );
    }
}
