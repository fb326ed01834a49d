use super::*;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::LockIdentity;

const STATES: [State; 9] = [
    State::Waiting,
    State::Born,
    State::Ready,
    State::Inactive,
    State::Ok,
    State::Failed,
    State::Lost,
    State::Died,
    State::Exit(3),
];

fn life(text: &str, lock: LockState, writing: WriteState) -> Life {
    Life::judge(Tombstone::parse(text.as_bytes()), lock, writing)
}

/// The states that hold, as words.
fn states(life: &Life) -> Vec<String> {
    STATES
        .iter()
        .filter(|state| life.has_state(**state))
        .map(ToString::to_string)
        .collect()
}

#[test]
fn states_hold_as_the_table_in_the_specification_says() {
    use LockState::{Held, Released, Unknown};
    let ours = "Waiting: \"w\"\nLock: fcntl b 8:1 131\n";
    let born = &format!("{ours}Born: \"b\"\n");
    let ready = &format!("{born}Ready: \"r\"\n");
    for (text, lock, column, holding) in [
        (ours.to_owned(), Held, "waiting", vec!["waiting"]),
        (ours.to_owned(), Unknown, "waiting", vec!["waiting"]),
        (
            ours.to_owned(),
            Released,
            "lost",
            vec!["failed", "lost", "died"],
        ),
        (born.clone(), Held, "born", vec!["born"]),
        (ready.clone(), Held, "ready", vec!["born", "ready"]),
        (
            ready.clone(),
            Released,
            "lost",
            vec!["failed", "lost", "died"],
        ),
        (format!("{ready}Cause: x\n"), Held, "born", vec!["born"]),
        (
            format!("{born}Inactive: \"i\"\n"),
            Held,
            "inactive",
            vec!["born", "inactive"],
        ),
        (
            format!("{ours}Ready: \"r\"\n"),
            Held,
            "waiting",
            vec!["waiting"],
        ),
        (
            format!("{ready}ExitCode: 0\nDied: \"d\"\n"),
            Unknown,
            "ok",
            vec!["ok", "died"],
        ),
        (
            format!("{ready}ExitCode: 0\nDied: \"d\"\n"),
            Held,
            "ok",
            vec!["ok", "died"],
        ),
        (
            format!("{ready}ExitCode: 3\nDied: \"d\"\n"),
            Unknown,
            "failed",
            vec!["failed", "died", "exit=3"],
        ),
        (
            format!("{ready}ExitCode: 3\n"),
            Held,
            "ready",
            vec!["born", "ready"],
        ),
        // written by kubexit
        (
            "Born: \"b\"\n".to_owned(),
            Unknown,
            "ready",
            vec!["born", "ready"],
        ),
        (
            "Born: \"b\"\nExitCode: -1\nDied: \"d\"\n".to_owned(),
            Unknown,
            "failed",
            vec!["failed", "died"],
        ),
        // an empty or foreign file means "exit"
        ("hello\n".to_owned(), Unknown, "ok", vec!["ok", "died"]),
        (
            "ExitCode: 3\n".to_owned(),
            Unknown,
            "failed",
            vec!["failed", "died", "exit=3"],
        ),
        // no lock was available
        (
            "Waiting: \"w\"\nLock: none\n".to_owned(),
            Unknown,
            "waiting",
            vec!["waiting"],
        ),
    ] {
        let life = life(&text, lock, WriteState::Settled);
        assert_eq!(
            life.state().unwrap().to_string(),
            column,
            "{text:?}, {lock:?}"
        );
        assert_eq!(states(&life), holding, "{text:?}, {lock:?}");
    }
}

#[test]
fn an_empty_file_means_dead_only_once_its_writer_has_finished() {
    for text in ["", "Bor", "garbage without a newline"] {
        let open = life(text, LockState::Unknown, WriteState::Ongoing);
        assert_eq!(
            (open.state(), states(&open)),
            (None, Vec::new()),
            "{text:?}"
        );
        let settled = life(text, LockState::Unknown, WriteState::Settled);
        assert_eq!(states(&settled), ["ok", "died"], "{text:?}");
    }
}

#[test]
fn a_death_without_a_code_has_code_255_only_once_its_writer_has_finished() {
    let text = "Born: \"b\"\nDied: \"d\"\n";
    let open = life(text, LockState::Unknown, WriteState::Ongoing);
    assert_eq!(states(&open), ["died"]);
    let settled = life(text, LockState::Unknown, WriteState::Settled);
    assert_eq!(states(&settled), ["failed", "died"]);
    assert_eq!(settled.death().and_then(Death::code), Some(255));
}

#[test]
fn a_free_lock_proves_a_death_only_to_a_reader_that_sees_the_same_file() {
    use LockState::{Held, Released, Unknown};
    let lock = Lock::Fcntl(LockIdentity {
        boot: "boot".to_owned(),
        device: (8, 1),
        inode: 131,
    });
    let here = ReaderContext {
        boot: Some("boot"),
        device: (8, 1),
        inode: 131,
        local: true,
    };
    let other_boot = ReaderContext {
        boot: Some("other"),
        ..here
    };
    for (what, reader, expected) in [
        ("the same three", here, Released),
        (
            "the same three, not local",
            ReaderContext {
                local: false,
                ..here
            },
            Released,
        ),
        (
            "another device: a FUSE mount",
            ReaderContext {
                device: (0, 50),
                ..here
            },
            Unknown,
        ),
        (
            "another inode: a copy",
            ReaderContext { inode: 132, ..here },
            Unknown,
        ),
        (
            "another boot on a local disk: restarted",
            other_boot,
            Released,
        ),
        (
            "another boot and inode: restored from a backup",
            ReaderContext {
                inode: 7,
                ..other_boot
            },
            Released,
        ),
        (
            "another boot, not local: another machine",
            ReaderContext {
                local: false,
                ..other_boot
            },
            Unknown,
        ),
        ("no boot id", ReaderContext { boot: None, ..here }, Unknown),
    ] {
        let judge = |lock: Option<&Lock>, held| {
            LockState::judge(&with_lock(lock.cloned()), held, || reader)
        };
        assert_eq!(judge(Some(&lock), false), expected, "{what}");
        assert_eq!(
            judge(Some(&lock), true),
            Held,
            "a held lock means alive: {what}"
        );
        assert_eq!(judge(Some(&Lock::Unavailable), false), Unknown, "{what}");
        assert_eq!(judge(None, true), Unknown, "{what}");
        let replaced = Tombstone {
            replaced: Some(Timestamp::from_text("r".to_owned())),
            ..with_lock(Some(lock.clone()))
        };
        assert_eq!(
            LockState::judge(&replaced, false, || reader),
            Unknown,
            "{what}"
        );
    }
}

fn with_lock(lock: Option<Lock>) -> Tombstone {
    Tombstone {
        lock,
        ..Tombstone::default()
    }
}
