//! One source: what is known about it, and what is new.

use super::debounce::{RETRY_INTERVAL, Trigger};
use super::exclusion::Exclusion;
use super::reading::{FoundChanges, Purpose, ReadOutcome, SourceReading};
use super::remover::Remover;
use super::replace::Candidate;
use super::scan::scan;
use super::spec::ConfigItem;
use super::tree::TreeFingerprint;
use super::update::ManagedUpdate;
use super::watch_set::WatchSet;
use crate::duration::Limit;
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// One source.
pub(super) struct ConfigSource<'p> {
    spec: &'p ConfigItem,
    /// As of the last scan: `None` if nothing exists.
    signature: Option<u64>,
    /// As of the last scan: it may change again with the same signature.
    is_racy: bool,
    /// It was not read since it changed.
    is_dirty: bool,
    /// The last operation on it failed, for no fault of its content.
    has_failed: bool,
    accepted: Option<TreeFingerprint>,
    /// The content that was rejected last: the check is not run on it again.
    rejected: Option<TreeFingerprint>,
    /// The content that the check has put off last.
    deferred: Option<TreeFingerprint>,
    /// The content whose check was repeated, because it may have seen other content.
    rechecked: Option<TreeFingerprint>,
    /// The last warning about unusable content, with the fingerprint of the archive that it was
    /// about. It is not repeated.
    reported: Option<(Option<TreeFingerprint>, String)>,
    /// Whether it is listed which of its entries have changed. For a copy they always are.
    lists_changes: bool,
    /// What was accepted last.
    listing: Option<OwnedFd>,
    /// What was read last, until it is accepted.
    found: Option<FoundChanges>,
    /// The source is missing, and that was reported.
    is_reported_missing: bool,
}

/// What is new about a source.
pub(super) enum SourceChange {
    None,
    /// Content to check and install. Without a candidate the command reads it from the source.
    New(TreeFingerprint, Option<Candidate>),
    /// A sentence to write each time.
    Warning(String),
    /// A sentence to write only the first time.
    WarningOnce(String),
}

impl<'p> ConfigSource<'p> {
    /// `lists_changes` is whether the caller needs to know which entries have changed.
    pub(super) fn new(spec: &'p ConfigItem, lists_changes: bool) -> ConfigSource<'p> {
        ConfigSource {
            spec,
            signature: None,
            is_racy: false,
            is_dirty: true,
            has_failed: false,
            accepted: None,
            rejected: None,
            deferred: None,
            rechecked: None,
            reported: None,
            lists_changes: lists_changes && spec.usage.target().is_none(),
            listing: None,
            found: None,
            is_reported_missing: false,
        }
    }

    fn path(&self) -> &Path {
        &self.spec.source
    }

    /// Whether accepted content is there for the command to start with, in a copy or in the source.
    pub(super) fn is_available(&self) -> bool {
        let is_kept = self.spec.usage.target().is_some() || self.signature.is_some();
        self.accepted.is_some() && is_kept
    }

    /// Why it is not available.
    pub(super) fn unavailable(&self) -> String {
        let source = self.path().display();
        match self.signature {
            Some(_) if self.deferred.is_some() => format!("{source} is put off by its check"),
            Some(_) => format!("{source} is not accepted"),
            None => format!("{source} does not exist"),
        }
    }

    pub(super) fn is_racy(&self) -> bool {
        self.is_racy
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Scans it, and returns whether it has changed since the last scan. `is_touched` says that
    /// events since then were about its content: they may be the only trace of a change.
    pub(super) fn scan(
        &mut self,
        watch_set: &mut WatchSet,
        exclusion: Exclusion<'_>,
        is_touched: bool,
    ) -> bool {
        let now = scan(self.path(), watch_set, exclusion);
        let changed = self.signature != now.signature || self.is_racy && is_touched;
        self.signature = now.signature;
        self.is_racy = now.is_racy;
        self.is_dirty |= changed;
        changed
    }

    /// Reads it again if the last operation on it failed.
    pub(super) fn retry(&mut self) {
        self.is_dirty |= std::mem::take(&mut self.has_failed);
    }

    /// Begins to read it. Changes from here on make it dirty again.
    ///
    /// # Errors
    /// No process can be started now.
    pub(super) fn begin_reading(
        &mut self,
        exclusion: Exclusion<'_>,
    ) -> Result<SourceReading, Errno> {
        let purpose = match self.lists_changes {
            true => Purpose::List(self.listing.as_ref().map(AsFd::as_fd)),
            false => Purpose::Copy,
        };
        let reading = SourceReading::start(self.spec, exclusion, purpose)?;
        self.is_dirty = false;
        Ok(reading)
    }

    /// Goes on reading it as far as that goes without waiting, and decides whether a copy is built.
    /// Returns whether reading has ended.
    pub(super) fn advance_reading(
        &mut self,
        reading: &mut SourceReading,
        exclusion: Exclusion<'_>,
        trigger: Trigger,
    ) -> bool {
        let has_ended = reading.poll();
        if let Some(fingerprint) = reading.question() {
            let counts = trigger == Trigger::Expired || !self.is_still_changing(exclusion, trigger);
            reading.answer(counts && self.is_new(fingerprint));
        }
        has_ended
    }

    /// Takes over what was read. It is dirty afterwards if it goes on changing; what was read then
    /// counts only if `trigger` is `Expired`.
    pub(super) fn finish_reading(
        &mut self,
        reading: SourceReading,
        exclusion: Exclusion<'_>,
        trigger: Trigger,
        remover: &mut Remover,
    ) -> SourceChange {
        let (found, staging) = reading.finish();
        staging.into_iter().for_each(|one| remover.remove(one));
        self.has_failed = false;
        if self.is_still_changing(exclusion, trigger) && trigger != Trigger::Expired {
            // Its writer may have just begun, and no event of that was read yet.
            if let ReadOutcome::Built(_, candidate) = found {
                remover.remove(candidate.into_staging());
            }
            return SourceChange::None;
        }
        match found {
            ReadOutcome::Missing => self.report_missing(),
            ReadOutcome::Changed => {
                self.is_dirty = true;
                SourceChange::None
            }
            ReadOutcome::Failed(why) => {
                self.has_failed = true;
                let source = self.path().display();
                SourceChange::WarningOnce(format!("cannot read {source}: {why}"))
            }
            ReadOutcome::Refused(archive, why) => self.report_unusable(archive, &why),
            ReadOutcome::NotBuilt(sentence) => {
                self.note_usable();
                self.has_failed = true;
                SourceChange::WarningOnce(sentence)
            }
            ReadOutcome::Content(fingerprint, found) => self.note_found(fingerprint, found),
            ReadOutcome::Built(fingerprint, candidate) => {
                self.note_content(fingerprint, Some(candidate))
            }
        }
    }

    fn note_usable(&mut self) {
        self.reported = None;
        self.is_reported_missing = false;
    }

    fn note_found(
        &mut self,
        fingerprint: TreeFingerprint,
        found: Option<FoundChanges>,
    ) -> SourceChange {
        self.found = found;
        self.note_content(fingerprint, None)
    }

    fn note_content(
        &mut self,
        fingerprint: TreeFingerprint,
        candidate: Option<Candidate>,
    ) -> SourceChange {
        self.note_usable();
        let is_new = self.is_new(fingerprint);
        if self.rejected != Some(fingerprint) {
            self.rejected = None;
        }
        match is_new {
            true => SourceChange::New(fingerprint, candidate),
            false => SourceChange::None,
        }
    }

    fn is_new(&self, fingerprint: TreeFingerprint) -> bool {
        ![self.accepted, self.rejected].contains(&Some(fingerprint))
    }

    /// Whether it differs from what it was when it had settled, or may change without a trace: then
    /// it is read again. In the middle of a truncation the kernel shows an empty file with its old
    /// times. A source that was just replaced was complete before; a later event about its content
    /// counts as a change ([`ConfigSource::scan`]).
    fn is_still_changing(&mut self, exclusion: Exclusion<'_>, trigger: Trigger) -> bool {
        let now = scan(self.path(), &mut WatchSet::default(), exclusion);
        let is_racy = now.is_racy && trigger != Trigger::Replaced;
        self.is_dirty |= is_racy || now.signature != self.signature;
        self.signature = now.signature;
        self.is_dirty
    }

    fn report_missing(&mut self) -> SourceChange {
        if self.accepted.is_none() || self.is_reported_missing {
            return SourceChange::None;
        }
        self.is_reported_missing = true;
        let source = self.path().display();
        SourceChange::Warning(format!("{source} is gone{}", self.consequence()))
    }

    fn report_unusable(&mut self, archive: Option<TreeFingerprint>, why: &str) -> SourceChange {
        self.is_reported_missing = false;
        let sentence = self.rejection(why);
        let report = Some((archive, sentence.clone()));
        if self.reported == report {
            return SourceChange::None;
        }
        self.reported = report;
        SourceChange::Warning(sentence)
    }

    /// Whether it was changed, or only touched, since it was read.
    pub(super) fn was_touched(&self, exclusion: Exclusion<'_>) -> bool {
        let now = scan(self.path(), &mut WatchSet::default(), exclusion);
        self.is_dirty || now.signature != self.signature
    }

    /// Begins to read it again, to compare it with what was checked.
    ///
    /// # Errors
    /// No process can be started now.
    pub(super) fn begin_comparison(
        &self,
        exclusion: Exclusion<'_>,
    ) -> Result<SourceReading, Errno> {
        SourceReading::start(self.spec, exclusion, Purpose::Compare)
    }

    /// Whether the check may have seen other content than this. Where the content is the same
    /// again, or the source was only touched, as by the check itself, the check is repeated once.
    pub(super) fn may_have_changed(
        &mut self,
        checked: TreeFingerprint,
        reading: SourceReading,
    ) -> bool {
        let is_same = matches!(reading.finish().0, ReadOutcome::Content(now, _) if now == checked);
        !is_same || self.rechecked.replace(checked) != Some(checked)
    }

    /// What is known about it is not enough to decide: it is read again.
    pub(super) fn mark_dirty(&mut self) {
        self.is_dirty = true;
    }

    /// An operation on it failed, for no fault of its content.
    pub(super) fn mark_failed(&mut self) {
        self.has_failed = true;
    }

    /// The path that the check gets.
    pub(super) fn path_to_check(&self, candidate: Option<&Candidate>) -> PathBuf {
        candidate.map_or_else(|| self.path().to_owned(), Candidate::path)
    }

    /// Installs content that the check has accepted, or for which there is no check. Returns
    /// whether it is installed.
    pub(super) fn accept(
        &mut self,
        fingerprint: TreeFingerprint,
        candidate: Option<Candidate>,
        remover: &mut Remover,
        update: &mut ManagedUpdate,
    ) -> bool {
        self.rechecked = None;
        let installed = candidate.map_or(Ok(Vec::new()), |candidate| {
            let (result, staging) = candidate.install();
            remover.remove(staging);
            result
        });
        match installed {
            Ok(changes) => {
                update.changes.extend(changes);
                if let Some(found) = self.found.take() {
                    update.changes.extend(found.changes);
                    self.listing = found.listing;
                }
                self.accepted = Some(fingerprint);
                self.deferred = None;
                true
            }
            Err(sentence) => {
                self.has_failed = true;
                update.warnings_once.push(sentence);
                false
            }
        }
    }

    /// The check has put the content off: it is asked again, as after a failure. Returns a notice
    /// if it is the first time.
    pub(super) fn defer(&mut self, fingerprint: TreeFingerprint, program: &str) -> Option<String> {
        (self.has_failed, self.rechecked) = (true, None);
        let is_known = self.deferred.replace(fingerprint) == Some(fingerprint);
        let source = self.path().display();
        let interval = Limit::After(RETRY_INTERVAL);
        (!is_known).then(|| format!("{program} puts {source} off: asking again in {interval}"))
    }

    /// A retry of what failed is not due any more: it is read again for a change.
    pub(super) fn begin_batch(&mut self) {
        self.has_failed &= !self.is_dirty;
    }

    /// Remembers content that the check has rejected, and returns the warning about it.
    pub(super) fn reject(&mut self, fingerprint: TreeFingerprint, why: &str) -> String {
        (self.rejected, self.deferred, self.rechecked) = (Some(fingerprint), None, None);
        self.rejection(why)
    }

    fn rejection(&self, why: &str) -> String {
        let source = self.path().display();
        format!("cannot use {source}: {why}{}", self.consequence())
    }

    fn consequence(&self) -> &'static str {
        if self.is_available() {
            "; keeping the previous version"
        } else {
            ""
        }
    }
}

#[cfg(test)]
mod tests;
