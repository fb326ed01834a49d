//! `--ready-on file`: a file makes ready when it appears, however that is.

use crate::support::inspect::await_sleep;
use crate::support::readiness_life::{life, unready};
use crate::support::sandbox::{Start, World, eventually, wait_until};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

#[test]
fn a_file_makes_ready_however_it_appears() {
    let cases: [(&str, fn(&World), fn(&World)); 5] = [
        ("file", |_| (), |world| world.touch("file")),
        (
            "file",
            |_| (),
            |world| {
                world.touch("other");
                fs::rename(world.path("other"), world.path("file")).unwrap();
            },
        ),
        (
            "file",
            |_| (),
            |world| fs::create_dir(world.path("file")).unwrap(),
        ),
        (
            "a/b/file",
            |_| (),
            |world| {
                fs::create_dir(world.path("a")).unwrap();
                fs::create_dir(world.path("a/b")).unwrap();
                world.touch("a/b/file");
            },
        ),
        (
            "a/file",
            |world| fs::create_dir(world.path("a")).unwrap(),
            |world| {
                fs::remove_dir(world.path("a")).unwrap();
                fs::create_dir(world.path("a")).unwrap();
                world.touch("a/file");
            },
        ),
    ];
    for (number, (path, before, then)) in cases.into_iter().enumerate() {
        let world = World::new();
        before(&world);
        let source = format!("file:{}", world.path(path).display());
        let life = unready(&world, &source);
        await_sleep(&life);
        then(&world);
        eventually(format!("case {number} is ready"), || {
            world.key("x", "Ready")
        });
    }
    let world = World::new();
    world.touch("file");
    let source = format!("file:{}", world.path("file").display());
    let _life = life(&world, &source, "exec sleep 60").start();
    world.await_key("x", "Ready");
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
fn the_nearest_directory_on_the_way_to_a_file_is_watched_so_that_it_is_heard_at_once() {
    let world = World::new();
    let source = format!("file:{}", world.path("a/b/file").display());
    let life = unready(&world, &source);
    for path in [".", "a", "a/b"] {
        fs::create_dir_all(world.path(path)).unwrap();
        let inode = fs::metadata(world.path(path)).unwrap().ino();
        wait_until(format!("{path} is watched"), || {
            watched(life.pid()) == BTreeSet::from([inode])
        });
    }
    world.touch("a/b/file");
    world.await_key("x", "Ready");
    wait_until("nothing is watched any more", || {
        watched(life.pid()).is_empty()
    });
}
