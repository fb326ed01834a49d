//! `--config-tar`: archives of GNU tar, hostile archives, and what a reader of the directory sees
//! meanwhile, even if the supervisor is killed.

use crate::support::archives::{FILE, Tar, hostile};
use crate::support::inspect::assert_sentence;
use crate::support::managed_app::await_rest;
use crate::support::namespaces::with_mounts;
use crate::support::parallel::{WORKERS, for_each};
use crate::support::proc::is_gone;
use crate::support::requirements::{is_permitted, strace_can_inject};
use crate::support::sandbox::{Running, Sandbox, Start, binary, entries, eventually, wait_until};
use crate::support::signals::TERM;
use crate::support::syscalls::{NONE, Point, points, points_since, strace_log, traced};
use crate::support::users::{as_nobody, installed, nobody_is_permitted, set_mode};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Everything in a directory: its kind, mode and content.
fn tree(root: &Path) -> BTreeMap<Vec<u8>, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(path) = ahead.pop() {
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            let path = entry.path();
            let stat = fs::symlink_metadata(&path).unwrap();
            let content = if stat.is_symlink() {
                fs::read_link(&path).unwrap().as_os_str().as_bytes().into()
            } else if stat.is_file() {
                fs::read(&path).unwrap()
            } else {
                ahead.push(path.clone());
                Vec::new()
            };
            let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
            found.insert(name.to_owned(), (stat.mode(), content));
        }
    }
    found
}

/// One version of a tree; each of its files contains the version.
fn version(number: usize) -> Vec<u8> {
    let text = format!("{number}\n");
    Tar::new()
        .file("a", &text)
        .file("same", "same\n")
        .directory("d", 0o755)
        .file("d/b", &text)
        .link("l", "d/b")
        .hard("h", "a")
        .file(&format!("only-{number}"), "")
        .end()
}

/// A supervisor that unpacks `in/app.tar` to `out/app`, and whose command goes on at a reload.
struct TarApp {
    sandbox: Sandbox,
    run: Running,
}

/// Whether DIR is a directory at first, or a link that exitdir-run made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlaceKind {
    Directory,
    Link,
}

fn prepare(place: PlaceKind, archive: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("in")).unwrap();
    fs::create_dir(sandbox.path("out")).unwrap();
    if place == PlaceKind::Directory {
        fs::create_dir(sandbox.path("out/app")).unwrap();
    }
    deliver(&sandbox, archive);
    sandbox
}

/// Replaces the archive in one step.
fn deliver(sandbox: &Sandbox, archive: &[u8]) {
    fs::write(sandbox.path("in/new"), archive).unwrap();
    fs::rename(sandbox.path("in/new"), sandbox.path("in/app.tar")).unwrap();
}

fn item(sandbox: &Sandbox) -> String {
    let (source, place) = (sandbox.path("in/app.tar"), sandbox.path("out/app"));
    format!("{}={}", source.display(), place.display())
}

impl TarApp {
    fn start(place: PlaceKind, archive: &[u8]) -> TarApp {
        TarApp::play(prepare(place, archive))
    }

    fn play(sandbox: Sandbox) -> TarApp {
        let mut command = sandbox.run(["-v", "--config-tar"]);
        command
            .arg(item(&sandbox))
            .args(["--on-config", "HUP", "--", "sh", "-c"])
            .arg("trap '' HUP; echo $$ >\"$0\"; exec sleep 1000")
            .arg(sandbox.path("pid"))
            .stderr(Stdio::from(fs::File::create(sandbox.path("err")).unwrap()));
        let run = command.start();
        eventually("the command runs", || {
            fs::read_to_string(sandbox.path("pid"))
                .ok()
                .filter(|pid| pid.ends_with('\n'))
        });
        let app = TarApp { sandbox, run };
        eventually("it has said so", || app.said("started").pop());
        app
    }

    fn place(&self) -> std::path::PathBuf {
        self.sandbox.path("out/app")
    }

    fn said(&self, words: &str) -> Vec<String> {
        let mut said = self.sandbox.lines("err");
        said.retain(|line| line.contains(words));
        said
    }

    fn await_file(&self, name: &str, content: &str) {
        let path = self.place().join(name);
        eventually(format!("{name} is {content:?}"), || {
            (fs::read_to_string(&path).ok()? == content).then_some(())
        });
    }

    /// Delivers an archive that must be refused, and checks that one sentence is the only effect.
    fn refuses(&self, what: &str, archive: &[u8]) -> String {
        // The replaced directory is removed a moment later.
        let is_staging = |name: &String| name.starts_with(".app.exitdir-") && name.len() > 20;
        wait_until("nothing is under way", || {
            let names = entries(&self.sandbox.path("out"));
            !names.iter().any(is_staging)
        });
        await_rest(&self.run);
        let before = self.state();
        let count = self.sandbox.lines("err").len();
        deliver(&self.sandbox, archive);
        wait_until(format!("{what} is refused"), || {
            assert_eq!(before, self.state(), "{what}");
            // The last line may be seen half written.
            self.sandbox.lines("err").len() > count && self.sandbox.read("err").ends_with('\n')
        });
        let said = self.sandbox.lines("err").split_off(count);
        assert_eq!(said.len(), 1, "{what}: {said:?}");
        let refused = format!("cannot use {}: ", self.sandbox.path("in/app.tar").display());
        let is_sentence = said[0].starts_with("exitdir-run: ")
            && said[0].contains(&refused)
            && said[0].ends_with("; keeping the previous version")
            && !said[0].contains(char::is_control);
        assert!(is_sentence, "{what}: {said:?}");
        assert_eq!(before, self.state(), "{what}");
        said[0].clone()
    }

    /// Everything in the sandbox except the archive and the messages; and the command.
    fn state(&self) -> (BTreeMap<Vec<u8>, (u32, Vec<u8>)>, Vec<String>, bool) {
        let pid = fs::read_to_string(self.sandbox.path("pid")).unwrap();
        let mut top = entries(&self.sandbox.path("."));
        top.retain(|name| name != "graveyard");
        let out = tree(&self.sandbox.path("out"));
        (out, top, is_gone(&pid))
    }
}

impl Drop for TarApp {
    fn drop(&mut self) {
        // So that the command ends with it.
        if self.run.is_running() {
            self.run.send(TERM);
            wait_until("it has ended", || !self.run.is_running());
        }
    }
}

fn assert_that_the_hostile_are_refused(place: PlaceKind) {
    let app = TarApp::start(place, &version(1));
    fs::write(app.sandbox.path("victim"), "untouched").unwrap();
    for (what, archive, why) in hostile() {
        let said = app.refuses(what, &archive);
        assert!(said.contains(why), "{what}: {said}");
    }
    let victim = fs::metadata(app.sandbox.path("victim")).unwrap();
    assert_eq!((victim.len(), victim.nlink()), (9, 1));
    // It still works.
    deliver(&app.sandbox, &version(2));
    app.await_file("a", "2\n");
}

#[test]
fn hostile_archives_are_refused_whole_and_the_old_directory_stays() {
    assert_that_the_hostile_are_refused(PlaceKind::Directory);
}

#[test]
fn hostile_archives_are_refused_whole_and_the_old_link_stays() {
    assert_that_the_hostile_are_refused(PlaceKind::Link);
}

#[test]
fn an_archive_that_is_cut_at_any_block_is_refused() {
    let app = TarApp::start(PlaceKind::Directory, &version(1));
    let whole = version(2);
    for length in (0..whole.len()).step_by(512) {
        app.refuses(&format!("{length} bytes"), &whole[..length]);
    }
}

#[test]
fn an_archive_over_64_mib_and_a_directory_instead_of_one_are_refused() {
    let app = TarApp::start(PlaceKind::Link, &version(1));
    let new = app.sandbox.path("in/new");
    let source = app.sandbox.path("in/app.tar");
    let before = app.state();
    let file = fs::File::create(&new).unwrap();
    file.set_len((64 << 20) + 1).unwrap();
    fs::rename(&new, &source).unwrap();
    eventually("it is too large", || app.said("larger than 64 MiB").pop());
    fs::remove_file(&source).unwrap();
    fs::create_dir(&source).unwrap();
    eventually("it is a directory", || app.said("it is a directory").pop());
    assert_eq!(before, app.state());
}

#[test]
fn archives_of_gnu_tar_in_every_format_are_unpacked_as_they_were_packed() {
    for format in ["ustar", "pax", "gnu"] {
        let app = TarApp::start(PlaceKind::Directory, &version(1));
        let bundle = app.sandbox.path("bundle");
        // ustar: 100 bytes for the name, 155 for what it is in. A name has 255 bytes, a path more.
        let long = match format {
            "ustar" => format!("{0}/{0}/{0}", "d".repeat(70)),
            _ => format!("{}/{}", "d".repeat(200), "f".repeat(250)),
        };
        fs::create_dir_all(bundle.join(&long).parent().unwrap()).unwrap();
        fs::write(bundle.join(&long), "long").unwrap();
        fs::write(bundle.join("two\nlines \u{e9}"), "").unwrap();
        fs::write(bundle.join(OsStr::from_bytes(b"\xff\xfe")), "no text").unwrap();
        // ustar has 100 bytes for where a link leads.
        let origin = if format == "ustar" { "short" } else { &long };
        fs::write(bundle.join(origin), "long").unwrap();
        fs::hard_link(bundle.join(origin), bundle.join("hard")).unwrap();
        symlink(origin, bundle.join("link")).unwrap();
        symlink("nowhere", bundle.join("dangling")).unwrap();
        let file = fs::File::create(bundle.join("sparse")).unwrap();
        file.set_len(1 << 20).unwrap();
        fs::create_dir(bundle.join("closed")).unwrap();
        fs::write(bundle.join("closed/secret"), "secret").unwrap();
        set_mode(&bundle.join("closed/secret"), 0);
        set_mode(&bundle.join("closed"), 0);
        set_mode(&bundle, 0o751);
        let mut pack = Command::new("tar");
        pack.arg(format!("--format={format}"))
            .arg("-cf")
            .arg(app.sandbox.path("in/new"));
        if format != "ustar" {
            pack.arg("-S");
        }
        pack.arg("-C").arg(&bundle).arg(".");
        // Root can pack directories without permissions; other users cannot.
        if !is_permitted("packing with GNU tar what is closed", &mut pack) {
            return;
        }
        fs::rename(app.sandbox.path("in/new"), app.sandbox.path("in/app.tar")).unwrap();
        app.await_file("hard", "long");
        assert_eq!(tree(&bundle), tree(&app.place()), "{format}");
        let inode = |name: &str| fs::metadata(app.place().join(name)).unwrap().ino();
        assert_eq!(inode("hard"), inode(origin), "{format}");
        let mode = fs::metadata(app.place()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o751, "{format}");
    }
}

/// A directory with what the formats of archives differ about.
fn bundle(sandbox: &Sandbox) -> std::path::PathBuf {
    let bundle = sandbox.path("bundle");
    fs::create_dir_all(bundle.join("d")).unwrap();
    set_mode(&bundle, 0o755);
    fs::write(bundle.join("d/file"), "content").unwrap();
    symlink("/etc/hostname", bundle.join("absolute")).unwrap();
    symlink("d/file", bundle.join("relative")).unwrap();
    fs::hard_link(bundle.join("d/file"), bundle.join("hard")).unwrap();
    // Data, a hole, data, a hole.
    let file = fs::File::create(bundle.join("sparse")).unwrap();
    file.set_len(3 << 20).unwrap();
    file.write_all_at(b"first", 0).unwrap();
    file.write_all_at(&[b'x'; 5000], 1 << 20).unwrap();
    let file = fs::File::create(bundle.join("d/hole")).unwrap();
    file.set_len(100_000).unwrap();
    // In the end, because changes below drop the bit.
    set_mode(&bundle.join("d"), 0o2755);
    bundle
}

/// Programs that pack the directory `$1` as the archive `$2`.
const PACKERS: &[(&str, &str)] = &[
    ("bsdtar", "bsdtar -cf $2 -C $1 ."),
    ("bsdtar", "bsdtar -cf $2 --format=gnutar -C $1 ."),
    ("bsdtar", "cd $1; bsdtar -cf $2 *"),
    ("busybox", "busybox tar -cf $2 -C $1 ."),
    ("tar", "tar -cf $2 --format=v7 -C $1 ."),
    ("tar", "tar -cf $2 --format=gnu -S -g $2.list -C $1 ."),
    ("tar", "tar -cf $2 --format=gnu -V label -C $1 ."),
    ("tar", "tar -cf $2 --format=pax -V label -C $1 ."),
    ("tar", "tar -cf $2 --format=oldgnu -S -C $1 ."),
    (
        "tar",
        "tar -cf $2 --format=pax -S --sparse-version=0.0 -C $1 .",
    ),
    (
        "tar",
        "tar -cf $2 --format=pax -S --sparse-version=0.1 -C $1 .",
    ),
    (
        "tar",
        "tar -cf $2 --format=pax -S --sparse-version=1.0 -C $1 .",
    ),
    ("python3", PYTHON),
];

const PYTHON: &str = "python3 -c 'import sys, tarfile
with tarfile.open(sys.argv[2], \"w\") as archive:
    archive.add(sys.argv[1], arcname=\"\")
' $1 $2";

#[test]
fn archives_of_other_programs_are_unpacked_as_they_were_packed() {
    let sandbox = Sandbox::new();
    let bundle = bundle(&sandbox);
    let mut expected = tree(&bundle);
    expected.get_mut(&b"d"[..]).unwrap().0 &= !0o2000;
    for (program, script) in PACKERS {
        if !is_permitted(
            program,
            Command::new("sh").args(["-c", &format!("command -v {program}")]),
        ) {
            continue;
        }
        let archive = sandbox.path("archive.tar");
        let mut pack = Command::new("sh");
        pack.args(["-euc", script, "sh"]).arg(&bundle).arg(&archive);
        assert!(pack.status().unwrap().success(), "{script}");
        let item = format!("{}={}", archive.display(), sandbox.path("app").display());
        let ended = sandbox.run(["--config-tar", &item, "--", "true"]).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{script}");
        assert_eq!(tree(&sandbox.path("app")), expected, "{script}");
        fs::remove_file(archive).unwrap();
    }
}

#[test]
fn unchanged_content_keeps_its_time_and_other_content_causes_a_reload() {
    for place in [PlaceKind::Directory, PlaceKind::Link] {
        let app = TarApp::start(place, &version(1));
        let time = |name: &str| {
            fs::metadata(app.place().join(name))
                .unwrap()
                .modified()
                .unwrap()
        };
        let (same, changed) = (time("same"), time("a"));
        deliver(&app.sandbox, &version(2));
        app.await_file("a", "2\n");
        eventually("it is told", || app.said("deleted").pop());
        assert_eq!(time("same"), same, "{place:?}");
        assert!(time("a") > changed, "{place:?}");
        let told = |what: &str| {
            let mut names: Vec<String> = app
                .said(&format!("{what} "))
                .iter()
                .filter_map(|line| Some(line.split_once("out/app/")?.1.to_owned()))
                .collect();
            names.sort();
            names
        };
        assert_eq!(told("modified"), ["a", "d/b", "h"], "{place:?}");
        assert_eq!(told("deleted"), ["only-1"], "{place:?}");
        assert!(told("created").contains(&"only-2".to_owned()), "{place:?}");
        assert!(!fs::read_link(app.place().join("l")).unwrap().is_absolute());
    }
}

/// Both files of one version, read through one descriptor of the directory; `None` if it was
/// removed meanwhile.
fn pair(place: &Path) -> Option<(String, String)> {
    let directory = fs::File::open(place).unwrap();
    let read = |name: &str| {
        use rustix::fs::{Mode, OFlags, openat};
        let file = openat(&directory, name, OFlags::RDONLY, Mode::empty()).ok()?;
        std::io::read_to_string(fs::File::from(file)).ok()
    };
    Some((read("a")?, read("d/b")?))
}

#[test]
fn a_reader_never_sees_a_mixture_while_archives_come_and_are_rewritten() {
    std::thread::scope(|scope| {
        for place in [PlaceKind::Directory, PlaceKind::Link] {
            scope.spawn(move || {
                let app = TarApp::start(place, &version(1));
                let done = AtomicBool::new(false);
                let (path, done_yet) = (app.place(), &done);
                std::thread::scope(|scope| {
                    let reader = scope.spawn(move || {
                        let mut seen = 0;
                        while !done_yet.load(Ordering::Relaxed) {
                            if let Some((one, other)) = pair(&path) {
                                assert_eq!(one, other, "{place:?}");
                                seen += 1;
                            }
                        }
                        seen
                    });
                    for number in 2..7 {
                        deliver(&app.sandbox, &version(number));
                        app.await_file("d/b", &format!("{number}\n"));
                    }
                    // Written in place, again and again: the unpacked version is one of the two.
                    let source = app.sandbox.path("in/app.tar");
                    let began = std::time::Instant::now();
                    while began.elapsed().as_secs() < 3 {
                        fs::write(&source, version(7)).unwrap();
                        fs::write(&source, version(8)).unwrap();
                    }
                    app.await_file("d/b", "8\n");
                    done.store(true, Ordering::Relaxed);
                    assert!(reader.join().unwrap() > 0);
                });
            });
        }
    });
}

/// The directory's version; checks that all of it and nothing else is there.
fn whole_version(place: &Path) -> Option<usize> {
    let number: usize = fs::read_to_string(place.join("a"))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let names = ["a", "d", "h", "l", &format!("only-{number}"), "same"].map(str::to_owned);
    let all = ["a", "d/b", "h", "l"].map(|name| fs::read_to_string(place.join(name)).ok());
    let is_whole = entries(place) == names && all.iter().all(|text| *text == all[0]);
    assert!(is_whole, "a mixture: {:?}", tree(place));
    Some(number)
}

fn assert_that_a_kill_is_survived(place: PlaceKind) {
    if !strace_can_inject() {
        return;
    }
    let app = || {
        let sandbox = prepare(place, &version(1));
        let item = item(&sandbox);
        assert_eq!(
            sandbox
                .run(["--config-tar", &item, "--", "true"])
                .finish()
                .status,
            0
        );
        deliver(&sandbox, &version(2));
        (sandbox, item)
    };
    let (sandbox, item) = app();
    let words = ["run", "--config-tar", &item, "--", "true"];
    assert_eq!(traced(&sandbox, NONE, &words).finish().status, 0);
    let changing = [
        "mkdir",
        "rename",
        "unlink",
        "rmdir",
        "symlink",
        "link",
        "write",
        "chmod",
        "fchmod",
        "open",
        "utimensat",
    ];
    let mut points: Vec<Point> = points_since(".exitdir-", points(&strace_log(&sandbox)));
    points.retain(|point| changing.iter().any(|call| point.call.starts_with(call)));
    assert!(points.len() > 20, "{points:?}");
    for_each(WORKERS, &points, |point| {
        let (sandbox, item) = app();
        let words = ["run", "--config-tar", &item, "--", "true"];
        let strike = format!("inject={}:signal=SIGKILL:when={}", point.call, point.when);
        traced(&sandbox, &["-e", &strike], &words).finish();
        let dir = sandbox.path("out/app");
        assert!(matches!(whole_version(&dir), Some(1 | 2)), "{point:?}");
        // A worker removes what is left while the command runs, and ends with it.
        let left = format!(
            "while ls -A {} | grep -Eq '^[.]app[.]exitdir-[0-9a-f]{{16}}$'; do sleep 0.01; done",
            sandbox.path("out").display()
        );
        let words = ["--config-tar", &item, "--", "sh", "-c", &left];
        let ended = sandbox.run(words).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{point:?}");
        assert_eq!(whole_version(&dir), Some(2), "{point:?}");
        let known: &[&str] = match place {
            PlaceKind::Directory => &["app"],
            PlaceKind::Link => &[".app.exitdir-1", ".app.exitdir-2", "app"],
        };
        assert_eq!(entries(&sandbox.path("out")), known, "{point:?}");
    });
}

#[test]
fn a_supervisor_that_is_killed_while_it_replaces_a_directory_leaves_no_mixture_and_the_next_finishes()
 {
    assert_that_a_kill_is_survived(PlaceKind::Directory);
}

#[test]
fn a_supervisor_that_is_killed_while_it_replaces_a_link_leaves_no_mixture_and_the_next_finishes() {
    assert_that_a_kill_is_survived(PlaceKind::Link);
}

/// The same command after a script that mounts, in a mount namespace of its own.
fn among_mounts(sandbox: &Sandbox, mounts: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = with_mounts(sandbox, mounts, program);
    command.current_dir(sandbox.path("."));
    command
}

#[test]
fn a_target_that_cannot_be_replaced_is_refused_at_the_start() {
    let cases = [
        (
            "mount -t tmpfs tmpfs out/app",
            "a mount point cannot be replaced; use a directory inside it, as in /",
        ),
        // The directory around it need not be writable.
        (
            "mount --bind out out; mount -t tmpfs tmpfs out/app; mount -o remount,bind,ro out",
            "a mount point cannot be replaced; use a directory inside it, as in /",
        ),
        (
            "mkdir -p l/app u w; mount -t overlay -o lowerdir=l,upperdir=u,workdir=w overlay out",
            "a directory of the image cannot be replaced; use a directory inside it or on a volume",
        ),
        (
            "mount --bind out out; mount -o remount,bind,ro out",
            "cannot write to",
        ),
    ];
    for (mounts, why) in cases {
        let sandbox = prepare(PlaceKind::Directory, &version(1));
        // An overlay needs a lower file system that is no overlay.
        let mounts = match mounts.contains("overlay") {
            true => format!(
                "mkdir t; mount -t tmpfs tmpfs t; mkdir t/l t/u t/w t/l/app; {}",
                mounts
                    .replace("mkdir -p l/app u w; ", "")
                    .replace("=l,", "=t/l,")
                    .replace("=u,", "=t/u,")
                    .replace("=w ", "=t/w ")
            ),
            false => mounts.to_owned(),
        };
        if !is_permitted(
            "mounting",
            &mut among_mounts(&prepare(PlaceKind::Directory, b""), &mounts, "true"),
        ) {
            return;
        }
        let mut command = among_mounts(&sandbox, &mounts, binary());
        command.args(["run", "--config-tar", &item(&sandbox), "--", "true"]);
        let ended = command.finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(ended.stderr.contains(why), "{ended:?}");
        assert_eq!(entries(&sandbox.path("out")), ["app"], "{mounts}");
        if let Some((_, named)) = ended.stderr.trim_end().split_once(", as in ") {
            let item = item(&sandbox);
            let (source, _) = item.split_once('=').unwrap();
            let mut command = among_mounts(&sandbox, &mounts, binary());
            let item = format!("{source}={named}");
            command.args(["run", "--config-tar", &item, "--", "ls", named]);
            let ended = command.finish();
            assert_eq!(ended.status, 0, "what the refusal names works: {ended:?}");
        }
    }
}

#[test]
fn a_full_disk_leaves_the_old_tree_until_a_version_fits() {
    let sandbox = prepare(PlaceKind::Directory, &version(1));
    let mounts = "mount -t tmpfs -o size=128k tmpfs out; mkdir out/app";
    if !is_permitted("mounting", &mut among_mounts(&sandbox, mounts, "true")) {
        return;
    }
    let mut command = among_mounts(&sandbox, mounts, binary());
    command.args([
        "run",
        "--on-config",
        "HUP",
        "--config-tar",
        &item(&sandbox),
        "--",
    ]);
    command.args(["sh", "-c", "trap '' HUP; exec sleep 1000"]);
    command.stderr(Stdio::from(fs::File::create(sandbox.path("err")).unwrap()));
    let run = command.start();
    // As the supervisor sees it.
    let seen = Path::new("/proc").join(run.pid().to_string()).join("root");
    let out = seen.join(sandbox.path("out").strip_prefix("/").unwrap());
    let await_version = |number: usize| {
        eventually("that version", || {
            let text = fs::read_to_string(out.join("app/a")).ok()?;
            (text == format!("{number}\n")).then_some(())
        });
    };
    await_version(1);
    deliver(
        &sandbox,
        &Tar::new()
            .file("a", "2\n")
            .file("big", &"x".repeat(1 << 18))
            .end(),
    );
    eventually("it is said", || {
        sandbox
            .lines("err")
            .into_iter()
            .find(|line| line.contains("No space left"))
    });
    assert_eq!(whole_version(&out.join("app")), Some(1));
    assert_eq!(entries(&out), ["app"]);
    deliver(&sandbox, &version(3));
    await_version(3);
    run.send(TERM);
    assert_eq!(run.end().status, 143);
}

#[test]
fn an_unprivileged_user_unpacks_replaces_and_removes_closed_directories() {
    if !nobody_is_permitted() {
        return;
    }
    for place in [PlaceKind::Directory, PlaceKind::Link] {
        let closed = |text: &str| {
            let tar = Tar::new()
                .directory("d", 0)
                .file("d/f", text)
                .file("a", text);
            tar.raw(b"none", FILE, 0, b"", 0).end()
        };
        let sandbox = prepare(place, &closed("1"));
        let program = installed(&sandbox);
        fs::create_dir(sandbox.dir()).unwrap();
        for name in ["out", "out/app"] {
            if sandbox.path(name).exists() {
                std::os::unix::fs::chown(sandbox.path(name), Some(65534), Some(65534)).unwrap();
            }
        }
        for text in ["1", "2", "3", "4"] {
            deliver(&sandbox, &closed(text));
            let mut command = as_nobody(&sandbox, &program);
            let ended = command
                .args(["run", "--config-tar", &item(&sandbox), "--", "true"])
                .finish();
            assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{place:?}");
            let app = sandbox.path("out/app");
            assert_eq!(fs::read_to_string(app.join("d/f")).unwrap(), text);
            assert_eq!(fs::metadata(app.join("d")).unwrap().mode() & 0o7777, 0);
            assert_eq!(fs::metadata(app.join("none")).unwrap().mode() & 0o7777, 0);
        }
        let hidden = entries(&sandbox.path("out")).len() - 1;
        assert_eq!(hidden, if place == PlaceKind::Link { 2 } else { 0 });
    }
}
