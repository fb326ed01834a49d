//! The completions that `scripts/completions` makes, in the real shells.

use super::{APPLETS, help_lines};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, repository};
use std::collections::BTreeSet;
use std::process::Command;

/// What each driver gets: command lines. For each it prints one line, `LINE => WORD WORD...`.
const BASH: &str = r#"
. "$COMPLETIONS/bash/exitdir"
complete -p exitdir exitdir-run exitdir-wait exitdir-signal exitdir-status exitdir-install kubexit >/dev/null
for COMP_LINE; do
    COMP_POINT=${#COMP_LINE} COMP_WORDS=($COMP_LINE) COMPREPLY=()
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _exitdir
    echo "$COMP_LINE => ${COMPREPLY[*]}"
done
"#;

const FISH: &str = r#"
set -p fish_complete_path $COMPLETIONS/fish
for line in $argv
    set -l words (complete -C "$line" | string replace -r '\t.*' '')
    echo "$line => $words"
end
"#;

/// An interactive zsh in a pseudo-terminal. Each list of matches is also written to a file.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= PS2=; fpath=($COMPLETIONS/zsh \$fpath); autoload -Uz compinit; compinit -u -d $HOME/dump"
zpty -w shell 'compadd() {
    local -a found
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
        builtin compadd -A found "$@"
        print -rl -- $found >>$HOME/found
    fi
    builtin compadd "$@"
}'
zpty -w shell 'show() { zle complete-word; zle kill-buffer; print SHOWN }; zle -N show; bindkey ^T show'
zpty -w shell 'print BE""GIN'
zpty -r -m shell output '*BEGIN*'
for line; do
    : >$HOME/found
    zpty -w -n shell $line$'\x14'
    zpty -r -m shell output '*SHOWN*'
    print -r -- "$line => ${(o)${(f)"$(<$HOME/found)"}}"
done
zpty -d shell
"#;

struct Shell {
    program: &'static str,
    driver: &'static str,
    options: &'static [&'static str],
}

const SHELLS: [Shell; 3] = [
    Shell {
        program: "bash",
        driver: BASH,
        options: &["--norc"],
    },
    Shell {
        program: "zsh",
        driver: ZSH,
        options: &["-f"],
    },
    Shell {
        program: "fish",
        driver: FISH,
        options: &[],
    },
];

impl Shell {
    fn is_here(&self) -> bool {
        is_permitted(self.program, Command::new(self.program).arg("--version"))
    }

    /// What the shell suggests for each of these lines.
    fn complete(&self, sandbox: &Sandbox, lines: &[String]) -> Vec<BTreeSet<String>> {
        let driver = sandbox.program(&format!("driver.{}", self.program), self.driver);
        let mut shell = sandbox.command("timeout");
        shell.args(["100", self.program]).args(self.options);
        let path = std::env::var("PATH").expect("a path");
        shell
            .arg(driver)
            .args(lines)
            .env("HOME", sandbox.path("home"))
            .env("XDG_CONFIG_HOME", sandbox.path("home"))
            .env("COMPLETIONS", sandbox.path("completions"))
            .env("PATH", format!("{}:{path}", sandbox.path("bin").display()))
            .env("TERM", "dumb")
            .current_dir(sandbox.path("home"));
        let ended = shell.finish();
        let program = self.program;
        assert_eq!(ended.status, 0, "{program}: {}", ended.stderr);
        let suggested = ended.stdout.lines().map(|line| {
            let (_, words) = line.split_once(" => ").expect("an answer");
            words.split_whitespace().map(str::to_owned).collect()
        });
        let suggested: Vec<_> = suggested.collect();
        assert_eq!(suggested.len(), lines.len(), "{program}: {}", ended.stdout);
        suggested
    }
}

/// A sandbox with completions, an exit directory, and programs to complete: fish completes only for
/// programs that exist.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let script = repository().join("scripts/completions");
    let ended = sandbox
        .command(script)
        .arg(sandbox.path("completions"))
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    for dir in ["home", "bin", "graveyard", "elsewhere"] {
        std::fs::create_dir(sandbox.path(dir)).expect("a fresh directory");
    }
    let applets = APPLETS.map(|applet| format!("exitdir-{applet}"));
    let names = applets.iter().map(String::as_str);
    for name in names.chain(["exitdir", "kubexit", "some-command"]) {
        sandbox.program(&format!("bin/{name}"), "#!/bin/sh\n");
    }
    for name in [
        "main",
        "proxy",
        "$(touch ran)",
        "`touch ran`",
        "a;touch ran",
        "two words",
    ] {
        sandbox.touch(&format!("graveyard/{name}"));
    }
    sandbox.touch("elsewhere/remote");
    sandbox
}

fn check(shell: &Shell, cases: &[(String, Vec<String>)]) {
    if !shell.is_here() {
        return;
    }
    let sandbox = sandbox();
    let lines: Vec<String> = cases.iter().map(|(line, _)| line.clone()).collect();
    let suggested = shell.complete(&sandbox, &lines);
    for ((line, expected), suggested) in cases.iter().zip(suggested) {
        let expected: BTreeSet<String> = expected.iter().cloned().collect();
        assert_eq!(suggested, expected, "{}: {line}", shell.program);
    }
    assert!(!sandbox.path("home/ran").exists(), "a name was executed");
}

fn cases(table: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    table
        .iter()
        .map(|(line, expected)| ((*line).to_owned(), words(expected)))
        .collect()
}

/// What all shells suggest in the same words.
fn common() -> Vec<(String, Vec<String>)> {
    let mut common = cases(&[
        ("exitdir-run --na", &["--name"]),
        ("exitdir-run --restart ", &["never", "on-failure", "always"]),
        ("exitdir-run --stop-signal U", &["USR1", "USR2"]),
        ("exitdir-run --stop-code c", &["cause"]),
        ("exitdir-run --name m", &["main"]),
        ("exitdir-run --name main -- some-co", &["some-command"]),
        ("exitdir-run --name main some-co", &["some-command"]),
        ("exitdir-wait main:ready -- some-co", &["some-command"]),
        ("exitdir-signal ", &["main", "proxy"]),
        ("exitdir-signal --dir ../elsewhere ", &["remote"]),
        ("exitdir-install ../else", &["../elsewhere/"]),
        ("kubexit some-co", &["some-command"]),
        ("exitdir run --ready-o", &["--ready-on"]),
        ("exitdir run some-co", &["some-command"]),
        ("exitdir signal p", &["proxy"]),
        ("exitdir sta", &["status"]),
        ("exitdir help w", &["wait"]),
    ]);
    for applet in APPLETS {
        let heads = help_lines(applet).into_iter().map(|(head, _)| head);
        let long = heads.filter_map(|head| {
            let (_, long) = head.split_once("--")?;
            let name = long.split(' ').next().unwrap_or(long);
            Some(format!("--{name}"))
        });
        common.push((format!("exitdir-{applet} --"), long.collect()));
    }
    common
}

#[test]
fn bash_completes_options_values_names_and_commands() {
    let mut all = common();
    // Its line editor adds the slash.
    all.retain(|(line, _)| line != "exitdir-install ../else");
    // Bash replaces only what is behind a colon or an equals sign.
    all.extend(cases(&[
        ("exitdir-run --death-deps m", &["main"]),
        ("exitdir-status --until m", &["main"]),
        ("exitdir-run --death-deps main:re", &["ready"]),
        ("exitdir-run --death-deps $(touch${IFS}ran):", &[]),
        ("exitdir-run --death-deps=main,pro", &["main,proxy"]),
        ("exitdir-run --restart=o", &["on-failure"]),
        ("exitdir-run --ready-on notify:a", &["all"]),
        ("exitdir-wait t", &["tcp:"]),
        ("exitdir-install ../else", &["../elsewhere"]),
    ]));
    check(&SHELLS[0], &all);
}

#[test]
fn zsh_completes_options_values_names_and_commands() {
    let mut all = common();
    // It completes each part of a path for itself.
    all.retain(|(line, _)| line != "exitdir-install ../else");
    all.extend(cases(&[
        ("exitdir-run --death-deps m", &["main"]),
        ("exitdir-status --until m", &["main"]),
        ("exitdir-run --death-deps main:re", &["ready"]),
        ("exitdir-run --death-deps=main,pro", &["proxy"]),
        ("exitdir-run --restart=o", &["on-failure"]),
        ("exitdir-run --ready-on n", &["notify", "notify:all"]),
        ("exitdir-wait t", &["tcp:"]),
        ("exitdir-install ../else", &["elsewhere"]),
    ]));
    check(&SHELLS[1], &all);
}

#[test]
fn fish_completes_options_values_names_and_commands() {
    let mut all = common();
    all.extend(cases(&[
        ("exitdir-run --death-deps main:re", &["main:ready"]),
        (
            "exitdir-run --death-deps main,proxy:re",
            &["main,proxy:ready"],
        ),
        ("exitdir-run --restart=o", &["--restart=on-failure"]),
        ("exitdir-run --ready-on notify:a", &["notify:all"]),
        ("exitdir-wait tc", &["tcp:"]),
    ]));
    check(&SHELLS[2], &all);
}
