//! The staging file `.NAME.new`, which any process that may write to the exit directory can create
//! first: as a link, a special file, a directory, a large file, or one with a lock or a lease.

use crate::support::hostile::{Canaries, as_attacker, attack, attacker_is_permitted};
use crate::support::inspect::assert_sentence;
use crate::support::proc::descriptors;
use crate::support::requirements::perl_is_here;
use crate::support::restart_life::without_delays;
use crate::support::sandbox::{Ended, Running, Sandbox, Start, eventually, wait_until, words};
use crate::support::signals::TERM;
use crate::support::users::{open_to_all, set_mode};
use rustix::fs::{CWD, RenameFlags};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// A sandbox whose exit directory is open to the hostile user; `None` if a test cannot have one.
fn shared() -> Option<Sandbox> {
    attacker_is_permitted().then(|| {
        let sandbox = Sandbox::new();
        set_mode(&sandbox.path("."), 0o755);
        open_to_all(&sandbox);
        sandbox
    })
}

/// Each program that creates a tombstone as `main`, and one that removes it.
fn publish(sandbox: &Sandbox, how: &str) -> Ended {
    match how {
        "run" => sandbox.run(["-n", "main", "--", "true"]).finish(),
        "signal" => sandbox.signal(["main"]).finish(),
        _ => {
            fs::write(sandbox.dir().join("main"), "x").unwrap();
            sandbox.applet("install").arg("--sweep").finish()
        }
    }
}

const PUBLISHERS: [&str; 3] = ["run", "signal", "sweep"];

/// A life that restarts in place each time that a file `go` appears.
fn restarting(sandbox: &Sandbox) -> Running {
    let script = "until test -e \"$0\"; do sleep 0.01; done; rm \"$0\"";
    let life = sandbox.run([
        "-n",
        "main",
        "--restart",
        "always",
        "--",
        "sh",
        "-c",
        script,
    ]);
    let mut life = life;
    life.arg(sandbox.path("go")).start()
}

fn inode(sandbox: &Sandbox, entry: &str) -> Option<u64> {
    let stat = fs::symlink_metadata(sandbox.dir().join(entry));
    stat.ok().map(|stat| stat.ino())
}

/// A process of the hostile user that holds a lease of the file until it is ended.
fn hold(sandbox: &Sandbox, what: &str, entry: &str) -> Running {
    let script = format!(
        "use Fcntl; open my $f, '+>>', $ARGV[0] or die; chmod 0666, $ARGV[0]; {what} \
         open my $g, '>', $ARGV[1] or die; sleep 1000"
    );
    let mut perl = as_attacker(sandbox, "perl");
    perl.args(["-e", &script]).arg(sandbox.dir().join(entry));
    let perl = perl.arg(sandbox.dir().join("held")).start();
    wait_until("it holds the file", || sandbox.dir().join("held").exists());
    fs::remove_file(sandbox.dir().join("held")).unwrap();
    perl
}

/// A lease for reading needs a descriptor that cannot write.
const LEASE: &str = "close $f; open $f, '<', $ARGV[0] or die; $SIG{IO} = 'IGNORE'; \
                     fcntl($f, 1024, F_RDLCK) or die;";
/// A lease for writing also makes readers wait.
const WRITE_LEASE: &str = "close $f; open $f, '+<', $ARGV[0] or die; $SIG{IO} = 'IGNORE'; \
                           fcntl($f, 1024, F_WRLCK) or die;";

#[test]
fn a_hard_link_to_its_own_tombstone_does_not_cost_a_supervisor_its_lock() {
    let Some(sandbox) = shared() else {
        return;
    };
    let life = restarting(&sandbox);
    sandbox.await_key("main", "Ready");
    let before = inode(&sandbox, "main");
    attack(&sandbox, "ln graveyard/main graveyard/.main.new");
    sandbox.touch("go");
    wait_until("the tombstone is replaced", || {
        inode(&sandbox, "main") != before
    });
    sandbox.await_key("main", "Ready");
    assert!(!sandbox.holds("main:died"));
    let second = sandbox.run(["-n", "main", "--", "true"]).finish();
    assert_sentence(&second, "exitdir-run", 125);
    life.send(TERM);
    let stderr = life.end().stderr;
    assert_eq!(
        without_delays(&stderr),
        "exitdir-run: sh exited with 0: restarting it\n"
    );
}

#[test]
fn a_hard_link_to_another_file_is_removed_and_the_file_is_not_touched() {
    let Some(sandbox) = shared() else {
        return;
    };
    let file = sandbox.path("ledger");
    for how in PUBLISHERS {
        fs::write(&file, "precious\n").unwrap();
        // So that the hostile user may link it.
        set_mode(&file, 0o666);
        attack(&sandbox, "ln ledger graveyard/.main.new");
        set_mode(&file, 0o640);
        let ended = publish(&sandbox, how);
        assert_eq!(ended.status, 0, "{how}: {ended:?}");
        let stat = fs::metadata(&file).unwrap();
        let found = (stat.mode() & 0o7777, stat.nlink(), stat.size());
        assert_eq!(found, (0o640, 1, 9), "{how}");
        assert_eq!(inode(&sandbox, ".main.new"), None, "{how}");
        let _ = fs::remove_file(sandbox.dir().join("main"));
    }
}

#[test]
fn a_death_is_not_appended_to_a_file_that_is_linked_as_a_tombstone() {
    let Some(sandbox) = shared() else {
        return;
    };
    let file = sandbox.path("ledger");
    fs::write(&file, "precious: 1\n").unwrap();
    set_mode(&file, 0o666);
    attack(&sandbox, "ln ledger graveyard/main");
    let ended = sandbox.signal(["-c", "3", "main"]).finish();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(sandbox.read("ledger"), "precious: 1\n");
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("3"));
}

#[test]
fn links_fifos_sockets_and_devices_as_staging_files_are_removed() {
    let Some(sandbox) = shared() else {
        return;
    };
    let canaries = Canaries::plant(&sandbox);
    let socket = "perl -e 'use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0); \
                  bind(S, pack_sockaddr_un($ARGV[0])) or die' graveyard/.main.new";
    for make in [
        "ln -s ../canaries/etc/passwd graveyard/.main.new",
        "ln -s nowhere graveyard/.main.new",
        "mkfifo graveyard/.main.new",
        socket,
        "head -c 100000 /dev/zero >graveyard/.main.new; chmod 666 graveyard/.main.new",
        ": >graveyard/.main.new; chmod 0 graveyard/.main.new",
    ] {
        if make == socket && !perl_is_here() {
            continue;
        }
        for how in PUBLISHERS {
            attack(&sandbox, make);
            let ended = publish(&sandbox, how);
            assert_eq!(ended.status, 0, "{make}, {how}: {ended:?}");
            assert_eq!(inode(&sandbox, ".main.new"), None, "{make}, {how}");
            let _ = fs::remove_file(sandbox.dir().join("main"));
        }
    }
    canaries.assert_unchanged();
}

#[test]
fn a_directory_as_staging_file_is_an_error_that_says_so() {
    let Some(sandbox) = shared() else {
        return;
    };
    attack(&sandbox, "mkdir graveyard/.main.new");
    let ended = sandbox.signal(["main"]).finish();
    assert_sentence(&ended, "exitdir-signal", 125);
    assert!(
        ended.stderr.contains("is a directory; remove it"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains(".main.new"), "{ended:?}");
}

#[test]
fn a_lease_on_a_staging_file_or_a_tombstone_makes_no_program_wait() {
    let Some(sandbox) = shared().filter(|_| perl_is_here()) else {
        return;
    };
    let _leases = [".main.new", "main"].map(|entry| hold(&sandbox, LEASE, entry));
    // The kernel breaks a lease after 45 s.
    let mut signal = sandbox.command("timeout");
    signal.arg("20").arg(crate::support::sandbox::binary());
    let ended = signal.args(["signal", "-c", "3", "main"]).finish();
    assert!([0, 125].contains(&ended.status), "{ended:?}");
    assert_eq!(inode(&sandbox, ".main.new"), None);
}

#[test]
fn a_tombstone_with_a_lease_is_named_as_such() {
    let Some(sandbox) = shared().filter(|_| perl_is_here()) else {
        return;
    };
    let _lease = hold(&sandbox, WRITE_LEASE, "db");
    for mut program in [
        sandbox.wait(["-t", "0", "db:ready"]),
        sandbox.signal(["-c", "3", "db"]),
    ] {
        let ended = program.finish();
        assert_eq!(ended.status, 125, "{ended:?}");
        assert!(ended.stderr.contains("holds a lease on it"), "{ended:?}");
    }
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_leaves_no_staging_file() {
    let sandbox = Sandbox::new();
    sandbox.record_death("x", "0");
    for (code, status) in [("3", 125), ("0", 0)] {
        let mut shell = sandbox.command("sh");
        shell.args(["-c", "ulimit -f 0; exec \"$0\" signal -c \"$1\" main"]);
        let ended = shell
            .arg(crate::support::sandbox::binary())
            .arg(code)
            .finish();
        assert_eq!(ended.status, status, "{ended:?}");
        assert!(!ended.stderr.trim_end().contains('\n'), "{ended:?}");
        assert_eq!(inode(&sandbox, ".main.new"), None);
    }
    let text = eventually("there is an empty tombstone", || {
        fs::read_to_string(sandbox.dir().join("main")).ok()
    });
    assert_eq!(text, "");
}

#[test]
fn a_command_is_killed_by_the_limit_of_file_sizes_as_without_a_supervisor() {
    let sandbox = Sandbox::new();
    let script = "ulimit -f 0; exec head -c 1 /dev/zero >\"$0\"";
    let mut run = sandbox.run(["-q", "--", "sh", "-c", script]);
    assert_eq!(run.arg(sandbox.path("out")).finish().status, 153);
}

/// Between the look at a name and its opening, another file can get the name. A descriptor of our
/// own tombstone that was opened like that cannot be closed again.
#[test]
fn exchanging_a_name_with_our_own_tombstone_does_not_use_up_the_descriptors() {
    let sandbox = Sandbox::new();
    let arguments = words("-qn main --death-deps foo:failed -- sleep 600");
    let life = sandbox.run(arguments).start();
    sandbox.await_key("main", "Ready");
    let (foo, bar) = (sandbox.dir().join("foo"), sandbox.dir().join("bar"));
    fs::write(&foo, "Born: \"x\"\n").unwrap();
    fs::hard_link(sandbox.dir().join("main"), &bar).unwrap();
    let before = descriptors(life.pid()).len();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        for _ in 0..20 {
            let exchange = RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(CWD, &foo, CWD, &bar, exchange).unwrap();
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    // One for an opened tombstone of foo, one for a scan that goes on.
    let held = descriptors(life.pid());
    assert!(held.len() <= before + 4, "{before} before, now {held:?}");
    life.send(TERM);
    assert_eq!(life.end().status, 143);
}
