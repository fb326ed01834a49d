//! What the options of `exitdir-run` mean, taken together: what a life is to be.

use crate::duration::Limit;
use crate::error::Error;
use crate::log::Logger;
use crate::managed::spec::ManagedSpec;
use crate::protocol::condition::Condition;
use crate::protocol::name::Name;
use crate::readiness::spec::ReadyOn;
use crate::store::append::DeathRecord;
use crate::store::exit_dir::ExitDir;
use crate::store::publish;
use crate::supervisor::rules::Rules;
use crate::sys::command_line::CommandLine;
use crate::sys::process::SignalTarget;

/// Everything that the options say.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) membership: Option<ExitDirOptions>,
    pub(crate) birth_deps: Vec<Condition>,
    pub(crate) death_deps: Vec<Condition>,
    pub(crate) poll: Option<Limit>,
    pub(crate) ready_on: ReadyOn,
    pub(crate) management: ManagedSpec,
    pub(crate) rules: Rules,
    pub(crate) target: SignalTarget,
    pub(crate) command: CommandLine,
    pub(crate) logger: Logger,
}

/// A life's place among others.
#[derive(Debug)]
pub(crate) struct ExitDirOptions {
    pub(crate) dir: ExitDir,
    pub(crate) name: Option<Name>,
    pub(crate) presence: Publish,
}

/// What a life shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publish {
    /// A tombstone from the first moment.
    Always,
    /// Nothing until it is dead: for directories where any entry means exit.
    AtExit,
}

/// Leaves a tombstone for a life that could not even begin, so that nobody waits for it.
pub(crate) fn leave_word(
    membership: &ExitDirOptions,
    code: u8,
    sentence: &str,
) -> Result<(), Error> {
    let Some(name) = &membership.name else {
        return Ok(());
    };
    membership.dir.create()?;
    let record = DeathRecord {
        code,
        signal: None,
        reason: None,
        message: Some(sentence),
    };
    publish::publish_dead(&membership.dir, name, &record)
}
