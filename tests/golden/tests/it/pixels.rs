//! Preprocessing against Pillow's bicubic.

use anyhow::Result;
use fondue_golden::Golden;
use fondue_imaging::{Fit, ImageLimits, Preprocess, decode};

#[test]
fn crop_and_squash_agree_with_pillow() -> Result<()> {
    for golden in Golden::all()? {
        let preprocess = Preprocess::from_file(&golden.folder.join("clip/preprocessor_config.json"))?;
        let limits = ImageLimits { max_pixels: 1 << 20, max_bytes: 1 << 24 };
        for (name, fit) in [("pixels.crop", Fit::Crop), ("pixels.squash", Fit::Squash)] {
            let expected = golden.floats(name)?;
            let mut got = Vec::new();
            for path in golden.pictures() {
                got.extend(preprocess.pixels(&decode(&std::fs::read(path)?, &limits)?, fit)?);
            }
            assert_eq!(got.len(), expected.len(), "{name}");
            let plane = (preprocess.size * preprocess.size) as usize;
            // Back to 0 … 255: that is the scale in which the tolerance is given.
            let differences = got.iter().zip(&expected).enumerate();
            let differences: Vec<f32> = differences
                .map(|(n, (a, b))| (a - b).abs() * preprocess.std[n / plane % 3] * 255.0)
                .collect();
            let largest = differences.iter().copied().fold(0.0, f32::max);
            let mean = differences.iter().sum::<f32>() / differences.len() as f32;
            let folder = golden.folder.display();
            assert!(largest <= 2.0 && mean <= 0.2, "{folder}: {name}: largest {largest}, mean {mean} of 255");
        }
    }
    Ok(())
}
