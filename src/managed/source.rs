//! One source: what is known of it, and what is new about it.

use super::archive;
use super::read::{self, Content, ReadContext};
use super::replace::{self, Candidate};
use super::scan;
use super::staging::parent;
use super::tree::{Node, Tree, TreeFingerprint};
use super::update::ManagedUpdate;
use super::watch_set::WatchSet;
use crate::managed::spec::{ConfigItem, Usage};
use crate::store::exit_dir::{ExitDir, FileId};
use std::path::{Path, PathBuf};

/// One source.
pub(super) struct Source<'p> {
    what: &'p ConfigItem,
    /// As of the last look: `None` if nothing is there.
    signature: Option<u64>,
    /// It was not read since it has changed.
    is_dirty: bool,
    /// As of the last look: it may change again with the same signature.
    is_young: bool,
    accepted: Option<TreeFingerprint>,
    /// The last that was not accepted: it is not asked about twice.
    refused: Option<TreeFingerprint>,
    /// The last that cannot be used, and what was said about it: that is not said twice.
    unusable: Option<(Option<TreeFingerprint>, String)>,
    /// The one whose answer was not taken, because the check may have seen something else.
    doubted: Option<TreeFingerprint>,
    /// That it is gone was said.
    is_missed: bool,
    /// The last that was new could not be put in place, for no fault of its own.
    pub(super) has_failed: bool,
}

/// What is new about a source.
pub(super) enum SourceChange {
    None,
    /// To be checked and put in place; without a candidate the command reads it where it is.
    Candidate(TreeFingerprint, Option<Candidate>),
    /// To be said.
    Warning(String),
    /// To be said once.
    Complaint(String),
}

impl<'p> Source<'p> {
    pub(super) fn new(what: &'p ConfigItem) -> Source<'p> {
        Source {
            what,
            signature: None,
            is_dirty: true,
            is_young: false,
            accepted: None,
            refused: None,
            unusable: None,
            doubted: None,
            is_missed: false,
            has_failed: false,
        }
    }

    pub(super) fn source(&self) -> &Path {
        &self.what.source
    }

    /// Whether there is something of it to start with: what was accepted, in a copy or where it is.
    pub(super) fn is_there(&self) -> bool {
        let is_kept = self.what.usage.place().is_some() || self.signature.is_some();
        self.accepted.is_some() && is_kept
    }

    pub(super) fn is_young(&self) -> bool {
        self.is_young
    }

    /// Looks at it from outside. Whether it has changed.
    pub(super) fn survey(&mut self, places: &mut WatchSet, apart: Option<FileId>) -> bool {
        let now = scan::survey(self.source(), places, apart);
        let changed = self.signature != now.signature;
        self.signature = now.signature;
        self.is_young = now.is_young;
        self.is_dirty |= changed;
        changed
    }

    /// Why there is nothing of it to start with.
    pub(super) fn explain(&self) -> String {
        let source = self.source().display();
        match self.signature {
            Some(_) => format!("{source} is not accepted"),
            None => format!("{source} does not exist"),
        }
    }

    /// What could not be done is done again.
    pub(super) fn retry(&mut self) {
        self.is_dirty |= std::mem::take(&mut self.has_failed);
    }

    /// Reads it if it has changed. With what is new: whether it goes on changing, which counts only if there is
    /// no haste.
    pub(super) fn news(
        &mut self,
        dir: Option<&ExitDir>,
        apart: Option<FileId>,
        in_haste: bool,
    ) -> (SourceChange, bool) {
        if !std::mem::take(&mut self.is_dirty) {
            return (SourceChange::None, false);
        }
        let source = self.what.source.display();
        let (content, raw) = self.read(dir, apart);
        self.has_failed = false;
        if self.goes_on(apart) && !in_haste {
            // Its writer may have just begun, and nothing was heard of him yet.
            return (SourceChange::None, true);
        }
        match content {
            Content::Missing if self.accepted.is_some() && !self.is_missed => {
                let sentence = format!("{source} is gone{}", self.consequence());
                self.is_missed = true;
                (SourceChange::Warning(sentence), self.is_dirty)
            }
            Content::Missing => (SourceChange::None, self.is_dirty),
            Content::Changed => {
                self.is_dirty = true;
                (SourceChange::None, true)
            }
            Content::Failed(why) => {
                self.has_failed = true;
                let sentence = format!("cannot read {source}: {why}");
                (SourceChange::Complaint(sentence), self.is_dirty)
            }
            Content::Refused(why) => {
                let unusable = Some((raw, self.refusal(&why)));
                let sentence = unusable.as_ref().filter(|_| unusable != self.unusable);
                let news = sentence.map_or(SourceChange::None, |(_, said)| {
                    SourceChange::Warning(said.clone())
                });
                self.unusable = unusable;
                self.is_missed = false;
                (news, self.is_dirty)
            }
            Content::Tree(tree) => {
                self.unusable = None;
                self.is_missed = false;
                (self.propose(&tree), self.is_dirty)
            }
        }
    }

    /// Whether it is not what it was when it had come to rest, or may change without a trace: then it is read
    /// again. Half-way through a truncation the kernel shows an empty file with its old times.
    fn goes_on(&mut self, apart: Option<FileId>) -> bool {
        let now = scan::survey(self.source(), &mut WatchSet::default(), apart);
        self.is_dirty = now.is_young || now.signature != self.signature;
        self.signature = now.signature;
        self.is_dirty
    }

    /// Whether the check may have seen another content than what was proposed. Where it is that again, or was only
    /// touched, as by the check itself, the check is asked once more and not twice.
    pub(super) fn is_another_by_now(
        &mut self,
        print: TreeFingerprint,
        dir: Option<&ExitDir>,
        apart: Option<FileId>,
    ) -> bool {
        let now = scan::survey(self.source(), &mut WatchSet::default(), apart);
        if !self.is_dirty && now.signature == self.signature {
            return false;
        }
        let is_same = match self.read(dir, apart).0 {
            Content::Tree(tree) => tree.fingerprint(self.what.usage.place().is_some()) == print,
            Content::Missing | Content::Changed | Content::Failed(_) | Content::Refused(_) => false,
        };
        !is_same || self.doubted.replace(print) != Some(print)
    }

    /// What is known of it is not enough to go by.
    pub(super) fn ask_again(&mut self) {
        self.is_dirty = true;
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// What there is, and if that is an archive: which.
    fn read(
        &self,
        dir: Option<&ExitDir>,
        apart: Option<FileId>,
    ) -> (Content, Option<TreeFingerprint>) {
        let place = self.what.usage.place();
        let parent = place.and_then(|place| rustix::fs::stat(parent(place)).ok());
        let surroundings = ReadContext {
            apart,
            dir,
            copy: parent.map(|stat| FileId::of(&stat)),
        };
        let content = read::read(self.source(), &surroundings);
        match (&self.what.usage, content) {
            (Usage::Unpacked(_), Content::Tree(tree)) => {
                let unpacked = match tree.root() {
                    Some(Node::File(_, bytes)) => archive::read(bytes),
                    _ => Err("it is a directory, not a tar archive".to_owned()),
                };
                let content = unpacked.map_or_else(Content::Refused, Content::Tree);
                (content, Some(tree.fingerprint(false)))
            }
            (_, content) => (content, None),
        }
    }

    fn propose(&mut self, tree: &Tree) -> SourceChange {
        let place = self.what.usage.place();
        // The command sees the modes of copies only.
        let print = tree.fingerprint(place.is_some());
        if self.refused == Some(print) {
            return SourceChange::None;
        }
        self.refused = None;
        if self.accepted == Some(print) {
            return SourceChange::None;
        }
        match place.map(|place| replace::stage(tree, place)).transpose() {
            Ok(candidate) => SourceChange::Candidate(print, candidate),
            Err(complaint) => {
                self.has_failed = true;
                SourceChange::Complaint(complaint)
            }
        }
    }

    /// What the check is asked about.
    pub(super) fn subject(&self, candidate: Option<&Candidate>) -> PathBuf {
        candidate.map_or_else(|| self.source().to_owned(), Candidate::path)
    }

    /// The check has said yes, or there is none: it is put in place. Whether it is there.
    pub(super) fn accept(
        &mut self,
        print: TreeFingerprint,
        candidate: Option<Candidate>,
        finding: &mut ManagedUpdate,
    ) -> bool {
        self.doubted = None;
        let changes = candidate.map(Candidate::put_in_place).transpose();
        match changes {
            Ok(changes) => {
                let told = self.what.usage.place().zip(changes);
                let details = told.map(|(place, changes)| changes.tell(place));
                finding.details.extend(details.into_iter().flatten());
                self.accepted = Some(print);
                true
            }
            Err(complaint) => {
                self.has_failed = true;
                finding.warnings_once.push(complaint);
                false
            }
        }
    }

    /// The check has said no. The sentence about it.
    pub(super) fn refuse(&mut self, print: TreeFingerprint, why: &str) -> String {
        (self.refused, self.doubted) = (Some(print), None);
        self.refusal(why)
    }

    fn refusal(&self, why: &str) -> String {
        let source = self.source().display();
        format!("{source} is refused: {why}{}", self.consequence())
    }

    fn consequence(&self) -> &'static str {
        if self.is_there() {
            ": keeping the old one"
        } else {
            ""
        }
    }
}
