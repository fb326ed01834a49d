//! Tar archives: those that are accepted hold only paths inside the target, and unpacking them
//! changes nothing beside it.

use crate::error::escaped;
use crate::fuzzing::input::Input;
use crate::fuzzing::tar;
use crate::fuzzing::words::assert_is_one_line;
use crate::managed::trial::{TrialEntry, unpack};
use rustix::fs::{MemfdFlags, memfd_create};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// As many links as the kernel follows (path_resolution(7)).
const LINK_LIMIT: usize = 40;

thread_local! {
    static ARCHIVE: Rc<File> = Rc::new(memfd_create("archive", MemfdFlags::CLOEXEC).unwrap().into());
}

/// Makes an archive of the bytes, reads it, and unpacks a few in a directory of memory.
pub fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.byte();
    let bytes = match mode & 1 {
        0 => tar::generated(&mut input),
        _ => tar::repaired(input.rest()),
    };
    let archive = ARCHIVE.with(Rc::clone);
    archive.set_len(0).unwrap();
    archive.write_all_at(&bytes, 0).unwrap();
    match unpack(&archive, None) {
        Ok(entries) => {
            check(&entries);
            if mode >= 250 {
                check_unpacked(&archive, &entries);
            }
        }
        Err(sentence) => {
            assert!(sentence.len() < 2048, "{sentence}");
            assert_is_one_line(&escaped(&sentence));
        }
    }
}

fn check(entries: &[(PathBuf, TrialEntry)]) {
    let tree: BTreeMap<&Path, &TrialEntry> = entries
        .iter()
        .map(|(path, entry)| (path.as_path(), entry))
        .collect();
    assert_eq!(tree.get(Path::new("")), Some(&&TrialEntry::Directory));
    for (path, entry) in entries.iter().skip(1) {
        let is_name = |part: Component<'_>| matches!(part, Component::Normal(_));
        assert!(path.components().all(is_name), "{path:?}");
        let parent = tree.get(path.parent().unwrap());
        assert_eq!(parent, Some(&&TrialEntry::Directory), "{path:?}");
        match entry {
            TrialEntry::Directory | TrialEntry::File(_) => {}
            TrialEntry::HardLink(first) => {
                let is_file = matches!(tree.get(first.as_path()), Some(TrialEntry::File(_)));
                assert!(is_file, "{path:?} is linked to {first:?}");
            }
            TrialEntry::Symlink(target) => {
                let from = path.parent().unwrap();
                let stays = target.is_absolute() || stays_inside(&tree, from, target);
                assert!(stays, "{path:?} leads to {target:?}: {entries:?}");
            }
        }
    }
}

/// Follows a relative path as the kernel does, and says whether it never leaves the tree. An
/// absolute link on the way leads elsewhere wherever the tree is, and ends the search.
fn stays_inside(tree: &BTreeMap<&Path, &TrialEntry>, from: &Path, path: &Path) -> bool {
    let mut at = from.to_owned();
    let mut left: Vec<PathBuf> = vec![path.to_owned()];
    let mut links = 0;
    while let Some(path) = left.pop() {
        let mut parts = path.components();
        let Some(first) = parts.next() else { continue };
        left.push(parts.as_path().to_owned());
        match first {
            Component::CurDir => {}
            Component::ParentDir if !at.pop() => return false,
            Component::ParentDir => {}
            Component::Prefix(_) | Component::RootDir => return true,
            Component::Normal(name) => match tree.get(at.join(name).as_path()) {
                Some(TrialEntry::Symlink(target)) if links < LINK_LIMIT => {
                    links += 1;
                    left.push(target.clone());
                }
                Some(TrialEntry::Symlink(_)) => return true,
                _ => at.push(name),
            },
        }
    }
    true
}

/// Unpacks it twice, so that the second time replaces the first.
fn check_unpacked(archive: &Rc<File>, entries: &[(PathBuf, TrialEntry)]) {
    let base = PathBuf::from(format!("/dev/shm/exitdir-fuzz-{}", std::process::id()));
    let (target, canary) = (base.join("inner/target"), base.join("canary"));
    fs::create_dir_all(base.join("inner")).unwrap();
    fs::write(&canary, "alive").unwrap();
    for _ in 0..2 {
        let unpacked = unpack(archive, Some(&target));
        assert!(unpacked.is_ok(), "{unpacked:?}: {entries:?}");
        let found = fs::read_dir(&target).unwrap().count();
        let below = entries.iter().skip(1);
        let expected = below
            .filter(|(path, _)| path.components().count() == 1)
            .count();
        assert_eq!(found, expected, "{entries:?}");
        assert_eq!(fs::read_to_string(&canary).unwrap(), "alive");
        assert_eq!(fs::read_dir(&base).unwrap().count(), 2);
    }
    fs::remove_dir_all(&base).unwrap();
}
