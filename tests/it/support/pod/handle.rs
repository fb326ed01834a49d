//! A pod that runs, as a test sees it.

use crate::support::pod::container::{ContainerRun, ContainerState, log_name};
use crate::support::pod::kubelet::{Kubelet, Manner, Next, TICK, Verdict};
use crate::support::pod::spec::{BACK_OFF, ContainerSpec, PodSpec, Policy};
use crate::support::pod::watches::WatchPermits;
use crate::support::sandbox::{CONDITION_TIMEOUT, Sandbox};
use std::fmt::Write as _;
use std::io::PipeWriter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A pod that runs.
pub struct Pod {
    pub sandbox: Arc<Sandbox>,
    kubelet: Arc<Mutex<Kubelet>>,
    began: Instant,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Closed with the pod: a process that was left behind reads the end of file then and ends.
    _stdin: PipeWriter,
    _watches: WatchPermits,
}

impl Pod {
    /// Starts the containers in a sandbox of their own.
    pub fn start(policy: Policy, containers: Vec<ContainerSpec>) -> Pod {
        Pod::start_in(Sandbox::new(), PodSpec::new(policy, containers))
    }

    /// Starts a pod in a sandbox, which may be that of an earlier pod.
    pub fn start_in(sandbox: Sandbox, spec: PodSpec) -> Pod {
        let watchers = spec.containers.iter().filter(|one| one.watches());
        let watches = WatchPermits::take(watchers.count());
        let (reader, writer) = std::io::pipe().unwrap();
        let sandbox = Arc::new(sandbox);
        let kubelet = Arc::new(Mutex::new(Kubelet::new(spec, sandbox.clone(), reader)));
        let over = Arc::new(AtomicBool::new(false));
        let (shared, is_over) = (kubelet.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                shared.lock().unwrap().tick();
                std::thread::sleep(TICK);
            }
        });
        Pod {
            sandbox,
            kubelet,
            began: Instant::now(),
            over,
            thread: Some(thread),
            _stdin: writer,
            _watches: watches,
        }
    }

    /// Sends a signal to the first process of a container, if it runs.
    pub fn send(&self, name: &str, signal: i32) -> bool {
        let mut kubelet = self.lock();
        kubelet.note(format!("signal {signal} to {name}"));
        kubelet.container(name).send(signal)
    }

    /// All containers end together. False if the pod was over already.
    pub fn end_all(&self, manner: Manner, next: Next) -> bool {
        self.lock().end_all(manner, next)
    }

    /// The liveness probe of a container fails. False if that is too late.
    pub fn fail_liveness(&self, name: &str) -> bool {
        self.lock().fail_liveness(name)
    }

    /// Whether the node knew that a container has ended with 0, and its tombstone did not say so,
    /// or the other way round, when the pod got a new sandbox: the volume was lost, or the kill
    /// came between the two. Then no program can know what the node starts again.
    pub fn disagrees(&self) -> bool {
        self.lock().disagrees
    }

    /// All lives of a container, the present one included.
    pub fn lives(&self, name: &str) -> Vec<ContainerRun> {
        self.lock().container(name).lives.clone()
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
    pub fn await_end(&self) -> Verdict {
        self.eventually("the pod ends", || self.lock().verdict())
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
        let kubelet = self.lock();
        if !kubelet.is_serving() {
            return None;
        }
        let containers = kubelet.containers.iter();
        containers
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
        let kubelet = self.lock();
        let mut text = format!(
            "pod, restart policy {:?}, {:?} old\n",
            kubelet.policy,
            self.began.elapsed()
        );
        for (at, what) in &kubelet.history {
            let _ = writeln!(text, "{:?}: {what}", at.duration_since(self.began));
        }
        for state in kubelet.init.iter().chain(&kubelet.containers) {
            self.report_container(&mut text, state);
        }
        let _ = writeln!(text, "exit directory: {:?}", self.sandbox.entries());
        text
    }

    fn report_container(&self, text: &mut String, state: &ContainerState) {
        let container = &state.container;
        let _ = writeln!(
            text,
            "--- {} {:?}, after {:?}\n{}",
            container.name, container.options, container.delay, container.script
        );
        for life in &state.lives {
            let end = life.end.map(|(at, status)| (at - self.began, status));
            let _ = writeln!(text, "process {}, ended {end:?}", life.pid);
        }
        let log = self.sandbox.read(&log_name(&container.name));
        let tombstone = self.sandbox.tombstone(&container.name);
        let _ = write!(text, "tombstone:\n{tombstone}output:\n{log}");
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
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let mut kubelet = self.lock();
        let Kubelet {
            init, containers, ..
        } = &mut *kubelet;
        init.iter_mut()
            .chain(containers)
            .for_each(ContainerState::kill);
    }

    fn lock(&self) -> MutexGuard<'_, Kubelet> {
        self.kubelet
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
