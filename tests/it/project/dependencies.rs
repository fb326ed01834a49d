//! The dependencies: what `cargo deny` checks with deny.toml, as far as cargo knows it offline.

use crate::support::sandbox::{Sandbox, Start, repository};
use std::collections::BTreeSet;

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).expect("a file of the repository")
}

/// The values of `key = "value"`.
fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(key));
    let quoted = lines.filter_map(|rest| rest.strip_prefix(" = \""));
    quoted.filter_map(|value| value.strip_suffix('"')).collect()
}

#[test]
fn every_dependency_has_a_license_that_deny_toml_allows() {
    let deny = read("deny.toml");
    let (_, allowed) = deny.split_once("\nallow = [").expect("the list");
    let (allowed, _) = allowed.split_once(']').expect("its end");
    let allowed: Vec<&str> = allowed.split('"').skip(1).step_by(2).collect();
    let sandbox = Sandbox::new();
    let mut cargo = sandbox.command(env!("CARGO"));
    cargo.current_dir(repository());
    cargo.args(["metadata", "--offline", "--locked", "--format-version", "1"]);
    let ended = cargo.finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let licenses = ended.stdout.split("\"license\":").skip(1);
    let licenses: Vec<&str> = licenses
        .filter_map(|rest| rest.strip_prefix('"')?.split('"').next())
        .collect();
    assert_eq!(licenses.len(), values(&read("Cargo.lock"), "name").len());
    for license in licenses {
        let mut alternatives = license.split(" OR ").flat_map(|part| part.split('/'));
        assert!(alternatives.any(|one| allowed.contains(&one)), "{license}");
    }
}

#[test]
fn every_dependency_comes_from_crates_io_and_is_there_in_one_version() {
    let lock = read("Cargo.lock");
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let (names, sources) = (values(&lock, "name"), values(&lock, "source"));
    assert!(
        sources.iter().all(|source| *source == registry),
        "{sources:?}"
    );
    // All but this package.
    assert_eq!(sources.len() + 1, names.len());
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
}
