use super::pod::SimulatedPod;
use super::{Behaviour, Flaw, GRAPHS, Outcome};
use std::time::Duration;

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// One accident, and quick restarts.
const ONE: Behaviour = Behaviour {
    interval: millis(250),
    back_off: millis(100),
    longest_stop: millis(50),
    first_accident: millis(5000),
    accidents: 1,
    in_a_row: false,
    removals: 0,
    horizon: Duration::from_secs(60),
    flaw: None,
};

/// All kinds of pods.
const KINDS: [(&str, Behaviour); 6] = [
    ("one accident, quick stops", ONE),
    (
        "three accidents, slow stops",
        Behaviour {
            back_off: millis(200),
            longest_stop: millis(1000),
            accidents: 3,
            ..ONE
        },
    ),
    (
        "five accidents, very slow stops",
        Behaviour {
            longest_stop: millis(3000),
            accidents: 5,
            horizon: Duration::from_secs(200),
            ..ONE
        },
    ),
    (
        "twenty accidents in a row, immediate restarts",
        Behaviour {
            back_off: millis(80),
            longest_stop: millis(500),
            accidents: 20,
            in_a_row: true,
            horizon: Duration::from_secs(120),
            ..ONE
        },
    ),
    ("short lives between late looks", LATE_LOOKS),
    (
        "three accidents, tombstones removed by hand",
        // With the tombstone goes what it says of earlier lives. So no two lives come and go here
        // between two looks.
        Behaviour {
            back_off: millis(400),
            longest_stop: millis(300),
            accidents: 3,
            removals: 40,
            ..ONE
        },
    ),
];

/// Lives come and go between two looks, also before a container was seen at all.
const LATE_LOOKS: Behaviour = Behaviour {
    interval: millis(700),
    back_off: millis(60),
    longest_stop: millis(100),
    first_accident: millis(60),
    accidents: 3,
    in_a_row: true,
    ..ONE
};

/// What happened in many pods of one kind.
#[derive(Debug, Default)]
struct Summary {
    rounds: usize,
    restless: usize,
    missed: usize,
    deaths: usize,
    most_deaths: usize,
}

impl Summary {
    fn add(&mut self, outcome: Outcome) {
        self.rounds += 1;
        self.restless += usize::from(outcome.restless);
        self.missed += usize::from(outcome.missed > 0);
        self.deaths += outcome.deaths;
        self.most_deaths = self.most_deaths.max(outcome.deaths);
    }
}

fn play(behaviour: Behaviour, seeds: u64) -> Summary {
    let mut all = Summary::default();
    for (graph_name, graph) in GRAPHS {
        let mut one = Summary::default();
        for seed in 0..seeds {
            let outcome = SimulatedPod::new(graph, behaviour, seed).run();
            one.add(outcome);
            all.add(outcome);
        }
        println!("  {graph_name}: {one:?}");
    }
    all
}

/// How many pods of each kind: many more with `EXITDIR_TEST_LONG`.
fn seeds() -> u64 {
    match std::env::var_os("EXITDIR_TEST_LONG") {
        Some(_) => 400,
        None => 8,
    }
}

#[test]
fn no_death_is_missed_and_every_pod_comes_to_rest() {
    for (kind, behaviour) in KINDS {
        println!("{kind}:");
        let all = play(behaviour, seeds());
        assert_eq!((all.restless, all.missed), (0, 0), "{kind}: {all:?}");
    }
}

#[test]
fn one_accident_ends_each_container_about_once() {
    let all = play(ONE, seeds());
    // Each graph has at most four containers.
    assert!(all.most_deaths <= 6, "{all:?}");
}

#[test]
fn by_the_rule_of_version_0_1_one_accident_ends_containers_again_and_again() {
    let all = play(flawed(ONE, Flaw::CauseLivesAgain), 20);
    assert!(all.most_deaths > 40, "{all:?}");
}

#[test]
fn without_the_causes_of_earlier_lives_a_pod_does_not_come_to_rest() {
    let all = play(flawed(ONE, Flaw::NoFell), 4);
    assert!(all.restless > 0, "{all:?}");
}

#[test]
fn without_the_list_of_past_lives_deaths_are_missed() {
    for flaw in [Flaw::CauseLivesAgain, Flaw::NoPast] {
        let all = play(flawed(LATE_LOOKS, flaw), 20);
        assert!(all.missed > 0, "{flaw:?}: {all:?}");
    }
}

fn flawed(behaviour: Behaviour, flaw: Flaw) -> Behaviour {
    Behaviour {
        flaw: Some(flaw),
        ..behaviour
    }
}
