//! The same seed gives the same files, byte for byte, and another seed another split.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use crate::{Corpus, files};

#[test]
fn a_corpus_is_replaced_only_by_force_and_a_rebuild_is_identical_whatever_the_threads() {
    let corpus = Corpus::make(&["--threads", "1"]);
    let again = |words: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_fondue-corpus"));
        program.args(["--size", "16", "--cache"]).arg(corpus.folder.path().join("cache"));
        let done = program.args(words).arg(corpus.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let first = read(&corpus);
    assert!(first.len() > 4_000, "{}", first.len());
    fs::write(corpus.path().join("things.tsv"), "mine").unwrap();
    assert!(again(&[]).contains("holds a corpus already"));
    assert_eq!(corpus.read("things.tsv"), "mine");
    again(&["--force", "--threads", "3"]);
    let second = read(&corpus);
    assert!(first.keys().eq(second.keys()));
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{} differs", name.display());
    }
    let held = corpus.held();
    again(&["--force", "--seed", "2"]);
    assert_ne!(corpus.held(), held);
}

/// All files with their bytes.
fn read(corpus: &Corpus) -> BTreeMap<PathBuf, Vec<u8>> {
    let path = corpus.path();
    files(&path).into_iter().map(|name| (name.clone(), fs::read(path.join(name)).unwrap())).collect()
}
