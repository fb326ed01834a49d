//! The tables of the grammar.

use super::*;
use std::path::Path;

fn kind(text: &str) -> SourceKind {
    let source = Source::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
    assert_eq!(source.to_string(), text);
    assert_eq!(source.as_str(), text);
    assert!(Source::is_prefixed(text));
    let ready = Source::for_readiness(text).unwrap().unwrap();
    assert_eq!(ready, source);
    source.kind().clone()
}

fn error(text: &str) -> String {
    Source::parse(text).expect_err(text)
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    let host = match host.parse() {
        Ok(address) => Host::Address(address),
        Err(_) => Host::Name(host.to_owned()),
    };
    Endpoint { host, port }
}

#[test]
fn a_port_has_a_host_or_is_on_this_machine() {
    for (text, host, port) in [
        ("tcp:5432", "127.0.0.1", 5432),
        ("tcp:db:5432", "db", 5432),
        ("tcp://db:5432", "db", 5432),
        ("tcp://5432", "127.0.0.1", 5432),
        ("tcp:10.0.0.1:1", "10.0.0.1", 1),
        ("tcp:[::1]:80", "::1", 80),
        ("tcp:[::ffff:10.0.0.1]:65535", "::ffff:10.0.0.1", 65535),
        (
            "tcp:my_db.ns.svc.cluster.local.:7",
            "my_db.ns.svc.cluster.local.",
            7,
        ),
        ("tcp:ok:7", "ok", 7),
        ("tcp:1a:7", "1a", 7),
        ("tcp:00080", "127.0.0.1", 80),
    ] {
        assert_eq!(kind(text), SourceKind::Tcp(endpoint(host, port)), "{text}");
    }
}

#[test]
fn a_url_has_a_port_unless_it_begins_with_two_slashes() {
    for (text, host, port, header, path) in [
        ("http:15021", "127.0.0.1", 15021, "127.0.0.1:15021", "/"),
        (
            "http:15021/healthz",
            "127.0.0.1",
            15021,
            "127.0.0.1:15021",
            "/healthz",
        ),
        ("http:db:80/a:b?c=d/e", "db", 80, "db:80", "/a:b?c=d/e"),
        ("http:[::1]:80/a:b", "::1", 80, "[::1]:80", "/a:b"),
        ("http://db", "db", 80, "db", "/"),
        ("http://db/x?a=b", "db", 80, "db", "/x?a=b"),
        ("http://[::1]/", "::1", 80, "[::1]", "/"),
        ("http://10.1.2.3", "10.1.2.3", 80, "10.1.2.3", "/"),
        ("http://h:8080/a%2Cb", "h", 8080, "h:8080", "/a%2Cb"),
        ("http://h:80//x", "h", 80, "h:80", "//x"),
    ] {
        let expected = HttpTarget {
            endpoint: endpoint(host, port),
            host: header.to_owned(),
            path: path.to_owned(),
            method: Method::Get,
        };
        assert_eq!(kind(text), SourceKind::Http(expected), "{text}");
    }
}

#[test]
fn a_path_has_a_slash() {
    for (text, path) in [
        ("unix:/run/a.sock", "/run/a.sock"),
        ("unix:///run/a", "/run/a"),
        ("unix:./a.sock", "./a.sock"),
        ("unix:a/b", "a/b"),
    ] {
        assert_eq!(kind(text), SourceKind::Unix(path.into()), "{text}");
    }
    for (text, path) in [
        ("file:./ready", "./ready"),
        ("file:/run/x:y=1", "/run/x:y=1"),
    ] {
        assert_eq!(kind(text), SourceKind::File(path.into()), "{text}");
    }
    let longest = format!("unix:/{}", "x".repeat(106));
    assert!(Source::parse(&longest).is_ok());
    assert!(error(&format!("{longest}x")).contains("107 bytes"));
}

#[test]
fn every_mistake_is_named() {
    for (text, why) in [
        ("tcp:", "expected [HOST:]PORT"),
        ("tcp://", "expected [HOST:]PORT"),
        ("tcp:rady", "\"rady\" has no port: expected [HOST:]PORT"),
        ("tcp:0", "\"0\" is not a port: 1 to 65535"),
        ("tcp:65536", "\"65536\" is not a port: 1 to 65535"),
        ("tcp:+1", "\"+1\" is not a host: expected [HOST:]PORT"),
        ("tcp:db:", "\"\" is not a port: 1 to 65535"),
        ("tcp:db:+1", "\"+1\" is not a port: 1 to 65535"),
        ("tcp:db:rady", "\"rady\" is not a port: 1 to 65535"),
        ("tcp::80", "\"\" is not a host: expected [HOST:]PORT"),
        ("tcp:::1:80", "an IPv6 address needs brackets: [::1]:80"),
        ("tcp:::1", "an IPv6 address needs brackets: [::1]:PORT"),
        (
            "tcp:fe80::1",
            "an IPv6 address needs brackets: [fe80::1]:PORT",
        ),
        ("tcp:[::1]", "\"[::1]\" has no port: expected [HOST:]PORT"),
        ("tcp:[::1]80", "\"[::1]80\" is not an IPv6 address"),
        ("tcp:[10.0.0.1]:80", "\"[10.0.0.1]\" is not an IPv6 address"),
        (
            "tcp:[fe80::1%eth0]:80",
            "\"[fe80::1%eth0]\" is not an IPv6 address",
        ),
        ("tcp:10.1:80", "\"10.1\" is not an IPv4 address"),
        ("tcp:010.0.0.1:80", "\"010.0.0.1\" is not an IPv4 address"),
        ("tcp:1.2.3.256:80", "\"1.2.3.256\" is not an IPv4 address"),
        ("tcp:a:b:80", "\"a:b\" is not a host: expected [HOST:]PORT"),
        ("tcp:dü:80", "\"dü\" is not a host: expected [HOST:]PORT"),
        ("tcp:-x:80", "\"-x\" is not a host: expected [HOST:]PORT"),
        ("tcp:80/x", "tcp: has no path: expected tcp:[HOST:]PORT"),
        ("tcp:u@h:80", "no user in a URL"),
        ("http:", "expected [HOST:]PORT"),
        ("http:/x", "expected [HOST:]PORT"),
        ("http:db/x", "\"db\" has no port: expected [HOST:]PORT"),
        ("http://", "expected [HOST:]PORT"),
        ("http://u:p@h/", "no user in a URL"),
        ("http://80/x", "\"80\" is not an IPv4 address"),
        ("http://h:0/x", "\"0\" is not a port: 1 to 65535"),
        ("http:80/a#b", "no \"#\" in a path: write %23"),
        ("http:80/ü", "only ASCII in a path: write others as %XX"),
        ("http:80/a b", "no blanks inside a condition"),
        ("http:80/a\r\nX: y", "no blanks inside a condition"),
        (
            "https://h/x",
            "no TLS: let the server's exitdir-run ask with --ready-on exec:PROG, and wait for its NAME",
        ),
        ("unix:", "expected unix:PATH"),
        ("unix:a.sock", "no \"/\": write unix:./a.sock"),
        ("unix:/run/", "\"/run/\" ends in \"/\""),
        (
            "unix://run/a",
            "after \"//\" a path is absolute: unix:///run/...",
        ),
        ("unix:/a b", "no blanks inside a condition"),
        ("file:rady", "no \"/\": write file:./rady"),
        ("file:/run/", "\"/run/\" ends in \"/\""),
        (
            "exec:/x",
            "exec: is not a condition: it is an action, and a source of --ready-on",
        ),
        ("main:rady", "expected tcp:, http:, unix: or file:"),
    ] {
        assert_eq!(error(text), why, "{text}");
    }
}

#[test]
fn only_some_words_begin_a_source() {
    for text in [
        "tcp:x",
        "tcp:ok",
        "http:",
        "https://h",
        "unix:/x",
        "file:x",
        "exec:/x",
        "post:80/x",
        "sleep:1",
    ] {
        assert!(Source::is_prefixed(text), "{text}");
    }
    for text in ["tcp", ":tcp", "main:ok", "db:5432", "", "TCP:80", "fd:3"] {
        assert!(!Source::is_prefixed(text), "{text}");
    }
}

#[test]
fn in_ready_on_the_path_of_a_file_is_any() {
    for path in ["ready", "/run/x y", "//run/x", "a,b+c", "x/"] {
        let source = Source::for_readiness(&format!("file:{path}"));
        let source = source.unwrap().unwrap();
        assert_eq!(source.kind(), &SourceKind::File(Path::new(path).into()));
    }
    let source = Source::for_readiness("http:80/a,b+c").unwrap().unwrap();
    assert!(matches!(source.kind(), SourceKind::Http(target) if target.path == "/a,b+c"));
    for text in [
        "http:80/a b",
        "http:80/a\rb",
        "tcp:80/x",
        "tcp:",
        "unix:x",
        "https:x",
    ] {
        assert!(Source::for_readiness(text).is_err(), "{text}");
    }
    for text in ["file", "file:", "exec:x", "start", "tcp"] {
        assert_eq!(Source::for_readiness(text), Ok(None), "{text}");
    }
}
