//! Job control under a pseudo-terminal.

mod job_control;
