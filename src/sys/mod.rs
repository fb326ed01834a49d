//! The only unsafe code and the only libc: signal masks and dispositions, signalfd, and what runs
//! between fork and exec. Callers are safe.
//!
//! Signal calls go to the kernel by number, because musl's leave out the signals 32 to 34 that it
//! keeps for itself, and a supervisor must neither lose nor be killed by those.

pub(crate) mod clock;
pub(crate) mod poll;
pub(crate) mod random;
pub(crate) mod write;

use crate::signal::{Signal, SignalSet};
use rustix::event::{PollFd, PollFlags};
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_long, c_ulong, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The size of the kernel's signal set, in bytes.
const KERNEL_SIGSET_SIZE: usize = 8;

/// The kernel's `struct sigaction`, which is not the C library's (rt_sigaction(2)); x86-64 and arm64.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct KernelSigaction {
    handler: usize,
    flags: c_ulong,
    restorer: usize,
    mask: u64,
}

impl KernelSigaction {
    const fn new(handler: usize) -> KernelSigaction {
        KernelSigaction {
            handler,
            flags: 0,
            restorer: 0,
            mask: 0,
        }
    }
}

// ---- What we were started with ------------------------------------------------------------------

/// The disposition of `SIGPIPE` before Rust's runtime ignores it.
static INHERITED_PIPE: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);
/// The mask of blocked signals before musl unblocks those that it keeps for itself.
static INHERITED_MASK: AtomicU64 = AtomicU64::new(0);
/// Bit n: descriptor n (0 to 2) was closed before Rust's runtime opened `/dev/null` on it.
static INHERITED_CLOSED: AtomicU8 = AtomicU8::new(0);

/// Runs before the runtime of Rust does, and sees the process as it was started.
extern "C" fn look_before_main() {
    if let Ok(action) = sigaction(Signal::PIPE, None) {
        INHERITED_PIPE.store(action.handler, Ordering::Relaxed);
    }
    if let Ok(mask) = change_mask(libc::SIG_BLOCK, SignalSet::default()) {
        INHERITED_MASK.store(mask.bits(), Ordering::Relaxed);
    }
    for fd in 0..3_u8 {
        // SAFETY: F_GETFD reads one flag of a descriptor number and touches no memory.
        let flags = unsafe { libc::fcntl(RawFd::from(fd), libc::F_GETFD) };
        if flags < 0 {
            INHERITED_CLOSED.fetch_or(1 << fd, Ordering::Relaxed);
        }
    }
}

// SAFETY: the section holds function pointers that the C library calls once before main, and the
// function there calls nothing that needs a runtime.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_BEFORE_MAIN: extern "C" fn() = look_before_main;

// ---- Signals ------------------------------------------------------------------------------------

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Reads the disposition of a signal, and sets a new one if there is one.
fn sigaction(signal: Signal, new: Option<&KernelSigaction>) -> io::Result<KernelSigaction> {
    let mut old = KernelSigaction::new(0);
    let new = new.map_or(std::ptr::null(), |new| new as *const KernelSigaction);
    let number = c_int::from(signal.number());
    let old_pointer = &raw mut old;
    // SAFETY: both pointers are null or lead to a kernel sigaction that lives across the call, and
    // no handler is ever installed but default, ignore, or what was there before.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            number,
            new,
            old_pointer,
            KERNEL_SIGSET_SIZE,
        )
    };
    check(result).map(|_| old)
}

/// Whether the signal is ignored now.
pub(crate) fn is_ignored(signal: Signal) -> bool {
    if signal == Signal::PIPE {
        return INHERITED_PIPE.load(Ordering::Relaxed) == libc::SIG_IGN;
    }
    sigaction(signal, None).is_ok_and(|action| action.handler == libc::SIG_IGN)
}

/// Sets the mask of blocked signals and returns the one before.
fn set_mask(mask: SignalSet) -> io::Result<SignalSet> {
    change_mask(libc::SIG_SETMASK, mask)
}

fn change_mask(how: c_int, mask: SignalSet) -> io::Result<SignalSet> {
    let new = mask.bits();
    let mut old = 0_u64;
    let (new, old_pointer) = (&raw const new, &raw mut old);
    // SAFETY: both pointers lead to 8 bytes that live across the call, as the size says.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            new,
            old_pointer,
            KERNEL_SIGSET_SIZE,
        )
    };
    check(result).map(|_| SignalSet::from_bits(old))
}

/// All signals, blocked and readable from a descriptor. Dropped, the old mask is back.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: OwnedFd,
    /// Our own process id, as senders are named.
    pid: u32,
    inherited: Inherited,
}

/// What a command is to be started with: signals as we found them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inherited {
    mask: SignalSet,
    child_ignored: bool,
}

impl Inherited {
    /// Notes how we found signals, blocks these, and makes children waitable: with `CHLD` ignored the
    /// kernel would reap them itself.
    pub(crate) fn take(blocked: SignalSet) -> io::Result<Inherited> {
        set_mask(blocked)?;
        let mask = SignalSet::from_bits(INHERITED_MASK.load(Ordering::Relaxed));
        let child_ignored = is_ignored(Signal::CHLD);
        if child_ignored {
            sigaction(Signal::CHLD, Some(&KernelSigaction::new(libc::SIG_DFL)))?;
        }
        Ok(Inherited {
            mask,
            child_ignored,
        })
    }
}

impl Signals {
    /// Blocks every signal, so that none is lost from here on.
    pub(crate) fn block() -> io::Result<Signals> {
        let inherited = Inherited::take(SignalSet::ALL)?;
        let all = SignalSet::ALL.bits();
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: the pointer leads to 8 bytes that live across the call, as the size says.
        let fd = check(unsafe {
            libc::syscall(
                libc::SYS_signalfd4,
                -1,
                &raw const all,
                KERNEL_SIGSET_SIZE,
                flags,
            )
        })?;
        let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: the kernel has just made the descriptor for us, and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: getpid touches no memory.
        let pid = unsafe { libc::getpid() }.unsigned_abs();
        Ok(Signals { fd, pid, inherited })
    }

    /// What a command is to be started with.
    pub(crate) fn inherited(&self) -> Inherited {
        self.inherited
    }

    /// Readable when a signal is pending.
    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.fd
    }

    /// The signals that are pending, as many as a [`Batch`] holds, but without those that we brought on
    /// ourselves: a write to a closed stderr or past a limit raises `PIPE` or `XFSZ`, and names us as the sender.
    pub(crate) fn read(&self) -> Batch {
        let mut batch = Batch::default();
        let mut records = [MaybeUninit::<libc::signalfd_siginfo>::uninit(); BATCH];
        let room = size_of_val(&records);
        // SAFETY: the pointer leads to as many bytes as it says, which live across the call.
        let length = unsafe { libc::read(self.fd.as_raw_fd(), records.as_mut_ptr().cast(), room) };
        // An error is AGAIN: nothing is pending.
        let length = usize::try_from(length).unwrap_or(0);
        let filled = length / size_of::<libc::signalfd_siginfo>();
        batch.is_full = filled == BATCH;
        for record in records.iter().take(filled) {
            // SAFETY: the kernel has filled this record, whose fields are numbers.
            let record = unsafe { record.assume_init_ref() };
            if let Some(signal) = i32::try_from(record.ssi_signo)
                .ok()
                .and_then(Signal::from_number)
            {
                batch.add(signal, record.ssi_pid == self.pid);
            }
        }
        batch
    }

    /// Sleeps until a signal has come, and takes it; `None` if the moment came first, and sometimes for no
    /// reason. One call where poll(2) and read(2) are two: for when nothing but a signal is waited for.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Option<Signal> {
        let all = SignalSet::ALL.bits();
        let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
        let timeout = timeout.map(|timeout| rustix::event::Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let until = timeout.as_ref();
        let timeout = until.map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: each pointer is null or leads to what the call says, which lives across it.
        let number = unsafe {
            libc::syscall(
                libc::SYS_rt_sigtimedwait,
                &raw const all,
                info.as_mut_ptr(),
                timeout,
                KERNEL_SIGSET_SIZE,
            )
        };
        if number < 0 {
            self.wait_in_poll(until);
            return None;
        }
        let signal = i32::try_from(number).ok().and_then(Signal::from_number)?;
        // SAFETY: the call has succeeded, so the kernel has filled the record.
        let info = unsafe { info.assume_init() };
        // SAFETY: what the kernel fills in at this place is a number, whatever the signal.
        let sender = unsafe { info.si_pid() }.unsigned_abs();
        Some(signal).filter(|signal| !is_our_own_fault(*signal, sender == self.pid))
    }

    /// Where sigtimedwait(2) is refused, as by seccomp: the descriptor says when to read it.
    #[cold]
    fn wait_in_poll(&self, until: Option<&rustix::event::Timespec>) {
        let answer = io::Error::last_os_error().raw_os_error();
        if !matches!(answer, Some(libc::EAGAIN | libc::EINTR)) {
            let mut polled = [PollFd::new(&self.fd, PollFlags::IN)];
            // Interrupted or not: the caller looks for himself.
            let _ = rustix::event::poll(&mut polled, until);
        }
    }

    /// Stops this process, or its whole group, as the signal would if it were not blocked. Returns after
    /// somebody has continued us; false if the kernel did not stop us, because nobody could (an orphaned
    /// process group, PID 1) or the signal was ignored when we were started.
    pub(crate) fn stop(&self, target: Target, signal: Signal) -> bool {
        // The signal would take away a CONT that is waiting for us already.
        if is_pending(Signal::CONT) {
            return true;
        }
        // SAFETY: getpid touches no memory.
        let own = unsafe { libc::getpid() };
        // What fails here leaves us running, and that is what false says.
        let _ = set_mask(SignalSet::ALL.without(signal));
        let _ = match target {
            Target::Process => kill(own, Target::Process, signal),
            // SAFETY: kill touches no memory.
            Target::Group => check(c_long::from(unsafe {
                libc::kill(0, c_int::from(signal.number()))
            }))
            .map(|_| ()),
        };
        let _ = set_mask(SignalSet::ALL);
        // Nothing else continues a process, and a stop takes away what was pending before.
        is_pending(Signal::CONT)
    }
}

/// Whether a blocked signal has come and was not read yet.
fn is_pending(signal: Signal) -> bool {
    let mut pending = 0_u64;
    let pointer = &raw mut pending;
    // SAFETY: the pointer leads to 8 bytes that live across the call, as the size says.
    let result = unsafe { libc::syscall(libc::SYS_rt_sigpending, pointer, KERNEL_SIGSET_SIZE) };
    check(result).is_ok() && SignalSet::from_bits(pending).contains(signal)
}

/// How many signals are read at once.
const BATCH: usize = 32;

/// Some signals, in the kernel's order: by number, whatever came first (signal(7)).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    signals: [Signal; BATCH],
    length: usize,
    /// A child has ended or stopped.
    pub(crate) children: bool,
    /// There may be more.
    pub(crate) is_full: bool,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            signals: [Signal::CHLD; BATCH],
            length: 0,
            children: false,
            is_full: false,
        }
    }
}

impl Batch {
    fn add(&mut self, signal: Signal, is_from_us: bool) {
        if signal == Signal::CHLD {
            self.children = true;
        } else if !is_our_own_fault(signal, is_from_us)
            && let Some(place) = self.signals.get_mut(self.length)
        {
            *place = signal;
            self.length += 1;
        }
    }

    /// The signals but for `CHLD`.
    pub(crate) fn signals(&self) -> &[Signal] {
        self.signals.get(..self.length).unwrap_or_default()
    }
}

fn is_our_own_fault(signal: Signal, is_from_us: bool) -> bool {
    is_from_us && (signal == Signal::PIPE || signal == Signal::XFSZ)
}

/// Whom a signal goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The process alone.
    Process,
    /// Its process group.
    Group,
}

/// Sends a signal to a child that was not reaped yet.
#[inline]
pub(crate) fn kill(pid: i32, target: Target, signal: Signal) -> io::Result<()> {
    let pid = match target {
        Target::Process => pid,
        Target::Group => -pid,
    };
    // SAFETY: kill touches no memory.
    match unsafe { libc::kill(pid, c_int::from(signal.number())) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

// ---- Our parent and other people's children ------------------------------------------------------

/// Who our parent is now; 0 if it is outside of our PID namespace.
pub(crate) fn parent() -> i32 {
    // SAFETY: getppid touches no memory.
    unsafe { libc::getppid() }
}

/// Asks the kernel for a signal when our parent ends. One that has ended since it was `parent` counts too.
pub(crate) fn ask_for_parent_death(signal: Signal, before: i32) -> io::Result<()> {
    let number = c_ulong::from(signal.number());
    // SAFETY: this prctl takes two numbers.
    check(c_long::from(unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, number)
    }))?;
    if parent() == before {
        return Ok(());
    }
    // SAFETY: getpid touches no memory.
    kill(unsafe { libc::getpid() }, Target::Process, signal)
}

/// Makes orphans among our descendants our children, as they are PID 1's (prctl(2)).
pub(crate) fn adopt_orphans() -> io::Result<()> {
    let own = rustix::process::getpid();
    if own.is_init() {
        return Ok(());
    }
    // Which process is named does not matter, only that one is.
    Ok(rustix::process::set_child_subreaper(Some(own))?)
}

// ---- Datagrams with descriptors -----------------------------------------------------------------

/// A datagram, who has sent it, and what came along.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// Its first [`DATAGRAM`] bytes.
    pub(crate) text: Vec<u8>,
    /// The sender's process id as we see it; `None` from outside of our PID namespace.
    pub(crate) process: Option<i32>,
    /// The sender's user.
    pub(crate) user: Option<u32>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Of a datagram no more is read, in bytes.
const DATAGRAM: usize = 4096;
/// Room for what comes along: credentials, and as many descriptors as the kernel lets anybody send.
const ANCILLARY: usize = 2048;

/// Takes one datagram from a socket with `SO_PASSCRED`, without waiting for one (unix(7), cmsg(3)).
///
/// # Errors
/// `EAGAIN` if there is none.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Datagram> {
    let mut text = vec![0_u8; DATAGRAM];
    // Aligned as the headers in it want to be.
    let mut ancillary = [0_u64; ANCILLARY / 8];
    let mut part = libc::iovec {
        iov_base: text.as_mut_ptr().cast(),
        iov_len: text.len(),
    };
    // SAFETY: a header of zeros is one that names nothing.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = ancillary.as_mut_ptr().cast();
    header.msg_controllen = ANCILLARY as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header leads to buffers of the lengths that it says, which live across the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    text.truncate(length);
    let mut datagram = Datagram {
        text,
        process: None,
        user: None,
        descriptors: Vec::new(),
    };
    // SAFETY: the kernel has filled the header; what it leads to is still there.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    while !next.is_null() {
        // SAFETY: the macros lead to whole headers inside of the buffer only.
        let message = unsafe { &*next };
        // SAFETY: as above: the data follows the header.
        let data = unsafe { libc::CMSG_DATA(next) };
        datagram.take(message, data);
        // SAFETY: as above.
        next = unsafe { libc::CMSG_NXTHDR(&raw const header, next) };
    }
    Ok(datagram)
}

impl Datagram {
    fn take(&mut self, message: &libc::cmsghdr, data: *const u8) {
        if message.cmsg_level != libc::SOL_SOCKET {
            return;
        }
        // SAFETY: this macro only counts.
        let head = unsafe { libc::CMSG_LEN(0) } as usize;
        #[allow(clippy::unnecessary_cast)] // musl counts in another type than glibc
        let length = (message.cmsg_len as usize).saturating_sub(head);
        match message.cmsg_type {
            libc::SCM_CREDENTIALS if length >= size_of::<libc::ucred>() => {
                // SAFETY: the length says that a whole one is there, and its fields are numbers.
                let sender: libc::ucred = unsafe { data.cast::<libc::ucred>().read_unaligned() };
                self.process = Some(sender.pid).filter(|pid| *pid != 0);
                self.user = Some(sender.uid);
            }
            libc::SCM_RIGHTS => {
                for at in 0..length / size_of::<RawFd>() {
                    // SAFETY: the length says that so many are there.
                    let place = unsafe { data.cast::<RawFd>().add(at) };
                    // SAFETY: as above.
                    let fd = unsafe { place.read_unaligned() };
                    // SAFETY: the kernel has just made the descriptor for us, and nobody else knows it.
                    self.descriptors.push(unsafe { OwnedFd::from_raw_fd(fd) });
                }
            }
            _ => {}
        }
    }
}

// ---- Starting a command -------------------------------------------------------------------------

/// A command line in the form that the kernel takes.
#[derive(Debug)]
pub(crate) struct CommandLine {
    words: Vec<CString>,
}

impl CommandLine {
    /// `None` if a word has a NUL byte in it, or there is no word at all.
    pub(crate) fn new(words: &[impl AsRef<OsStr>]) -> Option<CommandLine> {
        let words: Result<Vec<CString>, _> = words
            .iter()
            .map(|word| CString::new(word.as_ref().as_bytes()))
            .collect();
        words
            .ok()
            .filter(|words| !words.is_empty())
            .map(|words| CommandLine { words })
    }

    /// The program, for messages.
    pub(crate) fn display(&self) -> String {
        self.program().to_string_lossy().into_owned()
    }

    fn pointers(&self) -> Vec<*const c_char> {
        let words = self.words.iter().map(|word| word.as_ptr());
        words.chain(std::iter::once(std::ptr::null())).collect()
    }

    fn program(&self) -> &CStr {
        self.words.first().map_or(c"", CString::as_c_str)
    }
}

/// How a child is to be set up between fork and exec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpawnSetup {
    pub(crate) inherited: Inherited,
    /// In a process group of its own.
    pub(crate) own_group: bool,
    /// The terminal whose foreground the group takes.
    pub(crate) terminal: Option<RawFd>,
}

/// What a child gets beside its words.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpawnExtras<'a> {
    /// Descriptors, each under a number of its own.
    pub(crate) descriptors: &'a [(BorrowedFd<'a>, RawFd)],
    /// A variable and its value, in the place of what the environment says.
    pub(crate) variable: Option<(&'a str, &'a str)>,
}

impl SpawnExtras<'_> {
    /// The same descriptor under a number that is not one of ours.
    fn aside(&self, fd: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
        let mut floor = 0;
        loop {
            let aside = rustix::io::fcntl_dupfd_cloexec(fd, floor)?;
            let number = aside.as_raw_fd();
            if self.descriptors.iter().all(|(_, taken)| *taken != number) {
                return Ok(aside);
            }
            floor = number + 1;
        }
    }
}

/// Everything that the child reads, in memory that it shares with us.
struct ChildContext<'a> {
    program: &'a CStr,
    arguments: &'a [*const c_char],
    environment: *const *const c_char,
    descriptors: &'a [(OwnedFd, RawFd)],
    setup: SpawnSetup,
    parent: c_int,
    report: RawFd,
}

/// An environment with one variable more, ours byte for byte otherwise.
struct Environment {
    /// What one of the pointers leads to.
    _own: CString,
    pointers: Vec<*const c_char>,
}

impl Environment {
    /// `None` if the value has a NUL byte in it.
    fn with((name, value): (&str, &str)) -> Option<Environment> {
        let own = CString::new(format!("{name}={value}")).ok()?;
        let mut pointers = Vec::new();
        // SAFETY: nobody changes the environment: this process has one thread, and sets no variable.
        let mut next = unsafe { environ };
        while !next.is_null() {
            // SAFETY: the array ends with a null pointer, which we have not met yet.
            let entry = unsafe { *next };
            if entry.is_null() {
                break;
            }
            // SAFETY: what the entries lead to ends with NUL, and lives as long as the process.
            let text = unsafe { CStr::from_ptr(entry) }.to_bytes();
            let ours = text
                .strip_prefix(name.as_bytes())
                .is_some_and(|rest| rest.starts_with(b"="));
            if !ours {
                pointers.push(entry);
            }
            // SAFETY: as above: the end comes after this entry.
            next = unsafe { next.add(1) };
        }
        pointers.push(own.as_ptr());
        pointers.push(std::ptr::null());
        Some(Environment {
            _own: own,
            pointers,
        })
    }
}

unsafe extern "C" {
    /// The environment (environ(7)).
    static environ: *const *const c_char;
}

/// Enough for execvp(3), which puts a path of up to `PATH_MAX` bytes on it.
const CHILD_STACK: usize = 64 * 1024;

/// Starts a command and waits until it has executed or failed to. Returns its process id.
///
/// The child shares our memory until it executes, as after vfork(2): no page table is copied. The
/// kernel stops us meanwhile, and the child calls only what is async-signal-safe. No handler of ours can
/// run in it: we install none.
///
/// # Errors
/// [`SpawnError::Exec`] with the answer of execve(2), [`SpawnError::Fork`] if there is no process.
pub(crate) fn spawn(
    command: &CommandLine,
    setup: SpawnSetup,
    gifts: SpawnExtras<'_>,
) -> Result<i32, SpawnError> {
    let no_room = |errno: rustix::io::Errno| SpawnError::Fork(errno.into());
    let (reader, first_writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(no_room)?;
    // None under a number that the child fills, so that none is overwritten before it was used.
    let writer = gifts.aside(first_writer.as_fd()).map_err(no_room)?;
    drop(first_writer);
    let descriptors: Vec<(OwnedFd, RawFd)> = gifts
        .descriptors
        .iter()
        .map(|(fd, number)| Ok((gifts.aside(*fd)?, *number)))
        .collect::<rustix::io::Result<_>>()
        .map_err(no_room)?;
    let environment = gifts.variable.and_then(Environment::with);
    let arguments = command.pointers();
    // SAFETY: getpid touches no memory.
    let parent = unsafe { libc::getpid() };
    let mut handover = ChildContext {
        program: command.program(),
        arguments: &arguments,
        environment: match &environment {
            Some(environment) => environment.pointers.as_ptr(),
            // SAFETY: as in `Environment::with`.
            None => unsafe { environ },
        },
        descriptors: &descriptors,
        setup,
        parent,
        report: writer.as_raw_fd(),
    };
    let mut stack: Vec<MaybeUninit<u8>> = Vec::with_capacity(CHILD_STACK);
    let top = stack.spare_capacity_mut().as_mut_ptr_range().end as usize & !15;
    let argument = (&raw mut handover).cast::<c_void>();
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the child runs `child` on a stack of its own while CLONE_VFORK holds us here, so
    // stack, handover and what it points to outlive its use of them.
    let pid = unsafe { libc::clone(child, top as *mut c_void, flags, argument) };
    drop(stack);
    check(c_long::from(pid)).map_err(SpawnError::Fork)?;
    drop(writer);
    let mut errno = [0_u8; 4];
    match rustix::io::read(&reader, &mut errno) {
        Ok(4) => {
            if let Some(terminal) = setup.terminal {
                take_terminal_back(terminal, pid);
            }
            // It has said why and is gone; nobody else needs to hear of it.
            let _ = rustix::process::waitpid(
                rustix::process::Pid::from_raw(pid),
                rustix::process::WaitOptions::empty(),
            );
            Err(SpawnError::Exec(io::Error::from_raw_os_error(
                i32::from_ne_bytes(errno),
            )))
        }
        Ok(_) | Err(_) => Ok(pid),
    }
}

/// Waits for one child. Its exit status as a shell would report it.
pub(crate) fn wait_for(pid: i32) -> u8 {
    let child = rustix::process::Pid::from_raw(pid);
    loop {
        match rustix::process::waitpid(child, rustix::process::WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                return shell_status(status.exit_status(), status.terminating_signal());
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            // Somebody else has reaped it; how it ended is not known any more.
            Err(_) => return crate::exit::FAILURE,
        }
    }
}

fn shell_status(exited: Option<i32>, signaled: Option<i32>) -> u8 {
    let signal = signaled
        .and_then(Signal::from_number)
        .map(Signal::exit_status);
    signal
        .or_else(|| u8::try_from(exited?).ok())
        .unwrap_or(crate::exit::FAILURE)
}

/// Why a command could not be started.
#[derive(Debug)]
pub(crate) enum SpawnError {
    /// There was no process or descriptor left.
    Fork(io::Error),
    /// The command could not be executed.
    Exec(io::Error),
}

/// The child's whole life before it becomes the command.
extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `spawn` hands over a `ChildContext` that outlives us, and does not touch it meanwhile.
    let handover = unsafe { &*argument.cast::<ChildContext<'_>>() };
    if handover.setup.own_group {
        // SAFETY: setpgid touches no memory. It cannot fail for a child that has just been made.
        unsafe { libc::setpgid(0, 0) };
    }
    if let Some(terminal) = handover.setup.terminal {
        // SAFETY: getpid touches no memory.
        let own = unsafe { libc::getpid() };
        // SAFETY: tcsetpgrp touches no memory of ours; TTOU is blocked, so it does not stop us.
        unsafe { libc::tcsetpgrp(terminal, own) };
    }
    // SAFETY: this prctl takes two numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong) };
    let parent = parent();
    // 0 is a parent outside of our PID namespace, which cannot have changed.
    if parent != handover.parent && parent != 0 {
        // Our parent died before the kernel was asked to tell us.
        // SAFETY: _exit does not return and runs nothing of the memory that we share.
        unsafe { libc::_exit(c_int::from(crate::exit::LOST)) };
    }
    for (fd, number) in handover.descriptors {
        // SAFETY: dup2 touches no memory. The numbers differ, so the new one is not closed by exec.
        if unsafe { libc::dup2(fd.as_raw_fd(), *number) } < 0 {
            give_up(handover.report);
        }
    }
    restore(Some(handover.setup.inherited), handover.descriptors);
    let (program, arguments) = (handover.program.as_ptr(), handover.arguments.as_ptr());
    // SAFETY: all words are NUL-terminated, both arrays end with a null pointer, and all of it lives
    // in the handover or as long as the process.
    unsafe { libc::execvpe(program, arguments, handover.environment) };
    give_up(handover.report)
}

/// Tells the parent what the last call has answered, and ends. Under an emulator that copies our memory
/// this is the only way to tell.
fn give_up(report: RawFd) -> ! {
    let errno = io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EINVAL)
        .to_ne_bytes();
    // SAFETY: the four bytes live on our stack, and the descriptor was made for this.
    unsafe { libc::write(report, errno.as_ptr().cast(), errno.len()) };
    // SAFETY: _exit does not return and runs nothing of the memory that we share.
    unsafe { libc::_exit(c_int::from(crate::exit::NOT_FOUND)) }
}

/// Gives the process back what it was started with: dispositions, closed descriptors, and last the mask.
///
/// What was put on a number that was closed stays there.
fn restore(inherited: Option<Inherited>, filled: &[(OwnedFd, RawFd)]) {
    let pipe = KernelSigaction::new(INHERITED_PIPE.load(Ordering::Relaxed));
    // What fails here cannot be told to anybody, and the command runs all the same.
    let _ = sigaction(Signal::PIPE, Some(&pipe));
    if inherited.is_some_and(|inherited| inherited.child_ignored) {
        let _ = sigaction(Signal::CHLD, Some(&KernelSigaction::new(libc::SIG_IGN)));
    }
    let closed = INHERITED_CLOSED.load(Ordering::Relaxed);
    let is_filled = |fd: &RawFd| filled.iter().any(|(_, number)| number == fd);
    for fd in (0..3).filter(|fd| closed & (1 << fd) != 0 && !is_filled(fd)) {
        // SAFETY: the runtime's /dev/null is there, which nobody uses in this process any more.
        unsafe { libc::close(fd) };
    }
    if let Some(inherited) = inherited {
        let _ = set_mask(inherited.mask);
    }
}

/// Replaces this process by a command, with signals and descriptors as they were found. Returns only on failure.
pub(crate) fn exec(command: &CommandLine, signals: Option<Signals>) -> io::Error {
    let inherited = signals.as_ref().map(Signals::inherited);
    restore(inherited, &[]);
    let arguments = command.pointers();
    // SAFETY: as in `child`: NUL-terminated words, and a null pointer at the end.
    unsafe { libc::execvp(command.program().as_ptr(), arguments.as_ptr()) };
    io::Error::last_os_error()
}

/// The descriptor of the terminal whose foreground we have, if we have one (credentials(7)).
pub(crate) fn foreground_terminal() -> Option<RawFd> {
    // SAFETY: getpgrp touches no memory.
    let own = unsafe { libc::getpgrp() };
    // Groups outside of our PID namespace are all 0: then nobody can tell whether it is ours.
    (0..3).find(|fd| own > 0 && foreground_group(*fd) == own)
}

/// The process group in the foreground of a terminal; -1 if the descriptor is none.
fn foreground_group(terminal: RawFd) -> libc::pid_t {
    // SAFETY: tcgetpgrp touches no memory of ours.
    unsafe { libc::tcgetpgrp(terminal) }
}

/// Whether one of the first three descriptors is the terminal that controls our session.
pub(crate) fn has_terminal() -> bool {
    (0..3).any(|fd| foreground_group(fd) >= 0)
}

/// Gives the foreground of the terminal to a child's group.
pub(crate) fn lend_terminal(terminal: RawFd, child: i32) {
    // SAFETY: tcsetpgrp touches no memory of ours; every signal is blocked, so TTOU does not stop us.
    unsafe { libc::tcsetpgrp(terminal, child) };
}

/// Takes the foreground of the terminal back from a child's group, if it is there still: somebody else may
/// have given it away meanwhile. Where we lead the session only the child can have, to a job of its own.
pub(crate) fn take_terminal_back(terminal: RawFd, child: i32) {
    // SAFETY: getpgrp touches no memory.
    let own = unsafe { libc::getpgrp() };
    // SAFETY: getsid touches no memory.
    let session = unsafe { libc::getsid(0) };
    if foreground_group(terminal) != child && session != own {
        return;
    }
    // SAFETY: tcsetpgrp touches no memory of ours; every signal is blocked, so TTOU does not stop us.
    unsafe { libc::tcsetpgrp(terminal, own) };
}

// ---- A binary without an unwinder ---------------------------------------------------------------

/// An unwinder that finds nothing, in place of the one that would fill half of the static binary.
///
/// The binary aborts on a panic, so nothing ever unwinds; but std prints a backtrace on request, and
/// brings a reader of debug information, a decompressor and a demangler along for that, which have
/// nothing to read in a stripped binary. The linker takes these functions, which the ABI names
/// (Itanium C++ ABI: Exception Handling), and leaves the archive's alone; the optimizer then sees
/// that no frame is ever shown. A panic still says where and why. Only for our own static binary:
/// a program that uses the library may well want to unwind.
#[cfg(all(feature = "no-unwinder", target_env = "musl", panic = "abort"))]
mod no_unwinder {
    use super::{c_int, c_void};

    /// `_URC_END_OF_STACK`.
    const END_OF_STACK: c_int = 5;

    // SAFETY: the name and the signature are the ABI's, and to find no frame is an answer it allows.
    #[unsafe(no_mangle)]
    extern "C" fn _Unwind_Backtrace(_trace: *const c_void, _argument: *mut c_void) -> c_int {
        END_OF_STACK
    }

    /// What only unwinding calls, which aborting has taken the place of.
    macro_rules! never_called {
        ($($name:ident)*) => { $(
            // SAFETY: the name is the ABI's, and whatever the arguments are, they are not looked at.
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> ! {
                std::process::abort()
            }
        )* };
    }

    never_called! {
        _Unwind_GetDataRelBase _Unwind_GetIP _Unwind_GetIPInfo _Unwind_GetLanguageSpecificData
        _Unwind_GetRegionStart _Unwind_GetTextRelBase _Unwind_Resume _Unwind_SetGR _Unwind_SetIP
    }
}
