//! The programs beside the random attacker. For a minute, or for an hour in a long run, they do
//! what they are for, while the attacker does what it likes to their directories.
//!
//! `EXITDIR_TEST_SEED` repeats the sequence of attacks, but not their moments.

use super::attacker;
use crate::support::hostile::{Canaries, as_attacker, attacker_is_permitted};
use crate::support::proc::{
    ProcStat, anonymous_memory, children, has_inotify, work_before_reading,
};
use crate::support::random::seed;
use crate::support::requirements::is_long_run;
use crate::support::sandbox::{Running, Sandbox, Start, entries, eventually, wait_until, words};
use crate::support::signals::{KILL, TERM, USR1, send};
use crate::support::users::set_mode;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How much processor time of its own a supervisor may use before it passes a signal on.
const PROMPT: Duration = Duration::from_millis(300);
/// How much a program may grow, in bytes.
const GROWTH: u64 = 2 << 20;

/// CMD of the life that is attacked most: it counts the signals that it gets.
const SERVER: &str = "trap 'echo x >>\"$LOG\"' USR1; trap : HUP; \
                      echo \"$NOTIFY_SOCKET\" >\"$SOCKET\"; echo started >>\"$LOG\"; \
                      while :; do sleep 0.02; done";

#[test]
fn beside_a_random_attacker_every_program_does_what_it_is_for() {
    if !attacker_is_permitted() {
        return;
    }
    let attack = Attack::new();
    let leader = attack.leader("leader");
    let last = attack.leader("last");
    let server = attack.server();
    let mut others = attack.followers();
    let watched: Vec<Watched> = others.iter().chain([&server]).map(Watched::new).collect();
    let attackers: Vec<Running> = (0..2).map(|number| attack.attacker(number)).collect();
    let before = entries(&attack.sandbox.path("."));

    let began = Instant::now();
    let length = match is_long_run() {
        true => Duration::from_secs(3_600),
        false => Duration::from_secs(60),
    };
    let mut round = 0;
    while began.elapsed() < length {
        round += 1;
        attack.assert_prompt(&server);
        attack.use_each_program(round);
        watched.iter().for_each(|one| one.assert_small(attack.seed));
        attack.canaries.assert_unchanged();
        // Not often: the pause before a restart grows with each.
        if matches!(round, 5 | 10 | 15) || round.is_multiple_of(500) {
            attack.end_command(&server);
        }
    }

    // The attack goes on while the deaths are noticed.
    last.send(TERM);
    let unnamed = others.remove(0);
    assert_eq!(unnamed.end().status, 143, "the follower of each code 77");
    leader.send(KILL);
    assert_eq!(server.end().status, 143, "the server");
    for other in others {
        assert!(
            [0, 143].contains(&other.end().status),
            "a follower of leader"
        );
    }
    drop(attackers);
    attack.canaries.assert_unchanged();
    assert_eq!(
        entries(&attack.sandbox.path(".")),
        before,
        "entries outside"
    );
}

struct Attack {
    sandbox: Sandbox,
    canaries: Canaries,
    seed: u64,
}

impl Attack {
    fn new() -> Attack {
        let sandbox = Sandbox::new();
        set_mode(&sandbox.path("."), 0o755);
        let canaries = Canaries::plant(&sandbox);
        for directory in [sandbox.dir(), sandbox.path("src"), sandbox.path("shared")] {
            std::fs::create_dir(&directory).unwrap();
            set_mode(&directory, 0o777);
        }
        for (name, minor) in [("null", "3"), ("zero", "5")] {
            // The attacker may rename and link it, and not make it.
            let device = sandbox.dir().join(name);
            let mut mknod = sandbox.command("mknod");
            let made = mknod.arg(device).args(["c", "1", minor]).status();
            assert!(made.unwrap().success(), "a device");
        }
        std::fs::write(sandbox.path("src/app.conf"), "one").unwrap();
        // The path of the build may be closed to the hostile user.
        std::fs::copy(std::env::current_exe().unwrap(), sandbox.path("attacker")).unwrap();
        Attack {
            sandbox,
            canaries,
            seed: seed(),
        }
    }

    /// A life whose death the others wait for. It ends with 77 on TERM.
    fn leader(&self, name: &str) -> Running {
        let command = "trap 'exit 77' TERM; while :; do sleep 0.02; done";
        let run = self.sandbox.run(["-qn", name, "--", "sh", "-c", command]);
        let life = quiet(run);
        self.sandbox.await_key(name, "Ready");
        life
    }

    /// The life that is attacked most: with configuration, a socket, and restarts in place.
    fn server(&self) -> Running {
        let mut run = self.sandbox.run(["-qn", "main", "--death-deps", "leader"]);
        run.args([
            "--restart",
            "always",
            "--ready-on",
            "notify",
            "--on-config",
            "HUP",
        ]);
        let (source, target) = (self.sandbox.path("src"), self.sandbox.path("shared/run"));
        let config = format!("{}={}", source.display(), target.display());
        run.args(["--config", &config, "--", "sh", "-c", SERVER]);
        run.env("LOG", self.sandbox.path("log"));
        run.env("SOCKET", self.sandbox.path("socket"));
        let server = quiet(run);
        self.sandbox.await_key("main", "Born");
        self.sandbox.await_file("log");
        server
    }

    /// Processes that follow a name, or all names. The first waits for any life that ends with 77.
    fn followers(&self) -> Vec<Running> {
        let active = self.sandbox.path("src/active");
        let active = active.to_str().unwrap();
        let commands = [
            self.sandbox
                .run(words("-qn third --death-deps :exit=77 -- sleep 100000")),
            self.sandbox
                .run(words("-qn second --death-deps leader -- sleep 100000")),
            self.sandbox.run([
                "-q",
                "--death-deps",
                "leader",
                "--active-while",
                active,
                "--",
                "sleep",
                "100000",
            ]),
            self.sandbox.wait(words("leader")),
        ];
        let followers: Vec<Running> = commands.into_iter().map(quiet).collect();
        for follower in &followers {
            wait_until("it watches", || has_inotify(follower.pid()));
        }
        followers
    }

    fn attacker(&self, number: u64) -> Running {
        let mut command = as_attacker(&self.sandbox, self.sandbox.path("attacker"));
        let (_, module) = module_path!().split_once("::").unwrap();
        let test = module.replace("random_attack", "attacker::attack_until_killed");
        command.args(["--exact", &test, "--ignored"]);
        let directories = ["src", "shared"].map(|name| self.sandbox.path(name));
        let directories = [self.sandbox.dir()].into_iter().chain(directories);
        command.env(
            attacker::DIRECTORIES,
            std::env::join_paths(directories).unwrap(),
        );
        command.env(attacker::OUTSIDE, self.canaries.path());
        command.env(attacker::SOCKET, self.sandbox.path("socket"));
        command.env(attacker::SEED, format!("{} {number}", self.seed));
        quiet(command)
    }

    /// Sends a signal, and looks how much the supervisor does before it reads it. CMD gets it too.
    fn assert_prompt(&self, server: &Running) {
        let count = self.sandbox.lines("log").len();
        let used = work_before_reading(server, USR1);
        assert!(
            used < PROMPT,
            "{used:?} of work before a signal, seed {}",
            self.seed
        );
        wait_until(format!("USR1 arrives, seed {}", self.seed), || {
            self.sandbox.lines("log").len() > count
        });
    }

    /// Programs that come and go. What they can do depends on the attacker, but they end, and a
    /// life that is not attacked is not taken for dead.
    fn use_each_program(&self, round: u64) {
        let name = format!("s{}", round % 3);
        let quick = ["-qn", "quick", "--birth-deps", "leader", "--", "true"];
        let uses = [
            (self.sandbox.applet("status"), &[0][..]),
            (self.sandbox.signal(["-c", "3", &name]), &[0, 1, 125]),
            (self.sandbox.run(quick), &[0, 125]),
            (self.sandbox.wait(["-t", "0", "leader"]), &[124]),
            (self.sandbox.wait(["-t", "0", "leader:ready"]), &[0]),
        ];
        for (command, statuses) in uses {
            self.assert_end(command, statuses);
        }
        if round.is_multiple_of(7) {
            let mut sweep = self.sandbox.applet("install");
            sweep.arg("--sweep");
            self.assert_end(sweep, &[0]);
        }
    }

    fn assert_end(&self, mut command: Command, statuses: &[i32]) {
        let what = format!("{command:?}");
        let ended = command.finish();
        let is_expected = statuses.contains(&ended.status);
        assert!(is_expected, "seed {}: {what}: {ended:?}", self.seed);
    }

    /// Ends CMD of the server, which is then restarted in place: its tombstone is replaced.
    fn end_command(&self, server: &Running) {
        let is_shell = |pid: &i32| ProcStat::of(*pid).is_some_and(|child| child.name == "sh");
        let command = eventually("the server has a command", || {
            children(server.pid()).into_iter().find(is_shell)
        });
        let count = self.sandbox.lines("log").len();
        send(command, KILL);
        wait_until("the server has another command", || {
            self.sandbox.lines("log").len() > count
        });
    }
}

/// Without pipes for the output: the test does not read it.
fn quiet(mut command: Command) -> Running {
    command.stdout(Stdio::null()).stderr(Stdio::null()).start()
}

/// A program whose memory is looked at.
struct Watched {
    pid: i32,
    memory: u64,
}

impl Watched {
    fn new(process: &Running) -> Watched {
        let pid = process.pid();
        let memory = anonymous_memory(pid);
        Watched { pid, memory }
    }

    fn assert_small(&self, seed: u64) {
        let grown = anonymous_memory(self.pid).saturating_sub(self.memory);
        let command = std::fs::read_to_string(format!("/proc/{}/cmdline", self.pid));
        let command = command.unwrap_or_default().replace('\0', " ");
        assert!(
            grown <= GROWTH,
            "{grown} bytes more, seed {seed}: {command}"
        );
    }
}
