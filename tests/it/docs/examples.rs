//! The examples of the pages run, and print what they show.
//!
//! Each fenced `sh` block is one script. It runs with `set -eu` in a directory of its own, with the
//! applets in `PATH` and `EXIT_DIR` set. The lines `# prints: TEXT` are its whole standard output,
//! in order; `# says: TEXT` is a part of its standard error. `visits.rs` runs blocks with one more
//! word above them, such as `sh checkout`.

use super::{APPLETS, absolute_binary, blocks_of, made, pages};
use crate::support::sandbox::{CONDITION_TIMEOUT, Sandbox};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// One test for each page, so that they run side by side.
macro_rules! pages_with_examples {
    ($($test:ident: $page:literal,)*) => {
        const PAGES_WITH_EXAMPLES: &[&str] = &[$($page),*];
        $(
            #[test]
            fn $test() {
                run_examples($page);
            }
        )*
    };
}

pages_with_examples! {
    the_readme_prints_what_it_shows: "README.md",
    the_page_of_exitdir_install_prints_what_it_shows: "docs/exitdir-install.md",
    the_page_of_exitdir_run_prints_what_it_shows: "docs/exitdir-run.md",
    the_page_of_exitdir_signal_prints_what_it_shows: "docs/exitdir-signal.md",
    the_page_of_exitdir_status_prints_what_it_shows: "docs/exitdir-status.md",
    the_page_of_exitdir_wait_prints_what_it_shows: "docs/exitdir-wait.md",
    the_page_of_kubexit_prints_what_it_shows: "docs/kubexit.md",
    the_comparison_with_other_inits_prints_what_it_shows: "docs/other-inits.md",
    the_page_of_the_tombstone_prints_what_it_shows: "docs/tombstone.md",
    the_page_on_troubleshooting_prints_what_it_shows: "docs/troubleshooting.md",
    the_guide_to_compose_prints_what_it_shows: "docs/guides/compose.md",
    the_guide_to_configuration_prints_what_it_shows: "docs/guides/configuration.md",
    the_guide_to_deployments_prints_what_it_shows: "docs/guides/deployments.md",
    the_guide_to_draining_prints_what_it_shows: "docs/guides/draining.md",
    the_guide_to_jobs_prints_what_it_shows: "docs/guides/jobs.md",
    the_guide_to_migrating_prints_what_it_shows: "docs/guides/migrating.md",
    the_guide_to_readiness_prints_what_it_shows: "docs/guides/readiness.md",
    the_guide_to_restarts_prints_what_it_shows: "docs/guides/restarts.md",
    the_guide_to_scripts_prints_what_it_shows: "docs/guides/scripts.md",
}

#[test]
fn every_page_with_an_example_has_a_test_that_runs_it() {
    let mut with_examples = pages();
    with_examples.retain(|page| !blocks_of(page, "sh").is_empty());
    assert_eq!(with_examples, PAGES_WITH_EXAMPLES);
}

fn run_examples(path: &str) {
    let blocks = blocks_of(path, "sh");
    assert!(
        !blocks.is_empty(),
        "{path} has no example that could be run"
    );
    let failures: Vec<String> = blocks
        .iter()
        .filter_map(|block| run_example(block).err())
        .collect();
    assert!(failures.is_empty(), "{path}:\n{}", failures.join("\n"));
}

fn run_example(block: &str) -> Result<(), String> {
    let sandbox = Sandbox::new();
    let bin = made(sandbox.path("bin"));
    link(&bin.join("exitdir"));
    for applet in APPLETS {
        link(&bin.join(format!("exitdir-{applet}")));
    }
    link(&bin.join("kubexit"));
    let mut path = bin.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    // Files, not pipes: a process that an example leaves running would keep a pipe open.
    let mut command = sandbox.command("sh");
    command
        .args(["-euc", block])
        .current_dir(made(sandbox.path("here")))
        .env("PATH", path)
        .stdout(File::create(sandbox.path("stdout")).expect("created"))
        .stderr(File::create(sandbox.path("stderr")).expect("created"));
    let status = finish_with_its_group(&mut command);
    let read = |name| std::fs::read_to_string(sandbox.path(name)).unwrap_or_default();
    let (stdout, stderr) = (read("stdout"), read("stderr"));
    let printed: Vec<&str> = annotations(block, "# prints: ").collect();
    let missing = annotations(block, "# says: ").find(|text| !stderr.contains(text));
    let right = status == Some(0) && stdout.lines().eq(printed.iter().copied());
    if right && missing.is_none() {
        return Ok(());
    }
    Err(format!(
        "{block}\n-- status: {status:?}\n-- stdout:\n{stdout}-- stderr:\n{stderr}-- not said: {missing:?}\n"
    ))
}

pub(super) fn annotations<'t>(block: &'t str, mark: &'t str) -> impl Iterator<Item = &'t str> {
    block
        .lines()
        .filter_map(move |line| line.strip_prefix(mark))
}

fn link(to: &Path) {
    std::os::unix::fs::symlink(absolute_binary(), to).expect("a link");
}

/// Runs a script in a process group of its own, and kills the group if the script takes too long.
pub(super) fn finish_with_its_group(command: &mut Command) -> Option<i32> {
    let mut child = std::os::unix::process::CommandExt::process_group(command, 0)
        .spawn()
        .expect("sh");
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("waitable") {
            return status.code();
        }
        if began.elapsed() > CONDITION_TIMEOUT {
            let group = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}
