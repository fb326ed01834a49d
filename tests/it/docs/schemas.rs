//! The manifests are valid for the versions of Kubernetes that they name.

use super::manifests;
use super::python::program;
use crate::support::sandbox::{Ended, Sandbox, Start, repository};
use std::fs::File;

/// The first version in which sidecar containers are on by default, and the newest one that the
/// schemas describe.
pub(super) const VERSIONS: [&str; 2] = ["1.29", "1.37"];
/// These need a newer version than the first.
const NEWER: [&str; 2] = ["/image-volume/", "/policy/policy.yaml"];

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
    let sandbox = Sandbox::new();
    for version in VERSIONS {
        let Some(mut program) = program(&sandbox, "validate.py") else {
            return;
        };
        let is_new = |path: &String| NEWER.iter().any(|newer| path.contains(newer));
        let mut paths = manifests();
        // Those of kustomize and compose are no objects of Kubernetes.
        paths.retain(|path| !path.ends_with("kustomization.yaml") && !path.contains("compose"));
        paths.retain(|path| version != VERSIONS[0] || !is_new(path));
        assert!(paths.len() > 15, "{paths:?}");
        let checked = program.arg(version).args(paths).current_dir(repository());
        checked.finish().assert_output(0, "");
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
