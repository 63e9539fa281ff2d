//! The texts name what may be named, and ask for pictures where they should.

use std::collections::HashMap;

use serde_json::Value;

use crate::Corpus;

/// Texts name no thing that is held out, and every other one often.
pub(crate) fn check_names(corpus: &Corpus) {
    let held = corpus.held();
    let mut dialogues: HashMap<String, usize> = HashMap::new();
    for name in ["text/train.jsonl", "text/validation.jsonl"] {
        for line in corpus.read(name).lines() {
            let document: Value = serde_json::from_str(line).unwrap();
            let (text, kind) = (document["text"].as_str().unwrap(), document["kind"].as_str().unwrap());
            check(text, kind, &document);
            if kind != "gloss" {
                for name in &held {
                    assert!(!holds(text, name), "{name} is held out: {text}");
                }
            }
            if kind == "dialogue"
                && let Some(thing) = document["thing"].as_str()
            {
                *dialogues.entry(thing.to_owned()).or_default() += 1;
            }
        }
    }
    for thing in corpus.table("things.tsv") {
        let count = dialogues.get(&thing["thing"]).copied().unwrap_or_default();
        if thing["held_out"] == "1" {
            assert_eq!(count, 0);
        } else {
            assert!(count >= 60, "{}: {count}", thing["name"]);
        }
    }
    let captions = corpus.read("captions/train.tsv");
    assert!(held.iter().all(|name| !holds(&captions, name)));
}

/// One document is of the form that the trainer reads.
fn check(text: &str, kind: &str, document: &Value) {
    let pics = document["pics"].as_array().map_or(0, Vec::len);
    assert_eq!(text.matches("<pic>").count(), pics, "{text}");
    assert!(!text.contains("</s>") && !text.contains(['{', '}']), "{text}");
    match kind {
        "dialogue" | "talk" => {
            assert!(text.ends_with('\n'));
            for line in text.lines() {
                let line = line.trim_start_matches("<pic>");
                assert!(line.starts_with("Q: ") || line.starts_with("A: "), "{text}");
                // A picture ends an answer, and nothing else.
                assert!(
                    !line.contains("[RET]") || line.starts_with("A: ") && line.ends_with(". [RET]"),
                    "{text}"
                );
                let asks = line.starts_with("A: Here ") || line.contains(", here ");
                assert_eq!(line.starts_with("A: ") && asks, line.contains("[RET]"), "{text}");
            }
            assert!(kind == "dialogue" || !text.contains("[RET]"), "{text}");
        }
        "caption" | "gloss" => assert!(!text.contains('\n'), "{text}"),
        _ => panic!("a document of another kind: {kind}"),
    }
}

/// Whether a text holds a name at the borders of words.
fn holds(text: &str, name: &str) -> bool {
    let text = text.to_lowercase();
    let letter = |found: Option<char>| found.is_some_and(char::is_alphanumeric);
    text.match_indices(name).any(|(from, name)| {
        !letter(text[..from].chars().next_back()) && !letter(text[from + name.len()..].chars().next())
    })
}
