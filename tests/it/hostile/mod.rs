//! Hostile neighbours: another user does to a directory or a socket what its rights allow, while
//! the real programs work there as root. One file for each thing that is attacked. `SECURITY.md`
//! names the test of each promise.

mod attacker;
mod configuration;
mod content;
mod copies;
mod directory;
mod notification;
mod random_attack;
mod refused_calls;
mod scale;
mod sources;
mod staging;
