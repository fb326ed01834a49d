//! Starting a command as a child, or in place of this process.
//!
//! The child shares the memory of this process until it executes the command, as after vfork(2), so
//! that no page table is copied. The kernel suspends this process meanwhile, and the child calls
//! only what is async-signal-safe. No signal handler runs in it: this program installs none.

use super::command_line::CommandLine;
use super::environment::{self, Environment, ListenPid};
use super::process::wait_child;
use super::raw::{check, is_refused};
use super::startup::{InheritedSignals, restore};
use super::terminal;
use crate::exit;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, RawPid, WaitOptions, getpid, getppid};
use std::ffi::{CStr, c_char, c_int, c_long, c_ulong, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

/// How a child is set up before it executes the command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpawnSetup {
    pub(crate) inherited: InheritedSignals,
    /// It leads a process group of its own.
    pub(crate) own_group: bool,
    /// The terminal whose foreground the group takes.
    pub(crate) terminal: Option<RawFd>,
}

/// File descriptors and environment passed to the child besides argv.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpawnExtras<'a> {
    /// Descriptors, each with the number that it has in the child.
    pub(crate) descriptors: &'a [(BorrowedFd<'a>, RawFd)],
    /// Variables and their values, which are added to the environment or replace those there.
    pub(crate) variables: &'a [(&'a str, &'a str)],
    /// Hands on the descriptors of socket activation, which are for this process: `LISTEN_PID` gets
    /// the id of the child.
    pub(crate) takes_listen_fds: bool,
}

/// Why a command could not be started.
#[derive(Debug)]
pub(crate) enum SpawnError {
    /// There was no process or descriptor left.
    Fork(io::Error),
    /// The command could not be executed.
    Exec(io::Error),
}

/// A command that was started.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: Pid,
    /// Why the kernel does not kill it when this process ends.
    pub(crate) unguarded: Option<io::Error>,
}

/// Everything that the child reads, in memory that it shares with its parent.
struct ChildContext<'a> {
    program: &'a CStr,
    arguments: &'a [*const c_char],
    environment: Option<&'a Environment<'a>>,
    descriptors: &'a [(OwnedFd, RawFd)],
    setup: SpawnSetup,
    parent: Pid,
    /// Where the child writes the errors that it meets.
    report: RawFd,
}

/// The size of the child's stack. execvp(3) puts a path of up to `PATH_MAX` (4096) bytes on it.
const CHILD_STACK_SIZE: usize = 64 * 1024;

/// Starts a command and waits until it was executed or has failed to.
///
/// # Errors
/// [`SpawnError::Exec`] with the answer of execve(2), [`SpawnError::Fork`] if there is no process
/// or descriptor left.
pub(crate) fn spawn(
    command: &CommandLine,
    setup: SpawnSetup,
    extras: SpawnExtras<'_>,
) -> Result<Spawned, SpawnError> {
    let fork_error = |errno: rustix::io::Errno| SpawnError::Fork(errno.into());
    let (reader, writer) = extras.report_pipe().map_err(fork_error)?;
    let descriptors = extras.duplicates().map_err(fork_error)?;
    let listen_pid = if extras.takes_listen_fds {
        ListenPid::of_child()
    } else {
        None
    };
    let environment = Environment::with(extras.variables, listen_pid.as_ref());
    let mut context = ChildContext {
        program: command.program(),
        arguments: &command.pointers(),
        environment: environment.as_ref(),
        descriptors: &descriptors,
        setup,
        parent: getpid(),
        report: writer.as_raw_fd(),
    };
    let pid = clone_child(&mut context).map_err(SpawnError::Fork)?;
    close_writer(writer, &reader);
    let (unguarded, exec_error) = read_errors(&reader);
    let Some(error) = exec_error else {
        return Ok(Spawned { pid, unguarded });
    };
    if let Some(terminal) = setup.terminal {
        terminal::take_foreground_back(terminal, pid);
    }
    // The child has reported why it exits, so its status says nothing more.
    let _ = wait_child(Some(pid), WaitOptions::empty());
    Err(SpawnError::Exec(error))
}

impl SpawnExtras<'_> {
    /// A pipe for the child's report. The write end is closed when the command is executed.
    fn report_pipe(&self) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
        // Where pipe2(2) is refused a socket does the same.
        let (reader, writer) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC).or_else(|_| socket_pair())?;
        Ok((reader, self.clear_of_targets(writer)?))
    }

    /// Copies of the descriptors for the child, with the numbers that they have there.
    fn duplicates(&self) -> rustix::io::Result<Vec<(OwnedFd, RawFd)>> {
        let pairs = self.descriptors.iter();
        pairs
            .map(|(fd, number)| Ok((self.clear_of_targets(duplicate(*fd)?)?, *number)))
            .collect()
    }

    /// The descriptor, or a copy of it, with a number that the child does not fill, so that the
    /// child does not overwrite it before its use.
    fn clear_of_targets(&self, mut fd: OwnedFd) -> rustix::io::Result<OwnedFd> {
        // They keep the numbers that are not wanted from being taken again.
        let mut filled = Vec::new();
        let is_target = |fd: &OwnedFd| {
            let mut targets = self.descriptors.iter().map(|(_, target)| *target);
            targets.any(|target| target == fd.as_raw_fd())
        };
        while is_target(&fd) {
            let copy = duplicate(fd.as_fd())?;
            filled.push(std::mem::replace(&mut fd, copy));
        }
        Ok(fd)
    }
}

fn socket_pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    rustix::net::socketpair(family, kind, SocketFlags::CLOEXEC, None)
}

/// A copy of a descriptor that is closed when the command is executed.
fn duplicate(fd: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 0).or_else(|_| {
        // Where fcntl(2) is refused.
        let copy = rustix::io::dup(fd)?;
        rustix::io::ioctl_fioclex(&copy)?;
        Ok(copy)
    })
}

fn clone_child(context: &mut ChildContext<'_>) -> io::Result<Pid> {
    let mut stack: Vec<MaybeUninit<u8>> = Vec::with_capacity(CHILD_STACK_SIZE);
    // The ABI wants a stack that is aligned to 16 bytes.
    let top = stack.spare_capacity_mut().as_mut_ptr_range().end as usize & !15;
    let argument = std::ptr::from_mut(context).cast::<c_void>();
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the child runs `child_main` on `stack` while CLONE_VFORK holds this process here, so
    // that `stack`, `context` and what it points to outlive the child's use of them.
    let pid = unsafe { libc::clone(child_main, top as *mut c_void, flags, argument) };
    match check(c_long::from(pid)) {
        Err(error) if is_refused(&error) => fork_child(context),
        result => child_pid(result),
    }
}

/// Starts the child with memory of its own, where a child that shares this memory is refused.
fn fork_child(context: &mut ChildContext<'_>) -> io::Result<Pid> {
    // SAFETY: this program has one thread, so the copy of its memory is whole.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        child_main(std::ptr::from_mut(context).cast());
    }
    child_pid(check(c_long::from(pid)))
}

fn child_pid(result: io::Result<c_long>) -> io::Result<Pid> {
    // clone(2) and fork(2) return 0 in the child only.
    let pid = RawPid::try_from(result?).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::ErrorKind::Other.into())
}

/// Closes the write end, so that the reader sees the end of the report. Where close(2) is refused,
/// the report ends with what is there: the child, which clone(2) waits for, has written all of it.
fn close_writer(writer: OwnedFd, reader: &OwnedFd) {
    // SAFETY: the descriptor is ours, and is not used afterwards.
    if unsafe { libc::close(writer.into_raw_fd()) } < 0 {
        // If this is refused too, the reader waits until CMD ends.
        let _ = rustix::io::ioctl_fionbio(reader, true);
    }
}

/// The errors that the child has reported until it has executed the command or has ended: of
/// [`end_with_parent`], as a negative number, and of the execution.
fn read_errors(reader: &OwnedFd) -> (Option<io::Error>, Option<io::Error>) {
    let mut unguarded = None;
    let mut errno = [0_u8; 4];
    while rustix::io::read(reader, &mut errno) == Ok(4) {
        let number = i32::from_ne_bytes(errno);
        let error = Some(io::Error::from_raw_os_error(number.saturating_abs()));
        if number >= 0 {
            return (unguarded, error);
        }
        unguarded = error;
    }
    (unguarded, None)
}

/// What the child does before it executes the command.
extern "C" fn child_main(argument: *mut c_void) -> c_int {
    // SAFETY: `clone_child` passes a pointer to a `ChildContext`, which outlives this use and which
    // the parent does not touch meanwhile.
    let context = unsafe { &*argument.cast::<ChildContext<'_>>() };
    enter_group(context.setup);
    if !end_with_parent(context.parent) {
        report_errno(context.report, -last_errno());
    }
    for (fd, number) in context.descriptors {
        // SAFETY: dup2 touches no memory. The numbers differ, so the copy has no close-on-exec
        // flag.
        if unsafe { libc::dup2(fd.as_raw_fd(), *number) } < 0 {
            report_exec_error(context.report);
        }
    }
    restore(Some(context.setup.inherited), context.descriptors);
    if let Some(environment) = context.environment {
        environment.set_listen_pid(getpid().as_raw_pid());
    }
    let environment = context
        .environment
        .map_or_else(environment::own, Environment::as_ptr);
    let (program, arguments) = (context.program.as_ptr(), context.arguments.as_ptr());
    // SAFETY: all words end with NUL and both arrays with a null pointer. They live as long as
    // `context` or, in the environment, as the process.
    unsafe { libc::execvpe(program, arguments, environment) };
    report_exec_error(context.report)
}

fn enter_group(setup: SpawnSetup) {
    if setup.own_group {
        // SAFETY: setpgid touches no memory. It cannot fail for a new child.
        unsafe { libc::setpgid(0, 0) };
    }
    if let Some(terminal) = setup.terminal {
        // The child has inherited a mask that blocks TTOU.
        terminal::give_foreground(terminal, getpid());
    }
}

/// Makes the kernel kill the child when its parent ends. Returns whether it will.
pub(super) fn end_with_parent(parent: Pid) -> bool {
    // SAFETY: this prctl takes two numbers.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong) } < 0 {
        return false;
    }
    // The parent may have ended before the call above. A parent outside of this PID namespace,
    // which has no number here, cannot have changed. A negative number is a refusal.
    let is_known = |pid: &Pid| pid.as_raw_pid() > 0;
    if getppid()
        .filter(is_known)
        .is_some_and(|current| current != parent)
        && is_known(&parent)
    {
        // SAFETY: _exit does not return, and runs no code in the shared memory.
        unsafe { libc::_exit(c_int::from(exit::LOST)) }
    }
    true
}

fn last_errno() -> c_int {
    let error = io::Error::last_os_error();
    error.raw_os_error().unwrap_or(libc::EINVAL)
}

/// Writes an error to the parent. A write to shared memory would not do: some emulators copy the
/// memory for the child.
fn report_errno(report: RawFd, errno: c_int) {
    let errno = errno.to_ne_bytes();
    // SAFETY: the four bytes live across the call, and `report` is the pipe's write end.
    unsafe { libc::write(report, errno.as_ptr().cast(), errno.len()) };
}

/// Writes the error of the last call to the parent, and exits.
fn report_exec_error(report: RawFd) -> ! {
    report_errno(report, last_errno());
    // SAFETY: _exit does not return, and runs no code in the shared memory.
    unsafe { libc::_exit(c_int::from(exit::NOT_FOUND)) }
}

/// Replaces this process by a command, with signals and descriptors as they were at startup.
/// Returns only on failure.
pub(crate) fn exec(command: &CommandLine, inherited: Option<InheritedSignals>) -> io::Error {
    restore(inherited, &[]);
    let arguments = command.pointers();
    // SAFETY: the words end with NUL and the array with a null pointer; both live across the call.
    unsafe { libc::execvp(command.program().as_ptr(), arguments.as_ptr()) };
    io::Error::last_os_error()
}
