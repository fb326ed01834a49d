//! Whole pods over many random rounds.

mod deaths;
mod deployments;
mod jobs;
mod node_crash;
mod probes;
mod random_node;
mod restarts;
mod sandbox;
mod sweep;
mod users;
