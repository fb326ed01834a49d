//! Whole pods over many random rounds.

mod deaths;
mod deployments;
mod jobs;
mod sweep;
