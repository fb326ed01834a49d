//! `--restart`: the command is started again within one life.

mod policy;
mod stop;
mod tombstone;
