//! Actions: `--on-exit`, `--pre-stop` and `--on-config`, and what they are given.

mod on_config;
mod on_exit;
mod post;
mod pre_stop;
