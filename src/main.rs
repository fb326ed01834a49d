//! `argv` to applet to exit status. No logic.

use std::process::ExitCode;

#[allow(unsafe_code)]
#[cfg(all(target_env = "musl", target_feature = "crt-static", panic = "abort"))]
#[path = "sys/unwinder.rs"]
mod unwinder;

fn main() -> ExitCode {
    ExitCode::from(exitdir::applet::main())
}
