//! Which senders of notifications count: the command, and the processes of our own user, or all.
//!
//! A user that has no number in our user namespace appears there as the overflow user
//! (user_namespaces(7)). Where that is our own user too, a number proves nothing.

use super::spec::NotifyAccess;
use crate::sys::datagram::Datagram;
use crate::sys::read::read_text;
use rustix::process::{Pid, geteuid, getpgid};

/// The users of our user namespace, and the numbers that they have outside of it.
const USER_MAP: &str = "/proc/self/uid_map";
/// The number of the overflow user.
const OVERFLOW_USER: &str = "/proc/sys/kernel/overflowuid";
/// The kernel's default for it.
const DEFAULT_OVERFLOW_USER: u64 = 65534;

/// Whose notifications count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Senders {
    access: NotifyAccess,
    own_user: u32,
    /// Users from outside of our user namespace have this number too.
    is_shared: bool,
}

impl Senders {
    pub(super) fn find(access: NotifyAccess) -> Senders {
        let own_user = geteuid().as_raw();
        Senders {
            access,
            own_user,
            is_shared: u64::from(own_user) == overflow_user() && !has_all_users(),
        }
    }

    /// # Errors
    /// A sentence that says why the sender does not count. `command` is the command's process id.
    pub(super) fn check(self, sender: &Datagram, command: Option<Pid>) -> Result<(), String> {
        let is_command = sender.process.is_some() && sender.process == command;
        if self.access == NotifyAccess::All
            || is_command
            || sender.user == Some(self.own_user) && !self.is_shared
        {
            return Ok(());
        }
        match sender.user {
            // The command leads its process group. Only processes of its session can enter that.
            Some(user) if user == self.own_user => {
                match sender.process.map(|pid| getpgid(Some(pid))) {
                    Some(Ok(group)) if Some(group) == command => Ok(()),
                    _ => Err(format!(
                        "refused a notification from user {user}: any user from outside of this user \
                     namespace has this number, so only processes of the command's process group \
                     may send"
                    )),
                }
            }
            Some(user) => Err(format!("refused a notification from user {user}")),
            None => Err("refused a notification from an unknown user".to_owned()),
        }
    }
}

fn overflow_user() -> u64 {
    let text = read_text(OVERFLOW_USER).unwrap_or_default();
    text.trim().parse().unwrap_or(DEFAULT_OVERFLOW_USER)
}

/// Whether every user has a number here. False if that cannot be found out.
fn has_all_users() -> bool {
    covers_all_users(&read_text(USER_MAP).unwrap_or_default())
}

/// Each line of the map has the first number inside, the first outside, and how many there are.
/// The highest number of all, 2^32 - 1, belongs to no user.
fn covers_all_users(map: &str) -> bool {
    let counts = map
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(2));
    let counts = counts.filter_map(|count| count.parse().ok());
    counts.fold(0, u64::saturating_add) >= u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_map_of_all_users_leaves_no_stranger() {
        for (map, covers) in [
            ("         0          0 4294967295\n", true),
            ("0 0 65534\n65534 70000 4294901761\n", true),
            ("0 100000 65536\n", false),
            ("65534 1005 1\n", false),
            ("0 0 4294967294\n", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(covers_all_users(map), covers, "{map:?}");
        }
    }
}
