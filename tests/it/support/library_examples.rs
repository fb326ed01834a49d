//! The programs in `examples/` that show the library.

use std::path::PathBuf;
use std::process::Command;

/// A compiled example of the library, built from the present source.
pub fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a path");
    // TARGET/PROFILE/deps/it-HASH
    let profile = this
        .ancestors()
        .nth(2)
        .expect("a directory for the profile");
    let target = profile.parent().expect("a target directory");
    let profile_name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let built = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["build", "--quiet", "--offline", "--locked", "--examples"])
        .args(["--profile", profile_name])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo");
    assert!(built.success(), "cargo build --examples");
    profile.join("examples").join(name)
}
