//! Tables and pictures are what training and evaluation rely on.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::Corpus;

/// Styles that count, and those that only help training, with the one that each nearly repeats.
const COUNTED: [&str; 3] = ["noto", "twemoji", "fluent"];
const TWINS: [(&str, Option<&str>); 3] =
    [("emojione", None), ("noto-v1", Some("noto")), ("fluent-color", Some("fluent"))];

/// What is held out is held out whole, and is nowhere else.
pub(crate) fn check_split(corpus: &Corpus) {
    let things: HashMap<_, _> =
        corpus.table("things.tsv").into_iter().map(|thing| (thing["thing"].clone(), thing)).collect();
    let rows = corpus.table("pictures.tsv");
    let part: HashMap<_, _> = rows
        .iter()
        .map(|row| ((row["thing"].as_str(), row["style"].as_str()), row["split"].as_str()))
        .collect();
    assert_eq!(part.len(), rows.len(), "each style draws a thing once");
    let held: HashSet<_> = things
        .values()
        .filter(|thing| thing["held_out"] == "1")
        .map(|thing| thing["thing"].as_str())
        .collect();
    assert_eq!(held.len(), 100);
    let mut pictures = HashMap::new();
    for (thing, style) in part.keys() {
        let split = part[&(*thing, *style)];
        assert_eq!(split == "held-thing", held.contains(thing) && COUNTED.contains(style), "{thing} {style}");
        if split == "held-picture" {
            assert!(COUNTED.contains(style));
            assert!(pictures.insert(*thing, *style).is_none(), "one style of {thing} at the most");
        }
    }
    for style in COUNTED {
        assert_eq!(pictures.values().filter(|held| **held == style).count(), 100);
    }
    for (thing, style) in part.keys() {
        let twin = TWINS.iter().find(|(twin, _)| twin == style);
        if let Some((_, of)) = twin
            && (held.contains(thing) || of.is_some_and(|of| pictures.get(thing) == Some(&of)))
        {
            assert_eq!(part[&(*thing, *style)], "unused", "{thing} {style}");
        }
    }
    assert!(part.iter().any(|((_, style), part)| *style == "noto-v1" && *part == "train"));
}

#[test]
fn pictures_are_rgb_on_white_and_captions_name_them() {
    let corpus = Corpus::make(&["--seed", "3", "--palette-variants", "1"]);
    check_variants(&corpus, 1);
    let names: HashMap<_, _> = corpus
        .table("things.tsv")
        .into_iter()
        .map(|thing| (thing["thing"].clone(), thing["name"].clone()))
        .collect();
    let mut rows = HashMap::new();
    for row in corpus.table("pictures.tsv") {
        let picture = image::open(corpus.path().join(&row["image"])).unwrap();
        assert_eq!((picture.width(), picture.height(), picture.color()), (16, 16, image::ColorType::Rgb8));
        assert_eq!(row["image"], format!("pictures/{}/{}.png", row["style"], row["thing"]));
        rows.insert(row["image"].clone(), row);
    }
    for (table, part) in [("captions/train.tsv", "train"), ("captions/validation.tsv", "held-picture")] {
        let captions = corpus.table(table);
        let captioned: HashSet<_> = captions.iter().map(|row| row["image"].as_str()).collect();
        assert_eq!(captioned.len(), rows.values().filter(|row| row["split"] == part).count());
        for row in &captions {
            let picture = &rows[&row["image"]];
            assert_eq!(picture["split"], part);
            assert!(row["caption"].contains(&names[&picture["thing"]]) && !row["caption"].contains("[RET]"));
        }
    }
    let manifest: Value = serde_json::from_str(&corpus.read("manifest.json")).unwrap();
    assert_eq!((&manifest["format"], &manifest["seed"]), (&Value::from(1), &Value::from(3)));
    assert_eq!(manifest["counts"]["pictures"], rows.len());
    assert!(corpus.read("LICENSES.txt").contains("Princeton"));
}

/// Variants are of pictures to train on, and differ from them.
fn check_variants(corpus: &Corpus, count: usize) {
    let train: HashSet<_> = corpus
        .table("pictures.tsv")
        .into_iter()
        .filter(|row| row["split"] == "train")
        .collect::<Vec<_>>()
        .into_iter()
        .map(|row| (row["thing"].clone(), row["style"].clone()))
        .collect();
    let variants = corpus.table("variants.tsv");
    assert_eq!(variants.len(), train.len() * count);
    let pixels = |image: &str| image::open(corpus.path().join(image)).unwrap().into_rgb8().into_raw();
    let mut changed = 0;
    for row in &variants {
        assert!(train.contains(&(row["thing"].clone(), row["style"].clone())));
        let original = format!("pictures/{}/{}.png", row["style"], row["thing"]);
        changed += usize::from(pixels(&row["image"]) != pixels(&original));
    }
    // Black and white may stay what they are.
    assert!(changed * 100 > variants.len() * 98, "{changed} of {}", variants.len());
}
