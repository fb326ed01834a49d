use super::*;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// A debounce without events, whose first scan cost nothing and was at `t0`.
fn scanned(t0: Instant) -> Debounce {
    let mut debounce = Debounce::new(t0, 1);
    scan(&mut debounce, t0, Duration::ZERO);
    debounce
}

fn scan(debounce: &mut Debounce, at: Instant, processor_time: Duration) {
    debounce.begin_scan();
    debounce.end_scan(ScanCost {
        began: at,
        ended: at,
        processor_time,
        interval: Limit::After(60 * S),
    });
}

#[test]
fn the_first_scan_is_due_at_once() {
    let t0 = Instant::now();
    let debounce = Debounce::new(t0, 1);
    assert!(debounce.is_scan_due(t0));
    assert!(debounce.needs_scan(t0, false));
    assert_eq!(debounce.deadline(true, false), Some(t0));
}

#[test]
fn a_change_is_applied_after_the_quiet_time() {
    let t0 = Instant::now();
    let mut debounce = scanned(t0);
    debounce.note_change(t0);
    debounce.note_change(t0 + 60 * MS);
    assert_eq!(debounce.deadline(true, false), Some(t0 + 160 * MS));
    assert!(!debounce.is_apply_due(t0 + 159 * MS, false));
    assert!(debounce.is_apply_due(t0 + 160 * MS, false));
    let due = DueChanges {
        since: Some(t0),
        trigger: Trigger::Quiet,
    };
    assert_eq!(debounce.take_changes(t0 + 160 * MS), due);
    assert!(!debounce.has_changes() && debounce.allows_start());
}

#[test]
fn a_writer_or_endless_changes_delay_it_until_the_upper_bound() {
    let t0 = Instant::now();
    let end = t0 + DEBOUNCE_LIMIT;
    for is_being_written in [false, true] {
        let mut debounce = scanned(t0);
        for tick in 0..DEBOUNCE_LIMIT.as_millis() as u32 / 50 {
            let now = t0 + tick * 50 * MS;
            debounce.note_change(now);
            assert!(!debounce.is_apply_due(now, is_being_written));
            assert!(!debounce.allows_start());
        }
        assert_eq!(debounce.deadline(true, is_being_written), Some(end));
        assert!(debounce.is_apply_due(end, is_being_written));
        assert_eq!(debounce.take_changes(end).trigger, Trigger::Expired);
        debounce.note_change(end);
        assert!(debounce.allows_start(), "they were waited for");
    }
}

#[test]
fn the_upper_bound_counts_from_the_first_change_also_for_what_a_batch_leaves_over() {
    let t0 = Instant::now();
    let mut debounce = scanned(t0);
    debounce.note_change(t0);
    let due = debounce.take_changes(t0 + S);
    debounce.note_leftover(due.since, t0 + 2 * S);
    assert_eq!(debounce.applies_at(true), Some(t0 + DEBOUNCE_LIMIT));
    // Newer changes have begun on their own.
    let mut debounce = scanned(t0);
    debounce.note_change(t0 + 3 * S);
    debounce.note_leftover(Some(t0), t0 + 3 * S);
    assert_eq!(debounce.applies_at(true), Some(t0 + 3 * S + DEBOUNCE_LIMIT));
    // Without a first change, now is the first.
    let mut debounce = scanned(t0);
    debounce.note_leftover(None, t0 + S);
    assert_eq!(debounce.applies_at(true), Some(t0 + S + DEBOUNCE_LIMIT));
}

#[test]
fn events_after_an_expensive_scan_wait_for_its_pause_and_are_scanned_before_changes_are_applied() {
    let t0 = Instant::now();
    let mut debounce = scanned(t0);
    scan(&mut debounce, t0, 100 * MS);
    debounce.note_change(t0);
    debounce.note_events(Hint::None);
    let rested = t0 + 1900 * MS;
    assert!(!debounce.is_scan_due(rested - MS) && debounce.is_scan_due(rested));
    assert!(!debounce.is_apply_due(rested - MS, false));
    assert_eq!(debounce.deadline(true, false), Some(rested));
    // A pause longer than the upper bound does not delay changes beyond it.
    scan(&mut debounce, t0, 2 * S);
    debounce.note_events(Hint::None);
    assert_eq!(debounce.applies_at(false), Some(t0 + DEBOUNCE_LIMIT));
}

#[test]
fn a_scan_without_an_event_follows_after_the_interval_or_a_multiple_of_its_cost() {
    let t0 = Instant::now();
    let mut debounce = scanned(t0);
    assert_eq!(debounce.deadline(true, false), Some(t0 + 60 * S));
    assert!(!debounce.is_scan_due(t0 + 59 * S) && debounce.is_scan_due(t0 + 60 * S));
    scan(&mut debounce, t0, 10 * S);
    assert_eq!(debounce.deadline(true, false), Some(t0 + 190 * S));
}

#[test]
fn a_scan_is_needed_where_an_event_may_be_missing_or_came_since_the_last_one() {
    let t0 = Instant::now();
    let mut debounce = scanned(t0 + S);
    for (since, complete, needed) in [
        (t0, false, false),
        (t0 + S, false, false),
        (t0 + 2 * S, false, true),
        (t0 + 2 * S, true, false),
    ] {
        assert_eq!(debounce.needs_scan(since, complete), needed);
    }
    debounce.note_events(Hint::None);
    assert!(debounce.needs_scan(t0, true));
}

#[test]
fn a_failure_is_retried_once_ten_seconds_after_the_first() {
    let t0 = Instant::now();
    let mut debounce = scanned(t0);
    debounce.note_failure(t0);
    debounce.note_failure(t0 + 5 * S);
    assert_eq!(debounce.deadline(true, false), Some(t0 + RETRY_INTERVAL));
    assert!(!debounce.take_retry(t0 + 9 * S));
    assert!(debounce.take_retry(t0 + 10 * S));
    assert!(!debounce.take_retry(t0 + 10 * S));
}

#[test]
fn while_nothing_may_be_applied_only_scans_have_deadlines() {
    let t0 = Instant::now();
    let mut debounce = scanned(t0);
    debounce.note_change(t0);
    debounce.note_failure(t0);
    assert_eq!(debounce.deadline(false, false), Some(t0 + 60 * S));
}

/// A debounce of so many sources, one of which was replaced at `t0` and scanned.
fn replaced(t0: Instant, source_count: usize) -> Debounce {
    let mut debounce = Debounce::new(t0, source_count);
    replace(&mut debounce, t0);
    debounce
}

fn replace(debounce: &mut Debounce, at: Instant) {
    debounce.note_events(Hint::Replaced);
    debounce.note_change(at);
    scan(debounce, at, Duration::ZERO);
}

#[test]
fn a_replacement_of_the_only_source_is_applied_at_once() {
    let t0 = Instant::now();
    let mut debounce = replaced(t0, 1);
    assert!(debounce.is_apply_due(t0, false));
    let due = DueChanges {
        since: Some(t0),
        trigger: Trigger::Replaced,
    };
    assert_eq!(debounce.take_changes(t0), due);
}

#[test]
fn several_sources_or_a_source_written_in_place_keep_the_quiet_time() {
    let t0 = Instant::now();
    let several = replaced(t0, 2);
    let (mut written, mut silent) = (replaced(t0, 1), scanned(t0));
    written.note_events(Hint::Written);
    scan(&mut written, t0, Duration::ZERO);
    // A change without any event, as on a file system of another machine.
    silent.note_change(t0);
    for mut debounce in [several, written, silent] {
        assert_eq!(debounce.deadline(true, false), Some(t0 + QUIET_TIME));
        assert_eq!(debounce.take_changes(t0).trigger, Trigger::Quiet);
    }
}

#[test]
fn a_replacement_counts_for_a_change_that_was_found_before_its_event_and_after_what_was_written() {
    let t0 = Instant::now();
    for hint in [Hint::None, Hint::Written] {
        let mut debounce = scanned(t0);
        debounce.note_events(hint);
        debounce.note_change(t0);
        scan(&mut debounce, t0, Duration::ZERO);
        assert!(!debounce.is_apply_due(t0, false));
        debounce.note_events(Hint::Replaced);
        scan(&mut debounce, t0 + MS, Duration::ZERO);
        assert!(debounce.is_apply_due(t0 + MS, false), "{hint:?}");
        assert!(
            !debounce.is_apply_due(t0 + S, true),
            "a writer is waited for"
        );
    }
}

#[test]
fn a_hint_about_no_change_is_forgotten_and_one_about_a_change_lasts_until_the_batch_ends() {
    let t0 = Instant::now();
    let mut debounce = scanned(t0);
    debounce.note_events(Hint::Replaced);
    scan(&mut debounce, t0, Duration::ZERO);
    debounce.note_change(t0 + S);
    assert!(
        !debounce.is_apply_due(t0 + S, false),
        "it was about nothing"
    );
    // The rest of a replacement, found while it is read.
    let mut debounce = replaced(t0, 1);
    let due = debounce.take_changes(t0);
    scan(&mut debounce, t0 + MS, Duration::ZERO);
    debounce.note_leftover(due.since, t0 + 2 * MS);
    debounce.end_batch(t0 + 2 * MS, MS);
    assert!(debounce.is_apply_due(t0 + 22 * MS, false));
    debounce.take_changes(t0 + 22 * MS);
    debounce.end_batch(t0 + 23 * MS, MS);
    debounce.note_change(t0 + S);
    assert!(!debounce.is_apply_due(t0 + S, false), "the batch has ended");
}

/// A source that is replaced every millisecond, and read in five.
#[test]
fn a_burst_of_replacements_is_applied_at_most_once_in_20_ms_and_its_last_one_soon() {
    let t0 = Instant::now();
    let mut debounce = scanned(t0);
    let (mut ends, mut reads_until) = (Vec::new(), None);
    // What the source holds, what is being read, and what was applied.
    let (mut newest, mut reading, mut applied) = (0, 0, 0);
    for tick in 0..1_000 {
        let now = t0 + tick * MS;
        if tick <= 500 {
            newest = tick;
            replace(&mut debounce, now);
        }
        if reads_until == Some(now) {
            (applied, reads_until) = (reading, None);
            ends.push(now);
            debounce.end_batch(now, Duration::ZERO);
        }
        if reads_until.is_none() && debounce.is_apply_due(now, false) {
            assert_eq!(debounce.take_changes(now).trigger, Trigger::Replaced);
            (reading, reads_until) = (newest, Some(now + 5 * MS));
        }
    }
    assert!(
        ends.windows(2)
            .all(|two| two[1] - two[0] >= REPLACEMENT_PAUSE)
    );
    assert_eq!(applied, 500);
    assert!(
        ends.last().is_some_and(|end| *end <= t0 + 530 * MS),
        "{ends:?}"
    );
}

#[test]
fn replacements_that_take_long_to_read_are_read_for_half_of_the_time_at_most() {
    let t0 = Instant::now();
    for (is_replaced, reading_time, expected) in [
        (true, MS, t0 + 20 * MS),
        (true, S, t0 + S),
        (true, 60 * S, t0 + MS + DEBOUNCE_LIMIT),
        // What was not replaced has waited before.
        (false, S, t0 + 20 * MS),
    ] {
        let mut debounce = match is_replaced {
            true => replaced(t0, 1),
            false => scanned(t0),
        };
        debounce.take_changes(t0);
        debounce.end_batch(t0, reading_time);
        replace(&mut debounce, t0 + MS);
        assert_eq!(debounce.applies_at(false), Some(expected));
    }
}

#[test]
fn a_replacement_is_scanned_although_other_events_were_but_not_two_in_direct_succession() {
    let t0 = Instant::now();
    let mut debounce = scanned(t0);
    debounce.note_events(Hint::None);
    scan(&mut debounce, t0, MS);
    debounce.note_events(Hint::None);
    assert!(!debounce.is_scan_due(t0 + MS));
    debounce.note_events(Hint::Replaced);
    assert!(debounce.is_scan_due(t0 + MS));
    // Also if the first has changed nothing.
    scan(&mut debounce, t0 + MS, MS);
    debounce.note_events(Hint::Replaced);
    let rested = t0 + 20 * MS;
    assert!(!debounce.is_scan_due(rested - MS) && debounce.is_scan_due(rested));
    assert_eq!(debounce.deadline(true, false), Some(rested));
}

#[test]
fn a_scan_learns_whether_events_before_it_were_about_the_content() {
    let t0 = Instant::now();
    for (hint, is_touched) in [
        (Hint::None, false),
        (Hint::Written, true),
        (Hint::Replaced, true),
    ] {
        let mut debounce = scanned(t0);
        debounce.note_events(hint);
        debounce.note_events(Hint::None);
        assert_eq!(debounce.is_touched(), is_touched);
        assert_eq!(debounce.begin_scan(), is_touched);
        assert!(!debounce.begin_scan());
    }
}

/// Every order of six steps: changes never wait beyond the upper bound, and never less than the
/// quiet time before it.
#[test]
fn no_order_of_events_breaks_the_bounds() {
    const STEPS: u32 = 6;
    let t0 = Instant::now();
    for trace in 0..6_u32.pow(STEPS) {
        let (mut now, mut debounce) = (t0, scanned(t0));
        let (mut first, mut newest) = (None, None);
        for step in 0..STEPS {
            match trace / 6_u32.pow(step) % 6 {
                0 => now += 40 * MS,
                1 => now += 4 * S,
                2 => debounce.note_events(Hint::None),
                3 => scan(&mut debounce, now, 20 * MS),
                4 => {
                    debounce.note_change(now);
                    first = first.or(Some(now));
                    newest = Some(now);
                }
                _ => {
                    let due = debounce.is_apply_due(now, false).then(|| {
                        let due = debounce.take_changes(now);
                        (first, newest) = (None, None);
                        due
                    });
                    let is_expired = due.is_some_and(|due| due.trigger == Trigger::Expired);
                    assert_eq!(
                        is_expired,
                        due.is_some_and(|due| due.since.unwrap() + DEBOUNCE_LIMIT <= now)
                    );
                }
            }
            let latest = first.map(|first| first + DEBOUNCE_LIMIT);
            let earliest = newest.map(|newest| latest.min(Some(newest + QUIET_TIME)).unwrap());
            assert_eq!(debounce.applies_at(true), latest, "{trace}");
            assert!(debounce.applies_at(false) <= latest, "{trace}");
            assert!(debounce.applies_at(false) >= earliest, "{trace}");
        }
    }
}
