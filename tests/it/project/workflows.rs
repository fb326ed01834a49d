//! The workflows in .github/workflows: valid YAML, actions with a version, and shell scripts that
//! name what is there. Two checkers of others look at them where they are installed.

use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, entries, repository};
use std::path::{Path, PathBuf};
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

fn workflows() -> Vec<(String, Yaml)> {
    let dir = repository().join(".github/workflows");
    let names = entries(&dir);
    assert_eq!(names.len(), 2, "{names:?}");
    let read = |name: String| {
        let text = std::fs::read_to_string(dir.join(&name)).expect("a file");
        let mut documents = YamlLoader::load_from_str(&text).expect("YAML");
        assert_eq!(documents.len(), 1, "{name}");
        (name, documents.remove(0))
    };
    names.into_iter().map(read).collect()
}

fn jobs(workflow: &Yaml) -> Vec<(&str, &Yaml)> {
    let jobs = workflow["jobs"].as_hash().expect("jobs");
    let named = jobs
        .iter()
        .map(|(name, job)| (name.as_str().expect("a name"), job));
    named.collect()
}

fn steps(job: &Yaml) -> &[Yaml] {
    job["steps"].as_vec().map_or(&[], Vec::as_slice)
}

#[test]
fn the_workflows_test_a_change_and_release_a_tag() {
    let all = workflows();
    let workflow = |name: &str| {
        let found = all.iter().find(|(file, _)| file == name);
        &found.unwrap_or_else(|| panic!("no {name}")).1
    };
    let ci = workflow("ci.yml");
    let names: Vec<&str> = jobs(ci).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["test", "oldest-rust", "aarch64"]);
    let test = steps(&ci["jobs"]["test"]);
    assert!(
        test.iter()
            .any(|step| step["run"].as_str() == Some(".ci/run"))
    );
    let release = workflow("release.yml");
    assert_eq!(release["on"]["push"]["tags"][0].as_str(), Some("v*"));
    assert_eq!(release["jobs"]["release"]["needs"].as_str(), Some("ci"));
    let runs = |wanted: &str| {
        let steps = steps(&release["jobs"]["release"]);
        let mut scripts = steps.iter().filter_map(|step| step["run"].as_str());
        assert!(scripts.any(|script| script.contains(wanted)), "{wanted}");
    };
    runs("scripts/release");
    runs("gh release create");
    runs("skopeo copy --all");
}

#[test]
fn each_action_has_a_version_and_each_job_a_deadline_and_few_rights() {
    for (name, workflow) in workflows() {
        let rights = workflow["permissions"]["contents"].as_str();
        assert_eq!(rights, Some("read"), "{name}");
        for (job_name, job) in jobs(&workflow) {
            let calls = job["uses"].as_str().is_some();
            let deadline = job["timeout-minutes"].as_i64();
            assert!(calls || deadline.is_some(), "{name}: {job_name}");
            for step in steps(job) {
                let Some(action) = step["uses"].as_str() else {
                    assert!(step["run"].as_str().is_some(), "{name}: {step:?}");
                    continue;
                };
                let (_, version) = action.split_once('@').expect("a version");
                let number = version.strip_prefix('v').unwrap_or_default();
                let is_major = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
                let is_commit =
                    version.len() == 40 && version.bytes().all(|b| b.is_ascii_hexdigit());
                assert!(is_major || is_commit, "{name}: {action}");
            }
        }
    }
}

#[test]
fn the_scripts_in_workflows_are_valid_and_name_what_is_there() {
    let sandbox = Sandbox::new();
    for (name, workflow) in workflows() {
        for step in jobs(&workflow).into_iter().flat_map(|(_, job)| steps(job)) {
            let Some(script) = step["run"].as_str() else {
                continue;
            };
            // Expressions belong into `env`, because here their values would be parsed as shell.
            assert!(!script.contains("${{"), "{name}: {script}");
            let ended = sandbox.command("bash").args(["-n", "-c", script]).finish();
            assert_eq!(ended.status, 0, "{name}: {}", ended.stderr);
            let words = script.split(|c: char| c.is_whitespace() || "\"()".contains(c));
            for word in
                words.filter(|word| word.starts_with("scripts/") || word.starts_with(".ci/"))
            {
                assert!(repository().join(word).is_file(), "{name}: {word}");
            }
            check_tests(script, &name);
        }
    }
}

/// The filters of `cargo test --test it -- FILTER...` name files of tests.
fn check_tests(script: &str, name: &str) {
    let Some((_, filters)) = script.split_once("--test it -- ") else {
        return;
    };
    for filter in filters.split_whitespace() {
        let file = format!("tests/it/{}.rs", filter.replace("::", "/"));
        assert!(repository().join(&file).is_file(), "{name}: {filter}");
    }
}

fn paths() -> Vec<PathBuf> {
    let dir = Path::new(".github/workflows");
    let names = workflows().into_iter().map(|(name, _)| dir.join(name));
    names.collect()
}

#[test]
fn the_workflows_follow_the_schema_of_github() {
    let checker = repository().join("target/python/bin/check-jsonschema");
    if !is_permitted("check-jsonschema", Command::new(&checker).arg("--version")) {
        return;
    }
    let mut check = Sandbox::new().command(checker);
    check.args(["--builtin-schema", "vendor.github-workflows"]);
    let ended = check.args(paths()).current_dir(repository()).finish();
    assert_eq!(ended.status, 0, "{}", ended.stdout);
}

/// No package of Debian or PyPI has it, so it is not installed, and its absence is no failure.
#[test]
fn actionlint_finds_nothing_wrong_with_the_workflows() {
    let mut trial = Command::new("actionlint");
    if trial.arg("-version").output().is_err() {
        println!("skipped: actionlint is not installed");
        return;
    }
    let mut actionlint = Sandbox::new().command("actionlint");
    let ended = actionlint.args(paths()).current_dir(repository()).finish();
    assert_eq!(ended.status, 0, "{}", ended.stdout);
}
