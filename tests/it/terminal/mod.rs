//! Job control under a pseudo-terminal.

mod job_control;
mod pid_namespace;
mod restart;
mod session_leader;
mod suspended;
