//! What an event costs in a large directory, counted in instructions, and many waiters at once.
//!
//! The cost of one event is the difference between many and twice as many.

use crate::support::inspect::{await_any_sleep, await_sleep_after, await_watch};
use crate::support::proc::has_inotify;
use crate::support::requirements::{is_long_run, is_permitted};
use crate::support::sandbox::{Running, Sandbox, Start, binary};
use crate::support::users::{as_user, installed, open_to_all};
use crate::support::valgrind::{COUNTER, can_count_instructions, instructions};
use rustix::fs::FlockOperation;
use rustix::process::{Resource, Rlimit};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const EVENTS: usize = 40;
const SIZES: [usize; 3] = [10, 1_000, 10_000];
const COUNTED_USER: u32 = 64_200;
const FIRST_WAITING_USER: u32 = 64_300;

/// A directory full of live tombstones, whose locks one other process holds. If this process held
/// them, every process that other tests start would have thousands of descriptors to close.
struct FullDirectory {
    sandbox: Sandbox,
    binary: PathBuf,
    size: usize,
    /// The first few, open for writing.
    files: Vec<File>,
    _holder: Running,
}

/// Variables that tell the holder the directory and the number of locks.
const HOLDER_DIR: &str = "HOLDER_DIR";
const HOLDER_SIZE: &str = "HOLDER_SIZE";

impl FullDirectory {
    fn of(size: usize) -> FullDirectory {
        let sandbox = Sandbox::new();
        let binary = installed(&sandbox);
        open_to_all(&sandbox);
        // The test's name is its path without the name of the crate.
        let (_, module) = module_path!().split_once("::").unwrap();
        let holder = sandbox
            .command(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{module}::holder"), "--ignored"])
            .env(HOLDER_DIR, sandbox.path("."))
            .env(HOLDER_SIZE, size.to_string())
            .stdout(Stdio::null())
            .start();
        sandbox.await_file("held");
        let open = |at| {
            File::options()
                .write(true)
                .open(sandbox.dir().join(name(at)))
        };
        let files = (0..9).map(|at| open(at).unwrap()).collect();
        FullDirectory {
            sandbox,
            binary,
            size,
            files,
            _holder: holder,
        }
    }

    /// The applet with valgrind around it, as a user whose inotify instances no other test uses.
    fn counted(&self, words: &[&str]) -> Command {
        let mut command = self.sandbox.command("valgrind");
        as_user(&mut command, COUNTED_USER)
            .args(COUNTER)
            .arg(&self.binary)
            .args(words);
        command
    }

    /// The instructions of a waiting process for so many events, and then its end.
    fn spent(&self, words: &[&str], events: usize) -> u64 {
        let length = self.files[0].metadata().unwrap().len();
        let mut process = self.counted(words).start();
        let mut wakes = await_watch(&process);
        for event in 0..events {
            // Alternates between the tombstone of the condition and another one.
            let at = if event % 2 == 0 { 0 } else { 1 + event % 8 };
            // Writes the text that is there already.
            self.files[at].write_all_at(b"Waiting", 0).unwrap();
            wakes = await_sleep_after(&process, wakes);
        }
        assert!(process.is_running(), "no life has ended: {words:?}");
        let signal = self.sandbox.signal([name(0)]).finish();
        assert_eq!(signal.status, 0, "{}", signal.stderr);
        let ended = process.end();
        assert!([0, 143].contains(&ended.status), "{words:?}: {ended:?}");
        // Without the death record the first one lives again.
        self.files[0].set_len(length).unwrap();
        instructions(&ended.stderr)
    }

    /// The instructions of a waiting process for one event.
    fn spent_for_one(&self, words: &[&str]) -> u64 {
        let (once, twice) = (self.spent(words, EVENTS), self.spent(words, 2 * EVENTS));
        twice.saturating_sub(once) / EVENTS as u64
    }
}

fn name(at: usize) -> String {
    format!("t{at}")
}

/// Not a test, but the process that holds the locks until it is killed.
#[test]
#[ignore = "a process that another test starts"]
fn holder() {
    let (Some(root), Ok(size)) = (std::env::var_os(HOLDER_DIR), std::env::var(HOLDER_SIZE)) else {
        return;
    };
    raise_descriptor_limit();
    let root = PathBuf::from(root);
    let dir = root.join("graveyard");
    // The text of a real life; only the inode in it differs from one to the next.
    let model = Command::new(binary())
        .args([
            "run",
            "-n",
            "model",
            "--",
            "sh",
            "-c",
            // The command can run before its birth is recorded.
            "until grep -q Ready \"$EXIT_DIR/model\"; do sleep 0.01; done; cat \"$EXIT_DIR/model\"",
        ])
        .output()
        .unwrap();
    let model = String::from_utf8(model.stdout).unwrap();
    assert!(model.contains("Lock: fcntl"), "{model:?}");
    std::fs::remove_file(dir.join("model")).unwrap();
    let lives = (0..size.parse().unwrap()).map(|at| live(&dir.join(name(at)), &model));
    let _held: Vec<File> = lives.collect();
    File::create(root.join("held")).unwrap();
    loop {
        std::thread::park();
    }
}

/// A tombstone whose lock this process holds, with the text of another one.
fn live(path: &Path, model: &str) -> File {
    let file = File::options().write(true).create_new(true).open(path);
    let file = file.unwrap();
    rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    let inode = file.metadata().unwrap().ino();
    let lines = model.lines().map(|line| match line.rsplit_once(' ') {
        Some((lock, _)) if line.starts_with("Lock: ") => format!("{lock} {inode}\n"),
        _ => format!("{line}\n"),
    });
    let text: String = lines.collect();
    file.write_all_at(text.as_bytes(), 0).unwrap();
    file
}

#[test]
fn an_event_costs_the_same_in_a_directory_of_ten_and_of_ten_thousand() {
    let Some(full_directories) = full_directories(&SIZES) else {
        return;
    };
    let for_one = |words: &[&str], full_directories: &[FullDirectory]| {
        let costs: Vec<u64> = full_directories
            .iter()
            .map(|directory| directory.spent_for_one(words))
            .collect();
        println!("{words:?}: {costs:?} instructions for one event among {SIZES:?}");
        let (first, last) = (costs[0], costs[costs.len() - 1]);
        assert!(first > 0, "{words:?}: no event was counted");
        assert!(
            last * 2 <= first * 3,
            "{words:?}: {costs:?} among {SIZES:?}"
        );
    };
    for_one(&["wait", "--poll", "off", "t0"], &full_directories);
    for_one(
        &[
            "run",
            "--poll",
            "off",
            "--death-deps",
            "t0",
            "--",
            "sleep",
            "600",
        ],
        &full_directories,
    );
    // The first scan of all of them takes long under valgrind.
    let few = if is_long_run() { SIZES.len() } else { 2 };
    for_one(
        &["wait", "--poll", "off", ":died"],
        &full_directories[..few],
    );
}

#[test]
fn status_is_linear_in_the_number_of_tombstones() {
    let sizes = [1_000, 10_000];
    let Some(full_directories) = full_directories(&sizes) else {
        return;
    };
    let costs: Vec<u64> = full_directories
        .iter()
        .map(|directory| {
            let ended = directory.counted(&["status"]).finish();
            assert_eq!(ended.status, 0, "{}", ended.stderr);
            let ready = ended.stdout.matches(" ready ").count();
            assert_eq!(ready, directory.size, "all of them live");
            instructions(&ended.stderr)
        })
        .collect();
    println!("status: {costs:?} instructions for {sizes:?} tombstones");
    assert!(costs[1] <= 12 * costs[0], "{costs:?} for {sizes:?}");
}

/// Full directories, if instructions can be counted here and a process may hold that many locks.
fn full_directories(sizes: &[usize]) -> Option<Vec<FullDirectory>> {
    let counting = can_count_instructions();
    let largest = sizes.iter().max().copied().unwrap_or_default() as u64;
    let limit = rustix::process::getrlimit(Resource::Nofile).maximum;
    let may_hold = if limit.is_none_or(|limit| limit > largest + 100) {
        "true"
    } else {
        "false"
    };
    let what = format!("holding {largest} descriptors");
    let possible = counting && is_permitted(&what, &mut Command::new(may_hold));
    possible.then(|| sizes.iter().map(|size| FullDirectory::of(*size)).collect())
}

fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(Resource::Nofile, raised).unwrap();
}

/// The number of users; each of them may have 128 inotify instances by default.
const WAITING_USERS: u32 = 10;

#[test]
fn a_thousand_waiters_on_one_directory_all_end_after_the_signal() {
    let sandbox = Sandbox::new();
    let binary = installed(&sandbox);
    open_to_all(&sandbox);
    // Events wake all waiters except more than half of the last user's, which find no inotify
    // instance left and poll.
    let user = |at: u32| FIRST_WAITING_USER + (at / 80).min(WAITING_USERS - 1);
    let waiters: Vec<Running> = (0..1_000)
        .map(|at| {
            let mut wait = sandbox.command(&binary);
            let wait = as_user(&mut wait, user(at)).args(["wait", "--poll", "off", "main"]);
            wait.stdout(Stdio::null()).stderr(Stdio::null()).start()
        })
        .collect();
    for waiter in &waiters {
        await_any_sleep(waiter);
    }
    let watching = waiters.iter().filter(|waiter| has_inotify(waiter.pid()));
    println!(
        "{} of 1000 waiters have an inotify instance",
        watching.count()
    );
    sandbox.record_death("main", "0");
    for waiter in waiters {
        let ended = waiter.end();
        assert_eq!(ended.status, 0, "{ended:?}");
    }
}
