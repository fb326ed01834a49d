//! Runs the tests, a few at a time, and reports in the manner of libtest. A test that needs what
//! the machine does not have is skipped by name; under `CI=true` it fails instead, unless nothing
//! could have been installed because we are not root.

use crate::aarch64::Emulator;
use crate::engine::Engine;
use std::process::ExitCode;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

/// Most of a test is waiting for the engine.
const AT_A_TIME: usize = 4;

/// What a test found, unless it panicked.
pub type TestResult = Result<(), Obstacle>;

/// Why a test could not be run.
#[derive(Clone, Debug)]
pub enum Obstacle {
    /// The machine lacks what `scripts/prepare` and `scripts/build` bring where they may.
    Missing(String),
    /// The machine lacks what no script installs.
    Extra(String),
    /// The engine that all tests need does not work.
    Broken(String),
}

#[derive(Clone, Copy)]
pub struct Test {
    pub name: &'static str,
    pub run: fn(&Host) -> TestResult,
}

/// The tests of a module, by the names of its functions.
macro_rules! tests {
    ($module:ident: $($name:ident),+ $(,)?) => {
        &[$($crate::harness::Test {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: $crate::$module::$name,
        }),+]
    };
}
pub(crate) use tests;

/// What all tests share: made for the first that asks, gone after the last.
#[derive(Default)]
pub struct Host {
    engine: OnceLock<Result<Engine, Obstacle>>,
    emulator: OnceLock<Result<Emulator, Obstacle>>,
}

impl Host {
    pub fn engine(&self) -> Result<&Engine, Obstacle> {
        self.engine
            .get_or_init(Engine::start)
            .as_ref()
            .map_err(Clone::clone)
    }

    pub fn emulator(&self) -> Result<&Emulator, Obstacle> {
        self.emulator
            .get_or_init(Emulator::find)
            .as_ref()
            .map_err(Clone::clone)
    }
}

enum TestOutcome {
    Passed,
    Failed,
    Skipped,
}

pub fn run(tests: Vec<Test>, machine: &Host) -> ExitCode {
    let asked = Selection::from_arguments();
    let tests: Vec<Test> = tests.into_iter().filter(|test| asked.for_(test)).collect();
    if asked.list {
        tests
            .iter()
            .for_each(|test| println!("{}: test", test.name));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", tests.len());
    let began = Instant::now();
    let outcomes = run_all(&tests, machine);
    let count = |wanted: fn(&TestOutcome) -> bool| {
        outcomes.iter().filter(|outcome| wanted(outcome)).count()
    };
    let failed = count(|outcome| matches!(outcome, TestOutcome::Failed));
    println!(
        "\ntest result: {}. {} passed, {failed} failed, {} skipped; finished in {:.2}s\n",
        if failed == 0 { "ok" } else { "FAILED" },
        count(|outcome| matches!(outcome, TestOutcome::Passed)),
        count(|outcome| matches!(outcome, TestOutcome::Skipped)),
        began.elapsed().as_secs_f64()
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The part of libtest's command line that is of use here; the other options are passed over.
struct Selection {
    names: Vec<String>,
    exact: bool,
    list: bool,
}

impl Selection {
    fn from_arguments() -> Selection {
        let (options, names): (Vec<String>, Vec<String>) = std::env::args()
            .skip(1)
            .partition(|word| word.starts_with('-'));
        let has = |wanted: &str| options.iter().any(|option| option == wanted);
        Selection {
            names,
            exact: has("--exact"),
            list: has("--list"),
        }
    }

    fn for_(&self, test: &Test) -> bool {
        let matches =
            |name: &String| test.name == name || (!self.exact && test.name.contains(name.as_str()));
        self.names.is_empty() || self.names.iter().any(matches)
    }
}

fn run_all(tests: &[Test], machine: &Host) -> Vec<TestOutcome> {
    let queue = Mutex::new(tests.iter());
    let work = || {
        let next = || queue.lock().expect("a queue").next();
        std::iter::from_fn(next)
            .map(|test| run_one(test, machine))
            .collect::<Vec<TestOutcome>>()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker"))
            .collect()
    })
}

/// In a thread with the test's name, which then stands in front of what it panicked about.
fn run_one(test: &Test, machine: &Host) -> TestOutcome {
    let verdict = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(test.name.to_owned());
        thread
            .spawn_scoped(scope, || (test.run)(machine))
            .expect("a thread")
            .join()
    });
    let (outcome, word) = match verdict {
        Ok(Ok(())) => (TestOutcome::Passed, "ok".to_owned()),
        Ok(Err(Obstacle::Broken(what))) => (TestOutcome::Failed, format!("FAILED: {what}")),
        Ok(Err(Obstacle::Missing(what))) if must_not_skip() => {
            (TestOutcome::Failed, format!("FAILED: {what}"))
        }
        Ok(Err(Obstacle::Missing(what) | Obstacle::Extra(what))) => {
            (TestOutcome::Skipped, format!("SKIPPED: {what}"))
        }
        Err(_) => (TestOutcome::Failed, "FAILED".to_owned()),
    };
    println!("test {} ... {word}", test.name);
    outcome
}

fn must_not_skip() -> bool {
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    ci && rustix::process::geteuid().is_root()
}
