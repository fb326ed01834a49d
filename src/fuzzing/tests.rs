//! Every target with the inputs of `fuzz/corpus/`: those that the fuzzer has chosen, because each
//! reaches code that no other reaches, and those that once broke a promise.

use std::panic::catch_unwind;
use std::path::Path;

fn replay(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut files: Vec<_> = std::fs::read_dir(corpus.join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() > 20, "{} inputs are no corpus", files.len());
    for file in files {
        let data = std::fs::read(&file).unwrap();
        let ended = catch_unwind(|| target(&data));
        assert!(ended.is_ok(), "{}", file.display());
    }
}

#[test]
fn archive() {
    replay("archive", super::archive::target);
}

#[test]
fn datagram() {
    replay("datagram", super::datagram::target);
}

#[test]
fn evaluator() {
    replay("evaluator", super::evaluator::target);
}

#[test]
fn machine() {
    replay("machine", super::machine::target);
}

#[test]
fn options() {
    replay("options", super::options::target);
}

#[test]
fn tombstone() {
    replay("tombstone", super::tombstone::target);
}

#[test]
fn words() {
    replay("words", super::words::target);
}
