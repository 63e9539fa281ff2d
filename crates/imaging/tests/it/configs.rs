//! Preprocessor configurations against transformers' image processor.

use std::fs;

use fondue_imaging::{Fit, Preprocess, decode};

use crate::{LIMITS, data, distance};

#[test]
fn every_configuration_has_the_processors_pixels() {
    let picture = decode(&fs::read(data("rgb.png")).unwrap(), &LIMITS).unwrap();
    for n in 0..7 {
        let path = data(&format!("configs/{n}.json"));
        let preprocess = Preprocess::from_file(&path).unwrap();
        let expected = decode(&fs::read(path.with_extension("png")).unwrap(), &LIMITS).unwrap();
        assert_eq!(preprocess.size, expected.width(), "{n}");
        let pixels = preprocess.pixels(&picture, Fit::Crop).unwrap();
        assert_eq!(distance(&pixels, &expected), (0.0, 0.0), "configuration {n}");
        let squashed = preprocess.pixels(&picture, Fit::Squash).unwrap();
        assert_eq!(squashed.len(), pixels.len(), "{n}");
    }
}
