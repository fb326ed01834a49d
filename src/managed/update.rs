//! What has changed together: checked one after the other, put in place, and told once.

use super::Finding;
use super::replace::Candidate;
use super::source::Item;
use super::tree::Fingerprint;
use crate::duration::Limit;
use crate::process::helper::{Outcome, Output, Program};
use crate::store::exit_dir::{ExitDir, FileId};
use crate::supervisor::Ending;
use crate::sys::{CommandLine, Signals};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Round {
    ahead: VecDeque<Proposal>,
    check: Option<(Program, Instant)>,
    /// Something was put in place.
    changed: bool,
    /// Since when what is in it has been changing.
    since: Option<Instant>,
    /// Nobody is waited for any more.
    in_haste: bool,
}

/// A new state of one source.
struct Proposal {
    item: usize,
    print: Fingerprint,
    candidate: Option<Candidate>,
}

/// What a check says.
enum Answer {
    Yes,
    No(String),
    /// It could not be asked, which is not the configuration's fault.
    Unasked(String),
}

impl Round {
    pub(super) fn add(&mut self, item: usize, print: Fingerprint, candidate: Option<Candidate>) {
        self.ahead.push_back(Proposal {
            item,
            print,
            candidate,
        });
    }

    /// Of what has been changing since then. In haste, whatever has changed meanwhile is for a later round.
    pub(super) fn new(since: Option<Instant>, in_haste: bool) -> Round {
        Round {
            since,
            in_haste,
            ..Round::default()
        }
    }

    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Until when the check that runs may; at once if it has ended.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (check, deadline) = self.check.as_ref()?;
        Some(match check.outcome() {
            Some(_) => Instant::now(),
            None => *deadline,
        })
    }

    pub(super) fn checker(&self) -> Option<i32> {
        self.check.as_ref().map(|(check, _)| check.pid())
    }

    pub(super) fn reaped(&mut self, pid: i32, ending: Option<Ending>) {
        if let Some((check, _)) = &mut self.check {
            check.reaped(pid, ending);
        }
    }

    /// Ends a check that runs; it will be asked again.
    pub(super) fn interrupt(&mut self) {
        self.check = None;
    }

    /// Goes on as far as that goes without waiting. Whether the round is over. The exit directory, `apart`, is no
    /// part of any source.
    pub(super) fn go_on(
        &mut self,
        items: &mut [Item<'_>],
        check: Option<&[String]>,
        (dir, apart): (Option<&ExitDir>, Option<FileId>),
        signals: &Signals,
        finding: &mut Finding,
    ) -> bool {
        while let Some(proposal) = self.ahead.front() {
            let Some(item) = items.get_mut(proposal.item) else {
                break;
            };
            let subject = item.subject(proposal.candidate.as_ref());
            let answer = match check {
                None => Some(Answer::Yes),
                Some(words) => self.ask(words, subject, signals),
            };
            let Some(answer) = answer else { return false };
            let Some(Proposal {
                print, candidate, ..
            }) = self.ahead.pop_front()
            else {
                break;
            };
            let reads_source = candidate.is_none() && check.is_some() && !self.in_haste;
            if reads_source && item.is_another_by_now(print, dir, apart) {
                // Nobody knows which of the two the check has seen.
                item.ask_again();
                continue;
            }
            match answer {
                Answer::Yes => self.changed |= item.accept(print, candidate, finding),
                Answer::No(why) => finding.warnings.push(item.refuse(print, &why)),
                Answer::Unasked(complaint) => {
                    item.has_failed = true;
                    finding.complaints.push(complaint);
                }
            }
        }
        finding.reconfigured = self.changed;
        true
    }

    /// What the check says; `None` while it runs.
    fn ask(&mut self, words: &[String], subject: PathBuf, signals: &Signals) -> Option<Answer> {
        let program = words.first().map_or("", String::as_str);
        if let Some((check, deadline)) = &self.check {
            let answer = match check.outcome() {
                Some(Outcome::Succeeded) => Answer::Yes,
                Some(Outcome::Failed) => Answer::No(format!("{program} does not accept it")),
                Some(Outcome::Killed(signal)) => {
                    Answer::Unasked(format!("{program} was ended by {signal}"))
                }
                None if *deadline <= Instant::now() => {
                    let limit = Limit::After(CHECK_TIMEOUT);
                    Answer::No(format!("{program} has not answered within {limit}"))
                }
                None => return None,
            };
            self.check = None;
            return Some(answer);
        }
        let words = words.iter().map(OsString::from);
        let words: Vec<OsString> = words.chain([subject.into_os_string()]).collect();
        let command = CommandLine::new(&words)?;
        match Program::start(&command, signals, Output::Shown) {
            Ok(check) => {
                self.check = Some((check, Instant::now() + CHECK_TIMEOUT));
                None
            }
            Err(because) => Some(Answer::Unasked(format!("cannot run {program}: {because}"))),
        }
    }
}
