//! `exitdir-signal`, also as a probe.

mod applet;
mod probe;
