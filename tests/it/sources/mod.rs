//! Sources (`tcp:`, `http:`, `unix:`, `file:`) and groups (`A+B`) as conditions.

mod dependencies;
mod groups;
mod mutual;
mod wait;
