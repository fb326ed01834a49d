//! Job control under a pseudo-terminal.

mod job_control;
mod restart;
mod session_leader;
mod suspended;
