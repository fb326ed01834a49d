//! The manifests are valid for the versions of Kubernetes that they name.

use super::python::program;
use super::{manifests, read};
use crate::support::sandbox::{Ended, Sandbox, Start, repository};
use std::fs::File;

/// The first version in which sidecar containers are on by default, and the newest one that the
/// schemas describe.
pub(super) const VERSIONS: [&str; 2] = ["1.29", "1.37"];
/// These need a newer version than the first.
const NEWER: [(&str, &str); 2] = [("/image-volume/", "1.31"), ("/policy/policy.yaml", "1.36")];

/// What the schemas of a version have against a text of manifests. `None` without the schemas.
pub(super) fn validated(version: &str, text: &str) -> Option<Ended> {
    let sandbox = Sandbox::new();
    let mut program = program(&sandbox, "validate.py")?;
    std::fs::write(sandbox.path("text"), text).expect("a file");
    let text = File::open(sandbox.path("text")).expect("the file");
    Some(program.arg(version).stdin(text).finish())
}

#[test]
fn the_manifests_are_valid_for_the_versions_that_they_name() {
    let mut paths = manifests();
    // Those of kustomize and compose are no objects of Kubernetes.
    paths.retain(|path| !path.ends_with("kustomization.yaml") && !path.contains("compose"));
    assert!(paths.len() > 15, "{paths:?}");
    let newer = |path: &str| NEWER.iter().find(|(newer, _)| path.contains(newer));
    for version in [VERSIONS[0], NEWER[0].1, NEWER[1].1, VERSIONS[1]] {
        let first = |path: &str| newer(path).map_or(VERSIONS[0], |(_, first)| first);
        let is_checked = |path: &&String| version == VERSIONS[1] || version == first(path);
        let sandbox = Sandbox::new();
        let Some(mut program) = program(&sandbox, "validate.py") else {
            return;
        };
        let checked = paths.iter().filter(is_checked);
        program.arg(version).args(checked).current_dir(repository());
        program.finish().assert_output(0, "");
    }
}

#[test]
fn the_policies_are_valid_as_beta_where_the_page_says_so() {
    let stable = read("examples/kubernetes/policy/policy.yaml");
    let beta = stable.replace(
        "registration.k8s.io/v1\nkind: Mutating",
        "registration.k8s.io/v1beta1\nkind: Mutating",
    );
    assert_ne!(beta, stable);
    for version in ["1.34", "1.35"] {
        let Some(ended) = validated(version, &beta) else {
            return;
        };
        ended.assert_output(0, "");
    }
}

#[test]
fn a_kind_and_a_field_that_no_schema_has_are_faults() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n";
    for (text, fault) in [
        (pod.replace("Pod", "Pood"), "Couldn't find schema for kind"),
        (
            format!("{pod}spec: {{containers: [{{name: a, comand: [b]}}]}}"),
            "'comand' was",
        ),
        (format!("{pod}spec: {{}}"), "'containers' is a required"),
    ] {
        let Some(ended) = validated(VERSIONS[1], &text) else {
            return;
        };
        assert_eq!(ended.status, 1, "{text}");
        assert!(ended.stdout.contains(fault), "{}", ended.stdout);
    }
}
