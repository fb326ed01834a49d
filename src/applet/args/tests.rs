use super::*;
use crate::applet::spec::{HELP, Opt, VERSION, flag, valued};
use crate::applet::{kubexit, run_options};

const NAME: Opt = valued(Some('n'), "name", "NAME", "").with_variable();
const LIST: Opt = valued(None, "list", "N,...", "").with_variable();
const LOUD: Opt = flag(Some('l'), "loud", "").with_variable();
const SOFT: Opt = flag(Some('s'), "soft", "").with_variable();

const fn spec(positionals: Positionals) -> CommandSpec {
    CommandSpec {
        name: "test",
        usage: "",
        about: "",
        options: &[&NAME, &LIST, &LOUD, &SOFT, &HELP, &VERSION],
        positionals,
        notes: "",
        examples: ["", ""],
    }
}

fn parsed(positionals: Positionals, line: &str) -> ParsedArgs {
    let arguments = line.split_whitespace().map(OsString::from).collect();
    parse(&spec(positionals), arguments)
}

/// The same with variables, which are given as `NAME=value`.
fn with_variables(line: &str, variables: &[&str]) -> ParsedArgs {
    let mut args = parsed(Positionals::Command, line);
    let variables = Variables::of(variables.iter().map(|entry| entry.as_bytes()));
    args.add_variables(&spec(Positionals::Command), &variables);
    args
}

fn name(args: &ParsedArgs) -> Option<&str> {
    args.os_value(&NAME).and_then(OsStr::to_str)
}

#[test]
fn each_kind_of_positionals_ends_the_options_in_its_own_way() {
    use Positionals::{Command, Only, ThenCommand};
    let command = |words: &'static [&'static str]| Some(words);
    for (kind, line, positionals, expected) in [
        (Command, "a -l b", &[][..], command(&["a", "-l", "b"])),
        (Command, "-l -- -x", &[], command(&["-x"])),
        (Command, "-l", &[], None),
        (ThenCommand, "a -l b", &["a", "b"], None),
        (ThenCommand, "a -- b -l", &["a"], command(&["b", "-l"])),
        (ThenCommand, "a --", &["a"], command(&[])),
        (Only, "a -l b", &["a", "b"], None),
        (Only, "-l -- -l", &["-l"], None),
    ] {
        let args = parsed(kind, line);
        assert_eq!(args.error(), None, "{line}");
        assert_eq!(args.positionals, positionals, "{line}");
        let expected = expected.map(|words| words.iter().map(OsString::from).collect());
        assert_eq!(args.command, expected, "{line}");
    }
}

#[test]
fn the_last_of_an_options_values_counts_and_a_list_takes_all() {
    let args = parsed(
        Positionals::Command,
        "-n a --name=b --list 1,2 --list=3 -nc x",
    );
    assert_eq!(name(&args), Some("c"));
    assert_eq!(args.spelling(&NAME), Some("-n"));
    let number = |text: &str| text.parse::<u8>().map_err(|error| error.to_string());
    assert_eq!(args.list(&LIST, &number), [1, 2, 3]);
}

#[test]
fn the_first_mistake_is_kept_and_the_rest_is_read() {
    for (line, error) in [
        ("--bogus=1 -z --name a", "unknown option --bogus"),
        ("-z --name a", "unknown option -z"),
        (
            "--nmae=1 --name a",
            "unknown option --nmae: did you mean --name?",
        ),
        ("-name a", "unknown option -name: did you mean --name?"),
        (
            "-loud -name=a",
            "unknown option -loud: did you mean --loud?",
        ),
        (
            "--loud=1 --name a",
            "unexpected argument for option '--loud': \"1\"",
        ),
    ] {
        let args = parsed(Positionals::Command, line);
        assert_eq!(args.error().map(String::as_str), Some(error), "{line}");
        assert_eq!(name(&args), Some("a"), "{line}");
    }
}

#[test]
fn one_dash_is_refused_only_before_the_whole_name_of_a_long_option() {
    for (line, expected) in [
        ("-nam", "am"),
        ("-names", "ames"),
        ("-n ame", "ame"),
        ("-n -name", "-name"),
        ("-lsnlist", "list"),
    ] {
        let args = parsed(Positionals::Command, line);
        assert_eq!(
            (name(&args), args.error()),
            (Some(expected), None),
            "{line}"
        );
    }
    for (kind, line) in [
        (Positionals::Command, "-l x -name"),
        (Positionals::Command, "-- -name"),
        (Positionals::ThenCommand, "x -- -name"),
        (Positionals::Only, "-- -name"),
    ] {
        assert_eq!(parsed(kind, line).error(), None, "{line}");
    }
    assert!(parsed(Positionals::Only, "-help").has(&HELP));
}

#[test]
fn a_variable_counts_if_it_is_not_empty_and_the_option_was_not_typed() {
    for (line, variable, expected) in [
        ("", "EXITDIR_NAME=v", Some("v")),
        ("", "EXITDIR_NAME=", None),
        ("-n a", "EXITDIR_NAME=v", Some("a")),
    ] {
        let args = with_variables(line, &[variable]);
        assert_eq!(name(&args), expected, "{line} {variable}");
    }
}

#[test]
fn the_variable_of_a_flag_is_1_true_0_or_false() {
    for (value, expected) in [("1", true), ("true", true), ("0", false), ("false", false)] {
        let args = with_variables("", &[&format!("EXITDIR_LOUD={value}")]);
        assert_eq!((args.has(&LOUD), args.error()), (expected, None), "{value}");
    }
    let args = with_variables("", &["EXITDIR_LOUD=yes"]);
    let expected = "EXITDIR_LOUD is \"yes\": expected 1, true, 0 or false";
    assert_eq!(args.error().map(String::as_str), Some(expected));
}

#[test]
fn of_flags_that_exclude_each_other_the_last_typed_counts_before_any_variable() {
    let flags = [&LOUD, &SOFT];
    let both = ["EXITDIR_LOUD=1", "EXITDIR_SOFT=1"];
    for (line, variables, expected) in [
        ("-l -s", &[][..], Some("soft")),
        ("-s -l", &[], Some("loud")),
        ("-l", &both[1..], Some("loud")),
        ("", &both, Some("loud")),
        ("", &[], None),
    ] {
        let args = with_variables(line, variables);
        let effective = args.effective(&flags).map(|opt| opt.long);
        assert_eq!(effective, expected, "{line} {variables:?}");
    }
}

#[test]
fn a_value_that_cannot_be_read_is_an_error_that_names_the_source() {
    let number = |_: &str| Err::<u8, _>("not a number".to_owned());
    for (line, variables, error) in [
        ("-n x", &[][..], "-n is \"x\": not a number"),
        ("--name x", &[], "--name is \"x\": not a number"),
        (
            "",
            &["EXITDIR_NAME=x"],
            "EXITDIR_NAME is \"x\": not a number",
        ),
    ] {
        let args = with_variables(line, variables);
        assert_eq!(args.value(&NAME, &number), None);
        assert_eq!(args.error().map(String::as_str), Some(error));
    }
}

#[test]
fn an_empty_exit_dir_switches_names_off_unless_another_directory_is_given() {
    let empty = ["EXIT_DIR=", "KUBEXIT_NAME=a"];
    assert!(with_variables("-n a", &empty).names_are_off);
    assert!(!with_variables("-n a", &[]).names_are_off);
    let variables = Variables::of(empty.iter().map(|entry| entry.as_bytes()));
    assert!(!kubexit::args(Vec::new(), &variables).names_are_off);
    let dir = OsString::from("--dir=/exit");
    let mut args = parse(&run_options::SPEC, vec![dir]);
    args.add_variables(&run_options::SPEC, &variables);
    assert!(!args.names_are_off);
}
