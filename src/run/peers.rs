//! What a supervised life follows: its birth and death dependencies, and the causes of deaths.

use crate::duration::Limit;
use crate::protocol::condition::Condition;
use crate::protocol::death_deps::DeathDeps;
use crate::protocol::evaluator::{Evaluator, Mode, Terms, Verdict};
use crate::protocol::name::Name;
use crate::store::exit_dir::ExitDir;
use crate::watch::dir_watch::WatchFault;
use crate::watch::tracker::{ScanResult, Tracker};
use std::collections::BTreeSet;

/// What this life follows.
pub(crate) struct Peers<'p> {
    dir: &'p ExitDir,
    pub(crate) follower: Tracker,
    pub(crate) deaths: DeathDeps,
    pub(crate) births: Evaluator,
    /// Names whose last read failed.
    unread: BTreeSet<Name>,
    /// What went wrong when the watch was armed, until the first look reports it.
    fault: Option<WatchFault>,
}

impl<'p> Peers<'p> {
    /// `None` if this life has no dependencies. Watches from now on, so that the first look misses nothing.
    pub(crate) fn join(
        dir: &'p ExitDir,
        own: Option<&Name>,
        birth_deps: &[Condition],
        death_deps: &[Condition],
        poll: Option<Limit>,
    ) -> Option<Peers<'p>> {
        let conditions = || death_deps.iter().chain(birth_deps);
        conditions().next()?;
        let names: Vec<Name> = conditions()
            .filter_map(|condition| condition.name.clone())
            .collect();
        let everybody = conditions().any(|condition| condition.name.is_none());
        let mut follower = Tracker::new(&names, everybody, own, poll);
        let fault = follower.arm(dir);
        // Birth dependencies are never impossible: containers are restarted.
        let terms = Terms {
            mode: Mode::All,
            keep_waiting: true,
            need_code: false,
        };
        Some(Peers {
            dir,
            follower,
            deaths: DeathDeps::new(death_deps, birth_deps, own),
            births: Evaluator::new(birth_deps, terms, own),
            unread: BTreeSet::new(),
            fault,
        })
    }

    /// Whether the birth dependencies hold, by those who can be read: of the others nobody knows what they are by
    /// now.
    pub(crate) fn births_hold(&self) -> bool {
        match self.births.verdict() {
            Verdict::Holds(deciders) => deciders
                .iter()
                .all(|decider| !self.unread.contains(&decider.name)),
            Verdict::Open | Verdict::Impossible => false,
        }
    }

    /// Looks at what may have changed, and at the causes of what was found.
    pub(crate) fn look(&mut self) -> ScanResult {
        let mut all = self.follower.look(self.dir);
        all.trouble = self.fault.take().or(all.trouble);
        self.deaths.observe(&all.news);
        let mut known = 0;
        loop {
            let causes: Vec<Name> = self.deaths.causes().cloned().collect();
            if causes.len() == known {
                break;
            }
            known = causes.len();
            causes.iter().for_each(|cause| self.follower.add(cause));
            let more = self.follower.look(self.dir);
            self.deaths.observe(&more.news);
            all.news.extend(more.news);
            all.unread.extend(more.unread);
            all.errors.extend(more.errors);
            all.blemishes.extend(more.blemishes);
            all.trouble = all.trouble.or(more.trouble);
        }
        for news in &all.news {
            self.unread.remove(&news.name);
        }
        self.unread.extend(all.unread.iter().cloned());
        self.deaths.evaluate(&all.news, &all.unread);
        self.births.observe(&all.news);
        all
    }
}
