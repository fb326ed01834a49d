use super::*;
use crate::protocol::life::{LockState, WriteState};
use crate::protocol::tombstone::Tombstone;

fn known(name: &str, text: &str) -> KnownLife {
    let tombstone = Tombstone::parse(text.as_bytes());
    let life = Life::judge(tombstone, LockState::Unknown, WriteState::Settled);
    KnownLife::new(Name::new(name).unwrap(), &life)
}

fn waiting(name: &str, items: &str) -> KnownLife {
    known(
        name,
        &format!("Waiting: 1\nLock: none\nWaitingFor: {items}\n"),
    )
}

fn dead(name: &str, code: u8) -> KnownLife {
    known(name, &format!("Waiting: 1\nExitCode: {code}\nDied: 2\n"))
}

/// The findings up to their remedy.
fn findings(lives: &[KnownLife]) -> Vec<String> {
    let what = |finding: String| finding.split(": ").next().unwrap().to_owned();
    let all = dependency_findings(lives).into_iter();
    let remedies = [", so none of them starts", ", so it never starts"];
    all.map(|finding| what(remedies.iter().fold(finding, |it, end| it.replace(end, ""))))
        .collect()
}

#[test]
fn lives_that_have_what_they_wait_for_or_will_get_it_are_in_order() {
    let ready = known(
        "db",
        "Waiting: 1\nLock: none\nBorn: 2\nReady: 2\nFollows: job:died\n",
    );
    let lives = [
        waiting("app", "db:ready,job:ok,job2:failed,web:waiting,tcp:db:5432"),
        ready,
        dead("job", 0),
        dead("job2", 3),
        waiting("web", "app:born+db:ready,:failed"),
    ];
    assert_eq!(findings(&lives), Vec::<String>::new());
}

#[test]
fn a_dependency_that_no_life_has_is_named_as_long_as_the_life_waits_or_follows() {
    let lives = [
        waiting("app", "db:ready+dc:ready"),
        known(
            "old",
            "Waiting: 1\nFollows: main:died\nExitCode: 0\nDied: 2\n",
        ),
        known(
            "proxy",
            "Waiting: 1\nLock: none\nWaitingFor: x:ready\nBorn: 2\nFollows: main:died\n",
        ),
    ];
    assert_eq!(
        findings(&lives),
        [
            "app waits for db:ready, but no life has the name db",
            "app waits for dc:ready, but no life has the name dc",
            "proxy follows main:died, but no life has the name main"
        ]
        .map(|text| text.split(": ").next().unwrap().to_owned())
    );
}

#[test]
fn a_birth_dependency_that_has_ended_otherwise_is_named_with_its_code() {
    let lives = [
        waiting("app", "db:ready,job:ok,job:exit=4"),
        dead("db", 0),
        dead("job", 4),
    ];
    assert_eq!(
        findings(&lives),
        [
            "app waits for db:ready, but db has ended with 0",
            "app waits for job:ok, but job has ended with 4"
        ]
    );
}

#[test]
fn lives_that_wait_for_each_other_are_named_once() {
    let lives = [
        waiting("a", "b:ready"),
        waiting("b", "end:ready,c:born"),
        waiting("c", "a:ready"),
        waiting("end", "self:waiting"),
        waiting("later", "a:ready"),
        waiting("self", "self:ready"),
    ];
    assert_eq!(
        findings(&lives),
        ["a, b, c wait for each other", "self waits for itself"]
    );
}

#[test]
fn a_chain_of_thousands_of_lives_is_no_cycle_and_a_ring_of_them_is_one() {
    let chain = |last: &str| -> Vec<KnownLife> {
        let name = |at| format!("n{at:04}");
        let next = |at| {
            if at == 4095 {
                last.to_owned()
            } else {
                name(at + 1)
            }
        };
        (0..4096)
            .map(|at| waiting(&name(at), &format!("{}:ready", next(at))))
            .collect()
    };
    assert_eq!(
        findings(&chain("n0000")),
        ["n0000, n0001, n0002, n0003, n0004 and 4091 more wait for each other"]
    );
    let chain = findings(&chain("nobody"));
    assert_eq!(
        chain,
        ["n4095 waits for nobody:ready, but no life has the name nobody"]
    );
}

#[test]
fn a_finding_is_named_once_and_at_most_five_of_a_kind_are() {
    let missing =
        |name: u32| format!("a waits for q{name}:ready, but no life has the name q{name}");
    let twice = waiting("a", "q1:ready,q2:ready,q1:ready,q1:ready+q2:ready");
    assert_eq!(findings(&[twice]), [missing(1), missing(2)]);
    let items: Vec<String> = (0..100).map(|at| format!("q{at}:ready")).collect();
    let mut expected: Vec<String> = (0..5).map(missing).collect();
    expected.push("and 95 more findings of this kind".to_owned());
    assert_eq!(findings(&[waiting("a", &items.join(","))]), expected);
}

#[test]
fn a_life_that_waits_for_itself_is_told_apart_from_several() {
    assert_eq!(
        dependency_findings(&[waiting("self", "self:ready")]),
        ["self waits for itself, so it never starts: remove this birth dependency"]
    );
}
