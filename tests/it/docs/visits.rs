//! The ways of a visitor: the example of README.md in a fresh shell, a release on a machine, and a
//! program in Rust. Each block is run as it stands, with local files in place of an address.

use super::examples::annotations;
use super::{absolute_binary, blocks_of, made, pages, read};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Ended, Sandbox, Start, entries, repository};
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The only block of this kind in a page.
fn only_block(page: &str, kind: &str) -> String {
    let blocks = blocks_of(page, kind);
    assert_eq!(blocks.len(), 1, "{page}: {kind}");
    blocks.concat()
}

/// A shell of a user with an empty home, who knows nothing of exitdir.
fn fresh_shell(sandbox: &Sandbox, shell: &str, script: &str) -> Command {
    let home = sandbox.path("home");
    std::fs::create_dir_all(&home).expect("a directory");
    let mut command = sandbox.command(shell);
    command
        .args(["-c", script])
        .env_remove("EXIT_DIR")
        .env("HOME", home);
    command
}

// --- an example to paste ---

#[test]
fn the_example_of_the_readme_runs_in_a_fresh_shell_and_again_and_prints_what_is_shown() {
    let example = only_block("README.md", "sh checkout");
    let shown = blocks_of("README.md", "text output").remove(0);
    let is_message = |line: &&str| line.starts_with("exitdir-");
    let (messages, printed): (Vec<&str>, Vec<&str>) = shown.lines().partition(is_message);
    assert!(!messages.is_empty() && printed.len() > 1, "{shown}");
    let sandbox = Sandbox::new();
    for shell in ["sh", "bash"] {
        if !is_permitted(shell, Command::new(shell).args(["-c", ":"])) {
            return;
        }
        // Pasted twice into one shell, and into one after the other.
        let twice = example.repeat(2);
        let ended = in_checkout(fresh_shell(&sandbox, shell, &twice));
        let expected = [printed.as_slice(), &printed].concat();
        assert!(ended.stdout.lines().eq(expected), "{shell}: {ended:?}");
        for message in &messages {
            assert_eq!(ended.stderr.matches(message).count(), 2, "{ended:?}");
        }
    }
}

fn in_checkout(mut shell: Command) -> Ended {
    let ended = shell
        .current_dir(repository())
        .env("EXITDIR_DEMO_BINARY", absolute_binary())
        .finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    ended
}

// --- a release ---

/// A directory with the files of a release, as `scripts/release` names them.
fn release(sandbox: &Sandbox) -> PathBuf {
    let dir = made(sandbox.path("downloads"));
    let script = "
        name=exitdir-$1-linux-$(uname -m)
        \"$2\" install \"$name\"
        tar -czf \"$name.tar.gz\" \"$name\"
        echo 'of another architecture' >\"exitdir-$1-linux-other.tar.gz\"
        sha256sum ./*.tar.gz | sed 's|  ./|  |' >SHA256SUMS
        rm -r \"$name\" \"exitdir-$1-linux-other.tar.gz\"";
    let mut make = sandbox.command("sh");
    let make = make.args(["-euc", script, "sh", VERSION]);
    let ended = make.arg(absolute_binary()).current_dir(&dir).finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    dir
}

/// Runs the block for a machine, with this directory as the address of the downloads.
fn download(sandbox: &Sandbox, from: &Path) -> Ended {
    let block = only_block("README.md", "sh release");
    let here = format!("file://{}", from.display());
    let script = block.replace("DOWNLOADS", &here);
    assert_ne!(script, block);
    let at = sandbox.path("here");
    std::fs::create_dir_all(&at).expect("a directory");
    let mut shell = fresh_shell(sandbox, "sh", &script);
    shell.current_dir(at).finish()
}

fn curl_is_here() -> bool {
    is_permitted("curl", Command::new("curl").arg("--version"))
}

#[test]
fn a_machine_installs_a_release_that_it_has_checked() {
    if !curl_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let downloads = release(&sandbox);
    let ended = download(&sandbox, &downloads);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stdout.ends_with(": OK\n"), "{}", ended.stdout);
    let bin = sandbox.path("home/.local/bin");
    let mut version = sandbox.command(bin.join("exitdir-run"));
    let version = version.arg("--version").finish();
    assert_eq!(version.status, 0, "{:?}", entries(&bin));
    assert!(version.stdout.contains(VERSION), "{}", version.stdout);
    let block = only_block("README.md", "sh release");
    let named = format!("version={VERSION} ");
    assert!(block.starts_with(&named), "{block}");
}

#[test]
fn a_machine_installs_nothing_whose_sum_is_wrong_or_missing() {
    if !curl_is_here() {
        return;
    }
    let original = Sandbox::new();
    let release = release(&original);
    for damage in [
        "for archive in *.tar.gz; do echo more >>\"$archive\"; done",
        "grep other SHA256SUMS >sums; mv sums SHA256SUMS",
        ": >SHA256SUMS",
        "rm SHA256SUMS",
        "rm ./*.tar.gz",
    ] {
        let sandbox = Sandbox::new();
        let downloads = made(sandbox.path("downloads"));
        let mut shell = sandbox.command("sh");
        let script = format!("cp \"$0\"/* .; {damage}");
        let shell = shell.args(["-euc", &script]).arg(&release);
        shell.current_dir(&downloads).finish().assert_output(0, "");
        let ended = download(&sandbox, &downloads);
        assert_ne!(ended.status, 0, "{damage}: {}", ended.stdout);
        let home = entries(&sandbox.path("home"));
        assert_eq!(home, Vec::<String>::new(), "{damage}");
    }
}

#[test]
fn the_addresses_to_fill_in_stand_in_one_section_of_the_readme() {
    let readme = read("README.md");
    let (before, rest) = readme.split_once("\n## Getting it\n").expect("a section");
    let (section, behind) = rest.split_once("\n## ").expect("a next section");
    let mut elsewhere = vec![("README.md".to_owned(), format!("{before}{behind}"))];
    let others = pages().into_iter().chain(super::manifests());
    let others = others.filter(|path| path != "README.md");
    elsewhere.extend(others.map(|path| (path.clone(), read(&path))));
    for word in ["REGISTRY", "DOWNLOADS"] {
        assert!(section.contains(word), "no {word}");
        for (path, text) in &elsewhere {
            assert!(!text.contains(word), "{path} has {word}");
        }
    }
    let image = format!("REGISTRY/exitdir:{VERSION}");
    let named = section.matches("REGISTRY/").count();
    assert_eq!(section.matches(&image).count(), named, "{image}");
}

#[test]
fn the_readme_names_files_of_a_release_as_the_page_of_releases_does() {
    let page = read("docs/release.md");
    let block = only_block("README.md", "sh release");
    let archive = block
        .split("archive=")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let archive = archive.expect("a name").replace("$version", "VERSION");
    let archive = archive.replace("$(uname -m)", "x86_64");
    let readme = read("README.md");
    let image = readme
        .split("DOWNLOADS/")
        .find(|rest| rest.contains("image.tar`"));
    let image = image
        .and_then(|rest| rest.split('`').next())
        .expect("a name");
    for name in [
        format!("{archive}.tar.gz"),
        image.replace(VERSION, "VERSION"),
    ] {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

// --- a program in Rust ---

#[test]
fn a_new_program_in_rust_lives_under_a_name_of_its_own() {
    let block = only_block("docs/library.md", "sh cargo");
    let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    let sandbox = Sandbox::new();
    let mut shell = fresh_shell(&sandbox, "sh", &format!("set -eu\n{block}"));
    // What cargo has downloaded for exitdir itself is enough.
    let real_home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    for (variable, below) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let value = std::env::var_os(variable).map(PathBuf::from);
        shell.env(variable, value.unwrap_or(real_home.join(below)));
    }
    let mut path = cargo.parent().expect("a directory").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    std::os::unix::fs::symlink(repository(), sandbox.path("home/exitdir")).expect("a link");
    let ended = shell
        .env("PATH", path)
        .env("CARGO_NET_OFFLINE", "true")
        // Kept, so that the dependencies are compiled once.
        .env("CARGO_TARGET_DIR", target_directory().join("visits"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0")
        .current_dir(made(sandbox.path("here")))
        // Without a deadline: cargo waits for others that compile.
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy;
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let printed = annotations(&block, "# prints: ");
    assert!(text(&ended.stdout).lines().eq(printed), "{ended:?}");
}

fn target_directory() -> PathBuf {
    let this = std::env::current_exe().expect("a path");
    // TARGET/PROFILE/deps/it-HASH
    this.ancestors().nth(3).expect("a directory").to_owned()
}

#[test]
fn the_program_of_the_page_is_the_example() {
    let example = read("examples/dependent.rs");
    let (_, program) = example
        .split_once("\n\n")
        .expect("a comment, then the program");
    assert_eq!(only_block("docs/library.md", "rust"), program);
}

#[test]
fn the_dependency_of_a_program_is_this_version() {
    let (major, minor) = (
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
    );
    let expected =
        format!("exitdir = {{ version = \"{major}.{minor}\", default-features = false }}\n");
    assert_eq!(only_block("docs/library.md", "toml"), expected);
}
