//! `exitdir-wait`.

mod conditions;
mod interruptions;
mod other_writers;
mod progress;
mod result;
mod wakeups;
