//! A command whose configuration files another process changes: in every usual layout, with a copy
//! or without, with restarts or signals. Nearly all of these lives run without periodic rescans, so
//! that a missed event stays missed.

use crate::support::inspect::assert_sentence;
use crate::support::managed_app::{
    ConfiguredApp, DEBOUNCE, ReloadBy, await_rest, make_fifo, mode, replace, write,
};
use crate::support::namespaces::{NO_INSTANCES, NO_WATCHES, with_less_inotify, with_mounts};
use crate::support::parallel::SetOnDrop;
use crate::support::proc::sleep_count;
use crate::support::requirements::{is_permitted, skip};
use crate::support::sandbox::{Ended, Sandbox, Start, binary, entries, wait_until};
use crate::support::signals::TERM;
use crate::support::users::{as_nobody, installed, nobody_is_permitted, set_mode};
use std::fs;
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Takes a number of steps that follow each other closely. Returns false if the machine delayed
/// them: then they may count as several changes.
fn in_one_burst(steps: usize, pause: Duration, mut step: impl FnMut(usize)) -> bool {
    let mut last = Instant::now();
    let mut is_close = true;
    for number in 0..steps {
        let before = Instant::now();
        step(number);
        is_close &= last.elapsed() < DEBOUNCE * 3 / 4;
        last = before;
        std::thread::sleep(pause);
    }
    is_close
}

/// Repeats a trial until its changes follow each other closely enough to prove something. On a
/// machine that is too busy for that, the test is skipped.
fn until_close(mut trial: impl FnMut() -> bool) {
    if !(0..30).any(|_| trial()) {
        skip("changes that follow each other closely");
    }
}

/// How a source is laid out, and how it is changed.
struct Layout {
    what: &'static str,
    /// Both get a text that was not there before.
    lay: fn(&Sandbox, &str),
    change: fn(&Sandbox, &str),
    source: &'static str,
    /// The file in it, if it is a directory.
    file: &'static str,
}

const LAYOUTS: [Layout; 9] = [
    Layout {
        what: "a file written in place",
        lay: |sandbox, text| write(sandbox, "app.conf", text),
        change: |sandbox, text| write(sandbox, "app.conf", text),
        source: "app.conf",
        file: "",
    },
    Layout {
        what: "a file that is replaced",
        lay: |sandbox, text| write(sandbox, "app.conf", text),
        change: |sandbox, text| replace(sandbox, "app.conf", text),
        source: "app.conf",
        file: "",
    },
    Layout {
        what: "a file that is removed and made again",
        lay: |sandbox, text| write(sandbox, "app.conf", text),
        change: |sandbox, text| {
            fs::remove_file(sandbox.path("app.conf")).unwrap();
            write(sandbox, "app.conf", text);
        },
        source: "app.conf",
        file: "",
    },
    Layout {
        what: "a file of a ConfigMap",
        lay: lay_volume,
        change: swap,
        source: "volume/app.conf",
        file: "",
    },
    Layout {
        what: "a ConfigMap",
        lay: lay_volume,
        change: swap,
        source: "volume",
        file: "/app.conf",
    },
    Layout {
        what: "a link to a file of a ConfigMap",
        lay: |sandbox, text| {
            lay_volume(sandbox, text);
            symlink("volume/app.conf", sandbox.path("app.conf")).unwrap();
        },
        change: swap,
        source: "app.conf",
        file: "",
    },
    Layout {
        what: "a link that is replaced",
        lay: |sandbox, text| {
            write(sandbox, text, text);
            symlink(text, sandbox.path("app.conf")).unwrap();
        },
        change: |sandbox, text| {
            write(sandbox, text, text);
            relink(&sandbox.path("app.conf"), text);
        },
        source: "app.conf",
        file: "",
    },
    Layout {
        what: "a file deep in a directory",
        lay: |sandbox, text| {
            fs::create_dir_all(sandbox.path("tree/a/b")).unwrap();
            write(sandbox, "tree/a/b/app.conf", text);
        },
        change: |sandbox, text| write(sandbox, "tree/a/b/app.conf", text),
        source: "tree",
        file: "/a/b/app.conf",
    },
    Layout {
        what: "a directory that is replaced",
        lay: |sandbox, text| {
            fs::create_dir(sandbox.path("tree")).unwrap();
            write(sandbox, "tree/app.conf", text);
        },
        change: |sandbox, text| {
            fs::create_dir(sandbox.path("next")).unwrap();
            write(sandbox, "next/app.conf", text);
            let old = sandbox.path(&format!("before-{text}"));
            fs::rename(sandbox.path("tree"), old).unwrap();
            fs::rename(sandbox.path("next"), sandbox.path("tree")).unwrap();
        },
        source: "tree",
        file: "/app.conf",
    },
];

/// A volume as the kubelet lays it out.
fn lay_volume(sandbox: &Sandbox, text: &str) {
    fs::create_dir_all(sandbox.path("volume")).unwrap();
    swap(sandbox, text);
    symlink("..data/app.conf", sandbox.path("volume/app.conf")).unwrap();
}

/// Updates a volume as the kubelet does: it creates a directory, replaces a link, and removes the
/// old directory.
fn swap(sandbox: &Sandbox, text: &str) {
    let volume = sandbox.path("volume");
    let old = fs::read_link(volume.join("..data")).ok();
    let new = format!("..2026_11_{text}");
    fs::create_dir(volume.join(&new)).unwrap();
    write(sandbox, &format!("volume/{new}/app.conf"), text);
    relink(&volume.join("..data"), &new);
    if let Some(old) = old {
        fs::remove_dir_all(volume.join(old)).unwrap();
    }
}

fn relink(link: &Path, target: &str) {
    let new = link.with_file_name("..data_tmp");
    symlink(target, &new).unwrap();
    fs::rename(&new, link).unwrap();
}

/// One life over a layout: its beginning and two changes.
fn follow_changes(layout: &Layout, way: ReloadBy, copied: bool) {
    let sandbox = Sandbox::new();
    (layout.lay)(&sandbox, "1");
    let (config, place) = match copied {
        true => (format!("{}=run/copy", layout.source), "run/copy"),
        false => (layout.source.to_owned(), layout.source),
    };
    let conf = format!("{place}{}", layout.file);
    let app = ConfiguredApp::start(sandbox, way, &conf, &["--config", &config]);
    let mut expected = vec!["started 1".to_owned()];
    for text in ["2", "3"] {
        app.await_log(&expected.iter().map(String::as_str).collect::<Vec<_>>());
        (layout.change)(&app.sandbox, text);
        expected.push(way.line(text));
    }
    app.await_log(&expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn every_change_in_every_layout_causes_one_restart_or_one_signal() {
    let lives = LAYOUTS.iter().flat_map(|layout| {
        let combinations = [(ReloadBy::Restart, true), (ReloadBy::Hup, false)];
        combinations.map(|(way, copied)| (layout, way, copied))
    });
    let lives: Vec<_> = lives.collect();
    // A few at once: each of them mostly waits until changes have settled.
    for some in lives.chunks(6) {
        std::thread::scope(|scope| {
            for (layout, way, copied) in some {
                let name = format!("{}, {way:?}, copied {copied}", layout.what);
                let thread = std::thread::Builder::new().name(name);
                let life = || follow_changes(layout, *way, *copied);
                thread.spawn_scoped(scope, life).unwrap();
            }
        });
    }
}

/// What is mounted, on what, and how the source behind it changes.
const MOUNTS: [(&str, &str, &str, fn(&Sandbox, &str)); 4] = [
    ("volume/plain.conf", "mounted.conf", "", change_plain),
    ("volume/plain.conf", "mounted.conf", "ro", change_plain),
    ("volume", "mounted", "", swap),
    ("volume", "mounted", "ro", swap),
];

fn change_plain(sandbox: &Sandbox, text: &str) {
    write(sandbox, "volume/plain.conf", text);
}

#[test]
fn changes_of_a_mounted_file_or_volume_are_seen_even_if_it_is_read_only() {
    const MOUNT: &str = "mount --bind \"$FROM\" \"$TO\"; \
                         if test -n \"$MODE\"; then mount -o remount,bind,ro \"$TO\"; fi";
    for (from, to, mode, change) in MOUNTS {
        let sandbox = Sandbox::new();
        lay_volume(&sandbox, "1");
        change_plain(&sandbox, "1");
        fs::create_dir(sandbox.path("mounted")).unwrap();
        write(&sandbox, "mounted.conf", "nothing is mounted");
        let inside = |words: &[&str]| {
            let mut command = with_mounts(&sandbox, MOUNT, binary());
            command.args(words).current_dir(sandbox.path(".")).envs([
                ("FROM", from),
                ("TO", to),
                ("MODE", mode),
            ]);
            command
        };
        if !is_permitted("a mount", &mut inside(&["--version"])) {
            return;
        }
        let run = inside(&["run"]);
        let (config, conf) = match to {
            "mounted" => ("mounted=run/copy", "run/copy/app.conf"),
            _ => ("mounted.conf=run/copy", "run/copy"),
        };
        let app = ConfiguredApp::of(sandbox, run, ReloadBy::Hup, conf, &["--config", config]);
        app.await_log(&["started 1"]);
        change(&app.sandbox, "2");
        app.await_log(&["started 1", "reloaded 2"]);
        change(&app.sandbox, "3");
        app.await_log(&["started 1", "reloaded 2", "reloaded 3"]);
    }
}

#[test]
fn a_write_that_leaves_the_content_alone_is_no_change() {
    for (way, config, conf) in [
        (ReloadBy::Restart, "app.conf=run/app.conf", "run/app.conf"),
        (ReloadBy::Hup, "app.conf", "app.conf"),
    ] {
        let sandbox = Sandbox::new();
        write(&sandbox, "app.conf", "1");
        let app = ConfiguredApp::start(sandbox, way, conf, &["--config", config]);
        app.await_log(&["started 1"]);
        let source = app.sandbox.path("app.conf");
        let touched = fs::File::options().append(true).open(&source).unwrap();
        touched.set_modified(std::time::SystemTime::now()).unwrap();
        drop(touched);
        app.await_log(&["started 1"]);
        write(&app.sandbox, "app.conf", "1");
        app.await_log(&["started 1"]);
        replace(&app.sandbox, "app.conf", "1");
        app.await_log(&["started 1"]);
        // Something else in the same directory.
        write(&app.sandbox, "other.conf", "2");
        app.await_change("2");
    }
}

#[test]
fn a_new_mode_is_a_change_only_of_a_copied_source() {
    for (config, conf, expected) in [
        ("app.conf", "app.conf", &["started 1"][..]),
        ("app.conf=copy", "copy", &["started 1", "reloaded 1"]),
    ] {
        let sandbox = Sandbox::new();
        write(&sandbox, "app.conf", "1");
        let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, conf, &["--config", config]);
        app.await_log(&["started 1"]);
        set_mode(&app.sandbox.path("app.conf"), 0o604);
        app.await_log(expected);
        assert_eq!(mode(&app.sandbox.path(conf)), 0o604);
    }
}

#[test]
fn ten_writes_in_100_ms_cause_one_reload_of_the_last() {
    for way in [ReloadBy::Restart, ReloadBy::Hup] {
        until_close(|| {
            let app = ConfiguredApp::copying(way, &[]);
            let is_close = in_one_burst(10, DEBOUNCE / 12, |number| {
                write(&app.sandbox, "app.conf", &format!("x{number}"));
            });
            if is_close {
                app.await_log(&["started 1", &way.line("x9")]);
            }
            is_close
        });
    }
}

#[test]
fn several_sources_that_change_together_cause_one_reload() {
    for way in [ReloadBy::Restart, ReloadBy::Hup] {
        until_close(|| {
            let sandbox = Sandbox::new();
            lay_volume(&sandbox, "1");
            write(&sandbox, "a.conf", "a1");
            write(&sandbox, "b.conf", "b1");
            let words = [
                "--config",
                "a.conf=run/a,b.conf",
                "--config",
                "volume=run/volume",
            ];
            let conf = "run/a b.conf run/volume/app.conf";
            let app = ConfiguredApp::start(sandbox, way, conf, &words);
            app.await_log(&["started a1 b1 1"]);
            let is_close = in_one_burst(3, DEBOUNCE / 10, |number| match number {
                0 => replace(&app.sandbox, "a.conf", "a2"),
                1 => write(&app.sandbox, "b.conf", "b2"),
                _ => swap(&app.sandbox, "2"),
            });
            if is_close {
                app.await_log(&["started a1 b1 1", &way.line("a2 b2 2")]);
            }
            is_close
        });
    }
}

/// A text that shows whether it is cut or mixed.
fn whole(generation: &str) -> String {
    format!("{generation} ").repeat(30_000)
}

/// The generation of a text that is neither cut nor mixed.
fn generation(text: &str) -> Option<String> {
    let first = text.split(' ').next()?;
    (text == whole(first)).then(|| first.to_owned())
}

#[test]
fn a_reader_of_the_copy_never_sees_a_partly_written_source() {
    const GENERATIONS: [&str; 4] = ["2", "3", "4", "5"];
    until_close(|| {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path("app.conf"), whole("1")).unwrap();
        fs::write(sandbox.path("conf"), "-").unwrap();
        let words = ["--config", "app.conf=run/app.conf"];
        let app = ConfiguredApp::start(sandbox, ReloadBy::Restart, "conf", &words);
        app.await_log(&["started -"]);
        let over = AtomicBool::new(false);
        let copy = app.sandbox.path("run/app.conf");
        std::thread::scope(|scope| {
            let at_end = SetOnDrop(&over);
            let reader = scope.spawn(|| read_until(&over, &copy));
            let mut is_close = true;
            for (number, text) in GENERATIONS.iter().enumerate() {
                is_close &= write_slowly(&app.sandbox.path("app.conf"), &whole(text));
                if !is_close {
                    return false;
                }
                app.await_log(&vec!["started -"; number + 2]);
            }
            drop(at_end);
            let mut seen = reader.join().unwrap();
            seen.dedup();
            assert_eq!(seen.last().map(String::as_str), GENERATIONS.last().copied());
            assert!(seen.is_sorted(), "{seen:?}");
            true
        })
    });
}

/// Writes in pieces, so that the file is seldom complete.
fn write_slowly(path: &Path, text: &str) -> bool {
    let mut file = fs::File::create(path).unwrap();
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(text.len() / 12 + 1).collect();
    in_one_burst(pieces.len(), DEBOUNCE / 5, |number| {
        file.write_all(pieces[number]).unwrap();
    })
}

/// The generations that a busy reader sees.
fn read_until(over: &AtomicBool, path: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let is_last = over.load(Ordering::Relaxed);
        let text = fs::read_to_string(path).unwrap();
        let whole = generation(&text);
        seen.push(whole.unwrap_or_else(|| panic!("{} bytes, after {seen:?}", text.len())));
        seen.dedup();
        if is_last {
            return seen;
        }
    }
}

#[test]
fn a_reader_of_a_copied_directory_never_sees_a_mixture() {
    for exists in [true, false] {
        let sandbox = Sandbox::new();
        let lay = |sandbox: &Sandbox, text: &str| {
            fs::create_dir(sandbox.path("next")).unwrap();
            for number in 0..20 {
                write(sandbox, &format!("next/{number}"), text);
            }
        };
        lay(&sandbox, "1");
        fs::rename(sandbox.path("next"), sandbox.path("tree")).unwrap();
        if exists {
            fs::create_dir(sandbox.path("copy")).unwrap();
        }
        let app =
            ConfiguredApp::start(sandbox, ReloadBy::Hup, "copy/0", &["--config", "tree=copy"]);
        app.await_log(&["started 1"]);
        let over = AtomicBool::new(false);
        let copy = app.sandbox.path("copy");
        std::thread::scope(|scope| {
            let at_end = SetOnDrop(&over);
            let reader = scope.spawn(|| read_trees_until(&over, &copy));
            for text in ["2", "3", "4"] {
                lay(&app.sandbox, text);
                fs::rename(
                    app.sandbox.path("tree"),
                    app.sandbox.path(&format!("old{text}")),
                )
                .unwrap();
                fs::rename(app.sandbox.path("next"), app.sandbox.path("tree")).unwrap();
                let line = format!("reloaded {text}");
                wait_until(&line, || app.log().contains(&line));
            }
            drop(at_end);
            assert_eq!(reader.join().unwrap(), "4");
        });
    }
}

/// Reads the files of one directory, from first to last, as often as it can; returns the last
/// state.
fn read_trees_until(over: &AtomicBool, path: &Path) -> String {
    loop {
        let is_last = over.load(Ordering::Relaxed);
        let dir = fs::File::open(path).expect("the directory is always there");
        let inside = format!("/proc/self/fd/{}", dir.as_raw_fd());
        // An old directory can be removed while it is read; then it does not count.
        let read = |number: u32| fs::read_to_string(format!("{inside}/{number}")).ok();
        let texts: Option<Vec<String>> = (0..20).map(read).collect();
        let Some(texts) = texts else { continue };
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
        if is_last {
            return texts[0].trim().to_owned();
        }
    }
}

#[test]
fn a_copied_directory_has_the_content_and_modes_of_its_source() {
    let sandbox = Sandbox::new();
    lay_volume(&sandbox, "1");
    fs::create_dir_all(sandbox.path("volume/sub/empty")).unwrap();
    write(&sandbox, "volume/sub/gone", "x");
    write(&sandbox, "outside", "y");
    symlink("../../outside", sandbox.path("volume/sub/link")).unwrap();
    set_mode(&sandbox.path("volume/sub/gone"), 0o640);
    set_mode(&sandbox.path("volume/sub/empty"), 0o750);
    // A process that opens it would hang.
    make_fifo(&sandbox.path("volume/fifo"));
    let words = ["--config", "volume=copy"];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "copy/app.conf", &words);
    app.await_log(&["started 1"]);
    let copy = app.sandbox.path("copy");
    // The kubelet's own entries are not copied.
    assert_eq!(entries(&copy), ["app.conf", "sub"]);
    assert_eq!(entries(&copy.join("sub")), ["empty", "gone", "link"]);
    assert_eq!(mode(&copy.join("sub/gone")), 0o640);
    assert_eq!(mode(&copy.join("sub/empty")), 0o750);
    for file in ["app.conf", "sub/link"] {
        let kind = fs::symlink_metadata(copy.join(file)).unwrap();
        assert!(kind.is_file(), "{file}: links are followed");
    }
    assert_eq!(app.sandbox.read("copy/sub/link"), "y\n");
    // The next change removes what the command wrote.
    write(&app.sandbox, "copy/own", "z");
    fs::remove_file(app.sandbox.path("volume/sub/gone")).unwrap();
    app.await_log(&["started 1", "reloaded 1"]);
    assert_eq!(entries(&copy), ["app.conf", "sub"]);
    assert_eq!(entries(&copy.join("sub")), ["empty", "link"]);
    // The target of a link is watched as well.
    write(&app.sandbox, "outside", "changed");
    app.await_log(&["started 1", "reloaded 1", "reloaded 1"]);
    assert_eq!(app.sandbox.read("copy/sub/link"), "changed\n");
    assert_eq!(
        app.said().matches("cannot use").count(),
        0,
        "{}",
        app.said()
    );
}

#[test]
fn a_loop_of_links_is_refused_and_the_old_directory_stays() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("tree/sub")).unwrap();
    write(&sandbox, "tree/app.conf", "1");
    let words = ["--config", "tree=copy"];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "copy/app.conf", &words);
    app.await_log(&["started 1"]);
    symlink("..", app.sandbox.path("tree/sub/up")).unwrap();
    app.await_words("cannot use");
    await_rest(&app.running);
    assert_eq!(
        app.said(),
        "cannot use tree: sub/up: a link to a directory above it; keeping the previous version\n"
    );
    assert_eq!(entries(&app.sandbox.path("copy/sub")), [""; 0]);
    fs::remove_file(app.sandbox.path("tree/sub/up")).unwrap();
    write(&app.sandbox, "tree/app.conf", "2");
    app.await_log(&["started 1", "reloaded 2"]);
}

#[test]
fn a_fifo_in_place_of_a_source_is_reported_once_and_the_old_copy_stays() {
    let app = ConfiguredApp::copying(ReloadBy::Hup, &[]);
    make_fifo(&app.sandbox.path("fifo"));
    fs::rename(app.sandbox.path("fifo"), app.sandbox.path("app.conf")).unwrap();
    app.await_words("cannot use");
    app.await_log(&["started 1"]);
    assert_eq!(
        app.said(),
        "cannot use app.conf: it is neither a file nor a directory; keeping the previous version\n"
    );
    assert_eq!(app.sandbox.read("run/app.conf"), "1\n");
    app.await_change("2");
}

/// An application of a user without any rights; `None` where that is not possible, and then the
/// test is skipped by name.
fn app_of_nobody(prepare: impl FnOnce(&Sandbox)) -> Option<ConfiguredApp> {
    if !nobody_is_permitted() {
        return None;
    }
    let sandbox = Sandbox::new();
    let binary = installed(&sandbox);
    set_mode(&sandbox.path("."), 0o777);
    write(&sandbox, "app.conf", "1");
    prepare(&sandbox);
    let mut run = as_nobody(&sandbox, binary);
    run.arg("run");
    let words = ["--config", "app.conf=run/app.conf"];
    let app = ConfiguredApp::of(sandbox, run, ReloadBy::Hup, "run/app.conf", &words);
    app.await_log(&["started 1"]);
    Some(app)
}

#[test]
fn an_unreadable_source_is_reported_once_and_the_old_copy_stays() {
    let Some(app) = app_of_nobody(|_| {}) else {
        return;
    };
    write(&app.sandbox, "secret", "2");
    set_mode(&app.sandbox.path("secret"), 0o600);
    fs::rename(app.sandbox.path("secret"), app.sandbox.path("app.conf")).unwrap();
    app.await_words("cannot use");
    app.await_log(&["started 1"]);
    assert_eq!(
        app.said(),
        "cannot use app.conf: Permission denied; keeping the previous version\n"
    );
    assert_eq!(app.sandbox.read("run/app.conf"), "1\n");
    set_mode(&app.sandbox.path("app.conf"), 0o644);
    app.await_log(&["started 1", "reloaded 2"]);
}

#[test]
fn a_copy_keeps_its_mode_and_if_root_made_it_its_owner() {
    let prepare = |sandbox: &Sandbox| {
        let source = sandbox.path("app.conf");
        chown(&source, Some(1234), Some(1235)).unwrap();
        set_mode(&source, 0o645);
    };
    let attributes = |app: &ConfiguredApp| {
        let copy = fs::metadata(app.sandbox.path("run/app.conf")).unwrap();
        (copy.uid(), copy.gid(), copy.mode() & 0o7777)
    };
    let Some(app) = app_of_nobody(prepare) else {
        return;
    };
    assert_eq!(attributes(&app), (65534, 65534, 0o645));
    assert_eq!(app.said(), "");
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    prepare(&sandbox);
    let words = ["--config", "app.conf=run/app.conf"];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "run/app.conf", &words);
    app.await_log(&["started 1"]);
    assert_eq!(attributes(&app), (1234, 1235, 0o645));
}

#[test]
fn a_full_disk_is_reported_once_and_the_old_copy_stays() {
    const MOUNT: &str = "mount -t tmpfs -o size=64k tmpfs run";
    for config in ["app.conf=run/copy", "run/app.conf=run/copy"] {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("run")).unwrap();
        write(&sandbox, "app.conf", "1");
        let inside = |script: &str| {
            let mut command = with_mounts(&sandbox, script, binary());
            command.current_dir(sandbox.path("."));
            command
        };
        if !is_permitted("a mount", inside(MOUNT).arg("--version")) {
            return;
        }
        // With a source there too, the supervisor sees the events of its own candidate.
        let mut run = inside(&format!("{MOUNT}; cp app.conf run"));
        run.arg("run");
        let app = ConfiguredApp::of(
            sandbox,
            run,
            ReloadBy::Hup,
            "run/copy",
            &["--config", config],
        );
        app.await_log(&["started 1"]);
        let source = config.split('=').next().unwrap();
        // The path in the supervisor's mount namespace.
        let inside = format!("/proc/{}/cwd/{source}", app.running.pid());
        let large = match source {
            "app.conf" => "x".repeat(100_000),
            _ => "x".repeat(40_000),
        };
        fs::write(&inside, large).unwrap();
        app.await_words("No space left");
        app.await_log(&["started 1"]);
        assert_eq!(
            app.said(),
            "cannot write beside run/copy: No space left on device\n"
        );
        let seen = format!("/proc/{}/cwd/run", app.running.pid());
        let expected = ["app.conf", "copy"];
        assert_eq!(
            entries(Path::new(&seen)),
            expected,
            "nothing is left behind"
        );
        fs::write(&inside, "2").unwrap();
        app.await_log(&["started 1", "reloaded 2"]);
    }
}

#[test]
fn a_removed_source_is_reported_once_and_the_command_goes_on() {
    let app = ConfiguredApp::copying(ReloadBy::Hup, &[]);
    fs::remove_file(app.sandbox.path("app.conf")).unwrap();
    app.await_words("gone");
    write(&app.sandbox, "other", "x");
    fs::rename(app.sandbox.path("other"), app.sandbox.path("another")).unwrap();
    app.await_log(&["started 1"]);
    assert_eq!(
        app.said(),
        "app.conf is gone; keeping the previous version\n"
    );
    assert_eq!(app.sandbox.read("run/app.conf"), "1\n");
    // The same content is back: no change.
    write(&app.sandbox, "app.conf", "1");
    app.await_log(&["started 1"]);
    app.await_change("2");
}

#[test]
fn without_inotify_there_is_one_warning_and_changes_are_seen() {
    for script in [NO_INSTANCES, NO_WATCHES] {
        let sandbox = Sandbox::new();
        write(&sandbox, "app.conf", "1");
        let Some(mut run) = with_less_inotify(&sandbox, script, &binary()) else {
            return;
        };
        run.arg("run");
        let words = ["--config", "app.conf=run/app.conf"];
        let app = ConfiguredApp::of(sandbox, run, ReloadBy::Hup, "run/app.conf", &words);
        for (text, expected) in [("2", "started 1"), ("3", "reloaded 2"), ("4", "reloaded 3")] {
            let line = expected.to_owned();
            wait_until(expected, || app.log().contains(&line));
            replace(&app.sandbox, "app.conf", text);
        }
        let said = app.said();
        assert_eq!(said.matches("inotify").count(), 1, "{script}: {said}");
    }
}

#[test]
fn a_configuration_inside_the_exit_directory_does_not_cost_the_tombstone_its_lock() {
    for (source, conf) in [
        ("graveyard/app.conf=run/app.conf", "run/app.conf"),
        ("above=run/copy", "run/copy/app.conf"),
    ] {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.dir()).unwrap();
        // By a name below the source, too.
        fs::create_dir(sandbox.path("above")).unwrap();
        std::os::unix::fs::symlink("../graveyard", sandbox.path("above/ed")).unwrap();
        let file = format!("{}/app.conf", source.split(['/', '=']).next().unwrap());
        write(&sandbox, &file, "1");
        let words = ["-n", "app", "--config", source];
        let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, conf, &words);
        app.await_log(&["started 1"]);
        let state = || {
            let mut status = app.sandbox.applet("status");
            let ended: Ended = status.finish();
            let line = ended.stdout.lines().find(|line| line.starts_with("app "));
            line.and_then(|line| line.split_whitespace().nth(1).map(str::to_owned))
        };
        replace(&app.sandbox, &file, "2");
        app.await_log(&["started 1", "reloaded 2"]);
        assert_eq!(state().as_deref(), Some("ready"), "{source}");
        app.running.send(TERM);
        let ConfiguredApp {
            running, sandbox, ..
        } = app;
        assert_eq!(running.end().status, 143, "{source}");
        assert_eq!(
            sandbox.key("app", "ExitCode").as_deref(),
            Some("143"),
            "{source}"
        );
        assert!(!sandbox.path("run/copy/ed/app").exists(), "{source}");
    }
    let sandbox = Sandbox::new();
    let dir = sandbox.dir().display().to_string();
    write(&sandbox, "app.conf", "1");
    let file = sandbox.path("app.conf").display().to_string();
    for config in [
        dir.clone(),
        format!("{file}={dir}"),
        format!("{file}={dir}/copy"),
    ] {
        let ended = sandbox.run(["--config", &config, "--", "true"]).finish();
        assert_sentence(&ended, "exitdir-run", 125);
    }
}

#[test]
fn an_idle_managed_application_sleeps_and_a_missing_source_is_reported_after_10_s() {
    const RESCAN_INTERVAL: Duration = Duration::from_secs(10);
    let unheard = ConfiguredApp::copying(ReloadBy::Restart, &["--active-while", "app.conf"]);
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    // The last `--poll` counts.
    let words = ["--config", "app.conf", "--poll", "10s"];
    let looking = ConfiguredApp::start(sandbox, ReloadBy::Restart, "app.conf", &words);
    looking.await_log(&["started 1"]);
    let sandbox = Sandbox::new();
    let words = ["-n", "app", "--config", "not/yet/app.conf=run/app.conf"];
    let waiting = ConfiguredApp::start(sandbox, ReloadBy::Restart, "run/app.conf", &words);
    waiting.sandbox.await_key("app", "Lock");
    await_rest(&unheard.running);
    let began = Instant::now();
    let before = (
        sleep_count(unheard.running.pid()),
        sleep_count(looking.running.pid()),
    );
    waiting.await_words("still waiting");
    assert_eq!(sleep_count(unheard.running.pid()), before.0);
    let woken = sleep_count(looking.running.pid()) - before.1;
    // The sentence comes after 10 s, or later on a busy machine.
    let allowed = began.elapsed().as_secs() / RESCAN_INTERVAL.as_secs() + 1;
    assert!(woken <= allowed, "woke {woken} times");
    assert_eq!(
        waiting.said(),
        "still waiting: not/yet/app.conf does not exist\n"
    );
    assert_eq!(waiting.sandbox.key("app", "Born"), None);
    fs::create_dir_all(waiting.sandbox.path("not/yet")).unwrap();
    write(&waiting.sandbox, "not/yet/app.conf", "1");
    waiting.await_log(&["started 1"]);
}
