//! A source that is read by a worker process: what the worker does, and what it reports.
//!
//! The worker reads the source, unpacks it, and says what the content is. Where there is a target,
//! it then waits until this process has decided whether a copy is built, and created a staging
//! directory for it. So neither a large source nor a file system that does not answer holds up the
//! event loop, and a lack of memory ends the worker alone.

use super::exclusion::Exclusion;
use super::listing::{self, Listings};
use super::place::{MissingParent, Place, parent};
use super::read::{self, Content, ReadContext};
use super::replace::{self, Built, Candidate, ReplaceMethod};
use super::scan::scan;
use super::spec::{ConfigItem, Usage};
use super::staging::Staging;
use super::tree::{Tree, TreeFingerprint};
use super::watch_set::{STEP_LIMIT, WatchSet};
use crate::duration::Limit;
use crate::exit::ExitStatus;
use crate::process::worker::WorkerProcess;
use crate::store::file_id::FileId;
use crate::sys::write::write_all;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::Pid;
use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A source that takes longer to read than this has failed, as on a file system that does not
/// answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What a worker has found.
pub(super) enum ReadOutcome {
    Missing,
    /// It changed while it was read.
    Changed,
    /// Why it could not be read, which may pass without a change of the source.
    Failed(String),
    /// Why it cannot be used; for an archive, with the fingerprint of the file.
    Refused(Option<TreeFingerprint>, String),
    /// Its content, and which entries have changed, if that is listed.
    Content(TreeFingerprint, Option<FoundChanges>),
    /// Its content, and a copy of it.
    Built(TreeFingerprint, Candidate),
    /// A sentence that says why the copy could not be built.
    NotBuilt(String),
}

/// What a source without a copy holds.
pub(super) struct FoundChanges {
    /// Lines about what has changed.
    pub(super) changes: Vec<String>,
    /// What it holds, for the next comparison.
    pub(super) listing: Option<OwnedFd>,
}

/// A worker that reads a source. Dropping the value kills it, and removes what it has built.
pub(super) struct SourceReading {
    worker: WorkerProcess,
    /// The end of a pipe from which the worker learns whether it builds a copy.
    answer: Option<OwnedFd>,
    /// The place of the copy, or why there is none.
    place: Option<Result<Place, String>>,
    staging: Option<Staging>,
    /// Where the worker writes the listing.
    listing: Option<OwnedFd>,
    began: Instant,
    is_late: bool,
}

/// For which purpose a source is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose<'l> {
    /// To build a copy if there is a target.
    Copy,
    /// To list what has changed since this listing.
    List(Option<BorrowedFd<'l>>),
    /// To compare the content.
    Compare,
}

impl<'l> Purpose<'l> {
    /// The place of the copy, if one may be built, or why there is none.
    fn place(self, item: &ConfigItem) -> Option<Result<Place, String>> {
        let target = item.usage.target();
        let target = target.filter(|_| matches!(self, Purpose::Copy));
        target.map(|target| Place::open(target, MissingParent::Refuse))
    }

    /// If it is to list: the listing before.
    fn lists(self) -> Option<Option<BorrowedFd<'l>>> {
        match self {
            Purpose::List(old) => Some(old),
            Purpose::Copy | Purpose::Compare => None,
        }
    }
}

impl SourceReading {
    /// Starts the worker.
    ///
    /// # Errors
    /// No process can be started now.
    pub(super) fn start(
        item: &ConfigItem,
        exclusion: Exclusion<'_>,
        purpose: Purpose<'_>,
    ) -> Result<SourceReading, Errno> {
        let listing = purpose.lists().and_then(|_| listing::create());
        let listings = purpose.lists().map(|old| Listings {
            old,
            new: listing.as_ref().map(AsFd::as_fd),
        });
        let place = purpose.place(item);
        let (question, answer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let ready = place.as_ref().and_then(|place| place.as_ref().ok());
        let mut kept = vec![question.as_fd()];
        kept.extend(ready.map(|place| place.directory.as_fd()));
        kept.extend(listings.iter().flat_map(Listings::descriptors));
        let mut work = |output: BorrowedFd<'_>| {
            let say = |fields: &[String]| write_all(output, fields.join("\0").as_bytes());
            // Without a complete report the worker counts as failed.
            let (mut fields, tree) = report_content(item, exclusion);
            if let (Some(listings), Some(tree)) = (&listings, &tree) {
                add_changes(&mut fields, listings.compare(tree, &item.source));
            }
            let told = say(&fields);
            if let (Ok(()), Some(tree), Some(place)) = (told, tree, ready)
                && let Ok(Some(staging)) = await_staging(&question, place)
            {
                let _ = say(&report_copy(&tree, &staging, exclusion));
            }
        };
        Ok(SourceReading {
            worker: WorkerProcess::start(&kept, &mut work)?,
            answer: Some(answer),
            place,
            staging: None,
            listing,
            began: Instant::now(),
            is_late: false,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        self.worker.pid()
    }

    /// Readable when there is something to read.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.worker.descriptor()
    }

    /// When to poll it even if its descriptor is silent and it has not ended.
    pub(super) fn deadline(&self) -> Option<Instant> {
        Some(self.began + READ_TIMEOUT).filter(|_| !self.is_late)
    }

    /// The time since its start.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.worker.reaped(pid, status);
    }

    /// Reads from the worker. Returns whether it has ended or takes too long, so that it can be
    /// finished.
    pub(super) fn poll(&mut self) -> bool {
        if self.elapsed() >= READ_TIMEOUT && !self.is_late {
            self.is_late = true;
            self.worker.kill();
        }
        self.worker.poll() || self.is_late
    }

    /// The content, if the worker waits for [`SourceReading::answer`].
    pub(super) fn question(&self) -> Option<TreeFingerprint> {
        self.answer.as_ref()?;
        let text = String::from_utf8_lossy(self.worker.output_so_far());
        match parse(&text)? {
            WorkerReport::ReadOutcome(ReadOutcome::Content(fingerprint, _)) => Some(fingerprint),
            WorkerReport::ReadOutcome(_) | WorkerReport::Built(..) | WorkerReport::Listed(..) => {
                None
            }
        }
    }

    /// Tells the worker whether it builds a copy.
    pub(super) fn answer(&mut self, builds: bool) {
        let Some(answer) = self.answer.take() else {
            return;
        };
        let place = self.place.take().filter(|_| builds);
        match place.map(|place| place.and_then(replace::begin)) {
            None => {}
            Some(Ok(staging)) => {
                // If the worker has ended, its end is reported.
                let _ = write_all(answer, staging.name_bytes());
                self.staging = Some(staging);
            }
            Some(Err(sentence)) => self.place = Some(Err(sentence)),
        }
    }

    /// What the worker has found.
    pub(super) fn finish(self) -> (ReadOutcome, Option<Staging>) {
        let failed = |why: &str| ReadOutcome::Failed(format!("the process that reads it {why}"));
        let output = match self.worker.output() {
            Ok(output) => String::from_utf8_lossy(output),
            Err(_) if self.is_late => {
                let why = format!("it takes longer than {}", Limit::After(READ_TIMEOUT));
                return (ReadOutcome::Failed(why), self.staging);
            }
            Err(why) => return (failed(&why), self.staging),
        };
        match (parse(&output), self.staging, self.place) {
            (Some(WorkerReport::Built(fingerprint, built)), Some(staging), _) => (
                ReadOutcome::Built(fingerprint, Candidate::new(staging, built)),
                None,
            ),
            (
                Some(WorkerReport::ReadOutcome(ReadOutcome::Content(..))),
                None,
                Some(Err(sentence)),
            ) => (ReadOutcome::NotBuilt(sentence), None),
            (Some(WorkerReport::Listed(fingerprint, changes)), staging, _) => {
                let listing = self.listing;
                let found = FoundChanges { changes, listing };
                (ReadOutcome::Content(fingerprint, Some(found)), staging)
            }
            (Some(WorkerReport::ReadOutcome(found)), staging, _) => (found, staging),
            (_, staging, _) => (failed("has failed"), staging),
        }
    }

    /// The worker, if it was not reaped yet.
    pub(super) fn running(&self) -> Option<Pid> {
        self.worker.is_running().then(|| self.worker.pid())
    }

    /// Kills the worker. Returns what is to be removed.
    pub(super) fn abandon(self) -> Option<Staging> {
        self.staging
    }
}

/// A report that was read.
enum WorkerReport {
    ReadOutcome(ReadOutcome),
    Built(TreeFingerprint, Built),
    /// Content with lines about what has changed.
    Listed(TreeFingerprint, Vec<String>),
}

/// Reads a report; `None` if it is not complete.
fn parse(text: &str) -> Option<WorkerReport> {
    let mut fields = text.strip_suffix('\0')?.split('\0');
    let mut next = || fields.next().map(str::to_owned);
    let found = match next()?.as_str() {
        "missing" => ReadOutcome::Missing,
        "changed" => ReadOutcome::Changed,
        "failed" => ReadOutcome::Failed(next()?),
        "refused" => ReadOutcome::Refused(TreeFingerprint::parse(&next()?), next()?),
        "content" => ReadOutcome::Content(TreeFingerprint::parse(&next()?)?, None),
        _ => return None,
    };
    let (ReadOutcome::Content(fingerprint, _), Some(kind)) = (&found, next()) else {
        return Some(WorkerReport::ReadOutcome(found));
    };
    match kind.as_str() {
        "listed" => {
            return Some(WorkerReport::Listed(
                *fingerprint,
                fields.map(str::to_owned).collect(),
            ));
        }
        "copy changed" => return Some(WorkerReport::ReadOutcome(ReadOutcome::Changed)),
        "not built" => return Some(WorkerReport::ReadOutcome(ReadOutcome::NotBuilt(next()?))),
        _ => {}
    }
    let method = ReplaceMethod::parse(&kind)?;
    let mode = next()?.parse().ok();
    let changes = fields.map(str::to_owned).collect();
    let built = Built {
        method,
        mode,
        changes,
    };
    Some(WorkerReport::Built(*fingerprint, built))
}

/// What the worker says about the content, and the content if it can be used.
fn report_content<'d>(
    item: &ConfigItem,
    exclusion: Exclusion<'d>,
) -> (Vec<String>, Option<Tree<'d>>) {
    let (kind, fields, tree) = match read(item, exclusion) {
        Content::Missing => ("missing", vec![], None),
        Content::Changed => ("changed", vec![], None),
        Content::Failed(why) => ("failed", vec![why], None),
        Content::Refused(why, archive) => {
            let archive = archive.map(|archive| archive.to_string());
            ("refused", vec![archive.unwrap_or_default(), why], None)
        }
        Content::Tree(tree) => {
            // Modes count for a copy only: the command does not see those of the source otherwise.
            let fingerprint = tree.fingerprint(item.usage.target().is_some());
            ("content", vec![fingerprint.to_string()], Some(tree))
        }
    };
    (message(kind, fields), tree)
}

/// Adds lines about changes to a message about content.
fn add_changes(fields: &mut Vec<String>, changes: Vec<String>) {
    // The end of the message.
    fields.pop();
    fields.extend(message("listed", changes));
}

/// Builds the copy. What the worker says about it.
fn report_copy(tree: &Tree, staging: &Staging, exclusion: Exclusion<'_>) -> Vec<String> {
    match replace::stage(tree, staging, exclusion) {
        Err(_) if tree.has_changed() => message("copy changed", vec![]),
        Err(sentence) => message("not built", vec![sentence]),
        Ok(built) => {
            let mode = built.mode.map(|mode| mode.to_string()).unwrap_or_default();
            let mut fields = vec![mode];
            fields.extend(built.changes);
            message(built.method.word(), fields)
        }
    }
}

/// The parts of a message, each of which ends with a NUL byte once they are joined by it.
fn message(kind: &str, fields: Vec<String>) -> Vec<String> {
    let mut parts = vec![kind.to_owned()];
    parts.extend(fields.into_iter().map(|field| field.replace('\0', " ")));
    parts.push(String::new());
    parts
}

/// Waits for the decision. Returns the staging directory for the copy, if one is built. It belongs
/// to the parent process, which removes it.
fn await_staging(
    question: &OwnedFd,
    place: &Place,
) -> Result<Option<ManuallyDrop<Staging>>, Errno> {
    let mut name = Vec::new();
    let mut buffer = [0; 256];
    loop {
        match rustix::io::read(question, &mut buffer)? {
            0 if name.is_empty() => return Ok(None),
            0 => break,
            count => name.extend(buffer.iter().take(count)),
        }
    }
    Staging::of_parent(place, PathBuf::from(OsString::from_vec(name))).map(Some)
}

fn read<'d>(item: &ConfigItem, exclusion: Exclusion<'d>) -> Content<'d> {
    let target = item.usage.target();
    let parent = target.and_then(|target| rustix::fs::stat(parent(target)).ok());
    let context = ReadContext {
        exclusion,
        copy_parent: parent.map(|stat| FileId::of(&stat)),
        is_archive: matches!(item.usage, Usage::Unpacked(_)),
    };
    let scanned = scan(&item.source, &mut WatchSet::default(), exclusion);
    if scanned.is_exceeded {
        let why = format!("it takes more than {STEP_LIMIT} steps to follow its links");
        return Content::Refused(why, None);
    }
    read::read(&item.source, &context)
}
