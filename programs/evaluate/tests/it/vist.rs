//! Stories: the program's figures are those of single passes over each story.

use fondue_domain::Compat;
use fondue_evaluate::metrics::recall;
use serde_json::Value;

use crate::{
    naive::{Naive, Part, nearest},
    near, report, rows, sets, skipped,
};

const WORDS: [&str; 5] = ["vist", "--annotations", "vist.json", "--images", "vist"];

#[test]
fn figures_are_those_of_single_passes_in_both_modes() {
    let folder = tempfile::tempdir().unwrap();
    sets::stories(folder.path());
    let report = report(folder.path(), &WORDS);
    let naive = Naive::load();
    let mut differs = false;
    for (mode, column) in [(Compat::Off, 2), (Compat::Reference, 3)] {
        let begins = mode.is_reference();
        let path = |n| folder.path().join(format!("vist/{}.png", sets::picture(n)));
        let features: Vec<Vec<f32>> = (0..sets::PICTURES).map(|n| naive.see(&path(n), mode)).collect();
        let gallery: Vec<Vec<f32>> = features.iter().map(|features| naive.place(features)).collect();
        for (at, inputs) in ["1-caption", "5-captions", "5-captions-4-images"].into_iter().enumerate() {
            let ranks: Vec<usize> = (0..sets::STORIES)
                .map(|story| {
                    let captions: Vec<String> = (0..5).map(|n| sets::caption(story, n)).collect();
                    let last = format!("{}[RET]", captions[4]);
                    let joined = format!("{} {last}", captions[..4].join(" "));
                    let parts: Vec<Part<'_>> = match at {
                        0 => vec![Part::Text(true, &last)],
                        1 if !begins => vec![Part::Text(true, &joined)],
                        _ => {
                            let mut parts = Vec::new();
                            for (n, caption) in captions[..4].iter().enumerate() {
                                parts.push(Part::Text(begins || n == 0, caption));
                                parts.extend((at == 2).then(|| Part::Picture(&features[story + n])));
                            }
                            parts.push(Part::Text(begins, &last));
                            parts
                        }
                    };
                    let shown: Vec<usize> = if at == 2 { (story..story + 4).collect() } else { Vec::new() };
                    let order = nearest(&naive.query(&parts), &gallery, &shown);
                    order.iter().position(|&n| n == story + 4).unwrap() + 1
                })
                .collect();
            for (k_at, k) in [1, 5, 10].into_iter().enumerate() {
                let row = &rows(&report, "vist")[3 * at + k_at];
                assert_eq!((row[0].as_str(), row[1].as_str()), (Some(inputs), Some(&*format!("R@{k}"))));
                near(&row[column], recall(&ranks, k));
                differs |= row[2] != row[3];
            }
        }
    }
    assert!(differs, "the two columns must differ for this to compare anything");
    near(&rows(&report, "vist")[6][4], 0.18232);
}

#[test]
fn a_story_without_a_picture_is_left_out_and_one_column_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    sets::stories(folder.path());
    // The first story's alone.
    std::fs::remove_file(folder.path().join("vist/500.png")).unwrap();
    std::fs::write(folder.path().join("vist/501.png"), "no picture").unwrap();
    let words = [&WORDS[..], &["--compat", "off", "--inputs", "1-caption"]].concat();
    let report = report(folder.path(), &words);
    assert_eq!(report["facts"][1], serde_json::json!(["stories judged", "18 of 20"]));
    assert_eq!(report["facts"][2], serde_json::json!(["pictures in the gallery", "22"]));
    let skipped = skipped(&report);
    assert_eq!(skipped[0], "picture 500: there is no such file");
    assert!(skipped[1].starts_with("picture 501: pictures[0]: ") && skipped.len() == 2, "{skipped:?}");
    assert_eq!(rows(&report, "vist").len(), 3);
    assert_eq!(rows(&report, "vist")[0][3], Value::Null, "the published code's column");
}
