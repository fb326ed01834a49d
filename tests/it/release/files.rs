//! The archives and the Debian packages.

use super::{ARCHITECTURES, VERSION, are_here, output_of, release, release_that_runs, text_of};
use crate::support::requirements::{is_permitted, static_binary_is_given};
use crate::support::sandbox::{Sandbox, Start, entries, repository};
use std::process::Command;

#[test]
fn a_release_has_files_for_each_architecture_and_their_sums() {
    if !are_here(&[]) {
        return;
    }
    let sandbox = Sandbox::new();
    let output = release(&sandbox);
    let mut names = entries(&output);
    names.sort_unstable();
    let expected = [
        "SHA256SUMS".to_owned(),
        format!("exitdir-{VERSION}-image.tar"),
        format!("exitdir-{VERSION}-linux-aarch64.tar.gz"),
        format!("exitdir-{VERSION}-linux-x86_64.tar.gz"),
        format!("exitdir-{VERSION}.cdx.json"),
        format!("exitdir_{VERSION}_amd64.deb"),
        format!("exitdir_{VERSION}_arm64.deb"),
    ];
    assert_eq!(names, expected);
    let page = std::fs::read_to_string(repository().join("docs/release.md")).expect("a page");
    for name in &names {
        let named = format!("`{}`", name.replace(VERSION, "VERSION"));
        assert!(page.contains(&named), "docs/release.md has no {named}");
    }
    let mut check = sandbox.command("sha256sum");
    let ended = check
        .args(["--strict", "-c", "SHA256SUMS"])
        .current_dir(&output)
        .finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), expected.len() - 1);
}

/// The links that `exitdir-install` makes.
fn installed_links(sandbox: &Sandbox) -> Vec<String> {
    let directory = sandbox.path("installed");
    let ended = sandbox.applet("install").arg(&directory).finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let mut names = entries(&directory);
    names.retain(|name| name != "exitdir");
    names.sort_unstable();
    names
}

#[test]
fn an_archive_has_the_binary_its_links_manual_pages_and_completions() {
    if !are_here(&[]) {
        return;
    }
    let sandbox = Sandbox::new();
    let output = release(&sandbox);
    let links = installed_links(&sandbox);
    for architecture in ARCHITECTURES {
        let name = format!("exitdir-{VERSION}-linux-{architecture}");
        let archive = output.join(format!("{name}.tar.gz"));
        let list = output_of(
            &sandbox,
            "tar",
            &["--numeric-owner", "-tvf", text_of(&archive)],
        );
        let has = |mode: &str, path: &str| {
            let is_there = list.lines().any(|line| {
                line.starts_with(&format!("{mode} 0/0 ")) && line.ends_with(&format!(" {path}"))
            });
            assert!(is_there, "{mode} {path}: {list}");
        };
        has("-rwxr-xr-x", &format!("{name}/exitdir"));
        for link in &links {
            has("lrwxrwxrwx", &format!("{name}/{link} -> exitdir"));
        }
        for file in [
            "LICENSE",
            "CHANGELOG.md",
            "licenses.txt",
            "man/man1/exitdir-run.1",
            "man/man5/exitdir-tombstone.5",
            "completions/bash/exitdir",
            "completions/zsh/_exitdir",
            "completions/fish/exitdir.fish",
        ] {
            has("-rw-r--r--", &format!("{name}/{file}"));
        }
        let times: Vec<&str> = list
            .lines()
            .filter_map(|line| line.split_whitespace().nth(3))
            .collect();
        assert!(times.windows(2).all(|pair| pair[0] == pair[1]), "{list}");
        let names = list.lines().filter(|line| line.contains(" -> exitdir"));
        let at_the_top = names.filter(|line| !line.contains("/completions/"));
        assert_eq!(at_the_top.count(), links.len(), "{list}");
    }
}

#[test]
fn the_licenses_of_all_crates_that_are_linked_are_in_the_archive() {
    if !are_here(&[]) {
        return;
    }
    let sandbox = Sandbox::new();
    let output = release(&sandbox);
    let name = format!("exitdir-{VERSION}-linux-x86_64");
    let archive = output.join(format!("{name}.tar.gz"));
    let member = format!("{name}/licenses.txt");
    let texts = output_of(&sandbox, "tar", &["-xOf", text_of(&archive), &member]);
    let crates: Vec<&str> = texts.split("\n== ").skip(1).collect();
    for name in ["bitflags", "lexopt", "libc", "rustix", "tar"] {
        let text = crates
            .iter()
            .find(|text| text.starts_with(&format!("{name} ")));
        let words = text.expect(name).split_whitespace().count();
        assert!(words > 100, "{name}: {words} words");
    }
}

/// A root that dpkg can install into, without anything in it.
const ROOT: &str = r#"
set -e
mkdir -p "$1/var/lib/dpkg/info" "$1/var/lib/dpkg/updates" "$1/var/lib/dpkg/triggers"
: >"$1/var/lib/dpkg/status"
: >"$1/var/lib/dpkg/available"
"#;

#[test]
fn the_debian_package_is_installed_into_a_root_used_and_removed() {
    if !are_here(&["dpkg"]) || !static_binary_is_given() {
        return;
    }
    if !is_permitted("chroot", Command::new("chroot").args(["/", "true"])) {
        return;
    }
    let sandbox = Sandbox::new();
    let output = release_that_runs(&sandbox);
    let root = sandbox.path("root");
    let root = text_of(&root);
    output_of(&sandbox, "sh", &["-c", ROOT, "sh", root]);
    let into = format!("--root={root}");
    let architecture = output_of(&sandbox, "dpkg", &["--print-architecture"]);
    let package = output.join(format!("exitdir_{VERSION}_{}.deb", architecture.trim()));
    output_of(&sandbox, "dpkg", &[&into, "--install", text_of(&package)]);
    let wrong = output_of(&sandbox, "dpkg", &[&into, "--verify", "exitdir"]);
    assert_eq!(wrong, "");
    let said = output_of(
        &sandbox,
        "chroot",
        &[
            root,
            "/usr/bin/exitdir-run",
            "--",
            "/usr/bin/exitdir",
            "--version",
        ],
    );
    assert_eq!(said, format!("exitdir {VERSION}\n"));
    for link in installed_links(&sandbox) {
        assert!(sandbox.path("root/usr/bin").join(&link).exists(), "{link}");
    }
    for file in [
        "man/man1/exitdir-run.1.gz",
        "doc/exitdir/copyright",
        "bash-completion/completions/exitdir-run",
        "zsh/vendor-completions/_exitdir",
        "fish/vendor_completions.d/exitdir-run.fish",
    ] {
        assert!(
            sandbox.path("root/usr/share").join(file).is_file(),
            "{file}"
        );
    }
    output_of(&sandbox, "dpkg", &[&into, "--remove", "exitdir"]);
    assert!(!sandbox.path("root/usr").exists(), "something is left");
}

#[test]
fn the_debian_package_says_what_it_is() {
    if !are_here(&[]) {
        return;
    }
    let sandbox = Sandbox::new();
    let output = release(&sandbox);
    for (name, architecture) in [("x86_64", "amd64"), ("aarch64", "arm64")] {
        let package = output.join(format!("exitdir_{VERSION}_{architecture}.deb"));
        let field = |field: &str| {
            let said = output_of(&sandbox, "dpkg-deb", &["-f", text_of(&package), field]);
            said.trim_end().to_owned()
        };
        assert_eq!(field("Package"), "exitdir");
        assert_eq!(field("Version"), VERSION);
        assert_eq!(field("Architecture"), architecture);
        assert!(field("Description").contains(" order"), "no description");
        let unpacked = sandbox.path(architecture);
        let arguments = ["-x", text_of(&package), text_of(&unpacked)];
        output_of(&sandbox, "dpkg-deb", &arguments);
        let content = sandbox.read(&format!("{architecture}/usr/bin/exitdir"));
        assert!(content.contains(&format!("/{name}/exitdir")), "{content}");
    }
}
