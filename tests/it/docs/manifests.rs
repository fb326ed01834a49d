//! The manifests among the examples follow the rules that the guides give, and the pages name the
//! image as the manifests do.

use super::{manifests, pages, read};
use yaml_rust2::{Yaml, YamlLoader};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A pod template of a manifest.
pub(super) struct Pod {
    pub(super) path: String,
    pub(super) spec: Yaml,
    /// The object that has the template.
    object: Yaml,
}

/// The pod templates of all Kubernetes manifests.
pub(super) fn pods() -> Vec<Pod> {
    let mut pods = Vec::new();
    for path in manifests() {
        for object in load(&path) {
            let spec = object["spec"]["template"]["spec"].clone();
            if !spec.is_badvalue() {
                let path = path.clone();
                pods.push(Pod { path, spec, object });
            }
        }
    }
    assert!(pods.len() > 2, "manifests with pods");
    pods
}

fn load(path: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl Pod {
    /// The containers and the init containers.
    pub(super) fn containers(&self) -> impl Iterator<Item = &Yaml> {
        let of = |key: &str| self.spec[key].as_vec().expect("containers").iter();
        of("initContainers").chain(of("containers"))
    }

    fn restart_policy(&self) -> &str {
        self.spec["restartPolicy"].as_str().unwrap_or("Always")
    }
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
        let mut ours = pod.containers().filter(|container| is_ours(container));
        let container = ours.next().expect("an init container that installs");
        assert_eq!(container["image"].as_str(), Some(&*image), "{}", pod.path);
        // Without it, and without a tag, the node would pull the image always.
        let policy = container["imagePullPolicy"].as_str();
        assert_eq!(policy, Some("IfNotPresent"), "{}", pod.path);
    }
    let compose = load("examples/compose.yaml");
    let services = &compose[0]["services"];
    assert_eq!(services["exitdir"]["image"].as_str(), Some(&*image));
}

fn is_ours(container: &Yaml) -> bool {
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
    for pod in pods() {
        for container in pod.containers() {
            let name = container["name"].as_str().expect("a name");
            let Some(dir) = variable(container, "EXIT_DIR") else {
                continue;
            };
            let mounts = container["volumeMounts"].as_vec().expect("mounts");
            let below = mounts.iter().find(|mount| {
                let path = mount["mountPath"].as_str().expect("a path");
                dir.strip_prefix(path)
                    .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
            });
            let mount = below.unwrap_or_else(|| panic!("{}: {name}: {dir}", pod.path));
            assert_eq!(mount["readOnly"].as_bool(), None, "{}: {name}", pod.path);
            // On a volume that outlives the pod it is the directory of this pod alone.
            let volumes = pod.spec["volumes"].as_vec().expect("volumes");
            let volume = volumes
                .iter()
                .find(|volume| volume["name"] == mount["name"]);
            let ends_with_pod = !volume.expect("its volume")["emptyDir"].is_badvalue();
            let of_pod = dir.ends_with("/$(POD_UID)");
            assert_eq!(of_pod, !ends_with_pod, "{}: {name}: {dir}", pod.path);
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
        let installs = pod.containers().find(|container| is_ours(container));
        let args = words(&installs.expect("an init container that installs")["args"]);
        let sweeps: Vec<&String> = args.iter().filter(|arg| arg.starts_with("--")).collect();
        let expected: &[&str] = match pod.restart_policy() {
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
    for pod in pods() {
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
    for pod in pods() {
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
            if variable(container, "EXITDIR_BIRTH_DEPS").is_some() {
                let fails_fast = variable(container, "EXITDIR_FAIL_FAST");
                assert_eq!(fails_fast, Some("true"), "{}", pod.path);
                lives += 1;
            }
        }
    }
    assert!(lives > 0, "a manifest with the policy Never");
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
