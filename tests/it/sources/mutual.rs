//! Two lives that follow each other's ports.

use crate::support::requirements::perl_is_here;
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::servers::reserve;
use crate::support::signals::KILL;

/// Listens on a port, and writes its process id and then a line for each connection.
const LISTENER: &str = r#"use IO::Socket::INET; $| = 1; my ($port, $log) = @ARGV;
my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 9, ReuseAddr => 1) or die;
open my $out, '>', $log or die; $out->autoflush; print $out "$$\n";
while (my $c = $s->accept) { print $out "tried\n" }"#;

/// A life whose command listens on one port, and that needs another one.
fn begin(sandbox: &Sandbox, own: u16, other: u16) -> Running {
    let log = sandbox.path(&own.to_string());
    let _ = std::fs::remove_file(&log);
    let needed = format!("tcp:{other}");
    let options = ["--death-deps", &needed, "--", "perl", "-MIO::Socket", "-e"];
    let mut command = sandbox.run(options);
    command.args([LISTENER, &own.to_string()]).arg(log);
    command.env_remove("EXIT_DIR").start()
}

#[test]
fn two_lives_that_follow_each_others_ports_do_not_restart_each_other_for_ever() {
    if !perl_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let ((_socket, first), (_other, second)) = (reserve(), reserve());
    let ports = [first, second];
    let lives = [(first, second), (second, first)].map(|(own, other)| {
        let life = begin(&sandbox, own, other);
        (life, own, other)
    });
    let tries = |port: u16| sandbox.lines(&port.to_string()).len();
    wait_until("both are tried", || {
        ports.iter().all(|port| tries(*port) > 2)
    });
    // The first one dies, and does not come back before the second one has noticed.
    lives[0].0.send(KILL);
    let mut restarts = 0;
    let [(one, ..), (two, ..)] = lives;
    one.end();
    assert_eq!(two.end().status, 143);
    let mut lives = [(first, second), (second, first)]
        .map(|(own, other)| (begin(&sandbox, own, other), own, other));
    // As the kubelet does, until both have been tried for longer than a death takes.
    wait_until("both stay", || {
        for (life, own, other) in &mut lives {
            if !life.is_running() {
                restarts += 1;
                *life = begin(&sandbox, *own, *other);
            }
        }
        ports.iter().all(|port| tries(*port) > 5)
    });
    assert!(restarts <= 2, "{restarts} restarts");
}
