//! `exitdir-run`: what its command gets, how the life ends, and what is written about it.

mod command;
mod costs;
mod daemon;
mod dependencies;
mod directory;
mod durability;
mod environment;
mod exit_status;
mod exit_table;
mod inheritance;
mod messages;
mod missing;
mod names_off;
mod one_turn;
mod options;
mod orphans;
mod stop_code;
mod stop_delay;
mod stops;
mod tombstones;
mod users;
mod wait_descendants;
mod wait_end;
