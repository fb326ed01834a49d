//! A model of the protocol, searched in every order in which things can happen.
//!
//! A small world: one directory, supervisors ("leaders") that are born, live and die under one
//! name, a signaller, a follower that waits for a death, and a kernel that delivers events. A
//! process takes one system call at a time, and any process can be next. A leader can be killed
//! before each of its calls. With [`setup::Killable::FirstLeader`] only the first leader can be
//! killed, and no signaller, which keeps the worlds few. A leader may replace its own tombstone
//! when its command goes down: [`replacement_tests`] has these setups.
//!
//! From the bottom up: [`kernel`] has what the processes share; [`steps`] the programs of leaders
//! and signallers; [`setup`] what a world begins with; [`process`] the states of processes;
//! [`world`] all of them at one moment; [`records`] the texts that they write. [`publish`],
//! [`replacement`], [`termination`] and [`reader`] take single steps; [`leader`], [`signaller`] and
//! [`follower`] choose them; [`transitions`] collects them. [`invariants`] says what must hold;
//! [`explore`] searches.
//!
//! A check is worth as much as the steps that it needs. So for each step of the protocol there is a
//! mutation without it, and a test that shows the shortest way to the invariant that breaks. `cargo
//! test --lib model -- --nocapture` prints these traces, and how many worlds were seen.
//!
//! Each life and each tombstone of the signaller lists the lives before it, as
//! [`crate::protocol::lineage`] has it. [`accidents`] is a model of its own: lives that come and go
//! between two looks of a follower, and which deaths count.
//!
//! Not in the model: tombstones removed by hand, full disks, kubexit's files, time. Locks and
//! inodes are those of one machine. A rescan can come at any time, but only where events can be
//! lost: elsewhere the invariants hold without it.

#[cfg(feature = "cli")]
mod accidents;
mod check;
mod explore;
mod follower;
mod invariants;
mod kernel;
mod leader;
mod process;
mod publish;
mod reader;
mod records;
mod replacement;
mod replacement_tests;
mod setup;
mod signaller;
mod steps;
mod termination;
mod tests;
mod transitions;
mod world;
