//! End-to-end tests: real processes, the real binary. A test's name is the sentence that it proves.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::type_complexity // tables of cases
)]

mod active;
mod active_app;
mod active_config;
mod active_races;
mod active_start;
mod archives;
mod bad_input;
mod blind;
mod cast;
mod config;
mod config_check;
mod config_safety;
mod config_tar;
mod crash;
mod deaf;
mod dependencies;
mod dispatch;
mod docs;
mod exit_table;
mod faults;
mod follow;
mod go_library;
mod heritage;
mod install;
mod kubelet;
mod kubexit;
mod library;
mod listener;
mod lock;
mod main_and_proxy;
mod managed_app;
mod managed_walk;
mod messages;
mod one_turn;
mod options;
mod orphans;
mod peers;
mod permits;
mod pod_scripts;
mod pod_servers;
mod probe;
mod pty;
mod races;
mod readiness;
mod readiness_fd;
mod readiness_file;
mod readiness_life;
mod readiness_notify;
mod readiness_probe;
mod restart;
mod restart_life;
mod restart_stop;
mod restart_tombstone;
mod rounds;
mod run;
mod scale;
mod scenarios_deaths;
mod scenarios_deployments;
mod scenarios_jobs;
mod scenarios_sweep;
mod seen;
mod signal;
mod signals;
mod signals_group;
mod signals_phases;
mod signals_rewrite;
mod smoke;
mod status;
mod statuses;
mod stop_delay;
mod stops;
mod terminal;
mod tidy;
mod tombstones;
mod wait;
mod wakeups;
mod world;
mod yaml;
