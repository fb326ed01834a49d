//! The list of what is linked.

use super::{VERSION, are_here, release};
use crate::support::sandbox::{Sandbox, repository};
use yaml_rust2::{Yaml, YamlLoader};

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).expect("a file of the repository")
}

/// Each package of Cargo.lock: name, version and checksum.
fn locked() -> Vec<[String; 3]> {
    let lock = read("Cargo.lock");
    let packages = lock.split("\n[[package]]\n").skip(1);
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key));
        let value = line.and_then(|rest| rest.strip_prefix(" = \"")?.strip_suffix('"'));
        value.unwrap_or_default().to_owned()
    };
    packages
        .map(|package| ["name", "version", "checksum"].map(|key| value(package, key)))
        .collect()
}

fn text(component: &Yaml, key: &str) -> String {
    component[key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_list_of_what_is_linked_has_the_crates_of_the_binary_and_no_others() {
    if !are_here(&[]) {
        return;
    }
    let sandbox = Sandbox::new();
    let path = release(&sandbox).join(format!("exitdir-{VERSION}.cdx.json"));
    // JSON is YAML.
    let json = std::fs::read_to_string(path).expect("a list");
    let list = YamlLoader::load_from_str(&json).expect("JSON").remove(0);
    assert_eq!(text(&list, "bomFormat"), "CycloneDX");
    assert_eq!(text(&list["metadata"]["component"], "version"), VERSION);
    let locked = locked();
    let components = list["components"].as_vec().expect("components");
    let mut names = Vec::new();
    for component in components {
        let [name, version] = ["name", "version"].map(|key| text(component, key));
        let license = text(&component["licenses"][0], "expression");
        assert!(!license.is_empty() && !version.is_empty(), "{name}");
        if name != "std" {
            let sum = text(&component["hashes"][0], "content");
            let one = [name.clone(), version, sum];
            assert!(locked.contains(&one), "{one:?} is not in Cargo.lock");
        }
        names.push(name);
    }
    for name in ["lexopt", "libc", "rustix", "tar", "linux-raw-sys", "std"] {
        assert!(names.iter().any(|other| other == name), "{name}: {names:?}");
    }
    // Those of the tests, and of other systems.
    for name in ["mio", "tokio", "yaml-rust2", "windows-sys", "errno"] {
        assert!(names.iter().all(|other| other != name), "{name}: {names:?}");
    }
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    check_dependencies(&list, components);
}

/// Each component has a list, and everything in it is a component.
fn check_dependencies(list: &Yaml, components: &[Yaml]) {
    let references: Vec<String> = components
        .iter()
        .chain([&list["metadata"]["component"]])
        .map(|component| text(component, "bom-ref"))
        .collect();
    let dependencies = list["dependencies"].as_vec().expect("dependencies");
    assert_eq!(dependencies.len(), references.len());
    for entry in dependencies {
        assert!(references.contains(&text(entry, "ref")), "{entry:?}");
        let needed = entry["dependsOn"].as_vec().expect("a list");
        for reference in needed {
            let reference = reference.as_str().expect("a reference");
            assert!(references.iter().any(|one| one == reference), "{reference}");
        }
    }
    assert!(
        !dependencies[0]["dependsOn"]
            .as_vec()
            .expect("a list")
            .is_empty()
    );
}
