//! The manifests among the examples follow the rules that the guides give, and the pages name the
//! image as the manifests do.

use super::{manifests, pages, read};
use yaml_rust2::{Yaml, YamlLoader};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The manifests that limit rights, keep the binary in a volume of its own, and are configured by
/// variables. The others are as short as they can be.
const HARDENED: [&str; 4] = [
    "job-with-proxy/job.yaml",
    "job-with-proxy/job-never.yaml",
    "job-with-proxy/job-pvc.yaml",
    "draining/deployment.yaml",
];

/// A pod, or an object that has the template of one.
pub(super) struct Pod {
    pub(super) path: String,
    pub(super) spec: Yaml,
    /// The object that has the template.
    object: Yaml,
}

/// The pods of all Kubernetes manifests.
pub(super) fn pods() -> Vec<Pod> {
    let mut pods = Vec::new();
    for path in manifests() {
        for object in load(&path) {
            if !object["spec"]["template"].is_badvalue() {
                pods.push(Pod::of(&path, object));
            }
        }
    }
    assert!(pods.len() > HARDENED.len(), "manifests with pods");
    pods
}

/// The pods that are made to be safe: see [`HARDENED`].
fn hardened() -> Vec<Pod> {
    let mut pods = pods();
    pods.retain(|pod| HARDENED.iter().any(|path| pod.path.ends_with(path)));
    assert_eq!(pods.len(), HARDENED.len());
    pods
}

fn load(path: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl Pod {
    pub(super) fn of(path: &str, object: Yaml) -> Pod {
        let template = &object["spec"]["template"];
        let spec = match template.is_badvalue() {
            true => object["spec"].clone(),
            false => template["spec"].clone(),
        };
        let path = path.to_owned();
        Pod { path, spec, object }
    }

    pub(super) fn object(&self) -> &Yaml {
        &self.object
    }

    pub(super) fn template(&self) -> &Yaml {
        &self.object["spec"]["template"]
    }

    /// The containers and the init containers.
    pub(super) fn containers(&self) -> impl Iterator<Item = &Yaml> {
        let of = |key: &str| self.spec[key].as_vec().into_iter().flatten();
        of("initContainers").chain(of("containers"))
    }

    pub(super) fn container(&self, name: &str) -> Option<&Yaml> {
        let mut found = self.containers();
        found.find(|container| container["name"].as_str() == Some(name))
    }

    fn restart_policy(&self) -> &str {
        self.spec["restartPolicy"].as_str().unwrap_or("Always")
    }
}

/// The volumes that a container mounts, each with the path.
pub(super) fn mounts(container: &Yaml) -> impl Iterator<Item = (&str, &str)> {
    let mounts = container["volumeMounts"].as_vec().into_iter().flatten();
    mounts.map(|mount| {
        let of = |key: &str| mount[key].as_str().expect("a text");
        (of("name"), of("mountPath"))
    })
}

/// The exit directory of a container, from a variable or an option.
pub(super) fn exit_dir(container: &Yaml) -> Option<String> {
    let variable = variable(container, "EXIT_DIR").map(str::to_owned);
    variable.or_else(|| option(container, "dir"))
}

/// The value of an option of exitdir in the command line of a container.
fn option(container: &Yaml, name: &str) -> Option<String> {
    let mut line = words(&container["command"]);
    line.extend(words(&container["args"]));
    let name = format!("--{name}");
    let mut ours = line.into_iter().take_while(|word| word != "--");
    ours.find(|word| *word == name)?;
    ours.next()
}

pub(super) fn words(list: &Yaml) -> Vec<String> {
    let words = list.as_vec().map(Vec::as_slice).unwrap_or_default();
    let word = |word: &Yaml| word.as_str().expect("a word").to_owned();
    words.iter().map(word).collect()
}

/// The value of a variable of a container.
pub(super) fn variable<'y>(container: &'y Yaml, name: &str) -> Option<&'y str> {
    let variables = container["env"].as_vec()?.iter();
    let mut found = variables.filter(|entry| entry["name"].as_str() == Some(name));
    found.next()?["value"].as_str()
}

#[test]
fn an_image_built_on_the_node_is_found_there() {
    let image = format!("exitdir:{VERSION}");
    for pod in pods() {
        for container in pod.containers().filter(|container| is_ours(container)) {
            assert_eq!(container["image"].as_str(), Some(&*image), "{}", pod.path);
            // Without a tag, the node would pull the image always.
            let policy = container["imagePullPolicy"].as_str();
            let is_found = policy.is_none_or(|policy| policy == "IfNotPresent");
            assert!(is_found, "{}", pod.path);
        }
    }
    let compose = load("examples/compose.yaml");
    let services = &compose[0]["services"];
    assert_eq!(services["exitdir"]["image"].as_str(), Some(&*image));
}

pub(super) fn is_ours(container: &Yaml) -> bool {
    let image = container["image"].as_str().expect("an image");
    image.split(':').next() == Some("exitdir")
}

#[test]
fn the_pages_and_the_dockerfile_name_the_image_with_the_version_of_this_package() {
    let label = format!("image.version=\"{VERSION}\"");
    assert!(read("Dockerfile.scratch").contains(&label), "{label}");
    let others = ["Dockerfile.scratch".to_owned()];
    for path in pages().into_iter().chain(manifests()).chain(others) {
        let text = read(&path);
        for before in [
            "image: ",
            "reference: \"",
            "image import ",
            "docker-image ",
            "-t ",
            "--from=",
        ] {
            for (at, _) in text.match_indices(&format!("{before}exitdir")) {
                let rest = &text[at + before.len()..];
                let image = rest.split([' ', '\n', '`', '"']).next();
                let expected = format!("exitdir:{VERSION}");
                assert_eq!(image, Some(&*expected), "{path}: {before}");
            }
        }
    }
}

#[test]
fn the_exit_directory_is_below_the_mount_of_its_volume() {
    let mut dirs = 0;
    for pod in pods() {
        for container in pod.containers() {
            let Some(dir) = exit_dir(container) else {
                continue;
            };
            let path = &pod.path;
            let below = mounts(container).find(|(_, mount)| {
                let rest = dir.strip_prefix(mount);
                rest.is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
            });
            let (volume, _) = below.unwrap_or_else(|| panic!("{path}: {dir}"));
            // On a volume that outlives the pod it is the directory of this pod alone.
            let volumes = pod.spec["volumes"].as_vec().expect("volumes");
            let found = volumes
                .iter()
                .find(|found| found["name"].as_str() == Some(volume));
            let ends_with_pod = !found.expect("its volume")["emptyDir"].is_badvalue();
            let of_pod = dir.ends_with("/$(POD_UID)");
            assert_eq!(of_pod, !ends_with_pod, "{path}: {dir}");
            dirs += 1;
        }
    }
    assert!(dirs > 20, "manifests with an exit directory");
}

#[test]
fn the_shortest_job_has_at_most_26_lines() {
    let text = read("examples/kubernetes/job-with-proxy/short.yaml");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    assert!(lines.count() <= 26);
}

#[test]
fn a_hardened_pod_keeps_the_binary_where_no_container_can_replace_it() {
    for pod in hardened() {
        for container in pod.spec["containers"].as_vec().expect("containers") {
            let program = &words(&container["command"])[0];
            let dir = program.rsplit_once('/').expect("a path").0;
            let mut mounts = container["volumeMounts"].as_vec().expect("mounts").iter();
            let mount = mounts.find(|mount| mount["mountPath"].as_str() == Some(dir));
            let is_read_only = mount.expect("its mount")["readOnly"].as_bool();
            assert_eq!(is_read_only, Some(true), "{}: {program}", pod.path);
        }
    }
}

#[test]
fn the_exit_directory_of_the_compose_project_is_below_the_mount_of_its_volume() {
    let compose = load("examples/compose.yaml");
    let service = &compose[0]["services"]["exitdir"];
    let dir = service["environment"]["EXIT_DIR"].as_str();
    let dir = dir.expect("an exit directory");
    let mut mounts = service["volumes"].as_vec().expect("volumes").iter();
    let is_below = mounts.any(|mount| {
        let mount = mount.as_str().and_then(|mount| mount.split_once(':'));
        let (_, path) = mount.expect("VOLUME:PATH");
        dir.starts_with(&format!("{path}/"))
    });
    assert!(is_below, "{dir}");
}

#[test]
fn the_sweep_is_the_one_for_the_restart_policy() {
    for pod in pods() {
        let Some(installs) = pod.container("exitdir") else {
            continue;
        };
        let shares = pod.containers().any(|other| exit_dir(other).is_some());
        let args = words(&installs["args"]);
        let sweeps: Vec<&String> = args.iter().filter(|arg| arg.contains("sweep")).collect();
        let expected: &[&str] = match pod.restart_policy() {
            _ if !shares => &[],
            "Always" => &["--sweep"],
            "OnFailure" => &["--sweep-unfinished"],
            _ => &[],
        };
        assert_eq!(sweeps, expected, "{}", pod.path);
    }
}

#[test]
fn the_guides_show_the_variables_of_the_manifests() {
    for (guide, manifest) in [
        ("jobs", "job-with-proxy/job"),
        ("deployments", "draining/deployment"),
    ] {
        let path = format!("examples/kubernetes/{manifest}.yaml");
        let pod = pods().into_iter().find(|pod| pod.path == path);
        let pod = pod.expect("the manifest of the guide");
        let rows = variables_of_guide(&format!("docs/guides/{guide}.md"));
        assert!(rows.len() > 5, "{guide}: a table of variables");
        for container in pod.spec["containers"].as_vec().expect("containers") {
            let name = container["name"].as_str().expect("a name");
            for [of, variable_name, value] in &rows {
                if of == name || of.starts_with("both") {
                    let found = variable(container, variable_name);
                    assert_eq!(found, Some(&**value), "{guide}: {name}: {variable_name}");
                }
            }
        }
    }
}

/// The rows `| CONTAINER | `VARIABLE` | `VALUE`, why |` of a guide.
fn variables_of_guide(path: &str) -> Vec<[String; 3]> {
    let text = read(path);
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (container, variable) = (cells.next()?, cells.next()?.strip_prefix('`')?);
        let value = cells.next()?.strip_prefix('`')?.split('`').next()?;
        let cells = [container, variable.trim_end_matches('`'), value];
        Some(cells.map(str::to_owned))
    });
    rows.collect()
}

#[test]
fn a_job_has_a_deadline() {
    for pod in pods().iter().filter(|pod| is_job(pod)) {
        let deadline = pod.object["spec"]["activeDeadlineSeconds"].as_i64();
        assert!(deadline.is_some_and(|seconds| seconds > 0), "{}", pod.path);
    }
    for pod in hardened().iter().filter(|pod| is_job(pod)) {
        // The deadline would not say that main was never seen.
        let mut limits = pod.containers().filter_map(|container| {
            let follows = variable(container, "EXITDIR_DEATH_DEPS") == Some("main");
            follows.then(|| variable(container, "EXITDIR_MISSING_TIMEOUT"))
        });
        assert!(limits.all(|limit| limit == Some("15m")), "{}", pod.path);
    }
}

fn is_job(pod: &Pod) -> bool {
    pod.object["kind"].as_str() == Some("Job")
}

#[test]
fn a_life_waits_longer_than_the_pulls_of_images_and_starts_before_its_proxy() {
    for pod in hardened() {
        let containers = pod.spec["containers"].as_vec().expect("containers");
        let (life, proxy) = (&containers[0], &containers[1]);
        let path = &pod.path;
        assert_eq!(
            variable(life, "EXITDIR_BIRTH_DEPS"),
            Some("proxy"),
            "{path}"
        );
        let limit = variable(life, "EXITDIR_BIRTH_TIMEOUT");
        assert_eq!(limit, Some("15m"), "{path}");
        // The node starts them in this order, so that the proxy does not see an old death.
        assert_eq!(proxy["name"].as_str(), Some("proxy"), "{path}");
    }
}

#[test]
fn the_pods_have_no_right_that_they_do_not_need() {
    for pod in hardened() {
        let profile = &pod.spec["securityContext"]["seccompProfile"]["type"];
        assert_eq!(profile.as_str(), Some("RuntimeDefault"), "{}", pod.path);
        for container in pod.containers() {
            let context = &container["securityContext"];
            let is_read_only = context["readOnlyRootFilesystem"].as_bool();
            assert_eq!(is_read_only, Some(true), "{}", pod.path);
            let may_escalate = context["allowPrivilegeEscalation"].as_bool();
            assert_eq!(may_escalate, Some(false), "{}", pod.path);
            assert_eq!(words(&context["capabilities"]["drop"]), ["ALL"]);
        }
    }
}

#[test]
fn a_life_that_runs_once_does_not_wait_for_one_that_has_died() {
    let mut lives = 0;
    let never = |pod: &Pod| pod.spec["restartPolicy"].as_str() == Some("Never");
    for pod in pods().iter().filter(|pod| never(pod)) {
        for container in pod.containers() {
            let waits_for = variable(container, "EXITDIR_BIRTH_DEPS").map(str::to_owned);
            let waits_for = waits_for.or_else(|| option(container, "birth-deps"));
            // A source has no death.
            if waits_for.is_some_and(|name| !name.contains(':')) {
                let fails_fast = variable(container, "EXITDIR_FAIL_FAST") == Some("true")
                    || words(&container["command"]).contains(&"--fail-fast".to_owned());
                assert!(fails_fast, "{}", pod.path);
                lives += 1;
            }
        }
    }
    assert!(lives > 3, "manifests with the policy Never");
}

#[test]
fn a_stop_delay_is_shorter_than_the_grace_period_of_the_platform() {
    let mut delays = 0;
    for pod in pods() {
        let grace = pod.spec["terminationGracePeriodSeconds"].as_i64();
        for container in pod.containers() {
            if let Some(delay) = variable(container, "EXITDIR_STOP_DELAY") {
                assert!(
                    seconds(delay) < grace.unwrap_or(30),
                    "{}: {delay}",
                    pod.path
                );
                delays += 1;
            }
        }
    }
    let compose = load("examples/compose.yaml");
    let proxy = &compose[0]["services"]["proxy"];
    let delay = proxy["environment"]["EXITDIR_STOP_DELAY"].as_str();
    let grace = proxy["stop_grace_period"].as_str();
    assert!(seconds(delay.expect("a delay")) < seconds(grace.expect("a period")));
    assert!(delays > 0, "a manifest that drains");
}

fn seconds(text: &str) -> i64 {
    let seconds = text.strip_suffix('s').and_then(|text| text.parse().ok());
    seconds.unwrap_or_else(|| panic!("{text} is not in seconds"))
}
