use super::*;
use rustix::process::{WaitOptions, WaitStatus, kill_process, waitpid};
use std::io::Read;
use std::time::{Duration, Instant};

/// What a worker writes, and how it ends.
fn run(
    kept: &[BorrowedFd<'_>],
    work: &mut dyn FnMut(BorrowedFd<'_>),
) -> (String, Option<WaitStatus>) {
    let (pid, reader) = fork_worker(kept, work).unwrap();
    rustix::io::ioctl_fionbio(&reader, false).unwrap();
    let mut text = String::new();
    std::fs::File::from(reader)
        .read_to_string(&mut text)
        .unwrap();
    let ended = waitpid(Some(pid), WaitOptions::empty()).unwrap();
    (text, ended.map(|(_, status)| status))
}

fn write(output: BorrowedFd<'_>, text: &str) {
    rustix::io::write(output, text.as_bytes()).unwrap();
}

#[test]
fn a_worker_writes_its_result_and_exits_with_0() {
    let (text, status) = run(&[], &mut |output| write(output, "done"));
    assert_eq!(text, "done");
    assert_eq!(status.unwrap().exit_status(), Some(0));
}

#[test]
fn a_worker_keeps_the_descriptors_that_are_named_and_no_other() {
    let [kept, lost] = [(); 2].map(|()| std::fs::File::open("/").unwrap());
    let is_open = |fd: RawFd| std::fs::read_link(format!("/proc/self/fd/{fd}"));
    let (text, _) = run(&[kept.as_fd()], &mut |output| {
        let found = [&kept, &lost].map(|file| is_open(file.as_raw_fd()).is_ok());
        write(output, &format!("{found:?}"));
    });
    assert_eq!(text, "[true, false]");
}

#[test]
fn a_worker_prints_nothing() {
    let (text, _) = run(&[], &mut |output| {
        let refused = [1, 2].map(|fd| {
            // SAFETY: the descriptors stay open.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            rustix::io::write(fd, b"x") == Err(Errno::BADF)
        });
        write(output, &format!("{refused:?}"));
    });
    assert_eq!(text, "[true, true]");
}

#[test]
fn term_ends_a_worker() {
    let mut work = |output: BorrowedFd<'_>| {
        write(output, "ready");
        std::thread::sleep(Duration::from_secs(60));
    };
    let (pid, reader) = fork_worker(&[], &mut work).unwrap();
    let began = Instant::now();
    let mut text = [0; 5];
    while rustix::io::read(&reader, &mut text) == Err(Errno::AGAIN) {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.terminating_signal(), Some(15));
}
