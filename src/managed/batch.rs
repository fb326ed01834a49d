//! What has changed together: checked one after the other, put in place, and told once.

use super::exclusion::Exclusion;
use super::replace::Candidate;
use super::source::Source;
use super::tree::TreeFingerprint;
use super::update::ManagedUpdate;
use crate::duration::Limit;
use crate::exit::ExitStatus;
use crate::process::helper::{Helper, HelperOutcome, HelperOutput};
use crate::sys::command_line::CommandLine;
use crate::sys::signals::Signals;
use rustix::process::Pid;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Batch {
    ahead: VecDeque<CheckedCandidate>,
    check: Option<(Helper, Instant)>,
    /// Something was put in place.
    changed: bool,
    /// Since when what is in it has been changing.
    since: Option<Instant>,
    /// Nobody is waited for any more.
    in_haste: bool,
}

/// A new state of one source.
struct CheckedCandidate {
    item: usize,
    print: TreeFingerprint,
    candidate: Option<Candidate>,
}

/// What a check says.
enum CheckResult {
    Yes,
    No(String),
    /// It could not be asked, which is not the configuration's fault.
    NotRun(String),
}

impl Batch {
    pub(super) fn add(
        &mut self,
        item: usize,
        print: TreeFingerprint,
        candidate: Option<Candidate>,
    ) {
        self.ahead.push_back(CheckedCandidate {
            item,
            print,
            candidate,
        });
    }

    /// Of what has been changing since then. In haste, whatever has changed meanwhile is for a later round.
    pub(super) fn new(since: Option<Instant>, in_haste: bool) -> Batch {
        Batch {
            since,
            in_haste,
            ..Batch::default()
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

    pub(super) fn checker(&self) -> Option<Pid> {
        self.check.as_ref().map(|(check, _)| check.pid())
    }

    pub(super) fn reaped(&mut self, pid: Pid, ending: Option<ExitStatus>) {
        if let Some((check, _)) = &mut self.check {
            check.reaped(pid, ending);
        }
    }

    /// Ends a check that runs; it will be asked again.
    pub(super) fn interrupt(&mut self) {
        self.check = None;
    }

    /// Goes on as far as that goes without waiting. Whether the round is over.
    pub(super) fn go_on(
        &mut self,
        items: &mut [Source<'_>],
        check: Option<&[String]>,
        exclusion: Exclusion<'_>,
        signals: &Signals,
        finding: &mut ManagedUpdate,
    ) -> bool {
        while let Some(proposal) = self.ahead.front() {
            let Some(item) = items.get_mut(proposal.item) else {
                break;
            };
            let subject = item.path_to_check(proposal.candidate.as_ref());
            let answer = match check {
                None => Some(CheckResult::Yes),
                Some(words) => self.ask(words, subject, signals),
            };
            let Some(answer) = answer else { return false };
            let Some(CheckedCandidate {
                print, candidate, ..
            }) = self.ahead.pop_front()
            else {
                break;
            };
            let reads_source = candidate.is_none() && check.is_some() && !self.in_haste;
            if reads_source && item.may_have_changed(print, exclusion) {
                // Nobody knows which of the two the check has seen.
                item.mark_dirty();
                continue;
            }
            match answer {
                CheckResult::Yes => self.changed |= item.accept(print, candidate, finding),
                CheckResult::No(why) => finding.warnings.push(item.reject(print, &why)),
                CheckResult::NotRun(complaint) => {
                    item.mark_failed();
                    finding.warnings_once.push(complaint);
                }
            }
        }
        finding.reconfigured = self.changed;
        true
    }

    /// What the check says; `None` while it runs.
    fn ask(
        &mut self,
        words: &[String],
        subject: PathBuf,
        signals: &Signals,
    ) -> Option<CheckResult> {
        let program = words.first().map_or("", String::as_str);
        if let Some((check, deadline)) = &self.check {
            let answer = match check.outcome() {
                Some(HelperOutcome::Succeeded) => CheckResult::Yes,
                Some(HelperOutcome::Failed) => {
                    CheckResult::No(format!("{program} does not accept it"))
                }
                Some(HelperOutcome::Killed(signal)) => {
                    CheckResult::NotRun(format!("{program} was ended by {signal}"))
                }
                None if *deadline <= Instant::now() => {
                    let limit = Limit::After(CHECK_TIMEOUT);
                    CheckResult::No(format!("{program} has not answered within {limit}"))
                }
                None => return None,
            };
            self.check = None;
            return Some(answer);
        }
        let words = words.iter().map(OsString::from);
        let words: Vec<OsString> = words.chain([subject.into_os_string()]).collect();
        let command = CommandLine::new(&words)?;
        match Helper::start(&command, signals, HelperOutput::Stderr) {
            Ok(check) => {
                self.check = Some((check, Instant::now() + CHECK_TIMEOUT));
                None
            }
            Err(because) => Some(CheckResult::NotRun(format!(
                "cannot run {program}: {because}"
            ))),
        }
    }
}
