//! What users come with: whole pods of plain processes, restarted as the kubelet would restart them,
//! in many rounds with random delays, slow stops, and accidents of several kinds.
//!
//! `EXITDIR_TEST_SEED` repeats a run; a round that fails prints it, with everything it knows.
//! In half of the rounds the proxy of a Job is a server whose port opens late (`--ready-on tcp:P`), and the first
//! that main does is to connect to it. In the others, and everywhere else, the command says itself that it is ready
//! (`--ready-on signal`, `exitdir-signal --ready`).

use crate::kubelet::{Container, Life, Pod, Policy};
use crate::permits::is_permitted;
use crate::world::{Start, World};
use rustix::process::Signal;
use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ROUNDS: u64 = 20;
/// Far less than the ten seconds after which a slow look would have found it too.
const SOON: Duration = Duration::from_secs(5);

// ---------------------------------------------------------------- chance

/// One round of a scenario: a source of chance that remembers what it has given out.
struct Round {
    label: String,
    state: RefCell<u64>,
    drawn: RefCell<Vec<String>>,
}

impl Round {
    fn new(scenario: &str, seed: u64, number: u64) -> Round {
        let label = format!("{scenario}, seed {seed}, round {number}");
        // Every scenario and round its own sequence (FNV-1a); never 0, which xorshift cannot leave.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let state = label.bytes().fold(0xcbf2_9ce4_8422_2325, mix) | 1;
        Round {
            label,
            state: RefCell::new(state),
            drawn: RefCell::default(),
        }
    }

    /// xorshift64* (Vigna): a number below `end`.
    fn below(&self, end: u64) -> u64 {
        let mut state = self.state.borrow_mut();
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn pick<T: Copy + std::fmt::Debug>(&self, what: &str, choices: &[T]) -> T {
        let choice = choices[self.below(choices.len() as u64) as usize];
        self.drawn.borrow_mut().push(format!("{what}: {choice:?}"));
        choice
    }

    fn chance(&self, what: &str) -> bool {
        self.pick(what, &[false, true])
    }

    fn millis(&self, what: &str, from: u64, to: u64) -> Duration {
        let duration = Duration::from_millis(from + self.below(to - from + 1));
        self.drawn
            .borrow_mut()
            .push(format!("{what}: {duration:?}"));
        duration
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: {}", self.label, self.drawn.borrow().join(", "));
        }
    }
}

/// Plays a scenario in many rounds at the same time.
fn rounds(scenario: &str, play: impl Fn(&Round) + Sync) {
    let seed = match std::env::var("EXITDIR_TEST_SEED") {
        Ok(seed) => seed.parse().expect("EXITDIR_TEST_SEED is a number"),
        Err(_) => {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_nanos() as u64
                % 1_000_000_007
        }
    };
    let one = |number| play(&Round::new(scenario, seed, number));
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..ROUNDS)
            .map(|number| (number, scope.spawn(move || one(number))))
            .collect();
        started
            .into_iter()
            .filter_map(|(number, round)| round.join().err().map(|_| number))
            .collect()
    });
    assert!(
        failed.is_empty(),
        "{scenario}: rounds {failed:?} failed; EXITDIR_TEST_SEED={seed} repeats them"
    );
}

// ---------------------------------------------------------------- scripts

/// What a command does when it is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// As many servers do.
    ExitsZero,
    /// As a program without a handler does.
    DiesOfIt,
    /// As shells and runtimes do that translate it.
    Exits143,
}

const MANNERS: [Manner; 3] = [Manner::ExitsZero, Manner::DiesOfIt, Manner::Exits143];

/// How a container goes down without being told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accident {
    /// CMD exits with 3.
    Crash,
    /// CMD is killed.
    CommandKilled,
    /// exitdir-run is killed, as the OOM killer would.
    SupervisorKilled,
}

const ACCIDENTS: [Accident; 3] = [
    Accident::Crash,
    Accident::CommandKilled,
    Accident::SupervisorKilled,
];

impl Accident {
    /// What a script says to bring it about.
    fn script(self) -> &'static str {
        match self {
            Accident::Crash => "exit 3",
            Accident::CommandKilled => "kill -KILL $$",
            Accident::SupervisorKilled => "kill -KILL $PPID; read -r line",
        }
    }

    /// What a perl program says to bring it about.
    fn perl(self) -> &'static str {
        match self {
            Accident::Crash => "exit 3",
            Accident::CommandKilled => "kill KILL => $$",
            Accident::SupervisorKilled => "kill KILL => getppid; sleep",
        }
    }

    /// Brings it about in a container whose script is a [`server`] or a [`tcp_server`].
    fn strike(self, pod: &Pod, name: &str) -> bool {
        let signal = match self {
            Accident::Crash => Signal::USR1,
            Accident::CommandKilled => Signal::USR2,
            Accident::SupervisorKilled => Signal::KILL,
        };
        pod.kill(name, signal)
    }

    /// The status that the kubelet sees.
    fn status(self) -> i32 {
        match self {
            Accident::Crash => 3,
            Accident::CommandKilled | Accident::SupervisorKilled => 137,
        }
    }
}

/// Traps for a command that takes its time to stop, and can be made to have an accident.
fn traps(manner: Manner, takes: Duration) -> String {
    let end = match manner {
        Manner::ExitsZero => "exit 0",
        Manner::DiesOfIt => "trap - TERM; kill -TERM $$",
        Manner::Exits143 => "exit 143",
    };
    format!(
        "trap 'sleep {}; {end}' TERM; trap 'exit 3' USR1; trap 'kill -KILL $$' USR2; ",
        takes.as_secs_f64()
    )
}

/// A server: ready after some time, then serves until it is stopped. `wait` is what lets a trap run at once.
fn server(name: &str, ready_after: Duration, manner: Manner, takes: Duration) -> String {
    let traps = traps(manner, takes);
    format!("{traps}{}{SERVE}", becomes_ready(name, ready_after))
}

/// Serves as long as the pod is there.
const SERVE: &str = "exec 3<&0; read -r line <&3 & wait $!";

fn becomes_ready(name: &str, after: Duration) -> String {
    format!("{}; \"$exitdir\" signal --ready {name}; ", pause(after))
}

/// Sleeps so that a trap runs at once.
fn pause(time: Duration) -> String {
    format!("sleep {} & wait $!", time.as_secs_f64())
}

/// The work of a Job, and the proof that it was done.
fn work(time: Duration) -> String {
    format!("{}; : >\"$shared/work-done\"", pause(time))
}

/// A script that does something else the first time(s) that it comes here.
fn for_the_first(times: usize, deed: &str) -> String {
    let all: Vec<String> = (0..times)
        .map(|time| {
            format!("[ -e \"$shared/been-{time}\" ] || {{ : >\"$shared/been-{time}\"; {deed}; }}; ")
        })
        .collect();
    all.concat()
}

/// The proxy of a pod, started when chance says.
fn proxy_of(round: &Round, options: &str, ready_on: ReadyOn, manner: Manner) -> Container {
    let takes = round.millis("the proxy takes to stop", 0, 2500);
    let script = ready_on.server("proxy", ready_on.after(round), manner, takes);
    proxy_with(round, options, ready_on, script)
}

fn proxy_with(round: &Round, options: &str, ready_on: ReadyOn, script: String) -> Container {
    let options = format!("{options} {}", ready_on.option());
    Container::new("proxy", &options, script).after(round.millis("the proxy starts after", 0, 150))
}

fn any_manner(round: &Round) -> Manner {
    round.pick("the proxy, when stopped", &MANNERS)
}

fn job_main(round: &Round, options: &str, script: String) -> Container {
    Container::new("main", options, script).after(round.millis("main starts after", 0, 150))
}

/// Main writes down on which life of the proxy it was born.
const NOTES_PROXY: &str =
    "read -r life <\"$EXIT_DIR/proxy\"; echo \"$life\" >>\"$shared/born-on\"; ";

/// Nobody is born on a dependency that is going down, as far as that could be seen when it was started. Only for a
/// main that [`NOTES_PROXY`] in each of its lives.
fn assert_born_on_a_proxy_that_stays(pod: &Pod) {
    let notes = std::fs::read_to_string(pod.world.path("born-on")).unwrap();
    let notes: Vec<&str> = notes.lines().collect();
    let lives = pod.lives("main");
    assert_eq!(notes.len(), lives.len());
    for (note, life) in notes.into_iter().zip(&lives) {
        assert!(
            !life.going_down.iter().any(|going| going == note),
            "born on {note}, which was going down: {lives:?}"
        );
    }
}

fn is_done(pod: &Pod) -> bool {
    pod.world.path("work-done").exists()
}

// ---------------------------------------------------------------- readiness

/// How it becomes known that a server is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadyOn {
    Start,
    /// It says so itself.
    Signal,
    /// It listens there.
    Tcp(SocketAddrV4),
}

impl ReadyOn {
    fn option(self) -> String {
        match self {
            ReadyOn::Start => String::new(),
            ReadyOn::Signal => "--ready-on signal".to_owned(),
            ReadyOn::Tcp(address) => format!("--ready-on tcp:{address}"),
        }
    }

    /// How long a server takes to become ready. A port is tried every second: some are missed twice.
    fn after(self, round: &Round) -> Duration {
        match self {
            ReadyOn::Start => Duration::ZERO,
            ReadyOn::Signal => round.millis("ready after", 0, 300),
            ReadyOn::Tcp(_) => round.millis("the port opens after", 0, 1200),
        }
    }

    /// What serves until it is stopped.
    fn server(self, name: &str, ready_after: Duration, manner: Manner, takes: Duration) -> String {
        match self {
            ReadyOn::Start => traps(manner, takes) + SERVE,
            ReadyOn::Signal => server(name, ready_after, manner, takes),
            ReadyOn::Tcp(address) => tcp_server(address, ready_after, manner, takes, None),
        }
    }

    /// What main does first: it needs a proxy that is ready.
    fn call(self) -> String {
        match self {
            ReadyOn::Start | ReadyOn::Signal => String::new(),
            ReadyOn::Tcp(address) => first_call(address),
        }
    }
}

/// Plays a scenario in many rounds, half of them with a proxy that listens, if that is possible here.
fn rounds_with_a_proxy(scenario: &str, play: impl Fn(&Round, ReadyOn) + Sync) {
    let perl = is_permitted("perl", Command::new("perl").args(["-MSocket", "-e1"]));
    rounds(scenario, |round| {
        let listens = perl && round.chance("the proxy listens");
        let ready_on = if listens {
            ReadyOn::Tcp(own_address())
        } else {
            ReadyOn::Signal
        };
        play(round, ready_on);
    });
}

/// An address of this round alone: this process has its own host of the loopback network, and every round its own
/// port, below those that the kernel gives to whoever asks for any.
fn own_address() -> SocketAddrV4 {
    static PORT: AtomicU16 = AtomicU16::new(4000);
    // A process id has at most 22 bits (proc_sys_kernel(5)); 127.0.0.1 is everybody's.
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, 64 + high, middle, low);
    SocketAddrV4::new(host, PORT.fetch_add(1, Ordering::Relaxed))
}

/// Opens its port: the words are the host, the port, and after how long.
const LISTEN: &str = r#"
    my ($host, $port, $opens_after) = @ARGV;
    select undef, undef, undef, $opens_after;
    socket my $door, AF_INET, SOCK_STREAM, 0 or die "socket: $!";
    setsockopt $door, SOL_SOCKET, SO_REUSEADDR, 1 or die "setsockopt: $!";
    bind $door, pack_sockaddr_in($port, inet_aton $host) or die "bind: $!";
    listen $door, SOMAXCONN or die "listen: $!";
"#;

/// Answers every call until the pod is gone, which ends standard input, or for `$limit` after the first call.
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

/// Like [`server`], with a port: in perl, which every Debian has, since no shell can listen. It is CMD itself, so
/// that the port is free when CMD has ended.
fn tcp_server(
    address: SocketAddrV4,
    opens_after: Duration,
    manner: Manner,
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
fn perl_traps(manner: Manner, takes: Duration) -> String {
    let end = match manner {
        Manner::ExitsZero => "exit 0",
        Manner::DiesOfIt => "$SIG{TERM} = q(DEFAULT); kill TERM => $$",
        Manner::Exits143 => "exit 143",
    };
    format!(
        "$SIG{{TERM}} = sub {{ select undef, undef, undef, {}; {end} }}; $SIG{{USR1}} = sub {{ {} }}; $SIG{{USR2}} = sub {{ {} }};",
        takes.as_secs_f64(),
        Accident::Crash.perl(),
        Accident::CommandKilled.perl()
    )
}

/// Connects to a port, or exits with 77.
fn call(address: SocketAddrV4) -> String {
    let (host, port) = (address.ip(), address.port());
    format!(
        "perl -MSocket -e 'socket my $s, AF_INET, SOCK_STREAM, 0; connect $s, pack_sockaddr_in($ARGV[1], inet_aton $ARGV[0]) or exit 77' {host} {port}"
    )
}

/// Whoever was born on a proxy that is ready is not refused. What excuses a refusal is that the proxy has gone down
/// since: because it is being stopped, which it says first, or by an accident, for which main is stopped too.
fn first_call(address: SocketAddrV4) -> String {
    let unexcused = format!("{{ {}; exit 77; }}", pause(SOON));
    let stopped = "grep -q \"^Cause: \" \"$EXIT_DIR/proxy\"";
    format!(
        "until {}; do {stopped} || {unexcused}; \"$exitdir\" wait proxy:ready; done; ",
        call(address)
    )
}

// ---------------------------------------------------------------- jobs

const JOB_MAIN: &str = "--birth-deps proxy";
const JOB_PROXY: &str = "--death-deps main";

#[test]
fn a_job_completes_with_its_proxy() {
    rounds_with_a_proxy("job", |round, ready_on| {
        let time = round.millis("main works for", 0, 400);
        let policy = round.pick("policy", &[Policy::Never, Policy::OnFailure]);
        let main = job_main(round, JOB_MAIN, ready_on.call() + &work(time));
        let proxy = proxy_of(round, JOB_PROXY, ready_on, any_manner(round));
        let pod = Pod::start(policy, vec![main, proxy]);
        pod.await_end();
        assert_eq!(pod.statuses("main"), [0]);
        assert_eq!(pod.statuses("proxy"), [0]);
        assert!(is_done(&pod));
    });
}

#[test]
fn when_main_fails_and_nobody_is_restarted_the_proxy_fails_too() {
    rounds_with_a_proxy("job, main fails, Never", |round, ready_on| {
        let fails = format!(
            "{}{}; exit 1",
            ready_on.call(),
            pause(round.millis("main fails after", 0, 400))
        );
        let main = job_main(round, JOB_MAIN, fails);
        let proxy = proxy_of(round, JOB_PROXY, ready_on, any_manner(round));
        let pod = Pod::start(Policy::Never, vec![main, proxy]);
        pod.await_end();
        assert_eq!(pod.statuses("main"), [1]);
        assert_eq!(pod.statuses("proxy"), [143]);
    });
}

#[test]
fn a_job_whose_main_fails_once_is_restarted_whole_and_does_its_work() {
    rounds_with_a_proxy("job, OnFailure", |round, ready_on| {
        main_fails_once(round, ready_on, any_manner(round))
    });
}

#[test]
fn a_proxy_that_exits_0_when_it_is_stopped_is_restarted_with_a_main_that_failed() {
    rounds_with_a_proxy("proxy exits 0 on TERM, OnFailure", |round, ready_on| {
        main_fails_once(round, ready_on, Manner::ExitsZero)
    });
}

fn main_fails_once(round: &Round, ready_on: ReadyOn, manner: Manner) {
    let accident = round.pick("main's accident", &ACCIDENTS);
    let fails = format!(
        "{}; {}",
        pause(round.millis("main fails after", 0, 400)),
        accident.script()
    );
    let works = work(round.millis("main works for", 0, 400));
    let main = job_main(
        round,
        JOB_MAIN,
        NOTES_PROXY.to_owned() + &ready_on.call() + &for_the_first(1, &fails) + &works,
    );
    let proxy = proxy_of(round, JOB_PROXY, ready_on, manner);
    let pod = Pod::start(Policy::OnFailure, vec![main, proxy]);
    pod.await_end();
    assert!(is_done(&pod), "Complete without the work");
    assert_eq!(pod.statuses("main"), [accident.status(), 0]);
    assert_born_on_a_proxy_that_stays(&pod);
    // Once for the accident, and once more if it was back before main was.
    let proxy = pod.statuses("proxy");
    assert!(matches!(proxy[..], [143, 0] | [143, 143, 0]), "{proxy:?}");
}

#[test]
fn a_job_survives_a_proxy_that_crashes_first() {
    rounds_with_a_proxy("proxy crashes first, OnFailure", |round, ready_on| {
        let accident = round.pick("the proxy's accident", &ACCIDENTS);
        let before = round.chance("before it was ready");
        let proxy = proxy_that_crashes_first(round, ready_on, accident, before);
        let stops = traps(
            round.pick("main, when stopped", &MANNERS),
            round.millis("main takes to stop", 0, 2500),
        );
        let works = work(round.millis("main works for", 0, 400));
        let main = job_main(
            round,
            "--birth-deps proxy --death-deps proxy:failed",
            stops + &ready_on.call() + &works,
        );
        let pod = Pod::start(Policy::OnFailure, vec![main, proxy]);
        pod.await_end();
        assert!(is_done(&pod), "Complete without the work");
        let (main, proxy) = (pod.statuses("main"), pod.statuses("proxy"));
        assert!(matches!(main[..], [0] | [143, 0]), "{main:?}");
        // No accident at all if main was done before it came.
        assert!(
            proxy[..] == [accident.status(), 0] || !before && proxy[..] == [0],
            "{proxy:?}"
        );
    });
}

fn proxy_that_crashes_first(
    round: &Round,
    ready_on: ReadyOn,
    accident: Accident,
    before: bool,
) -> Container {
    let lasts = round.millis("the accident comes after", 0, 500);
    let manner = any_manner(round);
    let takes = round.millis("the proxy takes to stop", 0, 2500);
    let ready_after = ready_on.after(round);
    let in_shell = format!("{}; {}", pause(lasts), accident.script());
    let first = match ready_on {
        ReadyOn::Signal if !before => becomes_ready("proxy", ready_after) + &in_shell,
        ReadyOn::Tcp(address) if !before => {
            let accident = Some((lasts, accident));
            tcp_server(address, ready_after, manner, takes, accident)
        }
        _ => in_shell,
    };
    let script = traps(manner, takes)
        + &for_the_first(1, &first)
        + &ready_on.server("proxy", ready_on.after(round), manner, takes);
    let back_off = round.millis("the proxy's back-off", 200, 700);
    proxy_with(round, JOB_PROXY, ready_on, script).back_off(back_off)
}

#[test]
fn a_proxy_that_waits_for_success_stays_while_main_fails_and_is_restarted() {
    rounds_with_a_proxy("proxy stays, OnFailure", |round, ready_on| {
        let accident = round.pick("main's accident", &ACCIDENTS);
        let fails = format!(
            "{}; {}",
            pause(round.millis("main fails after", 0, 300)),
            accident.script()
        );
        let works = work(round.millis("main works for", 0, 300));
        let script = ready_on.call() + &for_the_first(2, &fails) + &works;
        let main = job_main(round, JOB_MAIN, script);
        let proxy = proxy_of(round, "--death-deps main:ok", ready_on, any_manner(round));
        let pod = Pod::start(Policy::OnFailure, vec![main, proxy]);
        pod.await_end();
        assert!(is_done(&pod));
        assert_eq!(
            pod.statuses("main"),
            [accident.status(), accident.status(), 0]
        );
        assert_eq!(pod.statuses("proxy"), [0], "started once");
    });
}

// ---------------------------------------------------------------- pods that live for ever

/// How many lives of a container have ended so far.
fn ends(pod: &Pod, names: &[String]) -> Vec<usize> {
    names.iter().map(|name| pod.statuses(name).len()).collect()
}

/// A pod of containers that are servers, each with its options.
fn servers(round: &Round, members: &[(String, String)], quickest: u64) -> Pod {
    let member = |(name, options): &(String, String)| member(round, name, options, "", quickest);
    Pod::start(Policy::Always, members.iter().map(member).collect())
}

/// A server that may say when it is ready; `first` is what it does before anything else.
fn member(round: &Round, name: &str, options: &str, first: &str, quickest: u64) -> Container {
    let manner = round.pick(&format!("{name}, when stopped"), &MANNERS);
    let takes = round.millis(&format!("{name} takes to stop"), quickest, 2500);
    let ready_on = start_or_signal(round, name);
    let script = ready_on.server(name, ready_on.after(round), manner, takes);
    let options = format!("{options} {}", ready_on.option());
    let delay = round.millis(&format!("{name} starts after"), 0, 100);
    Container::new(name, &options, first.to_owned() + &script).after(delay)
}

fn start_or_signal(round: &Round, name: &str) -> ReadyOn {
    if round.chance(&format!("{name} says when it is ready")) {
        ReadyOn::Signal
    } else {
        ReadyOn::Start
    }
}

/// A main that follows its proxy, which may be back later than main: then main waits for it.
fn deployment(round: &Round, ready_on: ReadyOn) -> Pod {
    let options = "--birth-deps proxy --death-deps proxy";
    let main = member(round, "main", options, &ready_on.call(), 0);
    let proxy = proxy_of(round, "", ready_on, any_manner(round));
    let back_off = round.millis("the proxy's back-off", 200, 700);
    Pod::start(Policy::Always, vec![main, proxy.back_off(back_off)])
}

#[test]
fn a_deployment_comes_back_when_its_proxy_crashes() {
    rounds_with_a_proxy("deployment", |round, ready_on| {
        let ready_on = match ready_on {
            ReadyOn::Tcp(_) => ready_on,
            _ => start_or_signal(round, "proxy"),
        };
        let pod = deployment(round, ready_on);
        pod.settle();
        std::thread::sleep(round.millis("the accident comes after", 0, 300));
        assert!(round.pick("the accident", &ACCIDENTS).strike(&pod, "proxy"));
        pod.await_ends("proxy", 1);
        pod.await_ends("main", 1);
        pod.settle();
        assert_eq!(pod.statuses("main"), [143]);
        assert_eq!(pod.statuses("proxy").len(), 1, "nobody but chance ended it");
    });
}

/// How the members of a pod follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Everybody follows the next one, the last one the first.
    Ring,
    /// Everybody but the last follows the next one.
    Chain,
    /// Everybody follows all others, by name.
    AllForOne,
    /// Everybody follows whoever else there is.
    Anybody,
}

impl Shape {
    /// The names and options of `size` members.
    fn members(self, size: usize) -> Vec<(String, String)> {
        let name = |at: usize| format!("c{at}");
        let names = |all: Vec<usize>| all.into_iter().map(name).collect::<Vec<_>>().join(",");
        let follows = |at: usize| match self {
            Shape::Ring => name((at + 1) % size),
            Shape::Chain if at + 1 == size => String::new(),
            Shape::Chain => name(at + 1),
            Shape::AllForOne => names((0..size).filter(|other| *other != at).collect()),
            Shape::Anybody => ":died".to_owned(),
        };
        let options = |at| match follows(at) {
            nobody if nobody.is_empty() => nobody,
            deps => format!("--death-deps {deps}"),
        };
        (0..size).map(|at| (name(at), options(at))).collect()
    }

    /// Whether the accident of one member is everybody's.
    fn reaches(self, struck: usize, member: usize) -> bool {
        self != Shape::Chain || member <= struck
    }
}

#[test]
fn two_that_die_together_are_both_back_within_two_rounds() {
    rounds("two that die together", |round| {
        accidents_in(round, Shape::Ring, 2, 0)
    });
}

#[test]
fn a_ring_with_slow_stops_comes_back_and_each_ends_at_most_twice_for_an_accident() {
    rounds("ring", |round| {
        accidents_in(round, Shape::Ring, round.pick("size", &[3, 4, 5]), 200)
    });
}

#[test]
fn a_chain_with_slow_stops_comes_back_and_each_ends_at_most_twice_for_an_accident() {
    rounds("chain", |round| {
        accidents_in(round, Shape::Chain, round.pick("size", &[3, 4, 5]), 200)
    });
}

#[test]
fn all_for_one_with_slow_stops_come_back_and_each_ends_at_most_twice_for_an_accident() {
    rounds("all for one", |round| {
        let shape = round.pick("shape", &[Shape::AllForOne, Shape::Anybody]);
        accidents_in(round, shape, round.pick("size", &[3, 4, 5]), 200);
    });
}

/// One accident, two at once, or a second one while the first is being recovered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    One,
    TwoAtOnce,
    OneAndAnother,
}

fn accidents_in(round: &Round, shape: Shape, size: usize, quickest: u64) {
    let members = shape.members(size);
    let names: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
    let pod = servers(round, &members, quickest);
    pod.settle();
    let before = ends(&pod, &names);
    std::thread::sleep(round.millis("the accident comes after", 0, 300));
    let mishap = round.pick(
        "mishap",
        &[Mishap::One, Mishap::TwoAtOnce, Mishap::OneAndAnother],
    );
    let all: Vec<usize> = (0..size).collect();
    let first = round.pick("struck", &all);
    assert!(
        round
            .pick("accident", &ACCIDENTS)
            .strike(&pod, &names[first])
    );
    let mut bound = 2;
    if mishap != Mishap::One {
        if mishap == Mishap::OneAndAnother {
            std::thread::sleep(round.millis("the second one comes after", 1, 2500));
            bound += 2;
        }
        // It may be down already: then this is none.
        round
            .pick("second accident", &ACCIDENTS)
            .strike(&pod, &names[round.pick("struck too", &all)]);
    }
    let reached: Vec<usize> = all
        .into_iter()
        .filter(|member| shape.reaches(first, *member))
        .collect();
    for member in &reached {
        pod.await_ends(&names[*member], before[*member] + 1);
    }
    pod.settle();
    let ends: Vec<usize> = ends(&pod, &names)
        .iter()
        .zip(&before)
        .map(|(after, before)| after - before)
        .collect();
    assert!(
        ends.iter().all(|ends| *ends <= bound),
        "each ends at most twice for each accident: {names:?} {ends:?}"
    );
}

// ---------------------------------------------------------------- restarts in place

/// The word is main's own about when it goes down, or comes from outside at any time.
#[test]
fn a_death_that_is_said_during_restarts_in_place_is_not_lost() {
    rounds("signal during a restart in place", |round| {
        let lasts = round.millis("main lasts for", 0, 40);
        let code = round.pick("the word is exit code", &[0, 5]);
        let own = round.chance("it is main's own");
        let says = format!(
            "{{ sleep {}; exec \"$exitdir\" signal -c {code} main; }} & :",
            round.millis("said after", 0, 40).as_secs_f64()
        );
        let first = if own {
            for_the_first(1, &says)
        } else {
            String::new()
        };
        let script = format!("{first}{}; exit 3", pause(lasts));
        let main = Container::new("main", "--restart always", script);
        let proxy = proxy_of(round, JOB_PROXY, ReadyOn::Signal, any_manner(round));
        let pod = Pod::start(Policy::Never, vec![main, proxy]);
        if !own {
            pod.world.await_key("main", "Born");
            std::thread::sleep(round.millis("said after", 0, 2500));
            let said = pod.world.signal(["-c", &code.to_string(), "main"]).finish();
            assert_eq!((said.status, said.stderr.as_str()), (0, ""));
        }
        pod.await_ends("proxy", 1);
        assert_eq!(pod.statuses("proxy"), [if code == 0 { 0 } else { 143 }]);
        let record = format!("\nExitCode: {code}\nReason: said\nDied: ");
        assert!(
            pod.statuses("main").is_empty(),
            "said dead, and not stopped"
        );
        std::thread::sleep(round.millis("main goes on for", 0, 1200));
        assert!(pod.kill("main", Signal::TERM));
        pod.await_end();
        // It may have been about to end by itself.
        let main = pod.statuses("main");
        assert!(matches!(main[..], [143] | [3]), "{main:?}");
        let text = pod.world.tombstone("main");
        assert!(text.contains(&record), "{text}");
        assert_eq!(text.matches("\nDied: ").count(), 1, "{text}");
        assert!(text.matches("\nReady: ").count() <= 1, "{text}");
    });
}

// ---------------------------------------------------------------- without a word

/// What main does when its supervisor is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Waiting,
    Running,
    /// Because it was told to from outside.
    Stopping,
    /// For a death dependency, which its tombstone names as the cause.
    StoppingForAnother,
}

#[test]
fn when_mains_supervisor_is_killed_main_is_lost_and_the_proxy_stops_at_once() {
    rounds_with_a_proxy("SIGKILL of main's supervisor", |round, ready_on| {
        let doings = [
            Doing::Waiting,
            Doing::Running,
            Doing::Stopping,
            Doing::StoppingForAnother,
        ];
        let doing = round.pick("main is", &doings);
        let pod = start_job_that_loses_main(round, ready_on, doing);
        bring_main_to(&pod, doing);
        std::thread::sleep(round.millis("the kill comes after", 0, 400));
        let killed = Instant::now();
        assert!(pod.kill("main", Signal::KILL));
        pod.await_end();
        assert_eq!(pod.statuses("main"), [137]);
        let [
            Life {
                end: Some((at, status)),
                ..
            },
        ] = pod.lives("proxy")[..]
        else {
            panic!("{:?}", pod.lives("proxy"))
        };
        assert_eq!(status, 143);
        assert!(
            at.duration_since(killed) < SOON,
            "{:?}",
            at.duration_since(killed)
        );
        assert_eq!(pod.world.wait(["main:lost", "-t", "0"]).finish().status, 0);
        let table = pod.world.applet("status").finish().stdout;
        let row = table
            .lines()
            .find(|line| line.starts_with("main "))
            .unwrap();
        assert_eq!(row.split_whitespace().nth(1), Some("lost"), "{table}");
    });
}

fn start_job_that_loses_main(round: &Round, ready_on: ReadyOn, doing: Doing) -> Pod {
    // Told to stop, it reads until the pod is gone.
    let slow = format!(
        "trap 'read -r line' TERM; {}{}{SERVE}",
        ready_on.call(),
        becomes_ready("main", Duration::ZERO)
    );
    let options = match doing {
        Doing::StoppingForAnother => "--birth-deps proxy --death-deps other --ready-on signal",
        Doing::Waiting | Doing::Running | Doing::Stopping => "--birth-deps proxy --ready-on signal",
    };
    let takes = round.millis("the proxy takes to stop", 0, 300);
    let manner = any_manner(round);
    let proxy = match doing {
        Doing::Waiting => traps(manner, takes) + SERVE,
        _ => ready_on.server("proxy", ready_on.after(round), manner, takes),
    };
    let mut containers = vec![
        Container::new("main", options, slow),
        proxy_with(round, JOB_PROXY, ready_on, proxy),
    ];
    if doing == Doing::StoppingForAnother {
        containers.push(Container::new(
            "other",
            "",
            format!("trap 'exit 3' USR1; {SERVE}"),
        ));
    }
    Pod::start(Policy::Never, containers)
}

fn bring_main_to(pod: &Pod, doing: Doing) {
    if doing == Doing::Waiting {
        pod.world.await_key("main", "Waiting");
        pod.world.await_key("proxy", "Born");
        return;
    }
    pod.await_ready();
    match doing {
        Doing::Waiting | Doing::Running => {}
        Doing::Stopping => assert!(pod.kill("main", Signal::TERM)),
        Doing::StoppingForAnother => {
            assert!(pod.kill("other", Signal::USR1));
            assert_eq!(pod.world.await_key("main", "Cause"), "other");
        }
    }
}

// ---------------------------------------------------------------- drain

/// The kubelet runs preStop, waits for its end, and then sends TERM; containers without one get it at once.
#[test]
fn while_a_pod_drains_main_keeps_its_proxy() {
    rounds_with_a_proxy("drain", |round, ready_on| {
        let drains = pause(round.millis("main drains for", 0, 2500));
        let last_call = match ready_on {
            ReadyOn::Tcp(address) => call(address),
            ReadyOn::Start | ReadyOn::Signal => "true".to_owned(),
        };
        // Looks for its proxy when it has drained, and exits with what it has found.
        let main = format!(
            "looks() {{ \"$exitdir\" wait proxy:ready -t 0 && {last_call}; }}; trap '{drains}; looks; exit $?' TERM; {}{}{SERVE}",
            ready_on.call(),
            becomes_ready("main", Duration::ZERO)
        );
        let follows = round.chance("the proxy follows main");
        let options = if follows { JOB_PROXY } else { "" };
        let manner = any_manner(round);
        let proxy = proxy_of(round, options, ready_on, manner);
        let main = job_main(round, "--birth-deps proxy --ready-on signal", main);
        let pod = Pod::start(Policy::Never, vec![main, proxy]);
        pod.await_ready();
        std::thread::sleep(round.millis("the end comes after", 0, 300));
        let pre_stop = pod.world.wait(["main", "-t", "25s"]).start();
        assert!(pod.kill("main", Signal::TERM));
        assert_eq!(pre_stop.end().status, 0);
        // It may be over already: it follows main.
        pod.kill("proxy", Signal::TERM);
        pod.await_end();
        assert_eq!(
            pod.statuses("main"),
            [0],
            "its proxy was ready until it had drained"
        );
        let proxy = pod.statuses("proxy");
        let own = if manner == Manner::ExitsZero { 0 } else { 143 };
        assert!(
            proxy[..] == [own] || follows && proxy[..] == [0],
            "{proxy:?}"
        );
    });
}

// ---------------------------------------------------------------- corpses

/// A tombstone that somebody else left, in every state there is.
fn foreign_corpses() -> Vec<(&'static str, &'static str)> {
    let lock = "Lock: fcntl 6f1c9a3e-0000-0000-0000-000000000000 8:1 131\n";
    let began = "Waiting: \"2026-11-20T21:29:27.101220417Z\"\n";
    let born = "Born: \"2026-11-20T21:29:27.955560995Z\"\n";
    let ready = "Ready: \"2026-11-20T21:29:28.101220417Z\"\n";
    let died = |code: &str| {
        format!(
            "{began}{lock}{born}{ready}ExitCode: {code}\nReason: exited\nDied: \"2026-11-20T21:29:40.312004518Z\"\n"
        )
    };
    vec![
        ("empty", String::new()),
        ("garbage", "\u{1}\u{2} not a tombstone".to_owned()),
        (
            "kubexit's, alive",
            "Born: 2026-11-20T21:29:27Z\n".to_owned(),
        ),
        (
            "kubexit's, dead",
            "Born: 2026-11-20T21:29:27Z\nDied: 2026-11-20T21:29:29Z\nExitCode: -1\n".to_owned(),
        ),
        ("waiting", format!("{began}Lock: none\n")),
        ("born", format!("{began}Lock: none\n{born}")),
        ("ready", format!("{began}Lock: none\n{born}{ready}")),
        (
            "going down",
            format!("{began}Lock: none\n{born}{ready}Cause: main\n"),
        ),
        (
            "inactive",
            format!("{began}Lock: none\n{born}Inactive: \"2026-11-20T21:29:31.001220417Z\"\n"),
        ),
        ("of another boot", format!("{began}{lock}{born}{ready}")),
        ("ok", died("0")),
        ("failed", died("3")),
    ]
    .into_iter()
    .map(|(what, text): (&'static str, String)| (what, &*text.leak()))
    .collect()
}

/// Kills the supervisors of a first pod, so that its tombstones are lost ones of this boot.
fn leave_lost_ones(round: &Round, world: World) -> World {
    let slow = |name: &str, options: &str| Container::new(name, options, SERVE);
    let doing = round.pick("main was", &["waiting", "running"]);
    let proxy = if doing == "waiting" {
        "--ready-on signal"
    } else {
        ""
    };
    let pod = Pod::start_in(
        world,
        Policy::Never,
        vec![slow("main", JOB_MAIN), slow("proxy", proxy)],
    );
    let key = if doing == "waiting" {
        "Waiting"
    } else {
        "Born"
    };
    pod.world.await_key("main", key);
    pod.world.await_key("proxy", "Born");
    assert!(pod.kill("main", Signal::KILL) && pod.kill("proxy", Signal::KILL));
    pod.await_end();
    pod.into_world()
}

#[test]
fn after_a_sweep_a_pod_begins_as_the_first_time() {
    rounds_with_a_proxy("pod-wide restart", |round, ready_on| {
        let mut world = World::new();
        if round.chance("both were lost") {
            world = leave_lost_ones(round, world);
        } else {
            std::fs::create_dir(world.dir()).unwrap();
            for name in ["main", "proxy"] {
                let (what, text) = round.pick(name, &foreign_corpses());
                assert!(!what.is_empty());
                std::fs::write(world.dir().join(name), text).unwrap();
            }
        }
        std::fs::write(world.dir().join(".proxy.new"), "Waiting: \"2026").unwrap();
        std::fs::create_dir(world.dir().join("lost+found")).unwrap();
        let sweep = world.applet("install").arg("--sweep").finish();
        assert_eq!(sweep.status, 0, "{}", sweep.stderr);
        assert_eq!(world.entries(), ["lost+found"]);

        let works = work(round.millis("main works for", 0, 300));
        let main = job_main(round, JOB_MAIN, ready_on.call() + &works);
        let proxy = proxy_of(round, JOB_PROXY, ready_on, any_manner(round));
        let pod = Pod::start_in(world, Policy::OnFailure, vec![main, proxy]);
        pod.await_end();
        assert!(is_done(&pod));
        assert_eq!(pod.statuses("main"), [0]);
        assert_eq!(pod.statuses("proxy"), [0]);
    });
}

// ---------------------------------------------------------------- by hand

#[test]
fn a_script_that_signals_by_hand_may_fail_and_be_restarted_before_it_succeeds() {
    rounds("signal by hand", |round| {
        let fails = pause(round.millis("the work fails after", 0, 300));
        let works = work(round.millis("main works for", 0, 300));
        let script = format!(
            "\"$exitdir\" signal --ready main; ( {}{works} ); code=$?; \"$exitdir\" signal -c $code main; exit $code",
            for_the_first(1, &format!("{fails}; exit 4"))
        );
        let main = Container::bare("main", script).after(round.millis("main starts after", 0, 150));
        let proxy = proxy_of(
            round,
            "--death-deps main:ok",
            ReadyOn::Signal,
            any_manner(round),
        );
        let pod = Pod::start(Policy::OnFailure, vec![main, proxy]);
        let waits = pod.world.wait(["main:ok", "--keep-waiting"]).start();
        pod.await_end();
        assert!(is_done(&pod));
        assert_eq!(pod.statuses("main"), [4, 0]);
        assert_eq!(pod.statuses("proxy"), [0], "started once");
        assert_eq!(waits.end().status, 0);
    });
}
