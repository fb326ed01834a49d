//! What a leader does with its own tombstone when its command goes down (`OwnTombstone::replace`).

use super::kernel::{Inode, Who};
use super::publish::{Course, Deed, Outcome};
use super::world::{Lapse, World};
use crate::protocol::tombstone::Tombstone;

/// The steps between a life that is ready and the same life that is not.
pub(super) const REPLACEMENT: &[Deed] = &[
    Deed::ReadOld,
    Deed::OpenNursery,
    Deed::LockNursery,
    Deed::CompareNursery,
    Deed::Truncate,
    Deed::CompareOld,
    Deed::FillAnew,
    Deed::Rename,
    Deed::CompareName,
    Deed::ReadOldAgain,
    Deed::CarryOver,
    Deed::CloseOld,
];

/// A tombstone that is being replaced: open, and locked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Old {
    pub(super) file: Inode,
    /// How much of it the successor accounts for.
    pub(super) seen: usize,
    /// What stands behind that, once it was read again.
    pub(super) rest: Option<Vec<u8>>,
}

impl World {
    /// One deed of a replacement.
    pub(super) fn replace(
        &mut self,
        who: Who,
        deed: Deed,
        course: &mut Course,
        lapse: Option<Lapse>,
    ) -> Outcome {
        let kernel = &mut self.kernel;
        let file = course.file.unwrap_or(0);
        match deed {
            Deed::ReadOld => {
                let text = &kernel.files[file].text;
                let tombstone = Tombstone::parse(text);
                if tombstone.died.is_some() || tombstone.ready.is_none() {
                    Outcome::Kept
                } else {
                    let seen = committed(text, lapse).len();
                    kernel.file(file).seen = Some(seen);
                    course.file = None;
                    course.old = Some(Old {
                        file,
                        seen,
                        rest: None,
                    });
                    Outcome::Done
                }
            }
            Deed::CompareOld if kernel.name == course.old.as_ref().map(|old| old.file) => {
                Outcome::Done
            }
            Deed::CompareOld => {
                self.give_up(course, who);
                self.close(course, who);
                Outcome::Kept
            }
            Deed::ReadOldAgain => {
                if let Some(old) = course.old.as_mut() {
                    let text = committed(&kernel.files[old.file].text, lapse);
                    old.rest = Some(text.get(old.seen..).unwrap_or_default().to_vec());
                }
                Outcome::Done
            }
            Deed::CarryOver => {
                let rest = course.old.as_ref().and_then(|old| old.rest.clone());
                match rest.filter(|rest| !rest.is_empty()) {
                    None => Outcome::Done,
                    Some(rest) => match kernel.write(file, who, &rest) {
                        Some(true) => Outcome::Done,
                        Some(false) => Outcome::Half,
                        None => Outcome::Blocked,
                    },
                }
            }
            Deed::CloseOld => {
                if let Some(old) = course.old.take() {
                    kernel.unlock(old.file, who);
                    kernel.tell_close(old.file);
                }
                Outcome::Done
            }
            _ => Outcome::Done,
        }
    }
}

/// The text without a last line that lacks its newline, and without a death record that nobody has committed.
fn committed(text: &[u8], lapse: Option<Lapse>) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte == b'\n');
    let whole = &text[..end.map_or(0, |at| at + 1)];
    if lapse == Some(Lapse::SplitRecord) || Tombstone::parse(whole).died.is_some() {
        return whole;
    }
    let key = b"ExitCode: ";
    let starts = |at: usize| at == 0 || whole[at - 1] == b'\n';
    let half = (0..whole.len()).find(|at| starts(*at) && whole[*at..].starts_with(key));
    &whole[..half.unwrap_or(whole.len())]
}
