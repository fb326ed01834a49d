//! Sources that other users can write to: links to what they may not read, and contents that are
//! large, endless or deep.

use crate::support::archives::Tar;
use crate::support::hostile::{Canaries, attack, attacker_is_permitted};
use crate::support::sandbox::{Running, Sandbox, Start, binary, entries, eventually, wait_until};
use crate::support::signals::TERM;
use crate::support::users::set_mode;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::process::Stdio;

const ATTACKER: u32 = 1001;

/// Root's supervisor, which copies `src` to `dst`. Both users can write to `src`. In `closed`,
/// which only root can enter, there is a file that everybody could read.
struct Victim {
    sandbox: Sandbox,
    run: Running,
}

impl Victim {
    fn start(source: &str) -> Victim {
        let sandbox = Sandbox::new();
        set_mode(&sandbox.path("."), 0o755);
        for (name, mode) in [("src", 0o777), ("closed", 0o700), ("other", 0o777)] {
            fs::create_dir(sandbox.path(name)).unwrap();
            set_mode(&sandbox.path(name), mode);
        }
        fs::write(sandbox.path("src/f"), "1").unwrap();
        fs::write(sandbox.path("closed/secret"), "secret").unwrap();
        fs::create_dir(sandbox.path("closed/theirs")).unwrap();
        fs::write(sandbox.path("closed/theirs/secret"), "secret").unwrap();
        chown(sandbox.path("closed/theirs"), Some(ATTACKER), None).unwrap();
        let item = format!("{source}=dst");
        let mut run = sandbox.run(["--on-config", "HUP", "--config", &item, "--"]);
        run.args(["sh", "-c", "trap '' HUP; exec sleep 1000"])
            .current_dir(sandbox.path("."))
            .stderr(Stdio::from(
                fs::File::create(sandbox.path("stderr")).unwrap(),
            ));
        let run = run.start();
        wait_until("the copy is there", || sandbox.path("dst").exists());
        Victim { sandbox, run }
    }

    /// Waits for another sentence with these words.
    fn says(&self, since: usize, words: &str) -> String {
        eventually(format!("{words:?} is said"), || {
            let lines = self.sandbox.lines("stderr").split_off(since);
            lines.into_iter().find(|line| line.contains(words))
        })
    }

    fn await_copy(&self, name: &str, text: &str) {
        let copy = format!("dst/{name}");
        wait_until(
            format!("{copy} is {text:?}; {}", self.sandbox.read("stderr")),
            || self.sandbox.read(&copy) == text,
        );
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if self.run.is_running() {
            self.run.send(TERM);
            wait_until("it has ended", || !self.run.is_running());
        }
    }
}

#[test]
fn a_link_of_another_user_to_what_only_its_directory_protects_is_not_followed() {
    if !attacker_is_permitted() {
        return;
    }
    let victim = Victim::start("src");
    let canaries = Canaries::plant(&victim.sandbox);
    let src = victim.sandbox.path("src");
    let (src, top) = (src.display(), src.parent().unwrap().display());
    let attacks = [
        (format!("ln -s {top}/closed/secret src/stolen"), "stolen"),
        ("ln -s ../closed/secret src/stolen".to_owned(), "stolen"),
        (format!("ln -s {src}/../closed/secret src/stolen"), "stolen"),
        // Through a directory that it makes, and back.
        (
            "mkdir src/d; ln -s ../../closed src/d/stolen".to_owned(),
            "stolen",
        ),
        // Through a link inside, and one outside.
        (
            "ln -s b src/a; ln -s ../other/c src/b; ln -s ../closed/secret other/c".to_owned(),
            "a",
        ),
        // A directory that belongs to the attacker, which it cannot reach.
        ("ln -s ../closed/theirs src/stolen".to_owned(), "stolen"),
        (
            "ln -s ../closed/theirs/secret src/stolen".to_owned(),
            "stolen",
        ),
        (
            format!("ln -s {top}/canaries/etc/passwd src/stolen"),
            "stolen",
        ),
    ];
    for (number, (script, link)) in attacks.iter().enumerate() {
        let since = victim.sandbox.lines("stderr").len();
        attack(&victim.sandbox, script);
        let said = victim.says(since, "remove the link");
        let named = format!("the link {link} belongs to uid 1001");
        assert!(said.contains(&named), "{script}: {said}");
        assert!(said.ends_with("; keeping the previous version"), "{said}");
        let names = entries(&victim.sandbox.path("dst"));
        assert!(!names.contains(&"stolen".to_owned()), "{script}: {names:?}");
        // Without it, the source is usable again.
        attack(
            &victim.sandbox,
            "rm -rf src/stolen src/d src/a src/b other/c",
        );
        fs::write(victim.sandbox.path("src/f"), format!("after {number}")).unwrap();
        victim.await_copy("f", &format!("after {number}"));
    }
    canaries.assert_unchanged();
}

#[test]
fn links_of_root_links_to_files_of_their_owner_and_links_inside_are_followed() {
    if !attacker_is_permitted() {
        return;
    }
    let victim = Victim::start("src");
    let sandbox = &victim.sandbox;
    symlink("../closed/secret", sandbox.path("src/by-root")).unwrap();
    attack(
        sandbox,
        "umask 022; echo own >other/own; mkdir other/dir; echo deep >other/dir/deep
         ln -s ../other/own src/own; ln -s ../other/dir src/dir; ln -s f src/inside
         ln -s \"$PWD/src/f\" src/absolute; ln -s ../src/f src/back
         mkdir src/..1; echo data >src/..1/k; ln -s ..1 src/..data; ln -s ..data/k src/k",
    );
    victim.await_copy("k", "data\n");
    victim.await_copy("by-root", "secret");
    victim.await_copy("own", "own\n");
    victim.await_copy("dir/deep", "deep\n");
    for name in ["inside", "absolute", "back"] {
        victim.await_copy(name, "1");
    }
    assert_eq!(sandbox.read("stderr").matches("belongs to uid").count(), 0);
}

#[test]
fn a_source_that_another_user_replaces_by_a_link_is_not_followed() {
    if !attacker_is_permitted() {
        return;
    }
    for script in [
        "ln -s ../closed/secret new",
        "ln -s ../closed ../other/l; ln -s ../other/l/secret new",
    ] {
        let victim = Victim::start("src/f");
        attack(&victim.sandbox, &format!("cd src; {script}; mv -f new f"));
        let said = victim.says(0, "remove the link");
        assert!(said.contains("the link f belongs to uid 1001"), "{said}");
        assert_eq!(victim.sandbox.read("dst"), "1");
    }
}

#[test]
fn a_link_of_an_archive_belongs_to_the_owner_of_the_archive() {
    if !attacker_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    set_mode(&sandbox.path("."), 0o755);
    for (name, mode) in [("src", 0o777), ("closed", 0o700)] {
        fs::create_dir(sandbox.path(name)).unwrap();
        set_mode(&sandbox.path(name), mode);
    }
    fs::write(sandbox.path("closed/secret"), "secret").unwrap();
    fs::write(sandbox.path("src/f"), "1").unwrap();
    let secret = sandbox.path("closed/secret");
    // Who unpacks it may move the link.
    let tar = Tar::new().directory("d", 0o777);
    let tar = tar.link("d/stolen", secret.to_str().unwrap());
    fs::write(sandbox.path("a.tar"), tar.end()).unwrap();
    chown(sandbox.path("a.tar"), Some(ATTACKER), Some(ATTACKER)).unwrap();
    let mut run = sandbox.run(["--on-config", "HUP", "--config-tar", "a.tar=t"]);
    run.args(["--config", "src=dst", "--", "sh", "-c"])
        .arg("trap '' HUP; exec sleep 1000")
        .current_dir(sandbox.path("."))
        .stderr(fs::File::create(sandbox.path("stderr")).unwrap());
    let run = run.start();
    let victim = Victim { sandbox, run };
    wait_until("both copies are there", || {
        ["t", "dst"]
            .iter()
            .all(|name| victim.sandbox.path(name).exists())
    });
    let link = fs::symlink_metadata(victim.sandbox.path("t/d/stolen")).unwrap();
    attack(&victim.sandbox, "mv t/d/stolen src/stolen");
    let said = eventually("the link is judged", || {
        let copied = victim.sandbox.path("dst/stolen").exists();
        assert!(!copied, "the secret was copied");
        let lines = victim.sandbox.lines("stderr");
        lines
            .into_iter()
            .find(|line| line.contains("remove the link"))
    });
    assert!(
        said.contains("the link stolen belongs to uid 1001"),
        "{said}"
    );
    assert_eq!((link.uid(), link.gid()), (ATTACKER, ATTACKER));
}

#[test]
fn an_archive_is_unpacked_in_less_memory_than_it_has() {
    // 40 MiB of content, and as many long names as there may be.
    let mut tar = Tar::new();
    for number in 0..9_000 {
        tar = tar.file(&format!("{}{number}", "n".repeat(90)), "");
    }
    let text = "0123456789abcdef".repeat(1 << 16);
    for number in 0..24 {
        tar = tar.file(&format!("large-{number}"), &text);
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("a.tar"), tar.end()).unwrap();
    let mut limited = sandbox.command("sh");
    // A limit of the whole address space, in KiB.
    limited
        .args(["-c", "ulimit -v 24576; exec \"$0\" run \"$@\""])
        .arg(binary())
        .args(["--config-tar", "a.tar=dst", "--", "true"])
        .current_dir(sandbox.path("."));
    let ended = limited.finish();
    assert_eq!(ended.status, 0, "{ended:?}");
    // A busy machine takes long for it.
    let mut lines = ended.stderr.lines();
    assert!(
        lines.all(|line| line.contains("still waiting")),
        "{ended:?}"
    );
    assert_eq!(
        fs::read(sandbox.path("dst/large-23")).unwrap().len(),
        1 << 20
    );
}

#[test]
fn very_large_files_and_directories_are_refused_at_once_and_the_command_runs_on() {
    if !attacker_is_permitted() {
        return;
    }
    let victim = Victim::start("src");
    for (script, words) in [
        ("truncate -s 4T src/sparse", "larger than 64 MiB"),
        (
            "mkdir src/d; cd src/d; seq 1 12000 | xargs touch",
            "more than 10000 entries",
        ),
        // What is left out counts, too.
        (
            "mkdir src/d; cd src/d; for n in 1 2 3 4 5 6; do mkdir $n; (cd $n; seq 1 2000 | xargs -n 500 mkfifo); done",
            "more than 10000 entries",
        ),
        ("ln -s . src/loop", "a link to a directory above it"),
    ] {
        let since = victim.sandbox.lines("stderr").len();
        attack(&victim.sandbox, script);
        victim.says(since, words);
        attack(&victim.sandbox, "rm -rf src/sparse src/d src/loop");
        fs::write(victim.sandbox.path("src/f"), words).unwrap();
        victim.await_copy("f", words);
    }
    attack(&victim.sandbox, "mkfifo src/fifo; ln -s fifo src/to-fifo");
    fs::write(victim.sandbox.path("src/f"), "beside a FIFO").unwrap();
    victim.await_copy("f", "beside a FIFO");
    assert_eq!(entries(&victim.sandbox.path("dst")), ["f"]);
}
