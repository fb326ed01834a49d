//! Hostile, hasty or unusual environments of a managed application's sources, copies and checks.
//! Without periodic rescans.

use crate::managed::check::HANGING;
use crate::support::inspect::assert_sentence;
use crate::support::managed_app::{
    ConfiguredApp, ReloadBy, await_rest, make_fifo, mode, replace, write, write_check,
};
use crate::support::proc::{await_gone, descriptors};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Running, Sandbox, Start, binary, entries, eventually, wait_until};
use crate::support::signals::TERM;
use crate::support::users::{as_nobody, installed, nobody_is_permitted, set_mode};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The user that owns the directory in which root writes.
const NOBODY_ID: u32 = 65534;

/// A life with this script as its command. Standard error goes to a file, since a check that hangs
/// would hold a pipe open.
fn supervise(sandbox: &Sandbox, words: &[&str], script: &str) -> Running {
    let mut run = sandbox.run(["--poll", "off"]);
    run.args(words)
        .args(["--", "sh", "-c", script])
        .current_dir(sandbox.path("."))
        .stdout(Stdio::null())
        .stderr(fs::File::create(sandbox.path("stderr")).unwrap());
    run.start()
}

fn said(sandbox: &Sandbox) -> String {
    sandbox.read("stderr")
}

/// A source `tree`, which is a directory with a file.
fn sandbox_with_tree() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("tree")).unwrap();
    write(&sandbox, "tree/app.conf", "1");
    sandbox
}

/// Checks that a process uses less than half of a CPU during an action. A busy loop would use
/// nearly all that it can get.
#[track_caller]
fn assert_calm_while(process: &Running, action: impl FnOnce()) {
    let (before, began) = (busy(process), Instant::now());
    action();
    let (passed, taken) = (began.elapsed(), busy(process) - before);
    assert!(taken * 2 < passed, "{taken:?} of {passed:?}");
}

/// The processor time of a process.
fn busy(process: &Running) -> Duration {
    let times = fs::read_to_string(format!("/proc/{}/schedstat", process.pid())).unwrap();
    let running = times.split_whitespace().next().unwrap().parse().unwrap();
    assert_ne!(running, 0, "this kernel does not count");
    Duration::from_nanos(running)
}

/// Replaces every hidden file by a link to a file, and every hidden directory by a link to a
/// directory.
const ATTACKER: &str = r#"
    my ($file, $directory) = @ARGV;
    my $number = 0;
    open(my $started, ">", "attacking");
    while (opendir(my $dir, ".")) {
        for my $name (grep(/\.exitdir/, readdir($dir))) {
            next if -l $name or !-e _;
            if (-d _) {
                rename($name, "away" . $number++);
                symlink($directory, $name);
            } else {
                symlink($file, "link");
                rename("link", $name);
            }
        }
    }
"#;

/// Everything that root could be tricked into changing.
fn state(path: &Path) -> String {
    let stat = fs::metadata(path).unwrap();
    let content = fs::read_to_string(path).unwrap_or_default();
    let (mode, owner) = (stat.mode(), stat.uid());
    format!("{mode:o} {owner} {content:?} {:?}", entries(path))
}

#[test]
fn root_follows_no_links_planted_in_a_directory_open_to_all() {
    /// The sources of each round. In ten rounds that makes 30 changes of files and 30 of
    /// directories.
    const SOURCES: [&str; 3] = ["1", "2", "3"];
    const ROUNDS: u32 = 10;
    let mut perl = Command::new("perl");
    if !nobody_is_permitted() || !is_permitted("perl", perl.args(["-e", "1"])) {
        return;
    }
    let sandbox = Sandbox::new();
    set_mode(&sandbox.path("."), 0o755);
    fs::create_dir(sandbox.path("open")).unwrap();
    set_mode(&sandbox.path("open"), 0o777);
    chown(sandbox.path("open"), Some(NOBODY_ID), Some(NOBODY_ID)).unwrap();
    let (file, directory) = (sandbox.path("victim"), sandbox.path("victims"));
    write(&sandbox, "victim", "secret");
    set_mode(&file, 0o600);
    fs::create_dir(&directory).unwrap();
    write(&sandbox, "victims/kept", "secret");
    set_mode(&directory, 0o700);
    let victims = || {
        [
            state(&file),
            state(&directory),
            state(&directory.join("kept")),
        ]
    };
    let before = victims();
    let lay = |text: &str| {
        // Large, so that the attacker has time to interfere.
        let large = text.repeat(1 << 20);
        for source in SOURCES {
            let plain = sandbox.path(&format!("{source}.conf"));
            fs::write(&plain, &large).unwrap();
            set_mode(&plain, 0o666);
            let tree = sandbox.path(&format!("tree{source}"));
            fs::create_dir_all(&tree).unwrap();
            for number in 0..30 {
                fs::write(tree.join(number.to_string()), text).unwrap();
            }
        }
    };
    lay("a");
    let config = |source: &&str| {
        [
            format!("{source}.conf=open/{source}.conf"),
            format!("tree{source}=open/tree{source}"),
        ]
    };
    let configs = SOURCES
        .iter()
        .flat_map(config)
        .collect::<Vec<_>>()
        .join(",");
    let words = ["--config", &configs, "--on-config", "HUP"];
    let script = "trap : HUP; touch started; while test -e started; do sleep 0.02; done";
    let running = supervise(&sandbox, &words, script);
    sandbox.await_file("started");
    let mut attacker = as_nobody(&sandbox, "perl");
    attacker
        .args(["-e", ATTACKER])
        .args([&file, &directory])
        .current_dir(sandbox.path("open"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _attacker = attacker.start();
    sandbox.await_file("open/attacking");
    for round in 0..ROUNDS {
        lay(["b", "c"][round as usize % 2]);
        await_rest(&running);
        assert_eq!(victims(), before, "after round {round}: {}", said(&sandbox));
    }
}

#[test]
fn a_set_user_id_file_of_another_user_is_copied_without_the_bit() {
    if !nobody_is_permitted() {
        return;
    }
    // The copy belongs to the user that makes it: root, or the user nobody.
    for (owner, run_by_nobody) in [(NOBODY_ID, false), (0, true)] {
        let sandbox = Sandbox::new();
        let program = installed(&sandbox);
        set_mode(&sandbox.path("."), 0o777);
        write(&sandbox, "app.conf", "1");
        chown(sandbox.path("app.conf"), Some(owner), Some(owner)).unwrap();
        set_mode(&sandbox.path("app.conf"), 0o6755);
        let mut run = match run_by_nobody {
            true => as_nobody(&sandbox, program),
            false => sandbox.command(program),
        };
        run.arg("run");
        let words = ["--config", "app.conf=run/app.conf"];
        let app = ConfiguredApp::of(sandbox, run, ReloadBy::Hup, "run/app.conf", &words);
        app.await_log(&["started 1"]);
        assert_eq!(mode(&app.sandbox.path("run/app.conf")), 0o755);
        assert_eq!(app.said(), "");
    }
}

#[test]
fn a_directory_with_a_part_that_cannot_be_read_is_refused_until_it_can_be() {
    if !nobody_is_permitted() {
        return;
    }
    let start = |words: &[&str]| {
        let sandbox = sandbox_with_tree();
        let program = installed(&sandbox);
        set_mode(&sandbox.path("."), 0o777);
        fs::create_dir(sandbox.path("tree/sub")).unwrap();
        write(&sandbox, "tree/sub/part", "x");
        // Its names can be read, but not its files.
        set_mode(&sandbox.path("tree/sub"), 0o744);
        let mut run = as_nobody(&sandbox, program);
        run.arg("run").args(["--config", "tree=copy"]);
        ConfiguredApp::of(sandbox, run, ReloadBy::Hup, "copy/app.conf", words)
    };
    let refused = "cannot use tree: sub/part: Permission denied\n";
    let waiting = start(&[]);
    let opened = start(&[]);
    opened.await_words("cannot use");
    await_rest(&opened.running);
    set_mode(&opened.sandbox.path("tree/sub"), 0o755);
    opened.await_log(&["started 1"]);
    assert_eq!(opened.sandbox.read("copy/sub/part"), "x\n");
    assert_eq!(opened.said(), refused);
    waiting.await_words("cannot use");
    waiting.running.send(TERM);
    let ConfiguredApp {
        running, sandbox, ..
    } = waiting;
    assert_eq!(running.end().status, 143);
    assert_eq!(sandbox.lines("log"), [""; 0]);
    assert!(said(&sandbox).contains(refused), "{}", said(&sandbox));
    assert!(!sandbox.path("copy").exists());
}

#[test]
fn three_supervisors_started_at_once_can_copy_to_one_directory() {
    let sandbox = sandbox_with_tree();
    fs::create_dir_all(sandbox.path("run/copy")).unwrap();
    for round in 0..20 {
        let words = ["--config", "tree=run/copy", "--", "true"];
        let start = || sandbox.run(words).current_dir(sandbox.path(".")).start();
        let three = [start(), start(), start()];
        for running in three {
            let ended = running.end();
            let result = (ended.status, ended.stderr.as_str());
            assert_eq!(result, (0, ""), "round {round}");
        }
        assert_eq!(entries(&sandbox.path("run")), ["copy"], "round {round}");
        assert_eq!(
            entries(&sandbox.path("run/copy")),
            ["app.conf"],
            "round {round}"
        );
    }
}

#[test]
fn a_second_supervisor_of_a_name_leaves_the_candidate_of_the_first_alone() {
    let sandbox = sandbox_with_tree();
    fs::create_dir(sandbox.path("copy")).unwrap();
    write_check(
        &sandbox,
        "touch asked; while test -e asked && ! test -e go; do sleep 0.01; done; cat \"$1\"/app.conf",
    );
    let words = ["-n", "app", "--config", "tree=copy"];
    let check = ["--config-check", "./check"];
    let all = [&words[..], &check].concat();
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "copy/app.conf", &all);
    app.sandbox.await_file("asked");
    let mut second = app.sandbox.run(words);
    second.args(["--", "true"]);
    let ended = second.current_dir(app.sandbox.path(".")).finish();
    assert_sentence(&ended, "exitdir-run", 125);
    write(&app.sandbox, "go", "");
    app.await_log(&["started 1"]);
    assert_eq!(app.said(), "1\n");
}

#[test]
fn a_change_while_descendants_are_stopped_costs_little_cpu() {
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    let script = "trap '' TERM; while test -e app.conf && ! test -e end; do sleep 0.02; done &";
    let words = [
        "--wait-descendants",
        "--grace-period",
        "1m",
        "--config",
        "app.conf=run/app.conf",
    ];
    let mut running = supervise(&sandbox, &words, script);
    wait_until("the stop", || said(&sandbox).contains("left by"));
    replace(&sandbox, "app.conf", "2");
    // Much longer than changes settle.
    assert_calm_while(&running, || std::thread::sleep(Duration::from_millis(800)));
    assert!(running.is_running());
    write(&sandbox, "end", "");
    assert_eq!(running.end().status, 0);
}

#[test]
fn a_copy_that_cannot_be_installed_beside_its_source_is_retried_a_few_times() {
    // A mount point cannot be replaced, and the supervisor cannot know that before.
    const CHECK: &str = "echo >>asked; case $(cat \"$1\") in \
                         2) test -e taken || mount --bind run/copy run/copy && touch taken ;; \
                         3) umount run/copy ;; esac";
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("run")).unwrap();
    write(&sandbox, "run/app.conf", "1");
    write_check(&sandbox, CHECK);
    let inside = |program: &Path| {
        let mut command = sandbox.command("unshare");
        command.arg("-m").arg(program);
        command.current_dir(sandbox.path("."));
        command
    };
    let mut trial = inside(Path::new("mount"));
    if !is_permitted("a mount", trial.args(["--bind", "run", "run"])) {
        return;
    }
    let mut run = inside(&binary());
    run.arg("run");
    let words = [
        "--config",
        "run/app.conf=run/copy",
        "--config-check",
        "./check",
    ];
    let app = ConfiguredApp::of(sandbox, run, ReloadBy::Hup, "run/copy", &words);
    app.await_log(&["started 1"]);
    replace(&app.sandbox, "run/app.conf", "2");
    app.await_words("cannot replace run/copy: ");
    // A supervisor that goes on trying is never at rest, except while a check runs, whose candidate
    // exists.
    let count = || app.sandbox.lines("asked").len();
    let asked = eventually("a rest without a check", || {
        let asked = count();
        let is_checking = entries(&app.sandbox.path("run")) != ["app.conf", "copy"];
        await_rest(&app.running);
        (!is_checking && count() == asked).then_some(asked)
    });
    assert!(asked <= 5, "asked {asked} times");
    replace(&app.sandbox, "run/app.conf", "3");
    app.await_log(&["started 1", "reloaded 3"]);
}

#[test]
fn events_beside_a_large_source_cost_little_cpu() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("near/tree")).unwrap();
    for number in 0..2_000 {
        fs::write(sandbox.path(&format!("near/tree/{number}")), "1").unwrap();
    }
    let words = ["--config", "near/tree"];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "near/tree/0", &words);
    app.await_log(&["started 1"]);
    let beside = app.sandbox.path("near/beside");
    assert_calm_while(&app.running, || {
        for _ in 0..400 {
            fs::write(&beside, "").unwrap();
            fs::remove_file(&beside).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    write(&app.sandbox, "near/tree/0", "2");
    app.await_log(&["started 1", "reloaded 2"]);
}

#[test]
fn a_fifo_in_the_place_of_an_unpacked_file_does_not_block_the_supervisor() {
    let sandbox = sandbox_with_tree();
    fs::hard_link(sandbox.path("tree/app.conf"), sandbox.path("tree/link")).unwrap();
    let mut tar = sandbox.command("tar");
    let packed = tar
        .args(["-cf", "app.tar", "-C", "tree", "."])
        .current_dir(sandbox.path("."))
        .finish();
    assert_eq!(packed.status, 0, "{packed:?}");
    fs::create_dir(sandbox.path("copy")).unwrap();
    for name in ["app.conf", "link"] {
        make_fifo(&sandbox.path("copy").join(name));
    }
    let words = ["--config-tar", "app.tar=copy"];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Restart, "copy/link", &words);
    app.await_log(&["started 1"]);
    app.running.send(TERM);
    let ConfiguredApp { running, .. } = app;
    assert_eq!(running.end().status, 143);
}

#[test]
fn an_exit_directory_inside_the_source_leaks_no_descriptors() {
    let sandbox = sandbox_with_tree();
    symlink("../graveyard", sandbox.path("tree/dir")).unwrap();
    let words = ["-n", "app", "--config", "tree"];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "tree/app.conf", &words);
    app.await_log(&["started 1"]);
    let count = || descriptors(app.running.pid()).len();
    let before = count();
    for number in 2..17 {
        write(&app.sandbox, "tree/app.conf", &number.to_string());
        let line = format!("reloaded {number}");
        wait_until(&line, || app.log().contains(&line));
    }
    await_rest(&app.running);
    assert_eq!(count(), before);
}

#[test]
fn changes_behind_a_link_and_above_a_source_are_seen() {
    let sandbox = sandbox_with_tree();
    write(&sandbox, "outside", "1");
    symlink("../outside", sandbox.path("tree/link")).unwrap();
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "tree/link", &["--config", "tree"]);
    app.await_log(&["started 1"]);
    write(&app.sandbox, "outside", "2");
    app.await_log(&["started 1", "reloaded 2"]);

    let sandbox = Sandbox::new();
    for (above, text) in [("above", "1"), ("next", "2")] {
        fs::create_dir_all(sandbox.path(above).join("near")).unwrap();
        write(&sandbox, &format!("{above}/near/app.conf"), text);
    }
    let source = "above/near/app.conf";
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, source, &["--config", source]);
    app.await_log(&["started 1"]);
    for (from, to) in [("above", "old"), ("next", "above")] {
        fs::rename(app.sandbox.path(from), app.sandbox.path(to)).unwrap();
    }
    app.await_log(&["started 1", "reloaded 2"]);
}

#[test]
fn a_source_and_a_copy_inside_each_other_are_refused_in_any_spelling() {
    let sandbox = sandbox_with_tree();
    fs::create_dir_all(sandbox.path("holder/tree")).unwrap();
    write(&sandbox, "holder/tree/app.conf", "1");
    symlink("tree", sandbox.path("alias")).unwrap();
    symlink("holder", sandbox.path("holders")).unwrap();
    let root = sandbox.path("").display().to_string();
    let root = root.trim_end_matches('/');
    for config in [
        "tree=./tree/copy".to_owned(),
        format!("tree={root}/tree/copy"),
        format!("{root}/holder/tree=holder"),
        "tree=alias/copy".to_owned(),
        "holders/tree=holder".to_owned(),
        "holder/tree=alias/../holder".to_owned(),
    ] {
        let mut run = sandbox.run(["--config", &config, "--", "true"]);
        let ended = run.current_dir(sandbox.path(".")).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        for (directory, expected) in [
            ("tree", &["app.conf"]),
            ("holder", &["tree"]),
            ("holder/tree", &["app.conf"]),
        ] {
            assert_eq!(entries(&sandbox.path(directory)), expected, "{config}");
        }
    }
}

#[test]
fn a_check_that_cannot_be_executed_does_not_reject() {
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    let words = [
        "--config",
        "app.conf=run/app.conf",
        "--config-check",
        "./check",
    ];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "run/app.conf", &words);
    app.await_words("cannot run ./check: ");
    await_rest(&app.running);
    write_check(&app.sandbox, "exit 0");
    // A rejected content would not be checked again.
    replace(&app.sandbox, "app.conf", "1");
    app.await_log(&["started 1"]);
    assert!(!app.said().contains("cannot use"), "{}", app.said());
}

#[test]
fn a_check_sees_the_name_that_the_copy_will_have_and_not_the_source() {
    let sandbox = Sandbox::new();
    write(&sandbox, "source", "1");
    write_check(&sandbox, "echo \"$1\" >asked");
    let words = [
        "--config",
        "source=run/app.json",
        "--config-check",
        "./check",
    ];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "run/app.json", &words);
    app.await_log(&["started 1"]);
    let asked = app.sandbox.read("asked");
    assert!(asked.ends_with("/app.json\n"), "{asked}");
    assert_ne!(asked, "run/app.json\n");
}

#[test]
fn a_running_check_does_not_count_as_a_descendant_of_the_command() {
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    write_check(&sandbox, HANGING);
    let words = [
        "--wait-descendants",
        "--config",
        "app.conf=run/app.conf",
        "--config-check",
        "./check",
    ];
    let script = "touch started; while test -e started && ! test -e end; do sleep 0.02; done";
    let running = supervise(&sandbox, &words, script);
    sandbox.await_file("started");
    replace(&sandbox, "app.conf", "2");
    sandbox.await_file("hanging");
    write(&sandbox, "end", "");
    assert_eq!(running.end().status, 0);
    assert_eq!(said(&sandbox), "");
    for pid in sandbox.lines("hanging")[0].split(' ') {
        await_gone(pid);
    }
}

#[test]
fn a_source_with_a_size_of_0_and_content_is_copied() {
    const SOURCE: &str = "/proc/sys/kernel/ostype";
    let config = format!("{SOURCE}=run/ostype");
    let words = ["--config", &config];
    let app = ConfiguredApp::start(Sandbox::new(), ReloadBy::Hup, "run/ostype", &words);
    assert_eq!(fs::metadata(SOURCE).unwrap().len(), 0);
    app.await_log(&["started Linux"]);
}

#[test]
fn a_source_that_contains_its_own_copy_or_is_too_deep_is_refused() {
    let copied = sandbox_with_tree();
    fs::create_dir(copied.path("place")).unwrap();
    symlink("../place", copied.path("tree/link")).unwrap();
    let deep = sandbox_with_tree();
    fs::create_dir_all(deep.path(&format!("tree{}", "/d".repeat(130)))).unwrap();
    for (sandbox, why) in [(copied, "its own copy"), (deep, "directories deep")] {
        let running = supervise(&sandbox, &["--config", "tree=place/copy"], "touch started");
        wait_until("it is refused", || said(&sandbox).contains(why));
        await_rest(&running);
        running.send(TERM);
        assert_eq!(running.end().status, 143, "{}", said(&sandbox));
        assert!(!sandbox.path("started").exists());
        assert_eq!(said(&sandbox).matches(why).count(), 1, "{}", said(&sandbox));
        assert!(!sandbox.path("place/copy").exists());
    }
}

#[test]
fn a_refused_archive_is_reported_once_for_each_content() {
    let sandbox = sandbox_with_tree();
    for dir in ["in", "out"] {
        fs::create_dir(sandbox.path(dir)).unwrap();
    }
    let pack = |name: &str| {
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(sandbox.path(name)).arg("-C");
        assert!(
            tar.arg(sandbox.path("tree"))
                .arg(".")
                .status()
                .unwrap()
                .success()
        );
    };
    pack("in/a.tar");
    let words = ["--config-tar", "in/a.tar=out/a", "--on-config", "HUP"];
    let run = supervise(&sandbox, &words, "trap '' HUP; echo >up; exec sleep 60");
    sandbox.await_file("up");
    let count = || said(&sandbox).matches("cannot use").count();
    for (round, garbage) in ["one", "one", "two", "two", "one"].iter().enumerate() {
        replace(&sandbox, "in/a.tar", garbage);
        let expected = [1, 1, 2, 2, 3][round];
        wait_until("it is said", || count() == expected);
        await_rest(&run);
        assert_eq!(count(), expected, "{}", said(&sandbox));
    }
    run.send(TERM);
    assert_eq!(run.end().status, 143);
}
