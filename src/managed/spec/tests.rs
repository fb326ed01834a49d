use super::*;

fn item(source: &str, usage: Usage) -> ConfigItem {
    let source = PathBuf::from(source);
    ConfigItem { source, usage }
}

#[test]
fn a_source_is_watched_or_copied() {
    let copied = |target: &str| Usage::Copied(PathBuf::from(target));
    for (text, expected) in [
        ("conf", item("conf", Usage::Watched)),
        ("/etc/app/conf/", item("/etc/app/conf", Usage::Watched)),
        ("a=b", item("a", copied("b"))),
        ("a=b/", item("a", copied("b"))),
        ("a=b=c", item("a", copied("b=c"))),
        ("/a/b=/a/c", item("/a/b", copied("/a/c"))),
    ] {
        assert_eq!(ConfigItem::parse(text), Ok(expected), "{text}");
    }
    for text in [
        "", "/", "..", "a/..", "=", "a=", "=b", "a=/", "a=..", "a=a", "a=a/", "a=a/b", "a/b=a",
    ] {
        assert!(ConfigItem::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_final_slash_is_dropped_so_that_no_link_is_followed() {
    assert_eq!(without_final_slash("link/").as_os_str(), "link");
}

#[test]
fn an_archive_needs_a_target() {
    let expected = item("a.tar", Usage::Unpacked(PathBuf::from("a")));
    assert_eq!(ConfigItem::parse_archive("a.tar=a"), Ok(expected));
    for text in ["a.tar", "a.tar=", "=a", "a=a"] {
        assert!(ConfigItem::parse_archive(text).is_err(), "{text:?}");
    }
}

#[test]
fn no_target_is_inside_another() {
    let conflict = |words: &[&str]| {
        let items = words.iter().map(|text| ConfigItem::parse(text).unwrap());
        let items = items.collect();
        let spec = ManagedSpec {
            items,
            ..ManagedSpec::default()
        };
        spec.conflicting_target().map(Path::to_owned)
    };
    assert_eq!(conflict(&["a=x", "b=y", "c", "d"]), None);
    assert_eq!(conflict(&["a=x", "b=xy"]), None);
    assert_eq!(conflict(&["a=x", "b=x"]), Some(PathBuf::from("x")));
    assert_eq!(conflict(&["a=x/y", "b=x"]), Some(PathBuf::from("x/y")));
}
