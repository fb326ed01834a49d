//! `exitdir-wait`.

mod conditions;
mod interruptions;
mod other_writers;
mod result;
mod wakeups;
