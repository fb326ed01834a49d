//! How an applet is selected, what all applets answer, bad input, and the two small applets
//! `exitdir-install` and `exitdir-status`.

mod bad_commands;
mod bad_directories;
mod bad_tombstones;
mod bad_usage;
mod dispatch;
mod install;
mod status;
mod status_check;
mod status_timeline;
mod status_watch;
mod sweep;
mod typing_errors;
mod unreadable;
mod variables;
