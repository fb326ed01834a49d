//! Containers of different users that share one exit directory, on a volume that is open to all or
//! sticky, on disk and in memory.

use crate::support::inspect::assert_sentence;
use crate::support::requirements::strace_can_inject;
use crate::support::sandbox::{Running, Sandbox, Start, binary, eventually, words};
use crate::support::signals::TERM;
use crate::support::users::{POD_USERS, User, open_to_all, pod_users_are_permitted};
use crate::support::volumes::{Volume, memory_is_here};

/// Volumes of every mode, on disk and in memory. One that has a setgid bit passes it on.
fn volumes() -> Vec<Volume> {
    let media = [false, true].into_iter();
    let media = media.filter(|in_memory| !in_memory || memory_is_here());
    let modes = [0o777, 0o1777, 0o2777];
    let with_modes = |in_memory| modes.map(|mode| Volume::new(in_memory, mode));
    media.flat_map(with_modes).collect()
}

fn pairs() -> impl Iterator<Item = (&'static User, &'static User)> {
    let pairs = |first| POD_USERS.iter().map(move |second| (first, second));
    let pairs = POD_USERS.iter().flat_map(pairs);
    pairs.filter(|(first, second)| first.name != second.name)
}

#[test]
fn below_any_volume_every_user_replaces_and_removes_what_another_one_left() {
    if !pod_users_are_permitted() {
        return;
    }
    for (number, volume) in volumes().iter().enumerate() {
        // Each pair gets a volume on disk and one in memory.
        for (first, second) in pairs().skip(number % 3).step_by(3) {
            // The first user makes the directory.
            volume.succeed(first, "run -n main -- true");
            assert_eq!(volume.mode() & !0o2000, 0o777, "{}", first.name);
            volume.shell(first, "echo x >.main.new; echo x >.open.new");
            volume.shell(first, "chmod 0666 .open.new");
            volume.succeed(second, "run -n main -- true");
            volume.succeed(second, "signal open");
            volume.succeed(first, "signal -c 3 main");
            assert_eq!(volume.key("main", "ExitCode").as_deref(), Some("3"));
            let sweep = volume.applet(second, "install --sweep").finish();
            assert_eq!(sweep.status, 0, "{}", sweep.stderr);
            assert_eq!(volume.entries(), [""; 0]);
            volume.clear();
        }
    }
}

#[test]
fn every_user_signals_and_follows_a_life_of_another_one() {
    if !pod_users_are_permitted() {
        return;
    }
    for (volume, (first, second)) in volumes().iter().cycle().zip(pairs()) {
        let life = "run -n main --ready-on signal -- sleep 1000";
        let life = volume.applet(first, life).start();
        eventually("main is born", || volume.key("main", "Born"));
        let taken = volume.applet(second, "run -n main -- true").finish();
        assert_sentence(&taken, "exitdir-run", 125);
        volume.succeed(second, "signal --ready main");
        let follower = "run -n other --death-deps main -- sleep 1000";
        let follower = volume.applet(second, follower).start();
        volume.succeed(first, "wait main:ready other:ready");
        life.send(TERM);
        assert_eq!(life.end().status, 143);
        assert_eq!(follower.end().status, 143, "{}", second.name);
        volume.clear();
    }
}

#[test]
fn users_that_create_the_directory_at_once_all_use_it() {
    if !pod_users_are_permitted() {
        return;
    }
    for mut volume in volumes() {
        for below in ["tombstones", "pod/tombstones"] {
            volume.set_dir(below);
            for user in &POD_USERS {
                let lives = |user| volume.applet(user, "run -n main -- true").start();
                let signals = |user: &User| {
                    let name = user.name.replace(' ', "-");
                    let line = format!("signal {name}");
                    volume.applet(user, &line).start()
                };
                let lives: Vec<Running> = POD_USERS.iter().map(lives).collect();
                let signals: Vec<Running> = POD_USERS.iter().map(signals).collect();
                for ended in signals.into_iter().map(Running::end) {
                    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{below}");
                }
                for ended in lives.into_iter().map(Running::end) {
                    let is_taken = ended.stderr.contains("a running process holds it");
                    assert!(ended.status == 0 || is_taken, "{ended:?}");
                }
                volume.succeed(user, "run -n last -- true");
                volume.clear();
            }
        }
    }
}

#[test]
fn a_staging_file_of_another_user_that_is_published_meanwhile_is_no_error() {
    if !strace_can_inject() {
        return;
    }
    // It is closed to others for a moment, or gone after it was there.
    let refused = "-e inject=open,openat:error=EACCES:when=2";
    let lost = "-e inject=open,openat:error=EEXIST:when=1";
    for (faults, line) in [(refused, "signal main"), (lost, "run -n main -- true")] {
        let sandbox = Sandbox::new();
        if faults == refused {
            open_to_all(&sandbox);
            std::fs::write(sandbox.dir().join(".main.new"), "").unwrap();
        }
        let mut command = sandbox.command("strace");
        command.args(words("-qq -o /dev/null -e trace=open,openat -P"));
        command.arg(".main.new"); // below a descriptor of the directory
        command.args(words(faults)).arg(binary()).args(words(line));
        let ended = command.finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{line}");
        assert_eq!(sandbox.entries(), ["main"]);
    }
}

/// Sticky volumes, on disk and in memory, whose root is the exit directory. The owner of a
/// directory may remove everything in it, so that is a user with no other part in the test.
fn sticky_volumes() -> Vec<Volume> {
    let media = [false, true].into_iter();
    let media = media.filter(|in_memory| !in_memory || memory_is_here());
    let sticky = |in_memory| {
        let mut volume = Volume::new(in_memory, 0o1777);
        volume.set_dir(".");
        std::os::unix::fs::chown(volume.path(""), Some(1002), None).unwrap();
        volume
    };
    media.map(sticky).collect()
}

#[test]
fn what_another_user_left_in_a_sticky_directory_is_an_error_that_names_the_remedy() {
    if !pod_users_are_permitted() {
        return;
    }
    let [other, root, bare_root, owner, _] = &POD_USERS;
    for mut volume in sticky_volumes() {
        volume.succeed(owner, "signal main");
        volume.shell(owner, "echo x >.open.new; echo x >.closed.new");
        volume.shell(owner, "chmod 0666 .open.new");
        for user in [other, bare_root] {
            for (line, obstacle) in [
                ("run -n main -- echo started", "main"),
                ("signal -c 3 main", "main"),
                ("run -n open -- echo started", ".open.new"),
                ("signal closed", ".closed.new"),
            ] {
                let ended = volume.applet(user, line).finish();
                let applet = line.split(' ').next().unwrap();
                let (path, dir) = (volume.path(obstacle), volume.path(""));
                let expected = format!(
                    "exitdir-{applet}: cannot replace {path}: it belongs to uid 1001 and {dir} is \
                     sticky; set EXIT_DIR to a directory below it, as in EXIT_DIR={dir}/tombstones\n"
                );
                assert_eq!(ended.stderr, expected, "{line}");
                ended.assert_output(125, "");
            }
        }
        assert_eq!(volume.entries(), [".closed.new", ".open.new", "main"]);
        volume.succeed(owner, "run -n main -- true");
        volume.succeed(root, "signal open");
        volume.set_dir("tombstones");
        volume.succeed(other, "run -n main -- true");
    }
}

#[test]
fn a_life_that_begins_in_a_sticky_directory_names_a_tombstone_of_another_user_once() {
    if !pod_users_are_permitted() {
        return;
    }
    let [other, _, _, owner, _] = &POD_USERS;
    for volume in sticky_volumes() {
        volume.succeed(owner, "run -n main -- true");
        volume.succeed(owner, "run -n main -- true");
        let ended = volume.applet(other, "run -n other -- true").finish();
        let (path, dir) = (volume.path("main"), volume.path(""));
        let expected = format!(
            "exitdir-run: {path} belongs to uid 1001, so uid 65532 cannot replace it: {dir} is \
             sticky; set EXIT_DIR to a directory below it, as in EXIT_DIR={dir}/tombstones\n"
        );
        assert_eq!(ended.stderr, expected);
        ended.assert_output(0, "");
        volume.succeed(other, "run -q -n other -- true");
        volume.succeed(other, "run --birth-deps main:ok -- true");
        volume.succeed(other, "wait main");
    }
}
