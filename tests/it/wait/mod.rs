//! `exitdir-wait`.

mod applet;
mod wakeups;
