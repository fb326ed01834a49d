//! The random attacker: a process of the hostile user that does one thing after another to the
//! directories it may write to, until it is killed. It does what any user can do there, except to
//! two files: it does not replace or change the tombstones of the lives whose deaths the test
//! waits for. That cannot be prevented, and `SECURITY.md` says so. Nor does it link them: an
//! `exitdir-signal` to the other name would record a death there.

use crate::support::random::Random;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags, Timestamps};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// The directories to attack, separated by colons.
pub const DIRECTORIES: &str = "ATTACK_DIRECTORIES";
/// Directories outside, to which links lead.
pub const OUTSIDE: &str = "ATTACK_OUTSIDE";
pub const SEED: &str = "ATTACK_SEED";
/// A file that holds the name of the notification socket.
pub const SOCKET: &str = "ATTACK_SOCKET";
/// Tombstones that the attacker only locks for reading.
pub const SPARED: [&str; 2] = ["leader", "last"];

/// Descriptors that are held open: with them locks and leases.
const HELD: usize = 200;
/// Leases at one time, each held by a process.
const LEASES: usize = 4;
/// Entries that the attacker leaves in one directory.
const ENTRIES: usize = 4_300;

#[test]
#[ignore = "a process that another test starts"]
fn attack_until_killed() {
    let Some(directories) = std::env::var_os(DIRECTORIES) else {
        return;
    };
    let outside = std::env::var_os(OUTSIDE).unwrap_or_default();
    let seed = std::env::var(SEED).unwrap_or_default();
    let mut attacker = Attacker {
        random: Random::new(&format!("attacker {seed}")),
        directories: std::env::split_paths(&directories).collect(),
        outside: outside.into(),
        socket: std::env::var_os(SOCKET).unwrap_or_default().into(),
        held: VecDeque::new(),
        leases: Vec::new(),
        count: 0,
    };
    loop {
        attacker.act();
        if attacker.random.below(8) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

struct Attacker {
    random: Random,
    directories: Vec<PathBuf>,
    outside: PathBuf,
    socket: PathBuf,
    held: VecDeque<OwnedFd>,
    leases: Vec<Child>,
    count: usize,
}

impl Attacker {
    /// One thing. Most fail now and then, which is no concern here.
    fn act(&mut self) {
        let at = self.entry();
        self.count += 1;
        match self.random.below(30) {
            0..4 => self.write(&at),
            4 => drop(std::os::unix::fs::symlink(self.link_target(), &at)),
            5 => self.hard_link(&at),
            6 => drop(rustix::fs::mknodat(
                CWD,
                &at,
                rustix::fs::FileType::Fifo,
                Mode::RWXU,
                0,
            )),
            7 => drop(std::os::unix::net::UnixListener::bind(&at)),
            8 => self.make_tree(&at),
            9..12 => self.rename(&at),
            12..15 => self.remove(&at),
            15 => self.set_mode(&at),
            16 => self.set_times(&at),
            17..19 => self.lock(&at),
            19 => self.lease(&at),
            20 => self.truncate(&at),
            21 => self.hold(&at, OFlags::RDONLY),
            22 => self.hold(&at, OFlags::RDWR),
            23 => self.send_datagrams(),
            24 => self.come_and_go(),
            25 => self.replace_quickly(&at),
            26..28 => self.let_go(),
            28 => self.clean_up(&at),
            _ => self.flood(),
        }
    }

    /// A path: of an entry that is there, of one that the programs use, or of a new one.
    fn entry(&mut self) -> PathBuf {
        let number = self.random.below(self.directories.len() as u64) as usize;
        let directory = self.directories[number].clone();
        let name = match self.random.below(4) {
            0 => self.existing(&directory),
            1 | 2 => OsString::from(self.random.pick(&[
                "main",
                ".main.new",
                ".leader.new",
                ".last.new",
                "second",
                ".second.new",
                "quick",
                ".quick.new",
                "s1",
                ".s1.new",
                "run",
                ".run.exitdir-1",
                ".run.exitdir-2",
                ".run.exitdir-0123456789abcdef",
                "app.conf",
                "sub",
                "active",
                "exitdir",
                ".exitdir.new",
            ])),
            _ => self.new_name(),
        };
        let name = match SPARED.iter().any(|spared| name == *spared) {
            true => OsString::from("main"),
            false => name,
        };
        directory.join(name)
    }

    fn existing(&mut self, directory: &Path) -> OsString {
        let skip = self.random.below(40) as usize;
        let mut entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let entry = entries.nth(skip);
        entry.map_or_else(|| OsString::from("x"), |entry| entry.file_name())
    }

    fn new_name(&mut self) -> OsString {
        let length = self.random.pick(&[1, 3, 8, 60, 240, 255]);
        let alphabet: &[u8] = match self.random.below(4) {
            0 => b"abc-:,\"\\ \n\t\x1b\x7f",
            1 => b"\xff\xfe\x80ab",
            2 => "a\u{202e}\u{2066}\u{200b}".as_bytes(),
            _ => b"abcdefgh0123456789",
        };
        let byte = |_| alphabet[self.random.below(alphabet.len() as u64) as usize];
        OsString::from_vec((0..length).map(byte).collect())
    }

    /// What a file says: a tombstone of any kind, or noise.
    fn content(&mut self) -> Vec<u8> {
        let lines: &[&str] = &[
            "Waiting: \"2999-12-31T23:59:59.999999999Z\"\n",
            "Born: \"2026-01-01T00:00:00Z\"\n",
            "Ready: \"2026-01-01T00:00:00Z\"\n",
            "Inactive: \"2026-01-01T00:00:00Z\"\n",
            "Lock: none\n",
            "Lock: \"fcntl 00000000-0000-0000-0000-000000000000 0:0 1\"\n",
            "Cause: \"s1\"\nCauseLife: \"2026-01-01T00:00:00Z\"\n",
            "Cause: \"main\"\n",
            "Past: \"leader 0\"\nFell: \"s1\"\n",
            "ExitCode: 9\nDied: \"2026-01-01T00:00:00Z\"\n",
            "Died: ",
            "Replaced: \"2026-01-01T00:00:00Z\"\n",
            "\0\0\0\n",
            "\u{202e}: \u{202e}\n",
        ];
        let mut text = Vec::new();
        for _ in 0..self.random.below(7) {
            text.extend(self.random.pick(lines).as_bytes());
        }
        if self.random.below(6) == 0 {
            text.extend(std::iter::repeat_n(
                b'm',
                self.random.pick(&[4_000, 8_192, 100_000]),
            ));
        }
        text
    }

    fn write(&mut self, at: &Path) {
        let content = self.content();
        let flags = OFlags::WRONLY | OFlags::CREATE;
        if let Ok(file) = self.open(at, flags) {
            let mut file = File::from(file);
            let _ = file.write_all(&content);
            if self.random.flip() {
                self.keep(file.into());
            }
        }
    }

    /// Where a link leads: outside, to a neighbour, to itself.
    fn link_target(&mut self) -> PathBuf {
        match self.random.below(6) {
            0 => self.outside.clone(),
            1 => self
                .outside
                .join(self.random.pick(&["etc/shadow", "etc", "main", "empty"])),
            2 => PathBuf::from("../".repeat(20)).join(self.outside.strip_prefix("/").unwrap()),
            3 => PathBuf::from(
                self.random
                    .pick(&["/proc/self/fd/0", "/proc/1/root", "/dev/zero"]),
            ),
            4 => PathBuf::from("d/../".repeat(700)),
            _ => self.entry(),
        }
    }

    /// A link to an entry, above all to a tombstone that a supervisor holds.
    fn hard_link(&mut self, at: &Path) {
        let first = self.directories[0].clone();
        let target = match self.random.flip() {
            true => first.join(self.random.pick(&["main", "second"])),
            false => self.entry(),
        };
        let _ = fs::hard_link(target, at);
    }

    fn make_tree(&mut self, at: &Path) {
        let depth = self.random.pick(&[1, 2, 30, 300]);
        let mut path = at.to_owned();
        for _ in 0..depth {
            if fs::create_dir(&path).is_err() {
                break;
            }
            let _ = std::os::unix::fs::symlink(&self.outside, path.join("l"));
            path.push("d");
        }
    }

    fn rename(&mut self, at: &Path) {
        let to = self.entry();
        let how = self
            .random
            .pick(&[RenameFlags::empty(), RenameFlags::EXCHANGE]);
        let _ = rustix::fs::renameat_with(CWD, at, CWD, to, how);
    }

    fn remove(&mut self, at: &Path) {
        let _ = fs::remove_file(at).or_else(|_| fs::remove_dir_all(at));
    }

    fn set_mode(&mut self, at: &Path) {
        let mode = self
            .random
            .pick(&[0, 0o400, 0o600, 0o644, 0o666, 0o777, 0o1777, 0o6777]);
        if !at.is_symlink() {
            let _ = fs::set_permissions(at, fs::Permissions::from_mode(mode));
        }
    }

    fn set_times(&mut self, at: &Path) {
        let seconds = self
            .random
            .pick(&[0, 1, 4_102_444_800, i64::from(i32::MAX), -1]);
        let time = rustix::fs::Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        let _ = rustix::fs::utimensat(CWD, at, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    }

    /// A lock, also one for reading of a tombstone that is spared.
    fn lock(&mut self, at: &Path) {
        let spared = self.directories[0].join(self.random.pick(&SPARED));
        let (path, flags, lock) = match self.random.below(3) {
            0 => (
                spared,
                OFlags::RDONLY,
                FlockOperation::NonBlockingLockShared,
            ),
            1 => (
                at.to_owned(),
                OFlags::RDONLY,
                FlockOperation::NonBlockingLockShared,
            ),
            _ => (
                at.to_owned(),
                OFlags::RDWR,
                FlockOperation::NonBlockingLockExclusive,
            ),
        };
        if let Ok(file) = self.open(&path, flags) {
            let _ = rustix::fs::fcntl_lock(&file, lock);
            self.keep(file);
        }
    }

    /// A lease (fcntl(2), `F_SETLEASE`, 1024): a process that opens the file has to wait until the
    /// lease is given up. Where perl is missing there are none.
    fn lease(&mut self, at: &Path) {
        let script = "$SIG{IO} = 'IGNORE'; open(F, '+<', $ARGV[0]) or exit; \
                      fcntl(F, 1024, $ARGV[1]); sleep 2";
        let kind = self.random.pick(&["0", "1"]); // F_RDLCK, F_WRLCK
        self.leases
            .retain_mut(|lease| matches!(lease.try_wait(), Ok(None)));
        if self.leases.len() < LEASES {
            let mut perl = Command::new("perl");
            perl.args(["-e", script]).arg(at).arg(kind);
            self.leases.extend(perl.spawn());
        }
    }

    fn truncate(&mut self, at: &Path) {
        let size = self.random.pick(&[0, 1, 4_096, 8_193, 1 << 40]);
        if let Ok(file) = self.open(at, OFlags::RDWR) {
            let _ = rustix::fs::ftruncate(file, size);
        }
    }

    fn hold(&mut self, at: &Path, flags: OFlags) {
        if let Ok(file) = self.open(at, flags) {
            self.keep(file);
        }
    }

    fn keep(&mut self, file: OwnedFd) {
        self.held.push_back(file);
        if self.held.len() > HELD {
            self.held.pop_front();
        }
    }

    fn let_go(&mut self) {
        for _ in 0..self.random.below(20) {
            self.held.pop_front();
        }
    }

    /// Datagrams to the notification socket, with descriptors or not.
    fn send_datagrams(&mut self) {
        let Ok(name) = fs::read_to_string(&self.socket) else {
            return;
        };
        let name = name.trim().trim_start_matches('@').as_bytes();
        let Ok(address) = SocketAddrUnix::new_abstract_name(name) else {
            return;
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let Ok(socket) =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
        else {
            return;
        };
        let texts = ["READY=1", "STOPPING=1", "STATUS=\u{1b}[2J", "X=1", ""];
        let text = self.random.pick(&texts);
        let held: Vec<_> = self.held.iter().take(8).map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if self.random.flip() {
            control.push(SendAncillaryMessage::ScmRights(&held));
        }
        let parts = [IoSlice::new(text.as_bytes())];
        let _ =
            rustix::net::sendmsg_addr(&socket, &address, &parts, &mut control, SendFlags::empty());
    }

    /// Names that are there for a moment only.
    fn come_and_go(&mut self) {
        for number in 0..200 {
            let path = self.directories[0].join(format!("tmp.{}.{number}", self.count));
            let _ = fs::write(&path, "Born: \"x\"\n");
            let _ = fs::remove_file(&path);
        }
    }

    /// Another kind of file under the same name, again and again.
    fn replace_quickly(&mut self, at: &Path) {
        for _ in 0..20 {
            let other = self.directories[0].join("other");
            let _ = fs::remove_file(&other);
            match self.random.below(3) {
                0 => drop(std::os::unix::fs::symlink(&self.outside, &other)),
                1 => drop(rustix::fs::mknodat(
                    CWD,
                    &other,
                    rustix::fs::FileType::Fifo,
                    Mode::RWXU,
                    0,
                )),
                _ => drop(fs::write(&other, "x")),
            }
            let _ = fs::rename(&other, at);
        }
    }

    /// Many names, up to a limit.
    fn flood(&mut self) {
        let directory = self.directories[0].clone();
        let there = fs::read_dir(&directory).map_or(0, Iterator::count);
        for number in there..ENTRIES.min(there + 500) {
            let _ = fs::write(directory.join(format!("f{}-{number}", self.count)), "x");
        }
    }

    /// Removes a part of what is there, so that the directories do not only grow.
    fn clean_up(&mut self, at: &Path) {
        let Some(directory) = at.parent() else { return };
        let entries: Vec<_> = fs::read_dir(directory)
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        for entry in entries {
            let is_spared = SPARED.iter().any(|spared| entry.file_name() == *spared);
            let is_short = entry.file_name().as_bytes().len() < 3;
            if !is_spared && (is_short || self.random.below(4) == 0) {
                self.remove(&entry.path());
            }
        }
    }

    fn open(&self, at: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let always = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(at, flags | always, Mode::from_raw_mode(0o666))
    }
}
