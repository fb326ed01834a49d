//! `--on-exit`: what runs after the death of a life was recorded. Followers have seen the death,
//! and the next life of the name may begin meanwhile.

use super::reporter::Reporter;
use crate::hook::Hook;
use crate::process::child::Child;
use crate::signal::Signal;
use crate::supervisor::rules::Rules;
use crate::sys::process::SignalTarget;
use crate::sys::signals::Signals;

/// Runs the hook to its end. A signal that ends exitdir-run while there is no command ends it.
pub(super) fn run(mut hook: Hook<'_>, rules: &Rules, reporter: &Reporter<'_>, signals: &Signals) {
    loop {
        let received = signals.read();
        for signal in received.signals() {
            if rules.ends_wait(*signal) {
                return reporter.info(format!("received {signal}: ending --on-exit"));
            }
            if *signal == Signal::TSTP {
                // Where the kernel does not stop us nothing is lost.
                let _ = signals.stop_self(SignalTarget::Process, *signal);
            }
        }
        for (pid, status) in Child::reap(&mut None, signals).others {
            hook.reaped(pid, status);
        }
        let update = hook.poll(signals);
        update.failures.iter().for_each(|why| reporter.error(why));
        if update.is_over {
            return;
        }
        signals.sleep(hook.interests(), hook.deadline());
    }
}
