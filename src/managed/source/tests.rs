use super::*;
use crate::managed::spec::Usage;

/// Two changes in one tick of the kernel's clock may have the same times, size and inode. Then an
/// event is the only trace of the second.
#[test]
fn soon_after_a_change_an_event_about_the_content_is_another_change() {
    let name = format!("exitdir-source-{}", crate::sys::random::hex::<8>().unwrap());
    let path = std::env::temp_dir().join(name);
    let item = ConfigItem {
        source: path.clone(),
        usage: Usage::Watched,
    };
    std::fs::write(&path, "text").unwrap();
    let mut source = ConfigSource::new(&item, false);
    let scan = |source: &mut ConfigSource<'_>, is_racy, is_touched| {
        source.is_racy = is_racy;
        source.scan(&mut WatchSet::default(), Exclusion::new(None), is_touched)
    };
    assert!(scan(&mut source, false, false), "it is new");
    source.is_dirty = false;
    assert!(!scan(&mut source, true, false) && !source.is_dirty());
    assert!(!scan(&mut source, false, true) && !source.is_dirty());
    assert!(scan(&mut source, true, true) && source.is_dirty());
    std::fs::remove_file(&path).unwrap();
}
