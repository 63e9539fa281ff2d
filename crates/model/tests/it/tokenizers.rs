//! Tokenizers that are damaged or not OPT's: told with the file, soon, and without taking memory.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use fondue_model::{ModelError, Tokenizer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{refused, shipped};

fn good() -> Value {
    serde_json::from_slice(&fs::read(shipped("opt/tokenizer.json")).unwrap()).unwrap()
}

fn load(file: &Value) -> Result<Tokenizer, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
    Tokenizer::load(folder.path())
}

/// The shipped tokenizer as a pair of files.
fn pair() -> TempDir {
    let (folder, model) = (tempfile::tempdir().unwrap(), good()["model"].take());
    let merges = model["merges"].as_array().unwrap().iter().map(|merge| match merge {
        Value::String(line) => line.clone(),
        pair => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    });
    let merges = format!("#version: 0.2\n{}\n", merges.collect::<Vec<_>>().join("\n"));
    fs::write(folder.path().join("vocab.json"), model["vocab"].to_string()).unwrap();
    fs::write(folder.path().join("merges.txt"), merges).unwrap();
    folder
}

const TEXT: &str = "Q: Show me [RET] a red apple, 日本語.\n\nA:";

#[test]
fn both_forms_of_the_files_give_the_same_ids() {
    let whole = Tokenizer::load(&shipped("opt")).unwrap();
    let pair = Tokenizer::load(pair().path()).unwrap();
    assert_eq!(whole.encode(TEXT).unwrap(), pair.encode(TEXT).unwrap());
    assert_eq!((whole.ret(), whole.ret().0), (pair.ret(), 3999));
    // Merges are written as one text too.
    let mut lines = good();
    for merge in lines["model"]["merges"].as_array_mut().unwrap() {
        if let [left, right] = merge.as_array().map_or(&[][..], Vec::as_slice) {
            *merge = json!(format!("{} {}", left.as_str().unwrap(), right.as_str().unwrap()));
        }
    }
    assert_eq!(load(&lines).unwrap().encode(TEXT).unwrap(), whole.encode(TEXT).unwrap());
}

#[test]
fn what_is_not_used_changes_nothing() {
    let ids = Tokenizer::load(&shipped("opt")).unwrap().encode(TEXT).unwrap();
    for (key, value) in [
        (
            "truncation",
            json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 5}),
        ),
        ("padding", json!({"strategy": {"Fixed": 4_000_000_000u32}, "direction": "Right"})),
        ("decoder", json!({"typo": 1})),
        ("post_processor", json!({"type": "TemplateProcessing", "single": [], "pair": []})),
    ] {
        let mut file = good();
        file[key] = value;
        assert_eq!(load(&file).unwrap().encode(TEXT).unwrap(), ids, "{key}");
    }
}

#[test]
fn parts_that_opts_has_not_are_refused() {
    let parts: [(&str, Value, &str); 11] = [
        ("/normalizer", json!({"type": "Prepend", "prepend": "x".repeat(1 << 20)}), "normalizer"),
        ("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}), "Precompiled"),
        ("/pre_tokenizer", json!({"type": "Split", "pattern": {"Regex": "(.*)*$Z"}}), "Split"),
        ("/pre_tokenizer", Value::Null, "ByteLevel"),
        ("/model/continuing_subword_prefix", json!("é".repeat(50)), "prefix"),
        ("/model/end_of_word_suffix", json!("</w>"), "suffix"),
        ("/model/dropout", json!(0.5), "dropout"),
        ("/model/type", json!("WordPiece"), "BPE"),
        ("/model/merges", json!([["", ""]]), "out of vocabulary"),
        ("/model/merges", json!(["a"]), "two tokens"),
        ("/model/vocab", json!([["a", 0.0]]), "expected a map"),
    ];
    for (place, value, part) in parts {
        let mut file = good();
        *file.pointer_mut(place).unwrap() = value;
        let error = refused("tokenizer.json", || load(&file));
        assert!(error.contains(part), "{place}: {error}");
    }
    // Tables have a row for each id.
    for token in ["[RET]", "other"] {
        for id in [u32::MAX, u32::MAX - 1, 300_000_000] {
            let mut file = good();
            file["model"]["vocab"][token] = json!(id);
            let error = refused("tokenizer.json", || load(&file));
            assert!(error.contains(token) && error.contains(&id.to_string()), "{error}");
        }
    }
}

#[test]
fn files_that_are_none_are_refused_by_their_names() {
    let makes: [fn(&Path); 8] = [
        |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
        |path| fs::write(path, "").map(drop).unwrap(),
        |path| fs::write(path, "[".repeat(1 << 20)).unwrap(),
        |path| fs::write(path, [0xff; 100]).unwrap(),
        |path| fs::write(path, "a b c\n").unwrap(),
        |path| fs::File::create(path).unwrap().set_len(1 << 40).unwrap(),
    ];
    for (n, make) in makes.into_iter().enumerate() {
        for name in ["tokenizer.json", "vocab.json", "merges.txt"] {
            let folder = pair();
            let path = folder.path().join(name);
            fs::remove_file(&path).ok();
            make(&path);
            if name == "merges.txt" && n == 3 {
                continue; // without merges it is a tokenizer, of single bytes
            }
            refused(name, || Tokenizer::load(folder.path()));
        }
    }
}

#[test]
fn damaged_files_are_refused_or_read() {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let whole = fs::read(shipped("opt/tokenizer.json")).unwrap();
    let pair = pair();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tokenizer.json"), &whole).unwrap();
    let mut told = 0;
    for (folder, name) in [(&folder, "tokenizer.json"), (&pair, "vocab.json"), (&pair, "merges.txt")] {
        let path = folder.path().join(name);
        let good = fs::read(&path).unwrap();
        for n in 0..100 {
            let mut bytes = good.clone();
            // What the file is made of stands at its beginning.
            let end = if n % 2 == 0 { bytes.len() } else { 2500 };
            if n % 10 == 0 {
                bytes.truncate(random.random_range(0..end));
            } else {
                bytes[random.random_range(0..end)] ^= 1 << random.random_range(0..8);
            }
            fs::write(&path, &bytes).unwrap();
            if let Err(error) = Tokenizer::load(folder.path()) {
                // A token that is gone is missed in the merges.
                let named = error.to_string();
                assert!(
                    named.contains(name) || named.contains("merges.txt") || named.contains("vocab.json"),
                    "{error}"
                );
                told += 1;
            }
        }
        fs::write(&path, &good).unwrap();
    }
    assert!((60..300).contains(&told), "{told}");
}
