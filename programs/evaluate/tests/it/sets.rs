//! Small sets in the official formats: pictures of plain colours, stories and dialogs about them.

use std::{fs, path::Path};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};

pub(crate) const COLOURS: [(&str, [u8; 3]); 8] = [
    ("red apple", [220, 20, 30]),
    ("green apple", [30, 180, 40]),
    ("blue book", [20, 40, 200]),
    ("yellow heart", [240, 220, 20]),
    ("black cat", [10, 10, 10]),
    ("orange", [250, 140, 10]),
    ("purple heart", [140, 20, 180]),
    ("white flag", [230, 240, 250]),
];

/// A picture that is not square, with a stripe, so that cropped and squashed ones differ.
pub(crate) fn draw(path: &Path, colour: [u8; 3], seed: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixel =
        |x: u32, y: u32| if x < 20 + 5 * (seed % 12) || y / 2 == seed { [255, 255, 255] } else { colour };
    RgbImage::from_fn(96, 64, |x, y| Rgb(pixel(x, y))).save(path).unwrap();
}

/// Ids of stories' pictures.
pub(crate) fn picture(n: usize) -> String {
    format!("{}", 500 + n)
}

/// What a story says of its `n`-th picture.
pub(crate) fn caption(story: usize, n: usize) -> String {
    format!("here is a {} number {n}", COLOURS[(story + n) % 8].0)
}

/// Of `vist.json`.
pub(crate) const STORIES: usize = 20;
/// That they show.
pub(crate) const PICTURES: usize = STORIES + 4;

/// Stories in `vist.json` and `vist/`; story s shows the pictures s to s + 4.
pub(crate) fn stories(folder: &Path) {
    for (n, (_, colour)) in COLOURS.into_iter().cycle().take(PICTURES).enumerate() {
        draw(&folder.join(format!("vist/{}.png", picture(n))), colour, n as u32);
    }
    let line = |story: usize, n: usize| json!([{"story_id": story.to_string(), "photo_flickr_id": picture(story + n), "text": caption(story, n)}]);
    let lines: Vec<Value> = (0..STORIES).flat_map(|story| (0..5).map(move |n| line(story, n))).collect();
    fs::write(folder.join("vist.json"), json!({"annotations": lines}).to_string()).unwrap();
}

pub(crate) const QUESTIONS: [&str; 3] = ["what is this", "is it red", "do you like it"];
pub(crate) const ANSWERS: [&str; 5] = ["a red apple", "yes", "no", "a book on a table", "it is a heart"];

/// Options of a round, and the right one's place.
pub(crate) fn options(dialog: usize, round: usize) -> ([usize; 4], usize) {
    (std::array::from_fn(|n| (dialog + round + n) % 5), (dialog + 2 * round) % 4)
}

/// Three dialogs of ten rounds with four options in `visdial.json`, relevances in `dense.json`, pictures in `visdial/`.
pub(crate) fn dialogs(folder: &Path) {
    for (n, (_, colour)) in COLOURS.into_iter().take(3).enumerate() {
        draw(&folder.join(format!("visdial/VisualDialog_val2018_{:012}.png", 700 + n)), colour, n as u32);
    }
    let round = |dialog: usize, n: usize| {
        let (options, right) = options(dialog, n);
        json!({"question": n % 3, "answer": options[right], "answer_options": options, "gt_index": right})
    };
    let dialog = |n: usize| json!({"image_id": 700 + n, "caption": "", "dialog": (0..10).map(|at| round(n, at)).collect::<Vec<_>>()});
    let data = json!({"questions": QUESTIONS, "answers": ANSWERS, "dialogs": (0..3).map(dialog).collect::<Vec<_>>()});
    fs::write(
        folder.join("visdial.json"),
        json!({"version": "1.0", "split": "val2018", "data": data}).to_string(),
    )
    .unwrap();
    let dense = |n: usize| json!({"image_id": 700 + n, "round_id": RELEVANT[n], "gt_relevance": RELEVANCE});
    let dense: Vec<Value> = (0..3).map(dense).collect();
    fs::write(folder.join("dense.json"), json!(dense).to_string()).unwrap();
}

/// Rounds with relevances, counted from 1; the last dialog's is its last one, behind which there is nothing.
pub(crate) const RELEVANT: [usize; 3] = [2, 10, 10];
pub(crate) const RELEVANCE: [f32; 4] = [0.0, 1.0, 0.0, 0.4];

/// A corpus of eight things in the styles that count and in one that does not.
pub(crate) fn corpus(folder: &Path) {
    let corpus = folder.join("corpus");
    let mut things = String::from("thing\tname\tgroup\tsubgroup\tkeywords\theld_out\n");
    let mut pictures = String::from("image\tthing\tstyle\tsplit\n");
    let mut captions = String::from("caption\timage\n");
    for (n, (name, colour)) in COLOURS.into_iter().enumerate() {
        let held = n == 7;
        things.push_str(&format!("f{n}\t{name}\tColours\tplain\tcolour;paint\t{}\n", u8::from(held)));
        for (at, style) in ["noto", "twemoji", "fluent", "emojione"].into_iter().enumerate() {
            let path = format!("pictures/{style}/f{n}.png");
            draw(&corpus.join(&path), colour, (3 * n + at) as u32);
            let split = match (held, style) {
                (true, "emojione") => "unused",
                (true, _) => "held-thing",
                (false, "noto") if n == 0 => "held-picture",
                (false, "fluent") if n == 1 => "unused",
                _ => "train",
            };
            pictures.push_str(&format!("{path}\tf{n}\t{style}\t{split}\n"));
            if split == "train" {
                captions.push_str(&format!("{name}\t{path}\na {name}\t{path}\nHere is a {name}.\t{path}\n"));
            }
        }
    }
    fs::create_dir(corpus.join("captions")).unwrap();
    fs::write(corpus.join("captions/train.tsv"), captions).unwrap();
    fs::write(corpus.join("things.tsv"), things).unwrap();
    fs::write(corpus.join("pictures.tsv"), pictures).unwrap();
    let sources = json!([{"name": "twemoji-assets", "version": "1.5.1", "licence": "CC-BY-4.0", "kind": "crate", "style": "twemoji"}]);
    fs::write(corpus.join("manifest.json"), json!({"format": 1, "seed": 77, "sources": sources}).to_string())
        .unwrap();
}
