//! How an applet is selected, what all applets answer, bad input, and the two small applets
//! `exitdir-install` and `exitdir-status`.

mod bad_input;
mod dispatch;
mod install;
mod status;
