//! The plan of one life: what the options of `exitdir-run` mean, taken together.

use crate::duration::Limit;
use crate::error::Error;
use crate::hook::spec::HookAction;
use crate::log::Logger;
use crate::managed::spec::ManagedSpec;
use crate::protocol::item::Item;
use crate::protocol::name::Name;
use crate::readiness::spec::ReadyOn;
use crate::store::append::DeathRecord;
use crate::store::exit_dir::ExitDir;
use crate::store::publish;
use crate::supervisor::rules::Rules;
use crate::sys::command_line::CommandLine;
use crate::sys::process::SignalTarget;
use std::path::PathBuf;

/// What the options say.
#[derive(Debug)]
pub(crate) struct Plan {
    /// `None` without an exit directory.
    pub(crate) exit_dir: Option<ExitDirOptions>,
    pub(crate) birth_deps: Vec<Item>,
    pub(crate) wait_end: WaitEnd,
    pub(crate) death_deps: Vec<Item>,
    pub(crate) poll: Option<Limit>,
    pub(crate) ready_on: ReadyOn,
    pub(crate) management: ManagedSpec,
    /// What runs before CMD gets the stop signal.
    pub(crate) pre_stop: Vec<HookAction>,
    /// What runs for a new configuration.
    pub(crate) on_config: Vec<HookAction>,
    /// What runs after the death was recorded.
    pub(crate) on_exit: Vec<HookAction>,
    pub(crate) rules: Rules,
    /// Where forwarded signals go.
    pub(crate) target: SignalTarget,
    pub(crate) command: CommandLine,
    pub(crate) logger: Logger,
    /// Where Kubernetes reads why the container ended. Empty for nowhere.
    pub(crate) termination_log: PathBuf,
    pub(crate) tini: TiniMessages,
}

/// What is said only when exitdir-run is called as tini.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TiniMessages {
    /// Each `CHLD` that is received.
    pub(crate) tells_of_signals: bool,
    /// Each orphan that is reaped.
    pub(crate) warns_of_reaping: bool,
}

/// How the wait for birth dependencies ends that do not hold in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// The life ends at the birth timeout.
    GiveUp,
    /// The same, and at once when one of them has died and cannot hold.
    FailFast,
    /// CMD is started at the birth timeout.
    StartAnyway,
}

/// The exit directory, and what of this life is published there.
#[derive(Debug)]
pub(crate) struct ExitDirOptions {
    pub(crate) dir: ExitDir,
    pub(crate) name: Option<Name>,
    pub(crate) publish: Publish,
}

/// When a life has a tombstone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publish {
    /// From the first moment.
    Always,
    /// Only once it is dead, for directories where any file means exit.
    AtExit,
}

/// Publishes the death of a life that could not begin, so that no follower waits for it.
///
/// # Errors
/// As [`ExitDir::create`], [`publish::publish_dead`] and [`ExitDir::save`].
pub(crate) fn publish_failed_start(
    options: &ExitDirOptions,
    code: u8,
    message: &str,
) -> Result<(), Error> {
    let Some(name) = &options.name else {
        return Ok(());
    };
    options.dir.create()?;
    let record = DeathRecord {
        code,
        signal: None,
        reason: None,
        message: Some(message),
    };
    publish::publish_dead(&options.dir, name, None, &record)?;
    options.dir.save(name)
}
