//! What cannot be evaluated is told with file and place.

use std::fs;

use crate::{run, sets};

#[track_caller]
fn refused(folder: &std::path::Path, words: &[&str], wanted: &[&str]) {
    let (code, output, errors) = run(folder, words);
    assert_eq!((code, output.as_str()), (1, ""), "{errors}");
    for wanted in wanted {
        assert!(errors.contains(wanted), "{wanted}: {errors}");
    }
}

#[test]
fn files_that_are_something_else_are_named_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    sets::stories(folder);
    sets::dialogs(folder);
    let vist = |file| ["vist", "--annotations", file, "--images", "vist"];
    refused(folder, &vist("nothing.json"), &["cannot read nothing.json"]);
    refused(
        folder,
        &vist("visdial.json"),
        &["visdial.json: ", "missing field `annotations`", "VIST's story-in-sequence file"],
    );
    let visdial = |file, dense| ["visdial", "--annotations", file, "--dense", dense, "--images", "visdial"];
    refused(folder, &visdial("vist.json", "dense.json"), &["vist.json: ", "missing field `data`"]);
    refused(
        folder,
        &visdial("visdial.json", "vist.json"),
        &["vist.json: ", "dense annotations was expected"],
    );
    fs::create_dir(folder.join("empty")).unwrap();
    refused(
        folder,
        &["vist", "--annotations", "vist.json", "--images", "empty"],
        &["empty: there is no picture in it"],
    );
    refused(
        folder,
        &["vist", "--annotations", "vist.json", "--images", "visdial"],
        &["no story has all its pictures in visdial"],
    );
    refused(
        folder,
        &["captions", "--tsv", "vist.json"],
        &["vist.json: line 1: there is no column `caption`"],
    );
    refused(
        folder,
        &["corpus", "--corpus", "empty"],
        &["a corpus as `fondue corpus OUT` makes it was expected", "things.tsv"],
    );
}

#[test]
fn a_corpus_whose_tables_contradict_each_other_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    sets::corpus(folder.path());
    let path = folder.path().join("corpus/pictures.tsv");
    let whole = fs::read_to_string(&path).unwrap();
    for (from, to, wanted) in [
        (
            "\tf0\tnoto\theld-picture",
            "\tf9\tnoto\theld-picture",
            "pictures.tsv: line 2: the thing `f9` is not in things.tsv",
        ),
        ("\theld-picture", "\tkept", "line 2: `kept` is none of train, held-picture, held-thing, unused"),
    ] {
        fs::write(&path, whole.replacen(from, to, 1)).unwrap();
        refused(folder.path(), &["corpus", "--corpus", "corpus"], &[wanted]);
    }
}
