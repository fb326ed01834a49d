use super::*;

/// The items of a list, each with all states, or the first error.
fn list(text: &str) -> Result<String, String> {
    let items = text
        .split(',')
        .map(|item| Item::parse(item.trim(), State::Died));
    let items = items.collect::<Result<Vec<Item>, String>>()?;
    let texts: Vec<String> = items.iter().map(Item::to_string).collect();
    Ok(texts.join(","))
}

/// How many parts are about sources.
fn sources(text: &str) -> usize {
    let item = Item::parse(text, State::Died).unwrap();
    item.parts.iter().filter_map(Part::source).count()
}

#[test]
fn every_accepted_example_of_the_grammar_is_written_as_it_was_read() {
    for (text, written) in [
        ("main:ok", "main:ok"),
        (":failed", ":failed"),
        ("tcp", "tcp:died"),
        ("http:ok", "http:ok"),
        ("file:exit=3", "file:exit=3"),
        ("exec:died", "exec:died"),
        ("tcp:5432", "tcp:5432"),
        ("tcp:db:5432", "tcp:db:5432"),
        ("tcp://db:5432", "tcp://db:5432"),
        ("tcp:[::1]:80", "tcp:[::1]:80"),
        ("http:15021/healthz", "http:15021/healthz"),
        ("http://db/x?a=b", "http://db/x?a=b"),
        ("http:[::1]:80/a:b", "http:[::1]:80/a:b"),
        ("http://h:80/a%2Cb", "http://h:80/a%2Cb"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("unix:///run/a", "unix:///run/a"),
        ("file:./ready", "file:./ready"),
        ("a:ok+b:ok, c", "a:ok+b:ok,c:died"),
        ("a:ok+tcp:5432", "a:ok+tcp:5432"),
        (" a + :failed ,b", "a:died+:failed,b:died"),
    ] {
        assert_eq!(list(text).as_deref(), Ok(written), "{text:?}");
        let recorded = written
            .split(',')
            .map(|item| Item::from_recorded(item).map(|item| item.to_string()));
        let recorded: Vec<String> = recorded.map(Option::unwrap).collect();
        assert_eq!(recorded.join(","), written, "{text:?}");
    }
}

#[test]
fn every_refused_example_of_the_grammar_has_its_error() {
    for (text, error) in [
        (
            "db:5432",
            "\"5432\" is not a state: did you mean tcp:db:5432?",
        ),
        (
            "db:80/x",
            "\"80/x\" is not a state: did you mean http:db:80/x?",
        ),
        ("tcp:rady", "\"rady\" has no port: expected [HOST:]PORT"),
        ("tcp:65536", "\"65536\" is not a port: 1 to 65535"),
        ("tcp:::1:80", "an IPv6 address needs brackets: [::1]:80"),
        ("http:db/x", "\"db\" has no port: expected [HOST:]PORT"),
        (
            "https://h/x",
            "no TLS: let the server's exitdir-run ask with --ready-on exec:PROG, and wait for its NAME",
        ),
        (
            "http:80/a+b/c",
            "\"b/c\" is not a name: 1 to 255 of A-Z a-z 0-9 . _ -, not beginning with . or -",
        ),
        ("http:80/a b", "no blanks inside a condition"),
        ("a b:ok", "no blanks inside a condition"),
        ("unix:a.sock", "no \"/\": write unix:./a.sock"),
        (
            "exec:/x",
            "exec: is not a condition: it is an action, and a source of --ready-on",
        ),
        ("a++b", "empty condition: a comma or a plus sign too many"),
        ("a,,b", "empty condition: a comma or a plus sign too many"),
        ("a+", "empty condition: a comma or a plus sign too many"),
        ("", "empty condition: a comma or a plus sign too many"),
        ("http://u:p@h/", "no user in a URL"),
        ("db:rady", "\"rady\" is not a state: did you mean ready?"),
        (
            "db:gone",
            "\"gone\" is not a state: waiting, born, ready, inactive, ok, failed, lost, died, \
             exit=N",
        ),
    ] {
        assert_eq!(list(text), Err(error.to_owned()), "{text:?}");
    }
    let long = format!("http:80/{}", "x".repeat(250));
    assert!(list(&long).is_err_and(|error| error.ends_with("255 bytes")));
}

#[test]
fn a_word_of_a_state_makes_a_life_of_the_prefix_of_a_source() {
    for prefix in ["tcp", "http", "https", "unix", "file", "exec"] {
        for state in ["", ":ready", ":inactive", ":exit=0"] {
            assert_eq!(sources(&format!("{prefix}{state}")), 0);
        }
    }
    assert_eq!(sources("tcp:1+http:ok+unix:/ok+file:/ready"), 3);
}

#[test]
fn a_recorded_name_of_kubexit_may_look_like_a_group_or_a_source() {
    for (text, parts) in [
        ("a+b:ready", 1),
        ("tcp:80:died", 1),
        ("a:ok+b:ready", 2),
        ("tcp:80+b:ready", 2),
        ("http:80/x:ok", 1),
    ] {
        let item = Item::from_recorded(text).unwrap();
        assert_eq!(item.to_string(), text);
        assert_eq!(item.parts.len(), parts, "{text:?}");
    }
    for text in ["", "a", "a+b", "a:no", "/x:ok"] {
        assert_eq!(Item::from_recorded(text), None, "{text:?}");
    }
}
