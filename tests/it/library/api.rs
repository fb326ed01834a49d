//! The crate as a library, in the hands of a program.

use crate::support::sandbox::{CONDITION_TIMEOUT, Sandbox, Start, eventually};
use crate::support::signals::TERM;
use exitdir::{
    Announcement, Condition, Death, Error, ExitDir, Name, SignalOutcome, State, Sweep, Verdict,
    Watch,
};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn condition(text: &str) -> Condition {
    Condition::parse(text, State::Died).unwrap()
}

/// Polls the watch's descriptor, as an event loop would, and looks whenever it is readable.
fn turn(watch: &mut Watch) -> Verdict {
    let fd = watch.as_fd().try_clone_to_owned().unwrap();
    let mut polled = [rustix::event::PollFd::new(
        &fd,
        rustix::event::PollFlags::IN,
    )];
    let patience = rustix::event::Timespec {
        tv_sec: CONDITION_TIMEOUT.as_secs() as i64,
        tv_nsec: 0,
    };
    assert_eq!(
        rustix::event::poll(&mut polled, Some(&patience)).unwrap(),
        1,
        "the descriptor stays silent"
    );
    watch.check().unwrap()
}

#[test]
fn a_watch_in_an_event_loop_hears_of_what_was_and_of_what_comes() {
    let sandbox = Sandbox::new();
    let dir = ExitDir::new(sandbox.dir());
    assert_eq!(
        dir.signal(&name("early"), Announcement::Died(3), Some("a message"))
            .unwrap(),
        SignalOutcome::Published
    );
    let mut watch = dir
        .watch(&[condition("early:exit=3"), condition("late")])
        .unwrap();
    assert_eq!(
        turn(&mut watch),
        Verdict::Open,
        "readable at once: the first look is due"
    );
    let other = ExitDir::new(sandbox.dir());
    let speaker = std::thread::spawn(move || {
        other
            .signal(&name("late"), Announcement::Died(0), None)
            .unwrap()
    });
    let verdict = eventually("the watch hears of late", || match turn(&mut watch) {
        Verdict::Open => None,
        verdict => Some(verdict),
    });
    assert_eq!(speaker.join().unwrap(), SignalOutcome::Published);
    let Verdict::Holds(deciders) = verdict else {
        panic!("{verdict:?}")
    };
    let found: Vec<(String, u8)> = deciders
        .iter()
        .map(|d| (d.name.to_string(), d.exit_code()))
        .collect();
    assert_eq!(found, [("early".to_owned(), 3), ("late".to_owned(), 0)]);
}

#[test]
fn a_blocking_wait_ends_with_the_timeout_and_tells_that_nothing_holds() {
    let sandbox = Sandbox::new();
    let dir = ExitDir::new(sandbox.dir());
    let mut watch = dir.watch(&[condition("nobody")]).unwrap();
    assert_eq!(watch.wait(Some(Duration::ZERO)).unwrap(), Verdict::Open);
    let began = Instant::now();
    assert_eq!(
        watch.wait(Some(Duration::from_millis(50))).unwrap(),
        Verdict::Open
    );
    assert!(began.elapsed() >= Duration::from_millis(50));
    dir.signal(&name("nobody"), Announcement::Died(0), None)
        .unwrap();
    assert!(matches!(watch.wait(None).unwrap(), Verdict::Holds(_)));
}

#[test]
fn no_condition_means_anybodys_death() {
    let sandbox = Sandbox::new();
    let dir = ExitDir::new(sandbox.dir());
    let mut watch = dir.watch(&[]).unwrap();
    assert_eq!(watch.check().unwrap(), Verdict::Open);
    // As the Go library's leader does it: any new file means exit.
    std::fs::write(sandbox.dir().join("exitFile"), "").unwrap();
    assert!(matches!(
        watch.wait(Some(CONDITION_TIMEOUT)).unwrap(),
        Verdict::Holds(_)
    ));
}

#[test]
fn what_can_no_longer_hold_is_told_and_so_is_a_directory_that_goes_away() {
    let sandbox = Sandbox::new();
    let dir = ExitDir::new(sandbox.dir());
    dir.signal(&name("main"), Announcement::Died(1), None)
        .unwrap();
    assert_eq!(
        dir.watch(&[condition("main:ok")]).unwrap().check().unwrap(),
        Verdict::Impossible
    );

    let mut watch = dir.watch(&[condition("db:ready")]).unwrap();
    assert_eq!(watch.check().unwrap(), Verdict::Open);
    std::fs::rename(sandbox.dir(), sandbox.path("elsewhere")).unwrap();
    let error = eventually("the directory is missed", || watch.check().err());
    assert!(matches!(error, Error::DirectoryGone(_)), "{error}");
}

#[test]
fn words_of_the_library_reach_a_living_supervisor_and_its_followers() {
    let sandbox = Sandbox::new();
    let dir = ExitDir::new(sandbox.dir());
    let missing = dir.signal_live(&name("main"), Announcement::Ready, None);
    assert!(matches!(missing, Err(Error::NotAlive(_))));
    let main = sandbox
        .run(["-n", "main", "--ready-on", "signal", "--", "cat"])
        .stdin(std::process::Stdio::piped())
        .start();
    sandbox.await_key("main", "Born");
    assert_eq!(
        dir.signal_live(&name("main"), Announcement::Ready, Some("up"))
            .unwrap(),
        SignalOutcome::Appended
    );
    assert_eq!(
        dir.signal_live(&name("main"), Announcement::Ready, None)
            .unwrap(),
        SignalOutcome::AlreadyRecorded
    );
    let life = dir.life(&name("main")).unwrap().unwrap();
    assert_eq!(
        (life.state(), life.tombstone.message.as_deref()),
        (Some(State::Ready), Some("up"))
    );
    main.send(TERM);
    assert_eq!(main.end().status, 143);
    assert_eq!(
        dir.life(&name("main")).unwrap().unwrap().state(),
        Some(State::Failed)
    );
    dir.signal(&name("done"), Announcement::Died(0), None)
        .unwrap();
    let swept = dir.sweep(Sweep::Unfinished).unwrap();
    assert_eq!((swept.removed, swept.errors.len()), (1, 0));
    assert!(dir.life(&name("done")).unwrap().is_some());
    assert!(dir.life(&name("main")).unwrap().is_none());
}

#[test]
fn the_tombstones_of_a_directory_come_in_the_order_of_their_names() {
    let sandbox = Sandbox::new();
    let dir = ExitDir::new(sandbox.dir());
    assert!(
        matches!(dir.tombstones(), Err(Error::Io { .. })),
        "no directory"
    );
    for (text, code) in [("b", 1), ("a", 0), ("c", 3)] {
        dir.signal(&name(text), Announcement::Died(code), None)
            .unwrap();
    }
    // None of these is a tombstone.
    std::fs::create_dir(sandbox.dir().join("d")).unwrap();
    std::fs::write(sandbox.dir().join(".hidden"), "").unwrap();
    std::os::unix::fs::symlink("a", sandbox.dir().join("link")).unwrap();

    let mut tombstones = dir.tombstones().unwrap();
    let (first, life) = tombstones.next().unwrap().unwrap();
    assert_eq!((first.as_str(), life.state()), ("a", Some(State::Ok)));
    std::fs::remove_file(sandbox.dir().join("b")).unwrap();
    let (second, life) = tombstones.next().unwrap().unwrap();
    assert_eq!(
        (second.as_str(), life.death().and_then(Death::code)),
        ("c", Some(3))
    );
    assert!(tombstones.next().is_none());
}

#[test]
fn names_and_conditions_are_parsed_and_their_errors_say_what_is_wrong() {
    let name: Name = "web-1".parse().unwrap();
    assert_eq!(name, Name::new("web-1").unwrap());
    let condition: Condition = "web-1:exit=3".parse().unwrap();
    assert_eq!(
        (condition.name, condition.state),
        (Some(name), State::Exit(3))
    );

    let grammar = "1 to 255 of A-Z a-z 0-9 . _ -, not beginning with . or -";
    let errors: [(Box<dyn std::error::Error>, String); 4] = [
        (
            "../web".parse::<Name>().unwrap_err().into(),
            format!("\"../web\" is not a name: {grammar}"),
        ),
        (
            "-x:ok".parse::<Condition>().unwrap_err().into(),
            format!("\"-x\" is not a name: {grammar}"),
        ),
        (
            "web:up".parse::<Condition>().unwrap_err().into(),
            "\"up\" is not a state: waiting, born, ready, inactive, ok, failed, lost, died, exit=N"
                .to_owned(),
        ),
        (
            "".parse::<Condition>().unwrap_err().into(),
            "an empty condition: expected NAME, NAME:STATE or :STATE".to_owned(),
        ),
    ];
    for (error, text) in errors {
        assert_eq!(error.to_string(), text);
    }
}
