//! Servers in a pod, which become ready by an announcement or when their port opens, and their
//! clients.

use crate::support::pod::scripts::{Accident, SERVE, StopManner, becomes_ready, pause, traps};
use crate::support::random_rounds::{BEFORE_RESCAN, Round};
use std::net::SocketAddrV4;
use std::time::Duration;

/// How a server becomes ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadySource {
    Start,
    /// By its own announcement.
    Signal,
    /// By listening on this port.
    Tcp(SocketAddrV4),
}

impl ReadySource {
    pub fn option(self) -> String {
        match self {
            ReadySource::Start => String::new(),
            ReadySource::Signal => "--ready-on signal".to_owned(),
            ReadySource::Tcp(address) => format!("--ready-on tcp:{address}"),
        }
    }

    /// How long a server takes to become ready. A port is tried every second: some are missed
    /// twice.
    pub fn after(self, round: &Round) -> Duration {
        match self {
            ReadySource::Start => Duration::ZERO,
            ReadySource::Signal => round.millis("ready after", 0, 300),
            ReadySource::Tcp(_) => round.millis("the port opens after", 0, 1200),
        }
    }

    /// A script that serves until it is stopped.
    pub fn server(
        self,
        name: &str,
        ready_after: Duration,
        manner: StopManner,
        takes: Duration,
    ) -> String {
        match self {
            ReadySource::Start => traps(manner, takes) + SERVE,
            ReadySource::Signal => server(name, ready_after, manner, takes),
            ReadySource::Tcp(address) => tcp_server(address, ready_after, manner, takes, None),
        }
    }

    /// What main does first: it needs a proxy that is ready.
    pub fn call(self) -> String {
        match self {
            ReadySource::Start | ReadySource::Signal => String::new(),
            ReadySource::Tcp(address) => first_call(address),
        }
    }
}

/// A server: ready after some time, then serves until it is stopped. `wait` is what lets a trap run
/// at once.
fn server(name: &str, ready_after: Duration, manner: StopManner, takes: Duration) -> String {
    let traps = traps(manner, takes);
    format!("{traps}{}{SERVE}", becomes_ready(name, ready_after))
}

/// Opens its port. The arguments are the host, the port, and the delay.
const LISTEN: &str = r#"
    my ($host, $port, $opens_after) = @ARGV;
    select undef, undef, undef, $opens_after;
    socket my $door, AF_INET, SOCK_STREAM, 0 or die "socket: $!";
    setsockopt $door, SOL_SOCKET, SO_REUSEADDR, 1 or die "setsockopt: $!";
    bind $door, pack_sockaddr_in($port, inet_aton $host) or die "bind: $!";
    listen $door, SOMAXCONN or die "listen: $!";
"#;

/// Answers every call until the pod is gone, which ends standard input, or for `$limit` after the
/// first call.
const ANSWER: &str = r#"
    my ($watched, $lasts) = "";
    vec($watched, fileno $_, 1) = 1 for *STDIN, $door;
    for (;;) {
        (my $found, $lasts) = select my $ready = $watched, undef, undef, $lasts;
        last if $found == 0;
        next if $found < 0;
        exit if vec $ready, fileno STDIN, 1;
        accept my $caller, $door;
        $lasts //= $limit;
    }
"#;

/// Like [`server`], with a port: in perl, which every Debian has, since no shell can listen. It is
/// CMD itself, so that the port is free when CMD has ended.
pub fn tcp_server(
    address: SocketAddrV4,
    opens_after: Duration,
    manner: StopManner,
    takes: Duration,
    accident: Option<(Duration, Accident)>,
) -> String {
    let (limit, then) = match accident {
        Some((limit, accident)) => (limit.as_secs_f64().to_string(), accident.perl()),
        None => ("undef".to_owned(), ""),
    };
    format!(
        "exec perl -MSocket -e '{}{LISTEN}my $limit = {limit};{ANSWER}{then}' {} {} {}",
        perl_traps(manner, takes),
        address.ip(),
        address.port(),
        opens_after.as_secs_f64()
    )
}

/// [`traps`] in perl.
fn perl_traps(manner: StopManner, takes: Duration) -> String {
    let end = match manner {
        StopManner::ExitsZero => "exit 0",
        StopManner::DiesOfIt => "$SIG{TERM} = q(DEFAULT); kill TERM => $$",
        StopManner::Exits143 => "exit 143",
    };
    format!(
        "$SIG{{TERM}} = sub {{ select undef, undef, undef, {}; {end} }}; $SIG{{USR1}} = sub {{ {} }}; $SIG{{USR2}} = sub {{ {} }};",
        takes.as_secs_f64(),
        Accident::Crash.perl(),
        Accident::CommandKilled.perl()
    )
}

/// Connects to a port, or exits with 77.
pub fn call(address: SocketAddrV4) -> String {
    let (host, port) = (address.ip(), address.port());
    format!(
        "perl -MSocket -e 'socket my $s, AF_INET, SOCK_STREAM, 0; connect $s, pack_sockaddr_in($ARGV[1], inet_aton $ARGV[0]) or exit 77' {host} {port}"
    )
}

/// A client that started after its proxy was ready is not refused. A refusal is allowed only if the
/// proxy has gone down since: because it is being stopped, which it announces first, or by an
/// accident, for which main is stopped too.
fn first_call(address: SocketAddrV4) -> String {
    let unexcused = format!("{{ {}; exit 77; }}", pause(BEFORE_RESCAN));
    let stopped = "grep -q \"^Cause: \" \"$EXIT_DIR/proxy\"";
    format!(
        "until {}; do {stopped} || {unexcused}; \"$exitdir\" wait proxy:ready; done; ",
        call(address)
    )
}
