//! Managed applications in containers: a ConfigMap as the kubelet makes it, on a read-only root and
//! under a user without any rights; what an image and a mount make impossible; and a standby.

use crate::engine::{Container, SHELL};
use crate::harness::{Host, TestResult};
use crate::support::sandbox::{Sandbox, wait_until};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const APP: u32 = 10_001;

/// A volume as the kubelet makes it: files are links through `..data`, which is a link to the
/// newest state.
struct ConfigMap {
    path: PathBuf,
    states: u32,
}

impl ConfigMap {
    fn new(path: PathBuf, text: &str) -> ConfigMap {
        fs::create_dir(&path).unwrap();
        let mut map = ConfigMap { path, states: 0 };
        map.publish(text);
        symlink("..data/app.conf", map.path.join("app.conf")).unwrap();
        map
    }

    /// As its atomic writer does: a new directory, a link to it, and one rename.
    fn publish(&mut self, text: &str) {
        let before = format!("..2026_11_20_{}", self.states);
        self.states += 1;
        let state = format!("..2026_11_20_{}", self.states);
        fs::create_dir(self.path.join(&state)).unwrap();
        fs::write(self.path.join(&state).join("app.conf"), text).unwrap();
        symlink(&state, self.path.join("..data_tmp")).unwrap();
        fs::rename(self.path.join("..data_tmp"), self.path.join("..data")).unwrap();
        let _ = fs::remove_dir_all(self.path.join(before));
    }
}

fn mounted(path: &Path, at: &str) -> [String; 2] {
    ["-v".to_owned(), format!("{}:{at}:ro", path.display())]
}

fn await_log(container: &Container<'_>, text: &str) {
    wait_until(format!("it says {text}"), || container.log().contains(text));
}

pub fn a_config_map_is_followed_on_a_read_only_root_by_a_user_without_rights(
    machine: &Host,
) -> TestResult {
    let engine = machine.engine()?;
    let sandbox = Sandbox::new();
    let mut map = ConfigMap::new(sandbox.path("map"), "port=1\n");
    let mount = mounted(&map.path, "/cm");
    let container = engine
        .container(SHELL)
        .member(&engine.memory_volume(), APP)
        .options(mount.iter().map(String::as_str))
        .options(["--tmpfs=/run:mode=0777"])
        .start([
            "run",
            "-n",
            "app",
            "--config",
            "/cm/app.conf=/run/app/app.conf",
            "--on-config",
            "HUP",
            "--",
            "/bin/sh",
            "-c",
            "trap 'cat /run/app/app.conf' HUP; cat /run/app/app.conf; while :; do sleep 0.1; done",
        ]);
    await_log(&container, "port=1\n");
    map.publish("port=2\n");
    await_log(&container, "port=2\n");
    map.publish("port=2\n");
    map.publish("port=3\n");
    await_log(&container, "port=3\n");
    assert_eq!(container.log().matches("port=2\n").count(), 1);
    container.stop();
    assert_eq!(container.end(), 143, "{}", container.log());
    Ok(())
}

pub fn a_mount_and_a_directory_of_the_image_are_refused_and_one_in_a_volume_is_exchanged(
    machine: &Host,
) -> TestResult {
    let engine = machine.engine()?;
    let sandbox = Sandbox::new();
    let bundle = sandbox.path("bundle");
    fs::create_dir(&bundle).unwrap();
    fs::write(bundle.join("file"), "new").unwrap();
    let mut tar = Command::new("tar");
    let archive = sandbox.path("cm/a.tar");
    fs::create_dir(sandbox.path("cm")).unwrap();
    tar.arg("-cf").arg(&archive).arg("-C").arg(&bundle).arg(".");
    assert!(tar.status().unwrap().success());
    let mount = mounted(&sandbox.path("cm"), "/cm");
    let run = |place: &str, script: &str| {
        let volume = format!("{}:/data", engine.memory_volume());
        let recipe = engine.container(SHELL).options(["-v", &volume]);
        let recipe = recipe.options(mount.iter().map(String::as_str));
        let config = format!("/cm/a.tar={place}");
        let script = format!(
            "/bin/busybox mkdir -p /data/dir && exec /exitdir run --config-tar {config} -- {script}"
        );
        let recipe = recipe.options(["--user=0:0", "--entrypoint=/bin/sh"]);
        recipe.run(["-c", &script])
    };
    for (place, words) in [
        ("/data", "/data: a mount point cannot be replaced"),
        ("/bin", "/bin: a directory of the image cannot be replaced"),
    ] {
        let ended = run(place, "/bin/true");
        assert_eq!(ended.status, 125, "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    for place in ["/data/dir", "/data/link", "/made/on/the/way"] {
        let ended = run(place, &format!("/bin/cat {place}/file"));
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (0, "new"),
            "{}",
            ended.stderr
        );
    }
    Ok(())
}

pub fn a_standby_is_alive_and_inactive_until_it_is_activated(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let volume = engine.memory_volume();
    let recipe = engine.container(SHELL).member(&volume, APP);
    let standby = recipe.start([
        "run",
        "-n",
        "app",
        "--active-while",
        "/exit/.leader",
        "--",
        "/bin/sh",
        "-c",
        "echo up; exec sleep 600",
    ]);
    standby.awaits("app:inactive");
    for round in 1..=2 {
        let made = standby.exec(["/bin/sh", "-c", ": >/exit/.leader"]);
        assert_eq!(made.status, 0, "{}", made.stderr);
        standby.awaits("app:ready");
        wait_until("it says up", || {
            standby.log().matches("up\n").count() == round
        });
        assert_eq!(
            standby.exec(["/bin/busybox", "rm", "/exit/.leader"]).status,
            0
        );
        standby.awaits("app:inactive");
        assert!(standby.is_running());
    }
    standby.stop();
    assert_eq!(standby.end(), 143, "{}", standby.log());
    Ok(())
}
