//! How a program creates an exit directory: open to all users, and without a change of its umask.

use crate::support::parallel::SetOnDrop;
use crate::support::proc::status;
use crate::support::requirements::strace_can_inject;
use crate::support::sandbox::{Sandbox, Start, binary};
use crate::support::users::set_mode;
use exitdir::{Error, ExitDir};
use rustix::fs::XattrFlags;
use rustix::io::Errno;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn umask() -> u32 {
    let own = i32::try_from(std::process::id()).unwrap();
    let text = status(own, "Umask").unwrap();
    u32::from_str_radix(text.trim(), 8).unwrap()
}

#[test]
fn threads_that_create_directories_never_change_the_umask() {
    let (sandbox, before, over) = (Sandbox::new(), umask(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = sandbox.path("file");
            while !over.load(Ordering::Relaxed) {
                assert_eq!(umask(), before);
                std::fs::write(&file, "").unwrap();
                assert_eq!(mode(&file), 0o666 & !before);
                std::fs::remove_file(&file).unwrap();
            }
        });
        let _stop = SetOnDrop(&over);
        for round in 0..50 {
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let path = sandbox.path(&format!("d{round}-{thread}"));
                    scope.spawn(move || {
                        ExitDir::new(&path).create().unwrap();
                        assert_eq!(mode(&path), 0o777);
                    });
                }
            });
        }
    });
}

#[test]
fn threads_that_create_the_same_directory_all_succeed() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("parent/graveyard");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| ExitDir::new(&path).create().unwrap());
        }
    });
    assert_eq!(mode(&path), 0o777);
}

#[test]
fn a_missing_parent_is_open_to_readers_and_to_those_that_may_write_above_it() {
    let sandbox = Sandbox::new();
    let script = "umask 077; exec \"$0\" signal main";
    for (above, expected) in [(0o700, 0o755), (0o775, 0o775), (0o1777, 0o777)] {
        set_mode(&sandbox.path(""), above);
        let path = sandbox.path("a/b/graveyard");
        let mut signal = sandbox.command("sh");
        signal.args(["-c", script]).arg(binary());
        signal.env("EXIT_DIR", &path).finish().assert_output(0, "");
        let modes = ["a", "a/b", "a/b/graveyard"].map(|name| mode(&sandbox.path(name)));
        assert_eq!(modes, [expected, expected, 0o777]);
        std::fs::remove_dir_all(sandbox.path("a")).unwrap();
    }
}

#[test]
fn an_error_of_mkdir_is_reported() {
    // Nothing but the kernel creates directories there.
    let error = ExitDir::new("/sys/exitdir-test").create().unwrap_err();
    assert!(
        matches!(
            error,
            Error::Io {
                action: "create",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn an_existing_directory_and_what_a_link_leads_to_keep_their_mode() {
    let sandbox = Sandbox::new();
    let (closed, link) = (sandbox.path("closed"), sandbox.path("link"));
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&closed, &link).unwrap();
    for path in [&closed, &link] {
        ExitDir::new(path).create().unwrap();
        assert_eq!(mode(&closed), 0o700);
    }
}

#[test]
fn a_default_acl_does_not_close_the_directory() {
    let sandbox = Sandbox::new();
    // Version 2, then tag, permissions and id of the owner, the group and others (acl(5)).
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions) in [(0x01_u16, 7_u16), (0x04, 5), (0x20, 0)] {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(u32::MAX.to_le_bytes());
    }
    let parent = sandbox.path("parent");
    std::fs::create_dir(&parent).unwrap();
    let name = "system.posix_acl_default";
    match rustix::fs::setxattr(&parent, name, &acl, XattrFlags::empty()) {
        Err(Errno::OPNOTSUPP) => {
            let _ = writeln!(std::io::stderr(), "SKIPPED: no ACLs on this file system");
            return;
        }
        result => result.unwrap(),
    }
    std::fs::create_dir(parent.join("other")).unwrap();
    assert_eq!(mode(&parent.join("other")), 0o750, "the ACL has an effect");
    let path = parent.join("graveyard");
    ExitDir::new(&path).create().unwrap();
    assert_eq!(mode(&path), 0o777);
}

#[test]
fn without_a_process_for_the_child_the_directory_is_open_to_all_in_the_end() {
    if !strace_can_inject() {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "umask 077; exec strace -qq -o /dev/null -e trace=clone \
                  -e inject=clone:error=EAGAIN:when=1 \"$0\" signal main";
    let ended = sandbox
        .command("sh")
        .args(["-c", script])
        .arg(binary())
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert_eq!(mode(&sandbox.dir()), 0o777);
}
