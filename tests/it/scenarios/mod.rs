//! Whole pods over many random rounds.

mod deaths;
mod deployments;
mod jobs;
mod node_crash;
mod probes;
mod restarts;
mod sandbox;
mod sweep;
mod users;
