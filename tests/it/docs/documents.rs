//! The documentation says what is so: its examples are run, its tables are held against `--help` and the
//! parser, and the demo and the library's examples end as they say.
//!
//! Each fenced `sh` block is one script, run with `set -eu` in a directory of its own, the applets in
//! `PATH` and `EXIT_DIR` set. A line `# prints: TEXT` in it is a line of its standard output (all of them
//! must be there, in order), `# says: TEXT` is a part of its standard error. Other blocks are not run.

use crate::support::sandbox::{Ended, PATIENCE, Start, World, binary};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const APPLETS: [&str; 5] = ["run", "wait", "signal", "status", "install"];

#[test]
fn the_readme_prints_what_it_shows() {
    run_examples("README.md");
}

#[test]
fn the_page_of_the_tombstone_prints_what_it_shows() {
    run_examples("docs/tombstone.md");
}

#[test]
fn the_page_of_exitdir_run_prints_what_it_shows() {
    run_examples("docs/exitdir-run.md");
}

#[test]
fn the_page_of_exitdir_wait_prints_what_it_shows() {
    run_examples("docs/exitdir-wait.md");
}

#[test]
fn the_page_of_exitdir_signal_prints_what_it_shows() {
    run_examples("docs/exitdir-signal.md");
}

#[test]
fn the_page_of_exitdir_status_prints_what_it_shows() {
    run_examples("docs/exitdir-status.md");
}

#[test]
fn the_page_of_exitdir_install_prints_what_it_shows() {
    run_examples("docs/exitdir-install.md");
}

#[test]
fn the_page_of_kubexit_prints_what_it_shows() {
    run_examples("docs/kubexit.md");
}

#[test]
fn the_guide_for_those_who_migrate_prints_what_it_shows() {
    run_examples("docs/migrating.md");
}

#[test]
fn the_page_of_managed_applications_prints_what_it_shows() {
    run_examples("docs/managed.md");
}

#[test]
fn every_option_of_help_stands_in_the_page_of_its_applet_and_no_other() {
    for applet in APPLETS {
        let page = page(applet);
        assert_eq!(heads(&page), help_heads(applet), "docs/exitdir-{applet}.md");
    }
    let mut expected = help_heads("run");
    expected.retain(|head| !head.contains("--help") && !head.contains("--version"));
    assert_eq!(heads(&read("README.md")), expected, "README.md");
}

#[test]
fn the_variables_that_the_pages_name_are_read_and_no_others() {
    let pages = APPLETS.map(|applet| (applet, page(applet)));
    for (applet, page) in &pages {
        for row in option_rows(page) {
            check_variable(applet, &row);
        }
    }
    for row in option_rows(&read("README.md")) {
        check_variable("run", &row);
    }
}

#[test]
fn every_exit_status_of_help_stands_in_the_page_of_its_applet() {
    for applet in APPLETS {
        let (page, help) = (page(applet), help(applet));
        let (_, statuses) = help
            .split_once("Exit status:")
            .expect("help has exit statuses");
        let section = section(&page, "Exit status");
        for status in statuses
            .split(|c: char| !c.is_alphanumeric() && c != '+')
            .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        {
            assert!(
                section.contains(&format!("\n| {status} |")),
                "docs/exitdir-{applet}.md has no row for exit status {status}"
            );
        }
    }
}

#[test]
fn the_page_of_the_tombstone_has_every_key_reason_and_state_that_the_code_knows() {
    let page = read("docs/tombstone.md");
    let parser = between(
        &read("src/protocol/tombstone.rs"),
        "fn take_line",
        "/// The time that names the life",
    );
    let mut keys = strings(&parser, "\" =>");
    keys.sort();
    let mut documented = first_cells(&section(&page, "Keys"), "| `Reason` | meaning |");
    documented.sort();
    assert_eq!(documented, keys, "keys");

    let reasons = strings(
        &between(
            &read("src/protocol/tombstone.rs"),
            "pub fn as_str",
            "fn parse",
        ),
        "\",",
    );
    let (_, table) = page
        .split_once("| `Reason` | meaning |")
        .expect("a table of reasons");
    assert_eq!(first_cells(table, "\n```"), reasons, "reasons");

    let words = between(&read("src/protocol/condition.rs"), "const WORDS", "];");
    let mut states = strings(&words, "\", State");
    states.push("exit=N".to_owned());
    let mut documented = first_cells(&section(&page, "States"), "It is **dead**");
    let mut of_wait = first_cells(&section(&page_of_wait(), "Conditions"), "The exact rules");
    for list in [&mut states, &mut documented, &mut of_wait] {
        list.sort();
    }
    assert_eq!(documented, states, "states in tombstone.md");
    assert_eq!(of_wait, states, "states in exitdir-wait.md");
}

#[test]
fn the_changelog_has_an_entry_for_this_version() {
    let entry = format!("\n## [{}]", env!("CARGO_PKG_VERSION"));
    let changelog = read("CHANGELOG.md");
    assert!(changelog.contains(&entry), "CHANGELOG.md has no{entry}");
    assert!(
        changelog.contains("\n## [Unreleased]"),
        "a place for what comes next"
    );
}

#[test]
fn commands_and_variables_in_pages_and_manifests_are_known_ones() {
    let options = APPLETS.map(|applet| (applet, help_heads(applet)));
    let variables: Vec<String> = help_heads("run")
        .iter()
        .filter_map(|head| derived_variable(head))
        .collect();
    for path in pages().into_iter().chain(manifests()) {
        for line in read(&path).lines() {
            for (applet, heads) in &options {
                for option in options_used(line, applet) {
                    assert!(
                        heads.iter().any(|head| is_spelled(head, &option)),
                        "{path}: exitdir-{applet} has no {option}: {line}"
                    );
                }
            }
            let words = words(line).map(|word| word.trim_end_matches([':', '.']));
            for variable in words.filter(|word| word.starts_with("EXITDIR_")) {
                let known = variables.iter().any(|known| known == variable);
                assert!(
                    known || variable == "EXITDIR_",
                    "{path}: nobody reads {variable}"
                );
            }
        }
    }
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    for path in pages() {
        let text = read(&path);
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => PathBuf::from(&path),
                file => Path::new(&path).with_file_name("").join(file),
            };
            assert!(root().join(&target).exists(), "{path}: {link}");
            let target = read(target.to_str().expect("UTF-8"));
            let found = anchor.is_empty() || headings(&target).any(|heading| heading == anchor);
            assert!(found, "{path}: {link}: there is no such heading");
        }
    }
}

#[test]
fn the_demo_ends_as_it_should_and_shows_the_main_job() {
    let world = World::new();
    let ended = world
        .command(root().join("scripts/demo"))
        .env("EXITDIR_DEMO_BINARY", absolute_binary())
        .env("TMPDIR", made(world.path("tmp")))
        .finish();
    let text = &ended.stdout;
    assert_eq!(ended.status, 0, "{text}{}", ended.stderr);
    for line in [
        "    proxy | Cause: main",
        "    third | Cause: peer",
        "    main     exit status 0   (its work is done) ok",
        "    proxy    exit status 0   (it was stopped for a death with 0) ok",
        "    peer     exit status 137 (it was killed) ok",
        "    third    exit status 143 (what it needed was lost) ok",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    assert!(!text.contains("peer  | Died"), "{text}");
    assert_eq!(
        crate::support::sandbox::entries(&world.path("tmp")),
        Vec::<String>::new(),
        "left behind"
    );
}

#[test]
fn a_demo_that_does_not_end_as_it_should_says_so() {
    let world = World::new();
    // As good as the real one, but for the status of a stop.
    let script = format!(
        "#!/bin/sh\ncase ${{0##*/}} in exitdir-run) exec \"{0}\" run --pass-code \"$@\";; exitdir-*) exec \"{0}\" \"${{0##*/exitdir-}}\" \"$@\";; esac\n\
         mkdir -p \"$2\" && for applet in run wait signal status; do cp \"$0\" \"$2/exitdir-$applet\"; done\n",
        absolute_binary().display()
    );
    let broken = world.program("broken", &script);
    let ended = world
        .command(root().join("scripts/demo"))
        .env("EXITDIR_DEMO_BINARY", &broken)
        .env("TMPDIR", made(world.path("tmp")))
        .finish();
    assert_eq!(ended.status, 1, "{}", ended.stdout);
    let wrong = "proxy    exit status 143 (it was stopped for a death with 0) WRONG, expected 0";
    assert!(ended.stdout.contains(wrong), "{}", ended.stdout);
}

#[test]
fn the_follower_of_the_library_ends_with_its_leader() {
    let world = World::new();
    let follower = world.command(example("follower")).start();
    let leader = world.command(example("leader")).finish();
    let follower = follower.end();
    assert_eq!(
        (leader.status, follower.status),
        (0, 0),
        "{}{}",
        leader.stderr,
        follower.stderr
    );
    assert_eq!(
        leader.stdout,
        "[Leader] Doing work...\n[Leader] Exiting...\n"
    );
    let ticks = ticks_before_exit(&follower);
    assert!(ticks >= 2, "{}", follower.stdout);
    assert_eq!(world.entries(), ["exitFile"]);
}

#[test]
fn without_an_exit_directory_the_leader_just_works_and_the_follower_says_so() {
    let world = World::new();
    let mut follower = world.command(example("follower"));
    let follower = follower.env_remove("EXIT_DIR").start();
    let leader = world
        .command(example("leader"))
        .env_remove("EXIT_DIR")
        .finish();
    assert_eq!(leader.status, 0, "{}", leader.stderr);
    assert_eq!(
        leader.stdout,
        "[Leader] Doing work...\n[Leader] Exiting...\n"
    );
    let mut follower = follower.end();
    let rest = follower
        .stdout
        .strip_prefix("[Follower] EXIT_DIR is not set: nobody will say exit\n");
    follower.stdout = rest.expect("says that the feature is off").to_owned();
    assert_eq!(follower.status, 0, "{}", follower.stderr);
    assert_eq!(ticks_before_exit(&follower), 3);
}

/// Checks that a follower ticked from 0 on and then said that it exits. How often it ticked.
fn ticks_before_exit(follower: &Ended) -> usize {
    let ticks = follower.stdout.lines().count() - 1;
    let mut expected: String = (0..ticks)
        .map(|tick| format!("[Follower] Tick {tick}\n"))
        .collect();
    expected.push_str("[Follower] Exiting...\n");
    assert_eq!(follower.stdout, expected);
    ticks
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn page(applet: &str) -> String {
    read(&format!("docs/exitdir-{applet}.md"))
}

fn page_of_wait() -> String {
    page("wait")
}

/// What is written for users. Every file in docs/ must be named here and have its examples run above.
fn pages() -> Vec<String> {
    let others = [
        "docs/kubexit.md",
        "docs/managed.md",
        "docs/migrating.md",
        "docs/other-inits.md",
        "docs/tombstone.md",
    ];
    let mut pages = others.map(str::to_owned).to_vec();
    pages.extend(APPLETS.map(|applet| format!("docs/exitdir-{applet}.md")));
    pages.sort();
    let found: Vec<String> = crate::support::sandbox::entries(&root().join("docs"))
        .iter()
        .map(|name| format!("docs/{name}"))
        .collect();
    assert_eq!(found, pages);
    pages.push("README.md".to_owned());
    pages
}

fn manifests() -> Vec<String> {
    let kubernetes = crate::support::sandbox::entries(&root().join("examples/kubernetes"));
    assert!(!kubernetes.is_empty());
    let mut manifests: Vec<String> = kubernetes
        .iter()
        .map(|name| format!("examples/kubernetes/{name}"))
        .collect();
    manifests.push("examples/compose.yaml".to_owned());
    manifests
}

fn absolute_binary() -> PathBuf {
    std::fs::canonicalize(binary()).expect("the binary under test")
}

fn made(dir: PathBuf) -> PathBuf {
    std::fs::create_dir(&dir).expect("a fresh directory");
    dir
}

// --- examples ---

fn run_examples(path: &str) {
    let blocks = blocks(&read(path));
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

/// The fenced `sh` blocks of a page.
fn blocks(text: &str) -> Vec<String> {
    text.split("\n```sh\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap_or(rest).to_owned())
        .collect()
}

fn run_example(block: &str) -> Result<(), String> {
    let world = World::new();
    let bin = made(world.path("bin"));
    link(&bin.join("exitdir"));
    for applet in APPLETS {
        link(&bin.join(format!("exitdir-{applet}")));
    }
    link(&bin.join("kubexit"));
    let mut path = bin.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    // Files, not pipes: what an example leaves running must not keep us waiting.
    let mut command = world.command("sh");
    command
        .args(["-euc", block])
        .current_dir(made(world.path("here")))
        .env("PATH", path)
        .stdout(File::create(world.path("stdout")).expect("created"))
        .stderr(File::create(world.path("stderr")).expect("created"));
    let status = finish_with_its_group(&mut command);
    let read = |name| world.read(name);
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

fn annotations<'t>(block: &'t str, mark: &'t str) -> impl Iterator<Item = &'t str> {
    block
        .lines()
        .filter_map(move |line| line.strip_prefix(mark))
}

fn link(to: &Path) {
    std::os::unix::fs::symlink(absolute_binary(), to).expect("a link");
}

/// Runs a script in a process group of its own, which is ended with it when it takes too long.
fn finish_with_its_group(command: &mut Command) -> Option<i32> {
    let mut child = std::os::unix::process::CommandExt::process_group(command, 0)
        .spawn()
        .expect("sh");
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("waitable") {
            return status.code();
        }
        if began.elapsed() > PATIENCE {
            let group = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// A compiled example of the library, as fresh as its source.
fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a path");
    // TARGET/PROFILE/deps/it-HASH
    let profile = this
        .ancestors()
        .nth(2)
        .expect("a directory for the profile");
    let target = profile.parent().expect("a target directory");
    let profile_name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let built = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["build", "--quiet", "--offline", "--locked", "--examples"])
        .args(["--profile", profile_name])
        .arg("--target-dir")
        .arg(target)
        .current_dir(root())
        .status()
        .expect("cargo");
    assert!(built.success(), "cargo build --examples");
    profile.join("examples").join(name)
}

// --- tables ---

fn help(applet: &str) -> String {
    let ended = World::new().applet(applet).arg("--help").finish();
    assert_eq!(ended.status, 0);
    ended.stdout
}

/// The options as `--help` shows them: `-d, --dir DIR`, `--json`.
fn help_heads(applet: &str) -> Vec<String> {
    let help = help(applet);
    let (_, options) = help.split_once("Options:\n").expect("a list of options");
    // Options under a heading of their own follow a blank line.
    let is_option = |line: &&str| line.trim_start().starts_with('-');
    let lines = options.lines().filter(is_option);
    lines
        .map(|line| {
            let line = line.trim_start();
            line.split("  ").next().unwrap_or(line).to_owned()
        })
        .collect()
}

struct Row {
    head: String,
    variable: Option<String>,
}

/// The rows of the tables of options: `| `-d, --dir DIR` | `EXIT_DIR` | ... |`.
fn option_rows(page: &str) -> Vec<Row> {
    let rows = page.lines().filter(|line| line.starts_with("| `-"));
    rows.map(|row| {
        let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
        let (head, variable) = (cells.nth(1), cells.next());
        Row {
            head: head.expect("an option").to_owned(),
            variable: variable.filter(|cell| !cell.is_empty()).map(str::to_owned),
        }
    })
    .collect()
}

fn heads(page: &str) -> Vec<String> {
    option_rows(page).into_iter().map(|row| row.head).collect()
}

/// `EXITDIR_` and the long name in capitals; the directory's is `EXIT_DIR`. `None` for a letter alone.
fn derived_variable(head: &str) -> Option<String> {
    let (_, long) = head.split_once("--")?;
    let long = long.split(' ').next().unwrap_or(long);
    Some(format!("EXITDIR_{}", long.to_uppercase().replace('-', "_")))
}

/// A bad value is complained about by name if the variable is read, and not noticed if it is not.
fn check_variable(applet: &str, row: &Row) {
    let world = World::new();
    if row.variable.as_deref() == Some("EXIT_DIR") {
        let mut command = world.applet(applet);
        command.env_remove("EXIT_DIR");
        match applet {
            "run" => command.args(["--name", "x", "--", "true"]),
            "install" => command.arg("--sweep"),
            _ => &mut command,
        };
        let ended = command.finish();
        assert_eq!(ended.status, 125, "{applet}");
        assert!(ended.stderr.contains("set EXIT_DIR"), "{}", ended.stderr);
        return;
    }
    let Some(derived) = derived_variable(&row.head) else {
        assert_eq!(row.variable, None, "{}", row.head);
        return;
    };
    assert!(
        row.variable.as_ref().is_none_or(|named| *named == derived),
        "{}",
        row.head
    );
    let mut command = world.applet(applet);
    command.env(&derived, "/");
    match applet {
        "run" => command.args(["--", "true"]),
        "wait" => command.args(["x", "--timeout", "0"]),
        "install" => command.arg("--sweep"),
        _ => &mut command,
    };
    let ended = command.finish();
    let noticed = ended.stderr.contains(&derived);
    assert_eq!(
        noticed,
        row.variable.is_some(),
        "exitdir-{applet} and {derived}: {}",
        ended.stderr
    );
    assert!(!noticed || ended.status == 125, "{derived}");
}

/// The text under a heading, up to the next one of its level.
fn section(page: &str, heading: &str) -> String {
    between(page, &format!("\n## {heading}\n"), "\n## ")
}

fn between(text: &str, from: &str, to: &str) -> String {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to)
        .map_or(rest, |(inner, _)| inner)
        .to_owned()
}

/// What stands in quotes right before `after`.
fn strings(code: &str, after: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some((before, behind)) = rest.split_once(after) {
        found.extend(before.rsplit('"').next().map(str::to_owned));
        rest = behind;
    }
    assert!(!found.is_empty(), "nothing before {after}");
    found
}

/// The first cells of a table's rows that are in backquotes, up to a line that holds `end`.
fn first_cells(text: &str, end: &str) -> Vec<String> {
    let text = text.split_once(end).map_or(text, |(before, _)| before);
    text.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(cell, _)| cell.to_owned())
        .collect()
}

/// The headings of a page as anchors: in small letters, with `-` for spaces.
fn headings(page: &str) -> impl Iterator<Item = String> {
    let lines = page.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| {
        let title = line.trim_start_matches(['#', ' ']).to_lowercase();
        title
            .replace(|c: char| !c.is_alphanumeric() && c != ' ' && c != '-', "")
            .replace(' ', "-")
    })
}

// --- commands in texts ---

/// The words of a line, without what surrounds them in shell, JSON, YAML and Markdown.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && !"-_./:+".contains(c))
        .filter(|word| !word.is_empty())
}

/// The options that a line gives to an applet, as they are spelled, before any `--`.
fn options_used(line: &str, applet: &str) -> Vec<String> {
    let name = format!("exitdir-{applet}");
    let mut used = Vec::new();
    for command in line.split(['&', ';', '`', '|']) {
        let mut words = words(command).skip_while(|word| word.rsplit('/').next() != Some(&name));
        if words.next().is_some() {
            used.extend(
                words
                    .take_while(|word| *word != "--")
                    .filter(|word| word.starts_with('-'))
                    .map(str::to_owned),
            );
        }
    }
    used
}

/// Whether an option of `--help` can be spelled so.
fn is_spelled(head: &str, option: &str) -> bool {
    words(head).any(|word| word == option)
}
