//! Every picture of the pages is made by a script, and the one of README.md is drawn again from the
//! tombstones that are kept with it.

use super::report::check_elements;
use super::{pages, read};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, repository};
use std::process::Command;

const PICTURES: [&str; 2] = ["job.svg", "job-dark.svg"];
/// The directories of pictures, each with the script that makes what is in it. The test of another
/// file compares the charts of the benchmark.
const SCRIPTS: [(&str, &str); 2] = [("docs/pictures/", "picture"), ("docs/bench/", "bench")];

fn python_is_here() -> bool {
    is_permitted("python3", Command::new("python3").arg("--version"))
}

fn picture(sandbox: &Sandbox) -> Command {
    sandbox.command(repository().join("scripts/picture"))
}

#[test]
fn the_pictures_are_those_that_the_script_draws_from_the_kept_tombstones() {
    if !python_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let drawn = picture(&sandbox)
        .arg("--to")
        .arg(sandbox.path("."))
        .finish();
    drawn.assert_output(0, "");
    for name in PICTURES {
        let kept = read(&format!("docs/pictures/{name}"));
        assert!(sandbox.read(name) == kept, "{name}: run scripts/picture");
        check_elements(&kept).unwrap_or_else(|why| panic!("{name}: {why}"));
        let addresses = kept.matches("://").count();
        assert_eq!(addresses, 1, "{name}: more than its name space");
    }
}

#[test]
fn the_script_of_the_picture_runs_a_job_and_draws_it() {
    if !python_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    for dir in ["scripts", "docs/pictures"] {
        std::fs::create_dir_all(sandbox.path(dir)).expect("a fresh directory");
    }
    let script = sandbox.program("scripts/picture", &read("scripts/picture"));
    let mut command = sandbox.command(script);
    command.env("EXITDIR_PICTURE_BINARY", super::absolute_binary());
    let ended = command.arg("--run").finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    for name in PICTURES {
        let drawn = sandbox.read(&format!("docs/pictures/{name}"));
        for phase in [">waiting<", ">starting<", ">ready<", ">stopping<"] {
            assert!(drawn.contains(phase), "{name} without {phase}");
        }
    }
}

#[test]
fn the_kept_tombstones_are_those_of_a_job_that_ends_with_0() {
    let sandbox = Sandbox::new();
    let dir = repository().join("docs/pictures/job");
    let mut wait = sandbox.wait(["--print", "main:ok", "proxy:ok"]);
    let ended = wait.env("EXIT_DIR", dir).finish();
    ended.assert_output(0, "main ok 0\nproxy ok 0\n");
}

#[test]
fn the_script_of_the_picture_shows_its_usage_and_refuses_other_arguments() {
    if !python_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    for option in ["-h", "--help"] {
        let ended = picture(&sandbox).arg(option).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        assert!(ended.stdout.starts_with("Usage: scripts/picture"));
    }
    for (words, sentence) in [
        (&["--to"][..], "--to needs one directory"),
        (&["all"], "unknown argument all"),
        (&["--run", "all"], "unknown argument --run"),
    ] {
        let ended = picture(&sandbox).args(words).finish();
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{words:?}");
        let expected = format!("scripts/picture: {sentence}\nUsage: ");
        assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
    }
}

#[test]
fn every_picture_of_a_page_is_one_that_a_script_makes() {
    let mut count = 0;
    let mut pages = pages();
    pages.push("docs/bench/report.md".to_owned());
    for page in pages {
        let (directory, _) = page.rsplit_once('/').unwrap_or(("", &page));
        for link in images(&read(&page)) {
            let path = format!("{directory}/{link}");
            let path = path.trim_start_matches('/');
            let made = SCRIPTS.iter().find(|(place, _)| path.starts_with(place));
            let (_, script) = made.unwrap_or_else(|| panic!("{page}: no script makes {path}"));
            assert!(repository().join("scripts").join(script).exists());
            assert!(repository().join(path).exists(), "{page}: {link}");
            count += 1;
        }
    }
    assert!(count > 3, "{count} pictures");
}

/// The addresses of the images of a page, in Markdown and in HTML.
fn images(text: &str) -> Vec<String> {
    let markdown = text.split("![").skip(1);
    let markdown = markdown.filter_map(|rest| rest.split_once("](")?.1.split(')').next());
    let html = [" src=\"", " srcset=\""]
        .into_iter()
        .flat_map(|attribute| text.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next());
    markdown.chain(html).map(str::to_owned).collect()
}
