//! System calls that a seccomp profile refuses to the binary under test, but not to its command.

use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, binary};
use std::process::Command;

/// Installs a filter and executes a command. The filter refuses one call, with one errno, to code
/// below 256 MB (`seccomp_data.instruction_pointer`): there the static binary is loaded, and no
/// program that is linked dynamically.
const FILTER: &str = r#"
my ($number, $errno, @command) = @ARGV;
sub code { pack "SCCL", @_ }
my $program = join "",
    code(0x20, 0, 0, 12), code(0x15, 0, 5, 0),           # the upper half of the address is 0
    code(0x20, 0, 0, 8), code(0x35, 3, 0, 0x10000000),   # the lower half is small
    code(0x20, 0, 0, 0), code(0x15, 0, 1, $number),      # the call
    code(0x06, 0, 0, 0x00050000 | $errno),               # SECCOMP_RET_ERRNO
    code(0x06, 0, 0, 0x7fff0000);                        # SECCOMP_RET_ALLOW
my $filter = pack "SxxxxxxP", length($program) / 8, $program;
syscall(157, 38, 1, 0, 0, 0) == 0 or die "PR_SET_NO_NEW_PRIVS: $!";
syscall(157, 22, 2, $filter) == 0 or die "PR_SET_SECCOMP: $!";
exec { $command[0] } @command or die "$command[0]: $!";
"#;

/// Whether this machine has what the filter needs.
pub fn calls_can_be_refused() -> bool {
    let is_static = std::fs::read(binary()).is_ok_and(|elf| elf.get(16) == Some(&2));
    let mut trial = Command::new(if is_static { "perl" } else { "false" });
    trial.args(["-e", FILTER, "39", "1", "true"]);
    cfg!(target_arch = "x86_64") && is_permitted("refusing calls to a static binary", &mut trial)
}

/// The binary under test with these arguments, where the kernel refuses a call to it.
pub fn refusing(sandbox: &Sandbox, number: i64, errno: i32, words: &[&str]) -> Command {
    let mut command = sandbox.command("perl");
    command.args(["-e", FILTER, &number.to_string(), &errno.to_string()]);
    command.arg(binary()).args(words);
    command
}
