//! What was published on VIST's validation set: R@1, R@5 and R@10 in per cent.
//!
//! Sources: the saved output of the reference's notebook for captions and pictures; table 2 of the later MCL paper for the rest, in
//! two transcriptions that agree.

use super::prompt::Inputs;
use crate::report::{Cell, Figures};

/// FROMAGe's figures.
pub(super) fn fromage(inputs: Inputs) -> [f64; 3] {
    match inputs {
        Inputs::Caption => [11.3, 24.6, 32.1],
        Inputs::Captions => [10.8, 23.8, 31.7],
        Inputs::CaptionsAndImages | Inputs::All => [18.232, 42.682, 51.775],
    }
}

/// Other methods.
const OTHERS: [(&str, &str, [f64; 3]); 5] = [
    ("CLIP ViT-L/14", "1-caption", [11.9, 25.5, 32.2]),
    ("CLIP ViT-L/14", "5-captions", [5.9, 19.5, 28.0]),
    ("CLIP ViT-L/14", "5-captions-4-images", [2.4, 21.3, 34.0]),
    ("GILL", "5-captions-4-images", [20.3, 45.0, 53.7]),
    ("MCL Llama2-7B", "5-captions-4-images", [23.1, 46.7, 56.1]),
];

/// Their table.
pub(super) fn others() -> Figures {
    let row = |(method, inputs, figures): (&str, &str, [f64; 3])| {
        let named = [method.into(), inputs.into()];
        named.into_iter().chain(figures.map(|percent| Cell::Share(percent / 100.0))).collect()
    };
    Figures {
        name: "vist_published",
        title: "Published of other methods".to_owned(),
        note: "On VIST's validation set.".to_owned(),
        columns: ["method", "inputs", "R@1", "R@5", "R@10"].map(str::to_owned).to_vec(),
        rows: OTHERS.into_iter().map(row).collect(),
    }
}
