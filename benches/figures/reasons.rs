//! Why another program is better than exitdir at a figure of the report: one sentence for each.

use crate::comparison::Comparison;

/// Beginnings of figures, and the reason. The first that fits counts.
const REASONS: [(&str, &str); 14] = [
    (
        "size:",
        "exitdir is static and holds what it needs of musl and of Rust's standard library; the \
         smaller programs load the C library of the image, which their figures leave out.",
    ),
    (
        "memory: private",
        "exitdir-run keeps its options, its state, and with a tombstone what it knows of each \
         dependency; the others keep little more than a process id.",
    ),
    (
        "memory:",
        "more of exitdir-run is mapped, because it has more to do before it waits.",
    ),
    (
        "start: the same",
        "exitdir-run also locks and publishes a tombstone, watches the directory for the death of \
         main, and records its own death; the others keep no record.",
    ),
    (
        "start:",
        "exitdir-run reads the variables of its options, asks for the foreground of the terminal, \
         and makes a pipe on which the child reports why it could not execute the command.",
    ),
    (
        "stop: the same",
        "exitdir-run also appends the death to its tombstone, checks that the name still leads to \
         it, and releases the lock before it exits; the others keep no record.",
    ),
    (
        "stop:",
        "exitdir-run asks once more for signals before it sleeps, and once more for children \
         before it exits, so that it misses none.",
    ),
    (
        "reaction:",
        "exitdir reads the tombstone and asks for its lock before it believes the event.",
    ),
    (
        "crash of a peer:",
        "exitdir reads the tombstone and asks for its lock before it believes the event.",
    ),
    (
        "scale: the same for any",
        "a condition without a NAME means any tombstone, so exitdir-wait has read all of them and \
         keeps their states; inotifywait reads none.",
    ),
    (
        "scale:",
        "each exitdir-wait reads the tombstone, asks for its lock, and hands its watch over to the \
         kernel's collector.",
    ),
    (
        "wake-ups a minute: wait that polls",
        "both wake up each second, and one time more falls into the 20 seconds of this run.",
    ),
    (
        "wake-ups a minute:",
        "exitdir scans the directory every 10 s (`--poll`) although it has a watch, because some \
         file systems lose events; the others would not notice.",
    ),
    (
        "processor time a minute:",
        "that is the time of the scans every 10 s, which are there because some file systems lose \
         events; the others only wait.",
    ),
];

/// The reason why programs are better at this figure. Warns if none is known.
pub(crate) fn reason(comparison: &Comparison) -> &'static str {
    let figure = comparison.figure.as_str();
    let mut found = REASONS
        .iter()
        .filter(|(begin, _)| figure.starts_with(begin));
    if let Some((_, reason)) = found.next() {
        return reason;
    }
    eprintln!("bench: {figure}: another program is better, and no reason is known");
    "no reason is known."
}
