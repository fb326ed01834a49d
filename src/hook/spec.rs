//! The values of `--on-exit`, `--pre-stop` and `--on-config`: a list of actions. Pure.

use crate::duration::{Limit, parse_duration};
use crate::protocol::source::Source;
use std::time::Duration;

/// One action of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HookAction {
    /// A program is run; these are its words.
    Exec(Vec<String>),
    /// An empty POST is sent until it is answered.
    Post(Source),
    /// Nothing is done for this long.
    Sleep(Duration),
}

/// What can begin an action.
const PREFIXES: [&str; 3] = ["exec:", "post:", "sleep:"];
const EXPECTED: &str = "expected exec:PROG [ARG]..., post:[HOST:]PORT/PATH or sleep:DURATION";

/// Reads a list of actions. An `exec:` takes all of the text that follows it.
///
/// # Errors
/// A sentence that says what was expected.
pub(crate) fn parse_actions(text: &str) -> Result<Vec<HookAction>, String> {
    let mut actions = Vec::new();
    let mut rest = Some(text.trim());
    while let Some(text) = rest {
        if let Some(line) = text.strip_prefix("exec:") {
            actions.push(parse_exec(line)?);
            break;
        }
        let (first, after) = match text.split_once(',') {
            Some((first, after)) => (first.trim_end(), Some(after.trim_start())),
            None => (text, None),
        };
        actions.push(parse_simple(first)?);
        rest = after;
    }
    Ok(actions)
}

/// Whether a program is among the actions.
pub(crate) fn has_program(actions: &[HookAction]) -> bool {
    let mut actions = actions.iter();
    actions.any(|action| matches!(action, HookAction::Exec(_)))
}

fn parse_simple(text: &str) -> Result<HookAction, String> {
    match text.split_once(':') {
        Some(("post", at)) => Source::for_action(at).map(HookAction::Post),
        Some(("sleep", duration)) => match parse_duration(duration) {
            Some(Limit::After(duration)) => Ok(HookAction::Sleep(duration)),
            Some(Limit::Never) | None => Err("expected sleep:DURATION, as in sleep:5s".to_owned()),
        },
        _ if text.is_empty() => Err(format!("empty action: {EXPECTED}")),
        _ => Err(EXPECTED.to_owned()),
    }
}

fn parse_exec(line: &str) -> Result<HookAction, String> {
    if line.contains(['"', '\'', '\\']) {
        return Err("no quotes: put the line into a script".to_owned());
    }
    let mut after_commas = line.split(',').skip(1).map(str::trim_start);
    if after_commas.any(|text| PREFIXES.iter().any(|prefix| text.starts_with(prefix))) {
        return Err("exec: takes the rest: write it last, or repeat the option".to_owned());
    }
    let words: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
    match words.is_empty() {
        true => Err("expected exec:PROG [ARG]...".to_owned()),
        false => Ok(HookAction::Exec(words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(line: &str) -> HookAction {
        HookAction::Exec(line.split(' ').map(str::to_owned).collect())
    }

    #[test]
    fn every_list_of_actions_is_parsed() {
        let post = |text| HookAction::Post(Source::for_action(text).unwrap());
        let sleep = |seconds| HookAction::Sleep(Duration::from_secs(seconds));
        for (text, actions) in [
            ("exec:/bin/a", vec![exec("/bin/a")]),
            (" exec:/bin/a  b c ", vec![exec("/bin/a b c")]),
            ("exec:/d a,b", vec![exec("/d a,b")]),
            ("exec:/d a, b", vec![exec("/d a, b")]),
            ("sleep:5s", vec![sleep(5)]),
            ("post:80/x", vec![post("80/x")]),
            ("post:80/x,exec:/d a,b", vec![post("80/x"), exec("/d a,b")]),
            ("post://h/x?a=b", vec![post("//h/x?a=b")]),
            (
                "post:[::1]:80/a:b, post:db:9090/-/reload",
                vec![post("[::1]:80/a:b"), post("db:9090/-/reload")],
            ),
            ("sleep:0", vec![sleep(0)]),
            (
                "sleep:1s , sleep:2,exec:/d sleep:3",
                vec![sleep(1), sleep(2), exec("/d sleep:3")],
            ),
        ] {
            assert_eq!(parse_actions(text), Ok(actions), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_of_actions_is_refused_with_a_sentence() {
        for (text, sentence) in [
            ("", "empty action: expected exec:"),
            ("sleep:1s,", "empty action: expected exec:"),
            ("sleep:1s,,sleep:1s", "empty action: expected exec:"),
            ("restart", "expected exec:"),
            ("Exec:/a", "expected exec:"),
            ("http:80/x", "expected exec:"),
            ("exec:", "expected exec:PROG"),
            ("exec: ", "expected exec:PROG"),
            ("sleep:", "expected sleep:DURATION"),
            ("sleep:off", "expected sleep:DURATION"),
            ("sleep:x", "expected sleep:DURATION"),
            (
                "exec:sh -c \"a b\"",
                "no quotes: put the line into a script",
            ),
            ("exec:sh -c 'a'", "no quotes"),
            ("exec:a\\ b", "no quotes"),
            (
                "exec:/a,post:80/x",
                "exec: takes the rest: write it last, or repeat the option",
            ),
            ("exec:/a b, exec:/c", "exec: takes the rest"),
            ("post:", "expected [HOST:]PORT"),
            ("post:db/x", "\"db\" has no port"),
            ("post:80/a b", "no blanks"),
            ("post:0/x", "\"0\" is not a port"),
            ("exec:/a,sleep:1", "exec: takes the rest"),
        ] {
            let refused = parse_actions(text).unwrap_err();
            assert!(refused.starts_with(sentence), "{text:?}: {refused}");
        }
    }
}
