use crate::support::sandbox::{Start, World};

#[test]
fn the_status_of_the_command_is_the_status_of_exitdir_run() {
    let world = World::new();
    let ended = world
        .run(["-n", "main", "--", "sh", "-c", "exit 3"])
        .finish();
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert_eq!(world.key("main", "ExitCode").as_deref(), Some("3"));
    assert_eq!(world.entries(), ["main"]);
}
