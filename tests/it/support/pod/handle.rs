//! A pod that runs, as a test sees it.

use crate::support::pod::container::{ContainerRun, ContainerState, log_name};
use crate::support::pod::kubelet::{TICK, reconcile};
use crate::support::pod::spec::{BACK_OFF, ContainerSpec, Policy};
use crate::support::pod::watches::WatchPermits;
use crate::support::sandbox::{CONDITION_TIMEOUT, Sandbox};
use crate::support::signals::send;
use std::fmt::Write as _;
use std::io::PipeWriter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A pod that runs.
pub struct Pod {
    pub sandbox: Arc<Sandbox>,
    states: Arc<Mutex<Vec<ContainerState>>>,
    policy: Policy,
    began: Instant,
    over: Arc<AtomicBool>,
    kubelet: Option<JoinHandle<()>>,
    /// Closed with the pod: a process that was left behind reads the end of file then and ends.
    _stdin: PipeWriter,
    _watches: WatchPermits,
}

impl Pod {
    /// Starts the containers in a sandbox of their own.
    pub fn start(policy: Policy, containers: Vec<ContainerSpec>) -> Pod {
        Pod::start_in(Sandbox::new(), policy, containers)
    }

    /// Starts the containers in the sandbox of an earlier pod.
    pub fn start_in(sandbox: Sandbox, policy: Policy, containers: Vec<ContainerSpec>) -> Pod {
        let watches = WatchPermits::take(containers.iter().filter(|one| one.watches()).count());
        let began = Instant::now();
        let (reader, writer) = std::io::pipe().unwrap();
        let states = containers
            .into_iter()
            .map(|container| ContainerState::new(container, began))
            .collect();
        let mut pod = Pod {
            sandbox: Arc::new(sandbox),
            states: Arc::new(Mutex::new(states)),
            policy,
            began,
            over: Arc::new(AtomicBool::new(false)),
            kubelet: None,
            _stdin: writer,
            _watches: watches,
        };
        let (sandbox, states, over) = (pod.sandbox.clone(), pod.states.clone(), pod.over.clone());
        pod.kubelet = Some(std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                reconcile(&mut states.lock().unwrap(), &sandbox, policy, &reader);
                std::thread::sleep(TICK);
            }
        }));
        pod
    }

    /// Sends a signal to the process of a container, if it runs.
    pub fn send(&self, name: &str, signal: i32) -> bool {
        let mut states = self.lock();
        let state = states
            .iter_mut()
            .find(|state| state.container.name == name)
            .unwrap();
        let Some(child) = &state.child else {
            return false;
        };
        // It was not reaped, so the id is still its own.
        send(child.id() as i32, signal);
        true
    }

    /// All lives of a container, the present one included.
    pub fn lives(&self, name: &str) -> Vec<ContainerRun> {
        let states = self.lock();
        states
            .iter()
            .find(|state| state.container.name == name)
            .unwrap()
            .lives
            .clone()
    }

    /// With which statuses the lives of a container ended.
    pub fn statuses(&self, name: &str) -> Vec<i32> {
        self.lives(name)
            .iter()
            .filter_map(|life| Some(life.end?.1))
            .collect()
    }

    /// How often exitdir-run has started the command of a container.
    pub fn starts(&self, name: &str) -> usize {
        let log = self.sandbox.read(&log_name(name));
        log.matches("exitdir-run: started ").count()
    }

    /// Waits until no container runs or will be started again.
    pub fn await_end(&self) {
        self.eventually("the pod ends", || {
            self.lock()
                .iter()
                .all(ContainerState::is_over)
                .then_some(())
        });
    }

    /// Waits until a container has ended this many times.
    pub fn await_ends(&self, name: &str, count: usize) {
        self.eventually(&format!("{name} ends"), || {
            (self.statuses(name).len() >= count).then_some(())
        });
    }

    /// Waits until every container runs and is ready.
    pub fn await_ready(&self) {
        self.eventually("all are ready", || self.ready_lives());
    }

    /// Waits until every container runs, is ready, and is still the same at three checks, further
    /// apart than the back-off.
    pub fn settle(&self) {
        let mut before = None;
        let mut same = 0;
        self.eventually("all are back and stay", || {
            let now = self.ready_lives();
            same = if now.is_some() && now == before {
                same + 1
            } else {
                0
            };
            before = now;
            std::thread::sleep(BACK_OFF + Duration::from_millis(50));
            (same == 2).then_some(())
        });
    }

    fn ready_lives(&self) -> Option<Vec<(u32, String)>> {
        self.lock()
            .iter()
            .map(|state| state.ready_life(&self.sandbox))
            .collect()
    }

    /// Asks until there is an answer.
    pub fn eventually<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(
                began.elapsed() < CONDITION_TIMEOUT,
                "never came true: {what}"
            );
            std::thread::sleep(TICK);
        }
    }

    /// The state of the pod, to find out why a test failed.
    fn report(&self) -> String {
        let mut text = format!(
            "pod, restart policy {:?}, {:?} old\n",
            self.policy,
            self.began.elapsed()
        );
        for state in self.lock().iter() {
            let name = &state.container.name;
            let _ = writeln!(
                text,
                "--- {name} {:?}, after {:?}",
                state.container.options, state.container.delay
            );
            let _ = writeln!(text, "{}", state.container.script);
            for life in &state.lives {
                let end = life
                    .end
                    .map(|(at, status)| (at.duration_since(self.began), status));
                let _ = writeln!(text, "process {}, ended {end:?}", life.pid);
            }
            let log = self.sandbox.read(&log_name(name));
            let _ = write!(
                text,
                "tombstone:\n{}output:\n{log}",
                self.sandbox.tombstone(name)
            );
        }
        let _ = writeln!(text, "exit directory: {:?}", self.sandbox.entries());
        text
    }

    /// Ends the pod and returns its sandbox.
    pub fn into_sandbox(mut self) -> Sandbox {
        self.stop();
        let sandbox = self.sandbox.clone();
        drop(self);
        Arc::into_inner(sandbox).expect("the kubelet has ended")
    }

    fn stop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(kubelet) = self.kubelet.take() {
            let _ = kubelet.join();
        }
        for child in self
            .lock()
            .iter_mut()
            .filter_map(|state| state.child.as_mut())
        {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ContainerState>> {
        self.states
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.report());
        }
        self.stop();
    }
}
