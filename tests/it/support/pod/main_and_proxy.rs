//! A main and the proxy that it needs, for the scenarios.
//!
//! In half of the rounds the proxy is a server whose port opens late (`--ready-on tcp:P`), and the
//! first that main does is to connect to it. In the others, and everywhere else, the command says
//! itself that it is ready (`--ready-on signal`, `exitdir-signal --ready`).

use crate::support::pod::handle::Pod;
use crate::support::pod::scripts::{STOP_MANNERS, StopManner, pause};
use crate::support::pod::servers::ReadySource;
use crate::support::pod::spec::ContainerSpec;
use crate::support::random_rounds::{Round, rounds};
use crate::support::requirements::perl_is_here;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

pub const JOB_MAIN: &str = "--birth-deps proxy";
pub const JOB_PROXY: &str = "--death-deps main";

/// Plays a scenario in many rounds, half of them with a proxy that listens, if that is possible
/// here.
pub fn rounds_with_a_proxy(scenario: &str, play: impl Fn(&Round, ReadySource) + Sync) {
    let perl = perl_is_here();
    rounds(scenario, |round| {
        let listens = perl && round.chance("the proxy listens");
        let ready_on = if listens {
            ReadySource::Tcp(own_address())
        } else {
            ReadySource::Signal
        };
        play(round, ready_on);
    });
}

/// An address of this round alone: this process has its own host of the loopback network, and every
/// round its own port, below those that the kernel assigns (ip(7)).
fn own_address() -> SocketAddrV4 {
    static PORT: AtomicU16 = AtomicU16::new(4000);
    // A process id has at most 22 bits (proc_sys_kernel(5)); all processes share 127.0.0.1.
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, 64 + high, middle, low);
    SocketAddrV4::new(host, PORT.fetch_add(1, Ordering::Relaxed))
}

/// The proxy of a pod, started after a random delay.
pub fn proxy_of(
    round: &Round,
    options: &str,
    ready_on: ReadySource,
    manner: StopManner,
) -> ContainerSpec {
    let takes = round.millis("the proxy takes to stop", 0, 2500);
    let script = ready_on.server("proxy", ready_on.after(round), manner, takes);
    proxy_with(round, options, ready_on, script)
}

pub fn proxy_with(
    round: &Round,
    options: &str,
    ready_on: ReadySource,
    script: String,
) -> ContainerSpec {
    let options = format!("{options} {}", ready_on.option());
    ContainerSpec::new("proxy", &options, script).after(round.millis(
        "the proxy starts after",
        0,
        150,
    ))
}

pub fn any_manner(round: &Round) -> StopManner {
    round.pick("the proxy, when stopped", &STOP_MANNERS)
}

pub fn job_main(round: &Round, options: &str, script: String) -> ContainerSpec {
    ContainerSpec::new("main", options, script).after(round.millis("main starts after", 0, 150))
}

/// The work of a Job, and the proof that it was done.
pub fn work(time: Duration) -> String {
    format!("{}; : >\"$shared/work-done\"", pause(time))
}

pub fn is_done(pod: &Pod) -> bool {
    pod.sandbox.path("work-done").exists()
}
