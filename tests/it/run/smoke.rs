use crate::support::sandbox::{Sandbox, Start};

#[test]
fn the_status_of_the_command_is_the_status_of_exitdir_run() {
    let sandbox = Sandbox::new();
    let ended = sandbox
        .run(["-n", "main", "--", "sh", "-c", "exit 3"])
        .finish();
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("3"));
    assert_eq!(sandbox.entries(), ["main"]);
}
