//! Archives for the tests, made byte by byte, among them hostile ones.

pub const FILE: u8 = b'0';
pub const HARD: u8 = b'1';
pub const LINK: u8 = b'2';
pub const DIRECTORY: u8 = b'5';

/// An archive, byte by byte: tar(5), "POSIX ustar Archives".
#[derive(Clone, Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    pub fn new() -> Tar {
        Tar::default()
    }

    pub fn raw(mut self, name: &[u8], kind: u8, mode: u32, link: &[u8], size: usize) -> Tar {
        let mut header = [0; 512];
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        put(0, name);
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000\x000000000");
        put(124, format!("{size:011o}").as_bytes());
        put(136, b"00000000000");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, link);
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(header);
        self
    }

    pub fn data(mut self, content: &[u8]) -> Tar {
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, content: &str) -> Tar {
        self.raw(name.as_bytes(), FILE, 0o644, b"", content.len())
            .data(content.as_bytes())
    }

    pub fn link(self, name: &str, to: &str) -> Tar {
        self.raw(name.as_bytes(), LINK, 0o777, to.as_bytes(), 0)
    }

    pub fn hard(self, name: &str, to: &str) -> Tar {
        self.raw(name.as_bytes(), HARD, 0o644, to.as_bytes(), 0)
    }

    pub fn directory(self, name: &str, mode: u32) -> Tar {
        self.raw(name.as_bytes(), DIRECTORY, mode, b"", 0)
    }

    /// An extended header for the next entry.
    pub fn pax(self, keys: &[(&str, &str)]) -> Tar {
        let mut records = String::new();
        for (key, value) in keys {
            let record = |length: usize| format!("{length} {key}={value}\n");
            let mut length = record(0).len();
            while record(length).len() != length {
                length = record(length).len();
            }
            records += &record(length);
        }
        let header = self.raw(b"pax", b'x', 0o644, b"", records.len());
        header.data(records.as_bytes())
    }

    pub fn special(self, kind: u8, mode: u32) -> Tar {
        self.raw(b"special", kind, mode, b"", 0)
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

/// Archives that must be refused, and a word of the reason.
pub fn hostile() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = || Tar::new().file("good", "good\n");
    let dir = || good().directory("d", 0o755);
    let many = |count: usize| {
        let names = (0..count).map(|number| format!("f{number}"));
        names
            .fold(Tar::new(), |tar, name| tar.file(&name, ""))
            .end()
    };
    let mut bomb = Tar::new().raw(b"bomb", b'S', 0o644, b"", 0);
    // Old GNU format: the real size stands behind the map, at 483.
    bomb.0[257..265].copy_from_slice(b"ustar  \0");
    bomb.0[386..410].copy_from_slice(b"77777777777\x0000000000000\0");
    bomb.0[483..494].copy_from_slice(b"77777777777");
    bomb.0[148..156].copy_from_slice(b"        ");
    let sum: u32 = bomb.0[..512].iter().map(|byte| u32::from(*byte)).sum();
    bomb.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let noise: Vec<u8> = (0..4096u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    vec![
        (
            "an absolute path",
            good().file("/evil", "").end(),
            "absolute",
        ),
        (
            "a path with ..",
            good().file("d/../../evil", "").end(),
            "..",
        ),
        (
            "a path that is ..",
            good().directory("..", 0o755).end(),
            "..",
        ),
        (
            "a write through an absolute link",
            good().link("l", "/tmp").file("l/evil", "").end(),
            "directory is a link",
        ),
        (
            "a directory in an absolute link",
            good().link("l", "/tmp").directory("l/evil", 0o755).end(),
            "directory is a link",
        ),
        (
            "a hard link through an absolute link",
            good().link("l", "/etc").hard("h", "l/passwd").end(),
            "hard link",
        ),
        (
            "a hard link to an absolute link",
            good().link("l", "/etc/passwd").hard("h", "l").end(),
            "hard link",
        ),
        (
            "a link out",
            good().link("l", "..").end(),
            "leads out of the tree",
        ),
        (
            "a link out and in again",
            dir().link("d/l", "../../app/good").end(),
            "leads out of the tree",
        ),
        (
            "a write through a link",
            dir().link("l", "d").file("l/evil", "").end(),
            "directory is a link",
        ),
        (
            "a link over a directory",
            dir().link("d", "good").end(),
            "replaces a directory",
        ),
        (
            "a file over the root",
            good().file("./", "").end(),
            "replaces a directory",
        ),
        (
            "a link over the root",
            good().link(".", "good").end(),
            "replaces a directory",
        ),
        (
            "a chain of links that leads out",
            dir()
                .directory("d/e", 0o755)
                .link("d/e/l", "../..")
                .link("m", "d/e/l/../victim")
                .end(),
            "through another link",
        ),
        (
            "a link out through one that comes later",
            dir()
                .directory("d/e", 0o755)
                .link("m", "d/e/l/../victim")
                .link("d/e/l", "../..")
                .end(),
            "through another link",
        ),
        (
            "a hard link to outside",
            good().hard("h", "../../victim").end(),
            "..",
        ),
        (
            "an absolute hard link",
            good().hard("h", "/etc/passwd").end(),
            "absolute",
        ),
        (
            "a hard link to nothing",
            good().hard("h", "nothing").end(),
            "hard link",
        ),
        (
            "a hard link to itself",
            good().hard("h", "h").end(),
            "hard link",
        ),
        (
            "a hard link to itself that replaces",
            good().hard("good", "good").end(),
            "hard link",
        ),
        (
            "a hard link to a directory",
            dir().hard("h", "d").end(),
            "hard link",
        ),
        (
            "a hard link to a link",
            good().link("l", "good").hard("h", "l").end(),
            "hard link",
        ),
        (
            "a hard link to what is replaced",
            good().hard("h", "good").link("good", "h").end(),
            "after a hard link",
        ),
        (
            "a hard link to a file that is replaced by another",
            good().hard("h", "good").file("good", "other").end(),
            "after a hard link",
        ),
        (
            "a ring of hard links",
            good().hard("h", "good").hard("good", "h").end(),
            "hard link",
        ),
        (
            "a path of a megabyte",
            pax_path(&"a/".repeat(500_000)),
            "too long",
        ),
        (
            "a path of 200 directories",
            pax_path(&"a/".repeat(200)),
            "deep",
        ),
        (
            "one file 10,001 times",
            (0..10_001)
                .fold(Tar::new(), |tar, _| tar.file("f", "x"))
                .end(),
            "10000 entries",
        ),
        (
            "a name of 256 bytes",
            pax_path(&"a".repeat(256)),
            "too long",
        ),
        (
            "a cut in a file of zeros",
            good().file("z", &"\0".repeat(2048)).0[..512 * 5].to_vec(),
            "not a complete tar",
        ),
        (
            "a file in a file",
            good().file("good/evil", "").end(),
            "directory is a file",
        ),
        (
            "a character device",
            good().special(b'3', 0o666).end(),
            "devices",
        ),
        (
            "a block device",
            good().special(b'4', 0o666).end(),
            "devices",
        ),
        ("a FIFO", good().special(b'6', 0o666).end(), "FIFOs"),
        (
            "a volume of several",
            good().special(b'M', 0o666).end(),
            "this type",
        ),
        (
            "a set-user-id file",
            good().special(FILE, 0o4755).end(),
            "set-user-id",
        ),
        (
            "a set-group-id file",
            good().special(FILE, 0o2755).end(),
            "set-group-id",
        ),
        ("a sparse bomb", bomb.end(), ""),
        (
            "a size that is not there",
            good().raw(b"big", FILE, 0o644, b"", 1 << 20).end(),
            "not a complete tar",
        ),
        (
            "a size beyond all limits",
            good().raw(b"big", FILE, 0o644, b"", 1 << 32).end(),
            "not a complete tar",
        ),
        ("10,001 entries", many(10_001), "10000 entries"),
        ("paths of 3 MiB", long_paths(1000), "paths have more than"),
        (
            "an extended header of 2 MiB",
            pax_path(&"a/".repeat(1 << 20)),
            "header in it is too long",
        ),
        ("zeros", vec![0; 10_240], "nothing but zeros"),
        (
            "a map of a sparse file that ends nowhere",
            sparse_in_pax("9\n0\n512\n"),
            "map of a sparse file",
        ),
        (
            "a map of a sparse file that goes backwards",
            sparse_in_pax("2\n512\n512\n0\n512\n"),
            "map of a sparse file",
        ),
        (
            "a sparse file beyond all limits",
            sparse_in_pax("1\n18446744073709551615\n512\n"),
            "map of a sparse file",
        ),
        ("no byte", Vec::new(), "not a complete tar"),
        ("noise", noise.clone(), "not a complete tar"),
        (
            "noise with an end",
            [noise, vec![0; 1024]].concat(),
            "broken",
        ),
        (
            "gzip",
            [&[0x1f, 0x8b, 8, 0][..], &[7; 508], &[0; 1024]].concat(),
            "broken",
        ),
        (
            "a name in two lines",
            good().file("\n\x1b/../x", "").end(),
            "..",
        ),
    ]
}

/// An archive whose file has a name that only an extended header can hold (pax(1)).
pub fn pax_path(path: &str) -> Vec<u8> {
    let header = Tar::new().pax(&[("path", path)]);
    header.file("short", "x").end()
}

/// An archive with as many files whose paths have 3 KiB.
fn long_paths(count: usize) -> Vec<u8> {
    let above = "d".repeat(250) + "/";
    let paths = (0..count).map(|number| format!("{}{number}", above.repeat(12)));
    let add = |tar: Tar, path: String| tar.pax(&[("path", &path)]).file("short", "");
    paths.fold(Tar::new(), add).end()
}

/// An archive with a file of 2 KiB that has holes, with this map before its 1 KiB of data.
fn sparse_in_pax(map: &str) -> Vec<u8> {
    let keys = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "sparse"),
        ("GNU.sparse.realsize", "2048"),
    ];
    let tar = Tar::new().pax(&keys).raw(b"s", FILE, 0o644, b"", 512 * 3);
    tar.data(map.as_bytes()).data(&[7; 1024]).end()
}
