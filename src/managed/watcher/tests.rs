use super::*;
use crate::managed::exclusion::Exclusion;
use crate::managed::scan::scan;
use std::fs::{File, OpenOptions};
use std::io::Write as _;

/// A directory that is watched, with one file in it.
struct WatchedDir {
    dir: PathBuf,
    watcher: Watcher,
}

impl WatchedDir {
    fn new() -> WatchedDir {
        let name = format!(
            "exitdir-watcher-{}",
            crate::sys::random::hex::<8>().unwrap()
        );
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("file"), "text").unwrap();
        let mut watch_set = WatchSet::default();
        scan(&dir, &mut watch_set, Exclusion::new(None));
        let mut watcher = Watcher::new();
        assert!(watcher.watch(watch_set));
        WatchedDir { dir, watcher }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn is_being_written(&mut self) -> bool {
        self.watcher.read_events();
        self.watcher.is_being_written()
    }
}

impl Drop for WatchedDir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

#[test]
fn a_file_is_being_written_from_its_first_change_until_it_is_closed() {
    let mut watched = WatchedDir::new();
    for name in ["file", "new"] {
        let mut file = File::create(watched.path(name)).unwrap();
        assert!(watched.is_being_written(), "{name} is empty");
        file.write_all(b"text").unwrap();
        assert!(watched.is_being_written(), "{name} has a part");
        drop(file);
        assert!(!watched.is_being_written(), "{name} is closed");
    }
}

#[test]
fn an_entry_that_is_made_in_one_step_is_not_waited_for() {
    let mut watched = WatchedDir::new();
    let outside = watched.dir.with_extension("outside");
    std::fs::write(&outside, "text").unwrap();
    std::fs::hard_link(&outside, watched.path("hard")).unwrap();
    std::os::unix::fs::symlink("file", watched.path("soft")).unwrap();
    std::fs::create_dir(watched.path("directory")).unwrap();
    std::fs::rename(&outside, watched.path("renamed")).unwrap();
    assert!(!watched.is_being_written());
}

#[test]
fn a_file_that_is_removed_or_forgotten_is_not_waited_for_until_it_is_written_again() {
    let mut watched = WatchedDir::new();
    let file = File::create(watched.path("removed")).unwrap();
    std::fs::remove_file(watched.path("removed")).unwrap();
    drop(file);
    assert!(!watched.is_being_written());
    // As flock(1) creates its file: it is closed without an event, because it is open for reading
    // only.
    let path = watched.path("lock");
    let mut lock = open_for_reading(&path);
    assert!(watched.is_being_written());
    watched.watcher.forget_writers();
    assert!(!watched.is_being_written());
    lock = {
        drop(lock);
        OpenOptions::new().append(true).open(&path).unwrap()
    };
    lock.write_all(b"text").unwrap();
    assert!(watched.is_being_written());
}

fn open_for_reading(path: &Path) -> File {
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::RDONLY;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::open(path, flags, mode).unwrap().into()
}

/// What the events say that a script causes in a directory with the source `conf`.
fn hint_of(source: &str, prepare: &str, script: &str) -> Hint {
    let name = format!(
        "exitdir-watcher-{}",
        crate::sys::random::hex::<8>().unwrap()
    );
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir(&dir).unwrap();
    let run = |script: &str| {
        let mut shell = std::process::Command::new("sh");
        let status = shell.args(["-ec", script]).current_dir(&dir).status();
        assert!(status.unwrap().success(), "{script}");
    };
    run(prepare);
    let mut watch_set = WatchSet::default();
    scan(&dir.join(source), &mut watch_set, Exclusion::new(None));
    let mut watcher = Watcher::new();
    watcher.watch(watch_set);
    watcher.locality = Locality::Local;
    run(script);
    let hint = watcher.read_events();
    std::fs::remove_dir_all(&dir).unwrap();
    hint.unwrap()
}

#[test]
fn only_a_rename_over_the_way_to_a_source_replaces_it() {
    const VOLUME: &str = "mkdir ..1 ..2; echo 1 >..1/conf; echo 2 >..2/conf; \
                          ln -s ..1 ..data; ln -s ..data/conf conf; ln -s ..2 ..data_tmp";
    const TREE: &str = "mkdir tree new; echo 1 >tree/conf; echo 2 >new/conf";
    for (source, prepare, script, expected) in [
        (
            "conf",
            "echo >conf; echo >new",
            "mv new conf",
            Hint::Replaced,
        ),
        (
            "conf",
            "echo >conf",
            "echo 2 >new; mv new conf",
            Hint::Replaced,
        ),
        (
            "conf",
            "echo >conf",
            "echo 2 >conf; echo >new; mv new conf",
            Hint::Replaced,
        ),
        ("conf", "echo >new", "mv new conf", Hint::Replaced),
        (
            "conf",
            "echo >conf; mkdir d; echo >d/new",
            "mv d/new conf",
            Hint::Replaced,
        ),
        (
            "conf",
            "echo >a; echo >b; ln -s a conf; ln -s b new",
            "mv new conf",
            Hint::Replaced,
        ),
        (
            "conf",
            VOLUME,
            "mv -T ..data_tmp ..data; rm -r ..1",
            Hint::Replaced,
        ),
        (
            ".",
            VOLUME,
            "mv -T ..data_tmp ..data; rm -r ..1",
            Hint::Replaced,
        ),
        ("tree", TREE, "mv tree old; mv new tree", Hint::Replaced),
        ("tree/conf", TREE, "mv tree old", Hint::None),
        (
            "conf",
            "echo >conf; echo >new",
            "cat new >conf",
            Hint::Written,
        ),
        (
            "conf",
            "echo >conf; echo >new",
            "cat new >conf; rm new",
            Hint::Written,
        ),
        (
            "conf",
            "echo >conf; echo >new",
            "mv new conf; echo 3 >conf",
            Hint::Written,
        ),
        (
            "conf",
            "echo >conf; echo >new",
            "mv new conf; chmod 600 conf",
            Hint::Written,
        ),
        (
            "conf",
            "echo >conf; echo >new",
            "rm conf; ln new conf",
            Hint::Written,
        ),
        (
            "conf",
            "echo >conf; echo >new",
            "chmod 600 conf",
            Hint::Written,
        ),
        (
            "conf",
            "echo >conf; echo >new",
            "echo >other; mv new other; rm other",
            Hint::None,
        ),
        // One entry of several, and one volume of several.
        ("tree", TREE, "mv new/conf tree/conf", Hint::Written),
        (
            ".",
            "for v in a b; do mkdir $v; (cd $v; mkdir ..1; ln -s ..1 ..data; echo >..1/conf; \
             ln -s ..data/conf conf; ln -s ..1 ..data_tmp); done",
            "mv -T a/..data_tmp a/..data",
            Hint::Written,
        ),
    ] {
        assert_eq!(
            hint_of(source, prepare, script),
            expected,
            "{source}: {script}"
        );
    }
}

#[test]
fn a_rename_does_not_count_as_a_replacement_where_some_changes_have_no_event() {
    let mut watched = WatchedDir::new();
    assert_eq!(watched.watcher.locality, Locality::Remote);
    let outside = watched.dir.with_extension("outside");
    std::fs::write(&outside, "text").unwrap();
    std::fs::rename(&outside, watched.path("file")).unwrap();
    assert_eq!(watched.watcher.read_events(), Some(Hint::Written));
}
