//! The managed application: its configuration, watched, checked and put in place, and the file while which it
//! runs. Decides nothing about the command.
//!
//! Changes are waited out: after [`QUIET`] without another one everything that has changed is read, checked
//! and put in place in one round, and told once. What is refused changes nothing.

mod archive;
mod place;
mod source;
mod tree;
mod watcher;

use crate::ExitDir;
use crate::Limit;
use crate::config::{ConfigItem, Management, Usage};
use crate::error::describe;
use crate::exit_dir::Locality;
use crate::program::{Output, Program};
use crate::supervisor::Ending;
use crate::sys::{CommandLine, Signals};
use crate::watch::{self, Undertaker};
use place::Candidate;
use source::{Content, Places};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tree::{Fingerprint, Node, Tree};
use watcher::Watcher;

/// Changes that follow each other sooner than that are one.
const QUIET: Duration = Duration::from_millis(100);
/// Where there is no end of changes, or a writer does not close his file, they are taken this often all the same.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// So often is looked again at once, because a place was not watched when it was looked at.
const RETRIES: u32 = 5;

/// What one look found, and what people are to be told.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    /// Whether the command may run, if that has changed.
    pub(crate) activity: Option<bool>,
    /// A new configuration was put in place.
    pub(crate) reconfigured: bool,
    /// Each to be said.
    pub(crate) warnings: Vec<String>,
    /// Each to be said once.
    pub(crate) complaints: Vec<String>,
    pub(crate) details: Vec<String>,
}

/// What a managed application depends on, from the start of its life to the end.
pub(crate) struct Managed<'p> {
    plan: &'p Management,
    dir: Option<&'p ExitDir>,
    poll: Option<Limit>,
    items: Vec<Item<'p>>,
    active: bool,
    watcher: Watcher,
    /// What the last look has found to matter.
    contents: BTreeSet<PathBuf>,
    /// Dropped after the descriptor that it takes care of.
    undertaker: Option<Undertaker>,
    next_look: Option<Instant>,
    unrest: Option<Unrest>,
    round: Option<Round>,
    is_new: bool,
}

/// One source.
struct Item<'p> {
    what: &'p ConfigItem,
    /// As of the last look; the outer `None` before the first, or to have it read again.
    signature: Option<Option<u64>>,
    is_dirty: bool,
    is_young: bool,
    accepted: Option<Fingerprint>,
    /// The last that was not accepted: it is not asked about twice.
    refused: Option<Fingerprint>,
    /// That it is gone was said.
    is_missed: bool,
}

/// Changes that have not come to rest.
#[derive(Clone, Copy)]
struct Unrest {
    since: Instant,
    newest: Instant,
}

/// What has changed together.
struct Round {
    ahead: VecDeque<Proposal>,
    check: Option<(Program, Instant)>,
    changed: bool,
}

/// A new state of one source.
struct Proposal {
    item: usize,
    print: Fingerprint,
    /// What is to be put in place; `None` if the command reads it where it is.
    candidate: Option<Candidate>,
}

impl<'p> Managed<'p> {
    /// Finds out whether it can be done at all. `dir` is the directory of our own tombstone.
    ///
    /// # Errors
    /// Why it cannot: a place that nothing can be put in place of.
    pub(crate) fn prepare(
        plan: &'p Management,
        dir: Option<&'p ExitDir>,
        poll: Option<Limit>,
    ) -> Result<Managed<'p>, String> {
        for place in plan.items.iter().filter_map(|item| item.usage.place()) {
            place::check(place)?;
        }
        let item = |what| Item {
            what,
            signature: None,
            is_dirty: false,
            is_young: false,
            accepted: None,
            refused: None,
            is_missed: false,
        };
        Ok(Managed {
            plan,
            dir,
            poll,
            items: plan.items.iter().map(item).collect(),
            active: true,
            watcher: Watcher::new(),
            contents: BTreeSet::new(),
            undertaker: None,
            next_look: Some(Instant::now()),
            unrest: None,
            round: None,
            is_new: true,
        })
    }

    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watcher.descriptor()
    }

    /// When to look even if nothing is heard.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let check = self.round.as_ref().and_then(|round| round.check.as_ref());
        let unrest = self.unrest.filter(|_| self.round.is_none());
        let rest = unrest.map(|unrest| self.end_of(unrest));
        let dates = [self.next_look, rest, check.map(|(_, deadline)| *deadline)];
        dates.into_iter().flatten().min()
    }

    /// Whether there is a configuration to start the command with.
    pub(crate) fn is_complete(&self) -> bool {
        self.items.iter().all(|item| item.accepted.is_some())
    }

    /// What is missing for that.
    pub(crate) fn explain(&self) -> String {
        let missing = self.items.iter().filter(|item| item.accepted.is_none());
        let explain = |item: &Item<'_>| {
            let source = item.what.source.display();
            match item.signature {
                Some(Some(_)) => format!("{source} is not accepted"),
                Some(None) | None => format!("{source} does not exist"),
            }
        };
        missing.map(explain).collect::<Vec<_>>().join(", ")
    }

    /// As [`crate::watch::DirWatch::close_later`].
    pub(crate) fn close_later(&mut self) {
        let appointed = self.watcher.fd().map(Undertaker::appoint);
        self.undertaker = appointed.and_then(Result::ok);
    }

    /// A child that is not the command has ended: perhaps a check.
    pub(crate) fn reaped(&mut self, pid: i32, ending: Option<Ending>) {
        if let Some((check, _)) = self.round.as_mut().and_then(|round| round.check.as_mut()) {
            check.reaped(pid, ending);
        }
    }

    /// Looks at what may have changed. `may_check` is whether a check may run now; one that does begins again
    /// later if not.
    pub(crate) fn look(&mut self, signals: &Signals, may_check: bool) -> Finding {
        let mut finding = Finding::default();
        let now = Instant::now();
        let heard = self.watcher.listen();
        if heard || self.next_look.is_some_and(|at| at <= now) {
            self.survey(now, &mut finding);
        }
        if !may_check {
            if let Some(round) = &mut self.round {
                round.check = None;
            }
            return finding;
        }
        let is_young = |item: &Item<'_>| item.is_young;
        if self.is_new && !self.items.iter().any(is_young) {
            // Nobody can be in the middle of anything.
            self.begin_round(now, &mut finding);
        }
        self.is_new = false;
        let rested = self.unrest.is_some_and(|unrest| self.end_of(unrest) <= now);
        if self.round.is_none() && rested {
            self.begin_round(now, &mut finding);
        }
        self.go_on(signals, &mut finding);
        finding
    }

    fn survey(&mut self, now: Instant, finding: &mut Finding) {
        // Watched, then looked: what came in between is not missed.
        for _ in 0..RETRIES {
            let mut places = Places::default();
            for item in &mut self.items {
                let survey = source::survey(&item.what.source, &mut places);
                let signature = survey.signature;
                item.is_young = survey.is_young;
                if item.signature != Some(signature) {
                    item.signature = Some(signature);
                    item.is_dirty = true;
                    Unrest::add(&mut self.unrest, now);
                }
            }
            self.look_at_activity(&mut places, finding);
            let is_new = self.watcher.set(&places);
            self.contents = places.contents;
            if !is_new {
                break;
            }
        }
        if let Some(errno) = self.watcher.trouble() {
            finding.complaints.push(watch::no_inotify(errno));
        }
        let sources = self.plan.items.iter().map(|item| item.source.as_path());
        let paths = sources.chain(self.plan.active_while.as_deref());
        let locality = if paths.map(locality).any(|found| found == Locality::Remote) {
            Locality::Remote
        } else {
            Locality::Local
        };
        let blind = self.watcher.trouble().is_some();
        let interval = watch::interval(self.poll, blind, locality);
        self.next_look = watch::next_look(interval, now, Instant::now());
    }

    /// When the changes are taken, if there is no other.
    fn end_of(&self, unrest: Unrest) -> Instant {
        let latest = unrest.since + PATIENCE;
        if self.watcher.is_being_written(&self.contents) {
            return latest;
        }
        latest.min(unrest.newest + QUIET)
    }

    fn look_at_activity(&mut self, places: &mut Places, finding: &mut Finding) {
        let Some(file) = &self.plan.active_while else {
            return;
        };
        match source::exists(file, places) {
            Ok(active) if active == self.active => {}
            Ok(active) => {
                self.active = active;
                finding.activity = Some(active);
            }
            Err(errno) => {
                let because = describe(&errno.into());
                let sentence = format!("cannot look for {}: {because}", file.display());
                finding.complaints.push(sentence);
                // What runs is left alone; what does not is not started on a guess.
                if self.is_new && self.active {
                    self.active = false;
                    finding.activity = Some(false);
                }
            }
        }
    }

    /// Reads what has changed.
    fn begin_round(&mut self, now: Instant, finding: &mut Finding) {
        self.unrest = None;
        let mut ahead = VecDeque::new();
        for (number, item) in self.items.iter_mut().enumerate() {
            if !std::mem::take(&mut item.is_dirty) {
                continue;
            }
            let source = item.what.source.display();
            let old = if item.accepted.is_some() {
                ": keeping the old one"
            } else {
                ""
            };
            match item.read(self.dir) {
                Content::Missing if item.accepted.is_some() && !item.is_missed => {
                    item.is_missed = true;
                    finding.warnings.push(format!("{source} is gone{old}"));
                }
                Content::Missing => {}
                Content::Unsteady => {
                    item.is_dirty = true;
                    Unrest::add(&mut self.unrest, now);
                }
                Content::Refused(why) => {
                    item.is_missed = false;
                    finding
                        .warnings
                        .push(format!("{source} is refused: {why}{old}"));
                }
                Content::Tree(tree) => {
                    item.is_missed = false;
                    if source::survey(&item.what.source, &mut Places::default()).is_young {
                        item.is_dirty = true;
                        Unrest::add(&mut self.unrest, now);
                    }
                    match item.propose(number, &tree) {
                        Ok(proposal) => ahead.extend(proposal),
                        Err(complaint) => {
                            item.signature = None;
                            finding.complaints.push(complaint);
                        }
                    }
                }
            }
        }
        if !ahead.is_empty() {
            self.round = Some(Round {
                ahead,
                check: None,
                changed: false,
            });
        }
    }

    /// Goes on with a round as far as it goes without waiting.
    fn go_on(&mut self, signals: &Signals, finding: &mut Finding) {
        let Some(round) = &mut self.round else { return };
        while let Some(proposal) = round.ahead.front() {
            let Some(item) = self.items.get_mut(proposal.item) else {
                break;
            };
            let answer = match &self.plan.check {
                None => Some(Ok(())),
                Some(words) => round.ask(words, &item.what.source, signals),
            };
            let Some(answer) = answer else { return };
            let Some(proposal) = round.ahead.pop_front() else {
                break;
            };
            match answer {
                Ok(()) => round.changed |= item.accept(proposal, finding),
                Err(why) => {
                    let kept = if item.accepted.is_some() {
                        ": keeping the old one"
                    } else {
                        ""
                    };
                    let source = item.what.source.display();
                    finding
                        .warnings
                        .push(format!("{source} is refused: {why}{kept}"));
                    item.refused = Some(proposal.print);
                    if let Some(candidate) = proposal.candidate {
                        candidate.discard();
                    }
                }
            }
        }
        finding.reconfigured = round.changed;
        self.round = None;
    }
}

impl Drop for Managed<'_> {
    fn drop(&mut self) {
        for proposal in self
            .round
            .iter_mut()
            .flat_map(|round| round.ahead.drain(..))
        {
            if let Some(candidate) = proposal.candidate {
                candidate.discard();
            }
        }
    }
}

impl Unrest {
    fn add(unrest: &mut Option<Unrest>, now: Instant) {
        let since = unrest.map_or(now, |unrest| unrest.since);
        *unrest = Some(Unrest { since, newest: now });
    }
}

impl Item<'_> {
    fn read(&self, dir: Option<&ExitDir>) -> Content {
        let content = source::read(&self.what.source, dir);
        match (&self.what.usage, content) {
            (Usage::Unpacked(_), Content::Tree(tree)) => match tree.root() {
                Some(Node::File(_, bytes)) => {
                    archive::read(bytes).map_or_else(Content::Refused, Content::Tree)
                }
                _ => Content::Refused("it is a directory, not a tar archive".to_owned()),
            },
            (_, content) => content,
        }
    }

    /// What is new about it; `None` if nothing is, or it was refused already.
    fn propose(&self, number: usize, tree: &Tree) -> Result<Option<Proposal>, String> {
        let place = self.what.usage.place();
        // The command sees the modes of copies only.
        let print = tree.fingerprint(place.is_some());
        if [self.accepted, self.refused].contains(&Some(print)) {
            return Ok(None);
        }
        let candidate = place.map(|place| place::stage(tree, place)).transpose()?;
        Ok(Some(Proposal {
            item: number,
            print,
            candidate,
        }))
    }

    /// Puts it in place. Whether it is there.
    fn accept(&mut self, proposal: Proposal, finding: &mut Finding) -> bool {
        let changes = proposal.candidate.map(Candidate::put_in_place).transpose();
        match (changes, self.what.usage.place()) {
            (Ok(changes), place) => {
                let details = place
                    .zip(changes)
                    .map(|(place, changes)| changes.tell(place));
                finding.details.extend(details.into_iter().flatten());
                self.accepted = Some(proposal.print);
                self.refused = None;
                true
            }
            (Err(complaint), _) => {
                self.signature = None;
                finding.complaints.push(complaint);
                false
            }
        }
    }
}

impl Round {
    /// What the check says of the next proposal; `None` while it runs.
    fn ask(
        &mut self,
        words: &[String],
        source: &Path,
        signals: &Signals,
    ) -> Option<Result<(), String>> {
        let program = || words.first().cloned().unwrap_or_default();
        if let Some((check, deadline)) = &self.check {
            let answer = match check.succeeded() {
                Some(true) => Ok(()),
                Some(false) => Err(format!("{} does not accept it", program())),
                None if *deadline <= Instant::now() => Err(format!(
                    "{} has not answered within {}",
                    program(),
                    Limit::After(CHECK_TIMEOUT)
                )),
                None => return None,
            };
            self.check = None;
            return Some(answer);
        }
        let candidate = self.ahead.front()?.candidate.as_ref();
        let candidate = candidate.map_or(source, Candidate::path);
        let words = words.iter().map(OsString::from);
        let words: Vec<OsString> = words.chain([candidate.into()]).collect();
        let started = CommandLine::new(&words)
            .ok_or_else(|| "no program".to_owned())
            .and_then(|command| Program::start(&command, signals, Output::Shown));
        match started {
            Ok(check) => {
                self.check = Some((check, Instant::now() + CHECK_TIMEOUT));
                None
            }
            Err(because) => Some(Err(format!("cannot run {}: {because}", program()))),
        }
    }
}

/// Of the nearest directory that exists.
fn locality(path: &Path) -> Locality {
    let here = Path::new(".");
    let mut ancestors = path
        .ancestors()
        .map(|path| match path.as_os_str().is_empty() {
            true => here,
            false => path,
        });
    let nearest = ancestors.find(|path| path.exists());
    Locality::of_path(nearest.unwrap_or(here))
}
