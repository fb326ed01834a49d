//! The kustomize component adds exitdir to every labelled workload, and to nothing else.

use super::manifests::words;
use super::schemas::{VERSIONS, validated};
use super::{made, read};
use crate::support::requirements::skip_without_package;
use crate::support::sandbox::{Sandbox, Start, repository};
use std::path::Path;
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

const COMPONENT: &str = "examples/kubernetes/component";
/// A kind, its version, the place of the pod in its specification, and the sweep that it needs.
const KINDS: [(&str, &str, &[&str], &str); 6] = [
    (
        "Job",
        "batch/v1",
        &["template", "spec"],
        "--sweep-unfinished",
    ),
    (
        "CronJob",
        "batch/v1",
        &["jobTemplate", "spec", "template", "spec"],
        "--sweep-unfinished",
    ),
    ("Deployment", "apps/v1", &["template", "spec"], "--sweep"),
    ("StatefulSet", "apps/v1", &["template", "spec"], "--sweep"),
    ("DaemonSet", "apps/v1", &["template", "spec"], "--sweep"),
    ("Pod", "v1", &[], "--sweep"),
];
const OTHERS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: labelled, labels: {exitdir.dev/inject: \"true\"}}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: unlabelled}
spec: {containers: [{name: c0, image: busybox}]}
---
apiVersion: v1
kind: Pod
metadata: {name: off, labels: {exitdir.dev/inject: \"false\"}}
spec: {containers: [{name: c0, image: busybox}]}
";

/// Whether there is a kubectl with kustomize 5. Debian's is too old.
fn kubectl_is_new() -> bool {
    let version = Command::new("kubectl")
        .args(["version", "--client", "-o", "json"])
        .output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let minor = version.ok().and_then(|text| {
        let (_, rest) = text.split_once("\"gitVersion\": \"v1.")?;
        rest.split('.').next()?.parse::<u32>().ok()
    });
    let is_new = minor.is_some_and(|minor| minor >= 27);
    if !is_new {
        skip_without_package("kubectl 1.27 or later");
    }
    is_new
}

/// What kubectl makes of a directory.
#[track_caller]
fn built(dir: &Path) -> String {
    let ended = Sandbox::new()
        .command("kubectl")
        .arg("kustomize")
        .arg(dir)
        .finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    ended.stdout
}

/// A copy of the component in a sandbox, at `component`.
fn with_component() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut copies = sandbox.command("cp");
    copies.arg("-r").arg(repository().join(COMPONENT));
    copies
        .arg(sandbox.path("component"))
        .finish()
        .assert_output(0, "");
    sandbox
}

/// A directory that uses the component for these objects.
fn uses(sandbox: &Sandbox, name: &str, objects: &str) -> std::path::PathBuf {
    let dir = made(sandbox.path(name));
    let kustomization = "resources: [objects.yaml]\ncomponents: [../component]\n";
    for (file, text) in [
        ("objects.yaml", objects),
        ("kustomization.yaml", kustomization),
    ] {
        std::fs::write(dir.join(file), text).expect("a file");
    }
    dir
}

/// A pod that uses exitdir in each of its containers, in one line.
fn pod(kind: &str, containers: usize, has_lists: bool) -> String {
    let lists = match has_lists {
        true => "env: [{name: A, value: b}], volumeMounts: [{name: own, mountPath: /own}], ",
        false => "",
    };
    let container = |at| format!("{{name: c{at}, {lists}image: busybox, command: [run, c{at}]}}");
    let containers: Vec<String> = (0..containers).map(container).collect();
    let containers = containers.join(", ");
    let policy = match kind {
        "Job" | "CronJob" => "OnFailure",
        _ => "Always",
    };
    let lists = match has_lists {
        true => {
            "volumes: [{name: own, emptyDir: {}}], initContainers: [{name: own, image: busybox}], "
        }
        false => "",
    };
    format!("{{{lists}restartPolicy: {policy}, containers: [{containers}]}}")
}

fn workload(kind: &str, version: &str, name: &str, pod: &str) -> String {
    let labels = format!("{{app: {name}}}");
    let template = format!("{{metadata: {{labels: {labels}}}, spec: {pod}}}");
    let selector = format!("selector: {{matchLabels: {labels}}}");
    let spec = match kind {
        "Pod" => pod.to_owned(),
        "Job" => format!("{{template: {template}}}"),
        "CronJob" => {
            format!("{{schedule: '0 0 * * *', jobTemplate: {{spec: {{template: {template}}}}}}}")
        }
        "StatefulSet" => format!("{{serviceName: s, {selector}, template: {template}}}"),
        _ => format!("{{{selector}, template: {template}}}"),
    };
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, \
         labels: {{exitdir.dev/inject: \"true\"}}}}\nspec: {spec}\n---\n"
    )
}

/// Every kind, with one and with three containers, with lists of its own and without.
fn workloads() -> String {
    let mut all = String::new();
    for (kind, version, _, _) in KINDS {
        for containers in [1, 3] {
            for has_lists in [false, true] {
                let name = format!("{}-{containers}-{has_lists}", kind.to_lowercase());
                let pod = pod(kind, containers, has_lists);
                all.push_str(&workload(kind, version, &name, &pod));
            }
        }
    }
    all
}

fn names<'y>(list: &'y Yaml, key: &str) -> Vec<&'y str> {
    let entries = list.as_vec().into_iter().flatten();
    entries
        .map(|entry| entry[key].as_str().expect("a text"))
        .collect()
}

#[test]
fn the_component_reaches_every_kind_and_every_container() {
    if !kubectl_is_new() {
        return;
    }
    let sandbox = with_component();
    let text = built(&uses(&sandbox, "all", &workloads()));
    let objects = YamlLoader::load_from_str(&text).expect("valid");
    assert_eq!(objects.len(), KINDS.len() * 4);
    for object in &objects {
        let name = object["metadata"]["name"].as_str().expect("a name");
        let kind = object["kind"].as_str().expect("a kind");
        let known = KINDS.iter().find(|(known, ..)| *known == kind);
        let (_, _, place, sweep) = known.expect("a known kind");
        let spec = place.iter().fold(&object["spec"], |spec, key| &spec[*key]);
        assert_is_injected(name, spec, sweep);
    }
}

/// The name of a workload says what it had: `KIND-CONTAINERS-HAS_LISTS`.
fn assert_is_injected(name: &str, spec: &Yaml, sweep: &str) {
    let mut parts = name.split('-').skip(1);
    let containers: usize = parts
        .next()
        .and_then(|part| part.parse().ok())
        .expect("a number");
    let has_lists = parts.next() == Some("true");
    let own = |name| if has_lists { vec![name] } else { Vec::new() };
    let with = |first: &'static str, own: Vec<&'static str>| [vec![first], own].concat();
    assert_eq!(
        names(&spec["volumes"], "name"),
        with("exit", own("own")),
        "{name}"
    );
    // Installed before an init container of the pod runs, which may use it.
    let init = &spec["initContainers"];
    assert_eq!(names(init, "name"), with("exitdir", own("own")), "{name}");
    assert_eq!(
        words(&init[0]["args"]),
        ["install", sweep, "/exit/bin"],
        "{name}"
    );
    let all = spec["containers"].as_vec().expect("containers");
    assert_eq!(all.len(), containers, "{name}");
    for (at, container) in all.iter().enumerate() {
        assert_eq!(
            words(&container["command"]),
            ["run", &format!("c{at}")],
            "{name}"
        );
        let with = |own: Vec<&'static str>, last| [own, vec![last]].concat();
        let env = with(own("A"), "EXIT_DIR");
        assert_eq!(names(&container["env"], "name"), env, "{name}");
        let dir = with(own("b"), "/exit/tombstones");
        assert_eq!(names(&container["env"], "value"), dir, "{name}");
        let mounts = &container["volumeMounts"];
        assert_eq!(names(mounts, "name"), with(own("own"), "exit"), "{name}");
        assert_eq!(
            names(mounts, "mountPath"),
            with(own("/own"), "/exit"),
            "{name}"
        );
    }
}

#[test]
fn what_the_component_makes_is_valid() {
    if !kubectl_is_new() {
        return;
    }
    let sandbox = with_component();
    let text = built(&uses(&sandbox, "all", &workloads()));
    for version in VERSIONS {
        let Some(ended) = validated(version, &text) else {
            return;
        };
        ended.assert_output(0, "");
    }
}

#[test]
fn the_component_leaves_other_objects_as_they_are() {
    if !kubectl_is_new() {
        return;
    }
    let sandbox = with_component();
    let text = built(&uses(&sandbox, "others", OTHERS));
    let mut objects = YamlLoader::load_from_str(&text).expect("valid");
    let mut before = YamlLoader::load_from_str(OTHERS).expect("valid");
    let by_name = |object: &Yaml| object["metadata"]["name"].as_str().map(str::to_owned);
    objects.sort_by_key(by_name);
    before.sort_by_key(by_name);
    assert_eq!(sorted(&objects), sorted(&before));
}

/// Objects with their keys in order.
fn sorted(objects: &[Yaml]) -> Vec<Yaml> {
    objects.iter().map(in_order).collect()
}

fn in_order(yaml: &Yaml) -> Yaml {
    match yaml {
        Yaml::Hash(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort();
            let pairs = pairs.into_iter();
            Yaml::Hash(
                pairs
                    .map(|(key, value)| (key.clone(), in_order(value)))
                    .collect(),
            )
        }
        Yaml::Array(list) => Yaml::Array(sorted(list)),
        other => other.clone(),
    }
}

#[test]
fn two_users_of_the_component_fit_into_one_build() {
    if !kubectl_is_new() {
        return;
    }
    let sandbox = with_component();
    for name in ["one", "two"] {
        uses(
            &sandbox,
            name,
            &workload("Pod", "v1", name, &pod("Pod", 1, false)),
        );
    }
    let both = made(sandbox.path("both"));
    let kustomization = "resources: [../one, ../two]\nnamePrefix: of-\n";
    std::fs::write(both.join("kustomization.yaml"), kustomization).expect("a file");
    let objects = YamlLoader::load_from_str(&built(&both)).expect("valid");
    assert_eq!(objects.len(), 2);
    for object in &objects {
        let container = &object["spec"]["containers"][0];
        assert_eq!(names(&container["env"], "name"), ["EXIT_DIR"]);
    }
}

#[test]
fn the_example_of_the_component_is_built_as_it_shows() {
    if !kubectl_is_new() {
        return;
    }
    let example = "examples/kubernetes/component-example";
    let shown = read(&format!("{example}/built.yaml"));
    let shown = shown
        .split_once('\n')
        .expect("a comment in the first line")
        .1;
    assert_eq!(built(&repository().join(example)), shown);
}

#[test]
fn no_patch_of_the_component_empties_the_containers() {
    let component = YamlLoader::load_from_str(&read(&format!("{COMPONENT}/kustomization.yaml")));
    let patches = component.expect("valid")[0]["patches"].clone();
    let patches = patches.into_vec().expect("patches");
    assert!(patches.len() > 4);
    for patch in patches {
        // A merge patch with a container that has no name does that, silently.
        let text = patch["patch"].as_str().expect("a text").to_owned();
        assert!(
            !text.contains("\ncontainers:") && !text.contains(" containers:"),
            "{text}"
        );
    }
}

#[test]
fn each_kind_has_a_selector_of_its_own_in_each_replacement() {
    // A selector with a list of kinds matches nothing, silently.
    let path = format!("{COMPONENT}/containers/kustomization.yaml");
    let component = YamlLoader::load_from_str(&read(&path)).expect("valid");
    let mut all: Vec<&str> = KINDS.iter().map(|(kind, ..)| *kind).collect();
    all.sort_unstable();
    for replacement in component[0]["replacements"].as_vec().expect("replacements") {
        let targets = replacement["targets"].as_vec().expect("targets").iter();
        let selects = targets.map(|target| target["select"]["kind"].as_str().expect("a kind"));
        let mut kinds: Vec<&str> = selects.collect();
        kinds.sort_unstable();
        assert_eq!(kinds, all);
    }
}
