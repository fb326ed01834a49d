use super::*;
use rustix::fs::{MemfdFlags, memfd_create};
use std::io::Write;

fn read_bytes(bytes: &[u8]) -> Result<Tree<'static>, String> {
    let file = memfd_create("archive", MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(file);
    file.write_all(bytes).unwrap();
    read(Rc::new(file))
}

/// The content of a file of the tree.
fn content(tree: &Tree, path: &str) -> Vec<u8> {
    let Some(Node::File(_, content)) = tree.entries.get(Path::new(path)) else {
        panic!("{path} is no file");
    };
    let mut copy = File::from(memfd_create("copy", MemfdFlags::CLOEXEC).unwrap());
    tree.copy(Path::new(path), content, &mut copy).unwrap();
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut copy).unwrap();
    std::io::Read::read_to_end(&mut copy, &mut bytes).unwrap();
    bytes
}

/// A directory, a file, a long name, both kinds of links.
fn sample() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |kind: tar::EntryType, path: &str, link: Option<&str>, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        match link {
            Some(link) => builder.append_link(&mut header, path, link),
            None => builder.append_data(&mut header, path, content),
        }
        .unwrap();
    };
    add(tar::EntryType::Directory, "d/", None, b"");
    add(tar::EntryType::Regular, "d/file", None, b"content");
    add(tar::EntryType::Regular, &"long/".repeat(30), None, b"deep");
    add(tar::EntryType::Symlink, "d/soft", Some("../d/file"), b"");
    add(tar::EntryType::Link, "d/hard", Some("d/file"), b"");
    builder.into_inner().unwrap()
}

#[test]
fn an_archive_is_read_whole() {
    let tree = read_bytes(&sample()).unwrap();
    let paths: Vec<&Path> = tree.entries.keys().map(PathBuf::as_path).collect();
    assert_eq!(paths.len(), 5 + 30);
    assert_eq!(content(&tree, "d/file"), b"content");
    assert!(
        matches!(tree.entries.get(Path::new("d/hard")), Some(Node::HardLink(file)) if file == Path::new("d/file"))
    );
    assert!(matches!(
        tree.entries.get(Path::new("d/soft")),
        Some(Node::Symlink(_))
    ));
}

#[test]
fn a_part_of_an_archive_is_not_an_archive() {
    let whole = sample();
    for length in 0..whole.len() {
        assert!(read_bytes(&whole[..length]).is_err(), "{length} bytes");
    }
}

/// With any byte changed the archive is refused, or all that it holds is inside the tree.
#[test]
fn an_accepted_archive_has_every_parent_and_no_way_out_of_the_tree() {
    let whole = sample();
    let mut accepted = 0;
    for at in 0..whole.len() {
        for byte in [0, b'.', b'/', b'1', b'2', b'7', b'L', 0xff, whole[at] ^ 1] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            // The checksum fits, so that the tar crate does not refuse the header for it.
            let block = at - at % 512;
            if let Some(block) = bytes.get_mut(block..block + 512) {
                let mut header = tar::Header::from_byte_slice(block).clone();
                header.set_cksum();
                block.copy_from_slice(header.as_bytes());
            }
            let Ok(tree) = read_bytes(&bytes) else {
                continue;
            };
            accepted += 1;
            for (path, node) in tree.entries.iter() {
                assert_eq!(inside(path).as_ref(), Ok(path), "{at}: {byte}");
                let parent = path.parent().unwrap_or(Path::new(""));
                let above = tree.entries.get(parent);
                assert!(matches!(above, Some(Node::Directory(_))), "{at}: {byte}");
                if let Node::Symlink(target) = node {
                    assert!(leads_inside(parent, target), "{at}: {byte}");
                }
            }
        }
    }
    assert!(accepted > 1000, "{accepted}");
}
