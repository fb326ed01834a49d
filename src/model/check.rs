//! Checks of one setup: that every invariant holds, or that a mutation breaks one.

use super::explore::explore;
use super::setup::Setup;
use super::world::Transition;

pub(super) fn holds(name: &str, setup: &Setup) {
    let found = explore(setup);
    println!("{name}: {} states, {} ends", found.states, found.ends);
    if let Some((violation, trace)) = found.violation {
        print(&trace);
        panic!("{name}: {violation}");
    }
    assert!(found.ends > 0, "{name}: no world shows an end");
}

/// The setup's protocol has a mistake that breaks an invariant. `expected` is a part of its
/// sentence.
pub(super) fn breaks(name: &str, expected: &str, setup: &Setup) {
    let found = explore(setup);
    let (violation, trace) = found.violation.unwrap_or_else(|| {
        panic!("{name}: every invariant holds in {} states", found.states);
    });
    println!("{name}: {violation}, found in {} states:", found.states);
    print(&trace);
    assert!(violation.contains(expected), "{name}: {violation}");
}

fn print(trace: &[Transition]) {
    for (actor, description) in trace {
        println!("    {actor:?}: {description}");
    }
}
