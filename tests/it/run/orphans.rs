//! The processes that a command leaves behind: their adoption and reaping.

use crate::support::proc::{ProcStat, children, sleep_count, state_of};
use crate::support::sandbox::{eventually, wait_until};
use crate::support::shell_life::{Position, ShellLife, positions};
use crate::support::signals::{KILL, TERM, send};
use std::time::Duration;

/// Waits until a process sleeps and has nothing left to do: it would be ready to run otherwise,
/// even where it gets no processor. Returns how often it has slept.
fn await_no_wakes(pid: i32) -> u64 {
    let mut before = None;
    wait_until("it rests", || {
        let asleep = state_of(pid) == Some('S');
        let now = Some(sleep_count(pid));
        let rests = asleep && now == before;
        before = now;
        std::thread::sleep(Duration::from_millis(50));
        rests && state_of(pid) == Some('S')
    });
    before.unwrap()
}

/// Twenty times five hundred orphans; each leaves a mark before it ends.
const MANY_ORPHANS: &str = "echo $$ >>\"$W/cmd\"; j=0; while test $j -lt 20; do \
    sh -c 'i=0; while test $i -lt 500; do echo x >>\"$W/marks\" & i=$((i + 1)); done'; j=$((j + 1)); done; \
    : >\"$W/storm-over\"; while ! test -e \"$W/end\"; do sleep 0.05; done; exit 5";

#[test]
fn ten_thousand_orphans_are_reaped_and_none_stays_a_zombie() {
    for position in positions() {
        let life = ShellLife::start(position, &["-s"], MANY_ORPHANS);
        life.await_file("storm-over");
        wait_until("all orphans have come to their end", || {
            life.lines("marks").len() == 10_000
        });
        let supervisor = life.supervisor();
        wait_until("only the command is left", || {
            children(supervisor).len() == 1
        });
        life.touch("end");
        assert_eq!(life.running.end().status, 5, "{position:?}");
    }
}

#[test]
fn each_orphan_is_reaped_when_it_ends_and_nothing_else_wakes_exitdir_run() {
    let script =
        "sh -c 'i=0; while test $i -lt 20; do sleep 1000 & i=$((i + 1)); done'; exec sleep 1000";
    for position in positions() {
        let life = ShellLife::start(position, &["-s"], script);
        life.sandbox.await_key("main", "Ready");
        let supervisor = life.supervisor();
        let orphans = || {
            let children = children(supervisor);
            (children.len() == 21).then_some(children[1..].to_vec())
        };
        let orphans = eventually("twenty orphans beside the command", orphans);
        wait_until("each sleeps in its own program", || {
            let sleeps =
                |pid: &i32| ProcStat::of(*pid).is_some_and(|process| process.name == "sleep");
            orphans.iter().all(sleeps)
        });
        let before = await_no_wakes(supervisor);
        for orphan in &orphans {
            send(*orphan, KILL);
            wait_until("it was reaped", || !children(supervisor).contains(orphan));
        }
        let after = await_no_wakes(supervisor);
        assert!(
            after - before <= 20,
            "{position:?}: woke {} times for 20 orphans",
            after - before
        );
        // A timer of a second or less would wake it within this time.
        std::thread::sleep(Duration::from_millis(1200));
        assert_eq!(sleep_count(supervisor), after, "{position:?}: a timer");
        life.send(TERM);
        assert_eq!(life.running.end().status, 143, "{position:?}");
    }
}

#[test]
fn orphans_are_adopted_with_subreaper_or_wait_descendants_and_not_without() {
    // The orphan writes down its parent when the first one is gone.
    let daemon = "parent() { cut -d' ' -f4 /proc/$$/stat; }; while test \"$(parent)\" = \"$0\"; do sleep 0.01; done; \
        parent >\"$W/new\"; mv \"$W/new\" \"$W/parent\"";
    let script =
        "sh -c 'sh -c \"$DAEMON\" $$ &'; while ! test -e \"$W/parent\"; do sleep 0.01; done";
    for (options, adopts) in [
        (&[][..], false),
        (&["-s"], true),
        (&["--subreaper"], true),
        (&["--wait-descendants"], true),
    ] {
        let life = ShellLife::leaving(Position::Inside, options, daemon, script);
        let own = life.running.pid().to_string();
        life.await_file("parent");
        let parent = life.lines("parent");
        assert_eq!(parent == [own], adopts, "{options:?}: {parent:?}");
        assert_eq!(life.running.end().status, 0, "{options:?}");
    }
}
