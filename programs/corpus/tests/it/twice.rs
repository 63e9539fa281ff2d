//! The same seed gives the same files, byte for byte, and another seed another split.

use std::{fs, process::Command};

use crate::{Corpus, files};

#[test]
fn a_rebuild_is_identical_whatever_the_threads() {
    let one = Corpus::make(&["--palette-variants", "1", "--threads", "1"]);
    let two = Corpus::make(&["--palette-variants", "1", "--threads", "3"]);
    let names = files(&one.path());
    assert_eq!(names, files(&two.path()));
    assert!(names.len() > 4_000, "{}", names.len());
    for name in names {
        let read = |corpus: &Corpus| fs::read(corpus.path().join(&name)).unwrap();
        assert!(read(&one) == read(&two), "{} differs", name.display());
    }
    let other = Corpus::make(&["--seed", "2"]);
    assert_ne!(one.held(), other.held());
}

#[test]
fn a_corpus_is_replaced_only_by_force() {
    let corpus = Corpus::make(&[]);
    let things = corpus.path().join("things.tsv");
    fs::write(&things, "mine").unwrap();
    let run = |words: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_fondue-corpus"));
        program.args(["--size", "16", "--cache"]).arg(corpus.folder.path().join("cache"));
        let done = program.args(words).arg(corpus.path()).output().unwrap();
        assert!(done.status.success());
        String::from_utf8(done.stdout).unwrap()
    };
    assert!(run(&[]).contains("holds a corpus already"));
    assert_eq!(fs::read_to_string(&things).unwrap(), "mine");
    run(&["--force"]);
    assert_ne!(fs::read_to_string(&things).unwrap(), "mine");
}
