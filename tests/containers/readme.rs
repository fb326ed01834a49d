//! What README.md says about images: its Dockerfile builds and runs, and its command shows the
//! entry point of an image.

use crate::engine::{Engine, FOREIGN, SCRATCH, SHELL};
use crate::harness::{Host, TestResult};
use crate::support::sandbox::{Sandbox, repository};

/// The first block of README.md that begins with these words, without its fences.
fn block(begin: &str) -> String {
    let page = std::fs::read_to_string(repository().join("README.md")).expect("a page");
    let mut blocks = page.split("```").skip(1).step_by(2);
    let text = blocks.find_map(|block| {
        let (_, text) = block.split_once('\n')?;
        text.starts_with(begin).then_some(text)
    });
    text.unwrap_or_else(|| panic!("no block begins with {begin}"))
        .to_owned()
}

/// Builds the Dockerfile, with images of this engine in place of those in registries.
fn build(engine: &Engine, tag: &str) {
    let ours = format!("REGISTRY/exitdir:{}", env!("CARGO_PKG_VERSION"));
    let text = block("FROM ");
    let real = text
        .replace(&ours, SCRATCH)
        .replace("busybox:1.36", FOREIGN);
    assert!(!real.contains("REGISTRY") && real != text, "{text}");
    let sandbox = Sandbox::new();
    // The applet that the last line calls is not in the image of the tests.
    let real = real.replace("\"echo\", \"hello\"", "\"sh\", \"-c\", \"echo hello\"");
    std::fs::write(sandbox.path("Dockerfile"), real).expect("writable");
    let context = sandbox.path(".").display().to_string();
    engine.must(["build", "--quiet", "--network=none", "-t", tag, &context]);
}

pub fn the_dockerfile_of_the_readme_runs_its_command_under_exitdir_run(host: &Host) -> TestResult {
    let engine = host.engine()?;
    build(engine, "readme:test");
    let ended = engine.container("readme:test").run([]);
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "hello\n"),
        "{}",
        ended.stderr
    );
    let ended = engine.container("readme:test").run(["sh", "-c", "exit 3"]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    Ok(())
}

pub fn the_command_of_the_readme_shows_the_entry_point_of_an_image(host: &Host) -> TestResult {
    let engine = host.engine()?;
    let line = block("docker image inspect ");
    let format = line.split('\'').nth(1).expect("a format");
    let shown = |image: &str| engine.must(["image", "inspect", "-f", format, image]);
    assert_eq!(shown(SHELL), r#"["/exitdir"] null user=65532:65532 stop="#);
    build(engine, "readme-entry:test");
    let expected = r#"["exitdir-run","--"] ["sh","-c","echo hello"] user=65532:65532 stop="#;
    assert_eq!(shown("readme-entry:test"), expected);
    Ok(())
}
