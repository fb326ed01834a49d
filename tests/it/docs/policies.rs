//! The admission policies put exitdir into labelled pods, as far as that can be told without an API
//! server: their CEL is evaluated by a Python package.

use super::manifests::{Pod, pods, words};
use super::play::Play;
use super::python::program;
use super::schemas::{VERSIONS, validated};
use crate::support::sandbox::{Sandbox, Start, repository};
use std::fs::File;
use yaml_rust2::{Yaml, YamlEmitter, YamlLoader};

const POLICY: &str = "examples/kubernetes/policy/policy.yaml";
const LABELS: &str = "labels: {exitdir.dev/inject: \"true\"}";

/// What the policies make of a pod.
struct Admitted {
    pod: Yaml,
    denied: Vec<String>,
    patch: Vec<Yaml>,
}

impl Admitted {
    fn container(&self, at: usize) -> &Yaml {
        &self.pod["spec"]["containers"][at]
    }
}

/// What the policies make of pods, each with these metadata and specification in YAML. `None` if
/// they cannot be evaluated here.
fn admitted(pods: &[(&str, &str)]) -> Option<Vec<Admitted>> {
    let sandbox = Sandbox::new();
    let mut admit = program(&sandbox, "admit.py")?;
    let pods = pods.iter().map(|(metadata, spec)| {
        let head = "apiVersion: v1, kind: Pod";
        format!("- {{{head}, metadata: {{name: p, {metadata}}}, spec: {{{spec}}}}}\n")
    });
    std::fs::write(sandbox.path("pods"), pods.collect::<String>()).expect("a file");
    let pods = File::open(sandbox.path("pods")).expect("the file");
    let ended = admit.arg(repository().join(POLICY)).stdin(pods).finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let results = YamlLoader::load_from_str(&ended.stdout).expect("valid");
    let results = results[0].as_vec().expect("a list").iter();
    Some(
        results
            .map(|result| Admitted {
                pod: result["pod"].clone(),
                denied: words(&result["denied"]),
                patch: result["patch"].as_vec().expect("a list").clone(),
            })
            .collect(),
    )
}

/// What the policies make of one pod.
fn one_admitted(metadata: &str, spec: &str) -> Option<Admitted> {
    admitted(&[(metadata, spec)])?.pop()
}

/// The variables of a container, as `NAME=VALUE`.
fn variables(container: &Yaml) -> Vec<String> {
    let of = |entry: &Yaml| {
        let [name, value] = ["name", "value"].map(|key| entry[key].as_str().expect("a text"));
        format!("{name}={value}")
    };
    container["env"]
        .as_vec()
        .into_iter()
        .flatten()
        .map(of)
        .collect()
}

fn names(list: &Yaml) -> Vec<&str> {
    let entries = list.as_vec().into_iter().flatten();
    entries
        .map(|entry| entry["name"].as_str().expect("a name"))
        .collect()
}

#[test]
fn a_pod_without_lists_gets_all_of_them() {
    let spec = "containers: [{name: main, image: busybox, command: [/app, -x], args: [y]}]";
    let Some(found) = one_admitted(LABELS, spec) else {
        return;
    };
    assert!(found.denied.is_empty(), "{:?}", found.denied);
    let main = found.container(0);
    assert_eq!(
        words(&main["command"]),
        ["/opt/exitdir/exitdir-run", "--", "/app", "-x"]
    );
    assert_eq!(words(&main["args"]), ["y"]);
    assert_eq!(
        variables(main),
        ["EXIT_DIR=/exit/tombstones", "EXITDIR_NAME=main"]
    );
    assert_eq!(names(&main["volumeMounts"]), ["exitdir", "exit"]);
    assert_eq!(main["volumeMounts"][0]["readOnly"].as_bool(), Some(true));
    let spec = &found.pod["spec"];
    assert_eq!(names(&spec["volumes"]), ["exitdir", "exit"]);
    assert_eq!(names(&spec["initContainers"]), ["exitdir"]);
}

#[test]
fn the_lists_of_a_pod_are_kept() {
    let spec = "volumes: [{name: own, emptyDir: {}}], initContainers: [{name: own, image: busybox}], \
        containers: [{name: main, image: busybox, command: [/app], \
            env: [{name: A, value: b}, {name: EXITDIR_NAME, value: other}], \
            volumeMounts: [{name: own, mountPath: /own}]}, \
        {name: proxy, image: busybox, command: [/proxy]}]";
    let notes = "annotations: {birth-deps.exitdir.dev/main: 'proxy,tcp:5432', \
        death-deps.exitdir.dev/proxy: 'main:ok', birth-deps.exitdir.dev/other: main}";
    let Some(found) = one_admitted(&format!("{LABELS}, {notes}"), spec) else {
        return;
    };
    assert!(found.denied.is_empty(), "{:?}", found.denied);
    let (main, proxy) = (found.container(0), found.container(1));
    // The last one of a name counts: the pod's own.
    let expected = [
        "EXIT_DIR=/exit/tombstones",
        "EXITDIR_NAME=main",
        "A=b",
        "EXITDIR_NAME=other",
        "EXITDIR_BIRTH_DEPS=proxy,tcp:5432",
    ];
    assert_eq!(variables(main), expected);
    assert_eq!(names(&main["volumeMounts"]), ["own", "exitdir", "exit"]);
    let expected = [
        "EXIT_DIR=/exit/tombstones",
        "EXITDIR_NAME=proxy",
        "EXITDIR_DEATH_DEPS=main:ok",
    ];
    assert_eq!(variables(proxy), expected);
    let spec = &found.pod["spec"];
    assert_eq!(names(&spec["volumes"]), ["own", "exitdir", "exit"]);
    assert_eq!(names(&spec["initContainers"]), ["exitdir", "own"]);
}

#[test]
fn a_container_without_a_command_is_rejected_unless_it_is_named() {
    let spec = "containers: [{name: main, image: busybox, command: [/app]}, \
        {name: mesh, image: proxy, args: [x]}, {name: log, image: logger, command: []}]";
    let named =
        |names: &str| format!("{LABELS}, annotations: {{exitdir.dev/unwrapped: '{names}'}}");
    let [all, one, none] = ["mesh,log", "log", ""].map(named);
    let pods = [(&*all, spec), (&*one, spec), (&*none, spec), (LABELS, spec)];
    let Some(found) = admitted(&pods) else {
        return;
    };
    assert!(found[0].denied.is_empty(), "{:?}", found[0].denied);
    for found in &found[1..] {
        let [denied] = &found.denied[..] else {
            panic!("{:?}", found.denied);
        };
        let begins = "exitdir cannot run the container mesh, because it has no command";
        assert!(denied.starts_with(begins), "{denied}");
        assert_eq!(words(&found.container(1)["args"]), ["x"]);
        assert!(found.container(1)["env"].is_badvalue());
    }
    // The name of a part is not the name of a container.
    let spec = "containers: [{name: log, image: busybox}]";
    let Some(found) = one_admitted(&named("syslog,logger"), spec) else {
        return;
    };
    assert_eq!(found.denied.len(), 1);
}

#[test]
fn a_named_container_with_a_command_is_not_wrapped() {
    let spec = "containers: [{name: main, image: busybox, command: [/app]}]";
    let metadata = format!("{LABELS}, annotations: {{exitdir.dev/unwrapped: main}}");
    let Some(found) = one_admitted(&metadata, spec) else {
        return;
    };
    assert!(found.denied.is_empty(), "{:?}", found.denied);
    assert_eq!(words(&found.container(0)["command"]), ["/app"]);
}

#[test]
fn hostile_annotations_become_values_and_nothing_else() {
    let long = "x".repeat(200_000);
    let texts = [
        "a b  c",
        "\"}], \"x\": [{\"",
        "'; drop",
        "\\ \\\\n \\u0000",
        "$(KUBERNETES_SERVICE_HOST) `id` ${HOME}",
        "{{.}} %s ~1 ~0 /spec/containers/0",
        "",
        &long,
    ];
    let metadata = texts.map(|text| {
        let quoted = format!("'{}'", text.replace('\'', "''"));
        format!(
            "{LABELS}, annotations: {{birth-deps.exitdir.dev/main: {quoted}, \
             exitdir.dev/unwrapped: {quoted}}}"
        )
    });
    let spec = "containers: [{name: main, image: busybox, command: [/app]}]";
    let pods: Vec<(&str, &str)> = metadata
        .iter()
        .map(|metadata| (&**metadata, spec))
        .collect();
    let Some(found) = admitted(&pods) else {
        return;
    };
    for (found, text) in found.iter().zip(texts) {
        assert!(found.denied.is_empty(), "{:?}", found.denied);
        let variable = format!("EXITDIR_BIRTH_DEPS={text}");
        assert_eq!(variables(found.container(0)).last(), Some(&variable));
        // No path of the patch comes from the pod.
        for operation in &found.patch {
            let path = operation["path"].as_str().expect("a path");
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-".contains(c);
            assert!(
                path.starts_with("/spec/") && path.chars().all(is_plain),
                "{path}"
            );
        }
    }
}

#[test]
fn the_sweep_of_an_injected_pod_is_the_one_for_its_restart_policy() {
    let containers = "containers: [{name: main, image: busybox, command: [/app]}]";
    let cases = [
        ("", Some("--sweep")),
        ("restartPolicy: Always, ", Some("--sweep")),
        ("restartPolicy: OnFailure, ", Some("--sweep-unfinished")),
        ("restartPolicy: Never, ", None),
    ];
    let specs = cases.map(|(policy, _)| format!("{policy}{containers}"));
    let pods: Vec<(&str, &str)> = specs.iter().map(|spec| (LABELS, spec.as_str())).collect();
    let Some(found) = admitted(&pods) else {
        return;
    };
    for (found, (policy, sweep)) in found.iter().zip(cases) {
        let mut expected = vec!["install"];
        expected.extend(sweep);
        expected.push("/opt/exitdir");
        let args = words(&found.pod["spec"]["initContainers"][0]["args"]);
        assert_eq!(args, expected, "{policy}");
    }
}

#[test]
fn a_pod_without_the_label_and_one_that_has_exitdir_stay_as_they_are() {
    let spec = "initContainers: [{name: exitdir, image: 'exitdir:0'}], \
        containers: [{name: main, image: busybox, command: [/exit/bin/exitdir-run, --, /app]}]";
    let pods = [
        (
            "labels: {app: x}",
            "containers: [{name: main, image: busybox}]",
        ),
        (
            "generateName: x",
            "containers: [{name: main, image: busybox}]",
        ),
        (LABELS, spec),
    ];
    let Some(found) = admitted(&pods) else {
        return;
    };
    for found in &found {
        assert!(
            found.denied.is_empty() && found.patch.is_empty(),
            "{:?}",
            found.patch
        );
    }
}

#[test]
fn a_container_that_would_run_without_exitdir_is_rejected() {
    let container = |at| format!("{{name: c{at}, image: busybox, command: [/app]}}");
    let all: Vec<String> = (0..17).map(container).collect();
    let (most, more) = (all[..16].join(", "), all.join(", "));
    let specs = [most, more].map(|containers| format!("containers: [{containers}]"));
    let missed = "initContainers: [{name: exitdir, image: x}], \
        containers: [{name: main, image: busybox, command: [/app]}]";
    let pods = [(LABELS, &*specs[0]), (LABELS, &*specs[1]), (LABELS, missed)];
    let Some(found) = admitted(&pods) else {
        return;
    };
    assert!(found[0].denied.is_empty(), "{:?}", found[0].denied);
    for (found, name) in found[1..].iter().zip(["c16", "main"]) {
        let begins = format!("the container {name} would run without exitdir");
        assert!(found.denied[0].starts_with(&begins), "{:?}", found.denied);
    }
}

/// The example of the policy, as a pod that the policies have admitted.
fn admitted_example() -> Option<Pod> {
    let path = "examples/kubernetes/policy/job.yaml";
    let job = pods()
        .into_iter()
        .find(|pod| pod.path == path)
        .expect("the example");
    let [metadata, spec] = ["metadata", "spec"].map(|key| in_one_line(&job.template()[key]));
    let found = one_admitted(&metadata, &spec)?;
    assert!(found.denied.is_empty(), "{:?}", found.denied);
    Some(Pod::of(path, found.pod))
}

/// The inside of a map in one line, as JSON in YAML.
fn in_one_line(map: &Yaml) -> String {
    fn value(yaml: &Yaml) -> String {
        match yaml {
            Yaml::Hash(_) => format!("{{{}}}", in_one_line(yaml)),
            Yaml::Array(list) => {
                let entries: Vec<String> = list.iter().map(value).collect();
                format!("[{}]", entries.join(", "))
            }
            Yaml::String(text) => format!("'{}'", text.replace('\'', "''")),
            other => panic!("{other:?}"),
        }
    }
    let map = map.as_hash().expect("a map").iter();
    let pairs = map.map(|(key, own)| format!("{}: {}", key.as_str().expect("a key"), value(own)));
    pairs.collect::<Vec<String>>().join(", ")
}

#[test]
fn an_injected_pod_is_valid() {
    let Some(pod) = admitted_example() else {
        return;
    };
    let mut text = String::new();
    YamlEmitter::new(&mut text)
        .dump(pod.object())
        .expect("text");
    for version in VERSIONS {
        let Some(ended) = validated(version, &text) else {
            return;
        };
        ended.assert_output(0, "");
    }
}

#[test]
fn the_job_that_the_policy_injects_completes() {
    let Some(play) = admitted_example().and_then(Play::of_pod) else {
        return;
    };
    play.init();
    let (main, proxy) = (play.start("main"), play.start("proxy"));
    main.end().assert_output(0, "hello\n");
    let proxy = proxy.end();
    assert_eq!(proxy.status, 0, "{}", proxy.stderr);
}
