//! Every link of a document leads somewhere: to a file of the repository and a heading in it. An
//! address elsewhere is only looked at for its form: no test needs a network.

use crate::docs::{between, is_fence, others, pages, read};
use crate::support::sandbox::{entries, repository};
use std::path::{Component, Path, PathBuf};

/// Where an address begins in a page, and the character before which it ends.
const OPENINGS: [(&str, char); 6] = [
    ("](", ')'),
    ("]: ", ' '),
    (" href=\"", '"'),
    (" src=\"", '"'),
    (" srcset=\"", '"'),
    ("<https:", '>'),
];

const EXAMPLES: &str = "examples/kubernetes";

fn documents() -> Vec<String> {
    let report = "docs/bench/report.md".to_owned();
    pages()
        .into_iter()
        .chain(others())
        .chain([report])
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_or_has_the_form_of_an_address() {
    for path in documents() {
        for link in links(&read(&path)) {
            check(&path, &link).unwrap_or_else(|why| panic!("{path}: {link}: {why}"));
        }
    }
}

#[test]
fn every_page_and_every_directory_of_examples_can_be_reached_from_the_readme() {
    let mut reached = vec![PathBuf::from("README.md")];
    let mut at = 0;
    while let Some(page) = reached.get(at).cloned() {
        at += 1;
        let page = page.to_str().expect("UTF-8");
        // No visitor looks for a page in the changelog.
        if !page.ends_with(".md") || page == "CHANGELOG.md" {
            continue;
        }
        for link in links(&read(page)) {
            let to = target(page, &link).expect("a file");
            if !link.contains("://") && !reached.contains(&to) {
                reached.push(to);
            }
        }
    }
    for page in documents() {
        assert!(reached.contains(&PathBuf::from(&page)), "no link to {page}");
    }
    for name in entries(&repository().join(EXAMPLES)) {
        let directory = Path::new(EXAMPLES).join(name);
        let found = reached.iter().any(|path| path.starts_with(&directory));
        assert!(found, "no link to {}", directory.display());
    }
}

#[test]
fn a_wrong_link_is_noticed() {
    for (link, why) in [
        ("docs/no-such-page.md", "there is no such file"),
        (
            "docs/exitdir-run.md#no-such-heading",
            "there is no such heading",
        ),
        ("#no-such-heading", "there is no such heading"),
        // A comment of a script is no heading.
        ("#prints-proxy-143", "there is no such heading"),
        ("scripts/demo#usage", "only pages have headings"),
        ("../README.md", "outside of the repository"),
        ("http://example.org/", "no https address"),
        ("https://example/", "no https address"),
        ("https://example.org/a b", "no https address"),
        ("https://example.org/.", "no https address"),
        ("", "no address"),
    ] {
        let answer = check("README.md", link);
        assert_eq!(answer, Err(why), "{link}");
    }
    let page = "[a](b) `[no](link)` ![c](d)\n<img src=\"e\">\n```sh\n[no](link)\n```\n<https://f>\n[g]: h\n";
    assert_eq!(links(page), ["b", "d", "h", "e", "https://f"]);
}

#[test]
fn the_package_contains_what_the_pages_link_to() {
    let manifest = read("Cargo.toml");
    let included = between(&manifest, "\ninclude = [", "]");
    let included: Vec<&str> = included.split('"').skip(1).step_by(2).collect();
    for path in documents() {
        let links = links(&read(&path)).into_iter();
        for link in links.filter(|link| !link.contains("://")) {
            let target = Path::new("/").join(target(&path, &link).expect("a file"));
            let is_included = included.iter().any(|entry| target.starts_with(entry));
            assert!(is_included, "{path}: {link}: not in Cargo.toml's include");
        }
    }
}

/// The addresses in a page, outside of code.
fn links(page: &str) -> Vec<String> {
    let prose = prose(page);
    let mut links = Vec::new();
    for (opening, end) in OPENINGS {
        for rest in prose.split(opening).skip(1) {
            let rest = rest.lines().next().unwrap_or_default();
            let address = rest.split(end).next().unwrap_or_default();
            // The scheme is a part of the address.
            let scheme = opening.strip_prefix('<').unwrap_or_default();
            links.push(format!("{scheme}{address}"));
        }
    }
    links
}

/// A page without what is in fences and in backquotes.
fn prose(page: &str) -> String {
    let mut is_fenced = false;
    let lines = page.lines().filter(|line| {
        let is_border = is_fence(line);
        is_fenced ^= is_border;
        !is_fenced && !is_border
    });
    let text: Vec<&str> = lines.collect();
    text.join("\n")
        .split('`')
        .step_by(2)
        .collect::<Vec<&str>>()
        .join("`")
}

/// Whether a link of this page leads somewhere, and why not.
fn check(page: &str, link: &str) -> Result<(), &'static str> {
    if link.is_empty() {
        return Err("no address");
    }
    if link.contains("://") {
        return has_form_of_address(link)
            .then_some(())
            .ok_or("no https address");
    }
    let target = target(page, link)?;
    if !repository().join(&target).exists() {
        return Err("there is no such file");
    }
    let Some((_, anchor)) = link.split_once('#') else {
        return Ok(());
    };
    if target.extension().is_none_or(|extension| extension != "md") {
        return Err("only pages have headings");
    }
    let headings = headings(&read(target.to_str().expect("UTF-8")));
    let is_there = headings.iter().any(|heading| heading == anchor);
    is_there.then_some(()).ok_or("there is no such heading")
}

fn has_form_of_address(link: &str) -> bool {
    let Some(rest) = link.strip_prefix("https://") else {
        return false;
    };
    let host = rest.split('/').next().unwrap_or_default();
    let is_host = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let is_clean = link.chars().all(|c| c.is_ascii_graphic());
    host.contains('.') && host.chars().all(is_host) && is_clean && !link.ends_with(['.', ',', ':'])
}

/// The file in the repository that a link of this page names.
fn target(page: &str, link: &str) -> Result<PathBuf, &'static str> {
    let file = link.split('#').next().unwrap_or_default();
    if file.is_empty() {
        return Ok(PathBuf::from(page));
    }
    let mut target = PathBuf::new();
    for part in Path::new(page).with_file_name("").join(file).components() {
        match part {
            Component::ParentDir if !target.pop() => return Err("outside of the repository"),
            Component::ParentDir => {}
            part => target.push(part),
        }
    }
    Ok(target)
}

/// The headings of a page as anchors: in small letters, with `-` for spaces. A second one of the
/// same words gets a number.
fn headings(page: &str) -> Vec<String> {
    let mut is_fenced = false;
    let lines = page.lines().filter(|line| {
        is_fenced ^= is_fence(line);
        !is_fenced && line.starts_with('#')
    });
    let mut headings: Vec<String> = Vec::new();
    for line in lines {
        let title = line.trim_start_matches(['#', ' ']).to_lowercase();
        let is_kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        let anchor: String = title.chars().filter(is_kept).collect();
        let anchor = anchor.replace(' ', "-");
        let number = headings.iter().filter(|known| **known == anchor).count();
        headings.push(match number {
            0 => anchor,
            number => format!("{anchor}-{number}"),
        });
    }
    headings
}
