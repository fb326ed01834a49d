//! Plain processes that play the containers of a pod, restarted as the kubelet restarts them.

pub mod container;
pub mod handle;
pub mod kubelet;
pub mod main_and_proxy;
pub mod process;
pub mod scripts;
pub mod servers;
pub mod spec;
pub mod told;
pub mod users;
pub mod watches;
