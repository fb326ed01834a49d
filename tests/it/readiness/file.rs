//! `--ready-on file`: a file makes ready when it appears, however it is created.

use crate::support::inspect::await_sleep;
use crate::support::readiness_life::{life, unready};
use crate::support::sandbox::{Sandbox, Start, eventually, wait_until};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;

#[test]
fn a_file_makes_ready_however_it_is_created() {
    let cases: [(&str, fn(&Sandbox), fn(&Sandbox)); 5] = [
        ("file", |_| (), |sandbox| sandbox.touch("file")),
        (
            "file",
            |_| (),
            |sandbox| {
                sandbox.touch("other");
                fs::rename(sandbox.path("other"), sandbox.path("file")).unwrap();
            },
        ),
        (
            "file",
            |_| (),
            |sandbox| fs::create_dir(sandbox.path("file")).unwrap(),
        ),
        (
            "a/b/file",
            |_| (),
            |sandbox| {
                fs::create_dir(sandbox.path("a")).unwrap();
                fs::create_dir(sandbox.path("a/b")).unwrap();
                sandbox.touch("a/b/file");
            },
        ),
        (
            "a/file",
            |sandbox| fs::create_dir(sandbox.path("a")).unwrap(),
            |sandbox| {
                fs::remove_dir(sandbox.path("a")).unwrap();
                fs::create_dir(sandbox.path("a")).unwrap();
                sandbox.touch("a/file");
            },
        ),
    ];
    for (number, (path, before, then)) in cases.into_iter().enumerate() {
        let sandbox = Sandbox::new();
        before(&sandbox);
        let source = format!("file:{}", sandbox.path(path).display());
        let life = unready(&sandbox, &source);
        await_sleep(&life);
        then(&sandbox);
        eventually(format!("case {number} is ready"), || {
            sandbox.key("x", "Ready")
        });
    }
    let sandbox = Sandbox::new();
    sandbox.touch("file");
    let source = format!("file:{}", sandbox.path("file").display());
    let _life = life(&sandbox, &source, "exec sleep 60").start();
    sandbox.await_key("x", "Ready");
}

/// The inodes of the directories that a process has inotify watches on (proc_pid_fdinfo(5)).
fn watched(pid: i32) -> BTreeSet<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else {
        return BTreeSet::new();
    };
    let texts = entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let inode = |line: &str| {
        let rest = line.strip_prefix("inotify ")?.split_once("ino:")?.1;
        u64::from_str_radix(rest.split(' ').next()?, 16).ok()
    };
    texts
        .flat_map(|text| text.lines().filter_map(inode).collect::<Vec<_>>())
        .collect()
}

#[test]
fn the_nearest_existing_directory_on_the_path_of_a_file_is_watched() {
    let sandbox = Sandbox::new();
    let source = format!("file:{}", sandbox.path("a/b/file").display());
    let life = unready(&sandbox, &source);
    for path in [".", "a", "a/b"] {
        fs::create_dir_all(sandbox.path(path)).unwrap();
        let inode = fs::metadata(sandbox.path(path)).unwrap().ino();
        wait_until(format!("{path} is watched"), || {
            watched(life.pid()) == BTreeSet::from([inode])
        });
    }
    sandbox.touch("a/b/file");
    sandbox.await_key("x", "Ready");
    wait_until("nothing is watched any more", || {
        watched(life.pid()).is_empty()
    });
}

/// A writer that was killed leaves a line without an end.
#[test]
fn a_record_begins_on_a_line_of_its_own_after_an_incomplete_one() {
    let sandbox = Sandbox::new();
    let source = format!("file:{}", sandbox.path("file").display());
    let _life = unready(&sandbox, &source);
    let tombstone = sandbox.dir().join("x");
    let mut other = fs::File::options().append(true).open(tombstone).unwrap();
    other.write_all(b"Rea").unwrap();
    sandbox.touch("file");
    sandbox.await_key("x", "Ready");
    assert!(sandbox.tombstone("x").contains("\nRea\nReady: "));
}
