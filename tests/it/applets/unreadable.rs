//! Files that another user may not read or write. No supervisor makes such a tombstone, so one that
//! cannot be read counts as an empty file.

use crate::support::inspect::{assert_sentence, await_sleep};
use crate::support::requirements::strace_can_inject;
use crate::support::sandbox::{Sandbox, Start, binary, eventually};
use crate::support::signals::KILL;
use crate::support::users::{POD_USERS, pod_users_are_permitted};
use crate::support::volumes::Volume;

/// What an exit of the original library looks like with umask 077.
const EXIT: &str = ": >main; touch -d '1 minute ago' main";

fn notice(volume: &Volume, applet: &str, name: &str) -> String {
    let path = volume.path(name);
    format!(
        "exitdir-{applet}: cannot read {path}: it belongs to uid 1001 with mode 0600; like an \
         empty file, it counts as a death with exit code 0\n"
    )
}

#[test]
fn a_file_that_cannot_be_read_counts_as_an_empty_one_and_is_reported_once() {
    if !pod_users_are_permitted() {
        return;
    }
    let [other, _, bare_root, owner, _] = &POD_USERS;
    for in_memory in [false, true] {
        let volume = Volume::new(in_memory, 0o777);
        volume.succeed(owner, "signal x");
        volume.shell(owner, EXIT);
        for user in [other, bare_root] {
            let table = volume.applet(user, "status").finish();
            assert_eq!((table.status, table.stderr.as_str()), (0, ""));
            let row = table.stdout.lines().nth(1).unwrap();
            let cells: Vec<&str> = row.split_whitespace().collect();
            assert_eq!(cells, ["main", "ok", "-", "0", "unreadable"]);
            let json = volume.applet(user, "status --json").finish();
            assert!(json.stdout.contains("\"reason\":\"unreadable\""));
            for words in ["status main", "status --json main"] {
                let ended = volume.applet(user, words).finish();
                assert_eq!(ended.stderr, notice(&volume, "status", "main"));
                assert_eq!(ended.status, 1, "{words}");
                assert!(ended.stdout.contains("unreadable"), "{words}");
            }

            let ended = volume.applet(user, "wait --print main:ok main").finish();
            assert_eq!(ended.stderr, notice(&volume, "wait", "main"));
            ended.assert_output(0, "main ok 0\nmain ok 0\n");

            let line = "run --birth-deps y --death-deps main -- echo started";
            let ended = volume.applet(user, line).finish();
            let expected = notice(&volume, "run", "main")
                + "exitdir-run: main died with exit code 0: not starting echo\n";
            assert_eq!(ended.stderr, expected);
            ended.assert_output(0, "");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_replaced_and_swept() {
    if !pod_users_are_permitted() {
        return;
    }
    let [other, _, bare_root, owner, _] = &POD_USERS;
    let volume = Volume::new(false, 0o777);
    volume.succeed(owner, "signal x");
    for user in [other, bare_root] {
        volume.shell(owner, EXIT);
        volume.succeed(user, "run -n main -- true");
        assert_eq!(volume.key("main", "Reason").as_deref(), Some("exited"));
        for line in ["signal main", "signal -c 3 main", "signal --ready main"] {
            volume.shell(owner, &format!("rm -f main; {EXIT}"));
            volume.succeed(user, line);
            let text = std::fs::read_to_string(volume.path("main")).unwrap();
            assert_ne!(text, "", "{line}");
        }
        // One that has just been made may still be written, but not for ever.
        volume.shell(owner, "rm -f main; : >main");
        volume.succeed(user, "signal -c 3 main");
        volume.shell(owner, &format!("rm -f main x; {EXIT}"));
        // It counts as ended with 0, like an empty one, so nothing is removed.
        volume.succeed(user, "install --sweep-unfinished");
        volume.shell(owner, "cp -p main .main.new");
        let sweep = volume.applet(user, "install --sweep").finish();
        assert_eq!(sweep.status, 0, "{}", sweep.stderr);
        assert!(!volume.entries().iter().any(|name| name.contains("main")));
        volume.succeed(owner, "signal x");
    }
}

#[test]
fn one_notice_stands_for_all_files_that_no_condition_names_and_each_other_has_its_own() {
    if !pod_users_are_permitted() {
        return;
    }
    let [other, _, _, owner, _] = &POD_USERS;
    let volume = Volume::new(false, 0o777);
    volume.succeed(owner, "signal x");
    volume.shell(owner, "for i in 0 1 2 3 4 5; do : >t$i; done");
    for (conditions, reported) in [
        (":failed", &["t0"][..]),
        (":failed t3:failed t2:failed", &["t3", "t2"]),
    ] {
        let line = format!("wait --any {conditions}");
        let waits = volume.applet(other, &line).start();
        await_sleep(&waits);
        volume.succeed(owner, "signal -c 3 z");
        let ended = waits.end();
        let expected = reported.iter().map(|name| notice(&volume, "wait", name));
        assert_eq!(ended.stderr, expected.collect::<String>());
        volume.shell(owner, "rm z");
    }
}

#[test]
fn what_is_no_regular_file_is_no_tombstone_even_if_it_cannot_be_read() {
    if !pod_users_are_permitted() {
        return;
    }
    let [other, _, _, owner, _] = &POD_USERS;
    let volume = Volume::new(false, 0o777);
    volume.succeed(owner, "signal x");
    for oddity in ["mkfifo main", "mkdir main"] {
        volume.shell(owner, &format!("rm -rf main; {oddity}"));
        let ended = volume.applet(other, "wait -t 0 main").finish();
        assert_eq!(ended.status, 124, "{oddity}");
        assert!(ended.stderr.contains("there is no main"), "{oddity}");
    }
    // Without permission to search the directory, nothing is known of the file.
    volume.shell(owner, &format!("rm -r main; {EXIT}; chmod 0744 ."));
    let ended = volume.applet(other, "wait -t 0 main").finish();
    assert_sentence(&ended, "exitdir-wait", 125);
}

#[test]
fn a_file_that_its_mode_opens_to_all_does_not_count_as_empty() {
    if !strace_can_inject() {
        return;
    }
    let sandbox = Sandbox::new();
    let _main = sandbox.run(["-n", "main", "--", "sleep", "1000"]).start();
    sandbox.await_key("main", "Ready");
    // As a security module forbids it.
    let mut wait = sandbox.command("strace");
    wait.args(["-qq", "-o", "/dev/null", "-e", "trace=open,openat", "-P"])
        .arg("main") // below a descriptor of the directory
        .args(["-e", "inject=open,openat:error=EACCES:when=1"])
        .arg(binary())
        .args(["wait", "-t", "0", "main"]);
    let ended = wait.finish();
    assert_sentence(&ended, "exitdir-wait", 125);
    assert!(ended.stderr.contains("Permission denied"), "{ended:?}");
}

#[test]
fn a_living_tombstone_that_is_closed_to_others_is_followed_where_it_is_held_open() {
    if !pod_users_are_permitted() {
        return;
    }
    let [other, _, _, owner, _] = &POD_USERS;
    let volume = Volume::new(false, 0o777);
    let main = volume.applet(owner, "run -n main -- sleep 1000").start();
    eventually("main is ready", || volume.key("main", "Ready"));
    let waits = volume.applet(other, "wait -x --poll 10ms main").start();
    await_sleep(&waits);
    volume.shell(owner, "chmod 0600 main");
    main.send(KILL);
    assert_eq!(waits.end().status, 137);
}

#[test]
fn a_record_for_a_life_whose_file_cannot_be_written_is_an_error_that_says_why() {
    if !pod_users_are_permitted() {
        return;
    }
    let [other, _, _, owner, _] = &POD_USERS;
    let volume = Volume::new(false, 0o777);
    volume.succeed(owner, "signal main");
    volume.shell(owner, "chmod 0644 main");
    volume.succeed(other, "signal -c 3 main");
    let born = "Born: \"2026-11-20T21:29:27Z\"";
    volume.shell(
        owner,
        &format!("rm main; echo '{born}' >main; chmod 0644 main"),
    );
    let ended = volume.applet(other, "signal -c 3 main").finish();
    let path = volume.path("main");
    let expected = format!(
        "exitdir-signal: cannot write {path}: it belongs to uid 1001 with mode 0644; \
         chmod 0666 opens it to all users\n"
    );
    assert_eq!(ended.stderr, expected);
    ended.assert_output(125, "");
}
