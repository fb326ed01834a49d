//! What users come with: whole pods of plain processes, restarted as the kubelet would restart them,
//! in many rounds with random delays, slow stops, and accidents of several kinds.
//!
//! `EXITDIR_TEST_SEED` repeats a run; a round that fails prints it, with everything it knows.
//! Readiness is said by the command itself (`--ready-on signal`, `exitdir-signal --ready`).

use crate::kubelet::{Container, Life, Pod, Policy};
use crate::world::{Start, World};
use rustix::process::Signal;
use std::cell::RefCell;
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

    /// Brings it about in a container whose script is a [`server`].
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

fn proxy_of(round: &Round, options: &str, manner: Manner) -> Container {
    let takes = round.millis("the proxy takes to stop", 0, 2500);
    let ready_after = round.millis("the proxy is ready after", 0, 300);
    let container = Container::new(
        "proxy",
        options,
        server("proxy", ready_after, manner, takes),
    );
    container.after(round.millis("the proxy starts after", 0, 150))
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

// ---------------------------------------------------------------- jobs

const JOB_MAIN: &str = "--birth-deps proxy";
const JOB_PROXY: &str = "--death-deps main --ready-on signal";

/// With `--ready-on signal` in place of `tcp:P`.
#[test]
fn a_job_completes_with_its_proxy() {
    rounds("job", |round| {
        let time = round.millis("main works for", 0, 400);
        let policy = round.pick("policy", &[Policy::Never, Policy::OnFailure]);
        let main = job_main(round, JOB_MAIN, work(time));
        let pod = Pod::start(
            policy,
            vec![main, proxy_of(round, JOB_PROXY, any_manner(round))],
        );
        pod.await_end();
        assert_eq!(pod.statuses("main"), [0]);
        assert_eq!(pod.statuses("proxy"), [0]);
        assert!(is_done(&pod));
    });
}

/// With `--ready-on signal` in place of `tcp:P`.
#[test]
fn when_main_fails_and_nobody_is_restarted_the_proxy_fails_too() {
    rounds("job, main fails, Never", |round| {
        let fails = format!(
            "{}; exit 1",
            pause(round.millis("main fails after", 0, 400))
        );
        let main = job_main(round, JOB_MAIN, fails);
        let pod = Pod::start(
            Policy::Never,
            vec![main, proxy_of(round, JOB_PROXY, any_manner(round))],
        );
        pod.await_end();
        assert_eq!(pod.statuses("main"), [1]);
        assert_eq!(pod.statuses("proxy"), [143]);
    });
}

/// With `--ready-on signal` in place of `tcp:P`.
#[test]
fn a_job_whose_main_fails_once_is_restarted_whole_and_does_its_work() {
    rounds("job, OnFailure", |round| {
        main_fails_once(round, any_manner(round))
    });
}

/// With `--ready-on signal` in place of `tcp:P`.
#[test]
fn a_proxy_that_exits_0_when_it_is_stopped_is_restarted_with_a_main_that_failed() {
    rounds("proxy exits 0 on TERM, OnFailure", |round| {
        main_fails_once(round, Manner::ExitsZero)
    });
}

fn main_fails_once(round: &Round, manner: Manner) {
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
        NOTES_PROXY.to_owned() + &for_the_first(1, &fails) + &works,
    );
    let pod = Pod::start(
        Policy::OnFailure,
        vec![main, proxy_of(round, JOB_PROXY, manner)],
    );
    pod.await_end();
    assert!(is_done(&pod), "Complete without the work");
    assert_eq!(pod.statuses("main"), [accident.status(), 0]);
    assert_born_on_a_proxy_that_stays(&pod);
    // Once for the accident, and once more if it was back before main was.
    let proxy = pod.statuses("proxy");
    assert!(matches!(proxy[..], [143, 0] | [143, 143, 0]), "{proxy:?}");
}

/// With `--ready-on signal` in place of `tcp:P`.
#[test]
fn a_job_survives_a_proxy_that_crashes_first() {
    rounds("proxy crashes first, OnFailure", |round| {
        let accident = round.pick("the proxy's accident", &ACCIDENTS);
        let before = round.chance("before it was ready");
        let ready = if before {
            String::new()
        } else {
            becomes_ready("proxy", round.millis("ready after", 0, 200))
        };
        let lasts = pause(round.millis("the accident comes after", 0, 500));
        let manner = any_manner(round);
        let takes = round.millis("the proxy takes to stop", 0, 2500);
        let script = traps(manner, takes)
            + &for_the_first(1, &format!("{ready}{lasts}; {}", accident.script()))
            + &becomes_ready("proxy", round.millis("ready again after", 0, 200))
            + SERVE;
        let stops = traps(
            round.pick("main, when stopped", &MANNERS),
            round.millis("main takes to stop", 0, 2500),
        );
        let works = work(round.millis("main works for", 0, 400));
        let main = job_main(
            round,
            "--birth-deps proxy --death-deps proxy:failed",
            stops + &works,
        );
        let proxy = Container::new("proxy", JOB_PROXY, script)
            .after(round.millis("the proxy starts after", 0, 150))
            .back_off(round.millis("the proxy's back-off", 200, 700));
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

/// With `--ready-on signal` in place of `tcp:P`.
#[test]
fn a_proxy_that_waits_for_success_stays_while_main_fails_and_is_restarted() {
    rounds("proxy stays, OnFailure", |round| {
        let accident = round.pick("main's accident", &ACCIDENTS);
        let fails = format!(
            "{}; {}",
            pause(round.millis("main fails after", 0, 300)),
            accident.script()
        );
        let script = for_the_first(2, &fails) + &work(round.millis("main works for", 0, 300));
        let main = job_main(round, JOB_MAIN, script);
        let options = "--death-deps main:ok --ready-on signal";
        let pod = Pod::start(
            Policy::OnFailure,
            vec![main, proxy_of(round, options, any_manner(round))],
        );
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
    let member = |(name, options): &(String, String)| {
        let manner = round.pick(&format!("{name}, when stopped"), &MANNERS);
        let takes = round.millis(&format!("{name} takes to stop"), quickest, 2500);
        let (how, ready_after) = if round.chance(&format!("{name} says when it is ready")) {
            ("--ready-on signal", round.millis("ready after", 0, 200))
        } else {
            ("", Duration::ZERO)
        };
        let script = match how {
            "" => traps(manner, takes) + SERVE,
            _ => server(name, ready_after, manner, takes),
        };
        let container = Container::new(name, &format!("{options} {how}"), script);
        let container = container.after(round.millis(&format!("{name} starts after"), 0, 100));
        match name.as_str() {
            // Back later than those who need it: they wait.
            "proxy" => container.back_off(round.millis("the proxy's back-off", 200, 700)),
            _ => container,
        }
    };
    Pod::start(Policy::Always, members.iter().map(member).collect())
}

#[test]
fn a_deployment_comes_back_when_its_proxy_crashes() {
    rounds("deployment", |round| {
        let members = [
            (
                "main".to_owned(),
                "--birth-deps proxy --death-deps proxy".to_owned(),
            ),
            ("proxy".to_owned(), String::new()),
        ];
        let pod = servers(round, &members, 0);
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
        let proxy = proxy_of(round, JOB_PROXY, any_manner(round));
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

/// With `--ready-on signal` in place of `tcp:P`.
#[test]
fn when_mains_supervisor_is_killed_main_is_lost_and_the_proxy_stops_at_once() {
    rounds("SIGKILL of main's supervisor", |round| {
        let doings = [
            Doing::Waiting,
            Doing::Running,
            Doing::Stopping,
            Doing::StoppingForAnother,
        ];
        let doing = round.pick("main is", &doings);
        let pod = start_job_that_loses_main(round, doing);
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

fn start_job_that_loses_main(round: &Round, doing: Doing) -> Pod {
    // Told to stop, it reads until the pod is gone.
    let slow = format!(
        "trap 'read -r line' TERM; {}{SERVE}",
        becomes_ready("main", Duration::ZERO)
    );
    let options = match doing {
        Doing::StoppingForAnother => "--birth-deps proxy --death-deps other --ready-on signal",
        Doing::Waiting | Doing::Running | Doing::Stopping => "--birth-deps proxy --ready-on signal",
    };
    let takes = round.millis("the proxy takes to stop", 0, 300);
    let ready = if doing == Doing::Waiting {
        String::new()
    } else {
        becomes_ready("proxy", Duration::ZERO)
    };
    let proxy = traps(any_manner(round), takes) + &ready + SERVE;
    let mut containers = vec![
        Container::new("main", options, slow),
        Container::new("proxy", JOB_PROXY, proxy),
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
    rounds("drain", |round| {
        let drains = pause(round.millis("main drains for", 0, 2500));
        // Looks for its proxy when it has drained, and exits with what it has found.
        let main = format!(
            "trap '{drains}; \"$exitdir\" wait proxy:ready -t 0; exit $?' TERM; {}{SERVE}",
            becomes_ready("main", Duration::ZERO)
        );
        let follows = round.chance("the proxy follows main");
        let options = if follows {
            JOB_PROXY
        } else {
            "--ready-on signal"
        };
        let manner = any_manner(round);
        let proxy = proxy_of(round, options, manner);
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
    rounds("pod-wide restart", |round| {
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
        let main = job_main(round, JOB_MAIN, works);
        let proxy = proxy_of(round, JOB_PROXY, any_manner(round));
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
            "--death-deps main:ok --ready-on signal",
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
