//! Commands that exitdir-run configures and activates: `--config-from`, `--config-check`,
//! `--config-tar` and `--active-while`.

mod active_config;
mod active_file;
mod active_races;
mod active_start;
mod at_once;
mod check;
mod config;
mod entry_point;
mod random_walk;
mod safety;
mod tar;
