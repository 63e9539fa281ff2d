//! What a tower's `preprocessor_config.json` asks for. Every key that would change the pixels is either followed
//! or refused: a setting passed over in silence gives wrong features that still look plausible.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use crate::ImagingError;

/// How a picture becomes pixels: bicubic to `size`, scaled to 0 … 1, then `(x - mean) / std` per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// Side of the square, in pixels.
    pub size: u32,
    /// Mean of red, green, blue.
    pub mean: [f32; 3],
    /// Standard deviation of red, green, blue; none is 0.
    pub std: [f32; 3],
}

/// Mean of CLIP's training pictures.
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Standard deviation of CLIP's training pictures.
const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];
/// Pillow's number for bicubic.
const BICUBIC: u32 = 3;
/// Sides larger than any known tower's are a mistake in the file.
const MAX_SIZE: u32 = 4096;
/// A configuration has a few hundred bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The keys that matter; others (class names, flags of other libraries) are left alone.
#[derive(Deserialize)]
struct Raw {
    size: Size,
    crop_size: Option<Size>,
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
    resample: Option<u32>,
    rescale_factor: Option<f64>,
    do_resize: Option<bool>,
    do_center_crop: Option<bool>,
    do_rescale: Option<bool>,
    do_normalize: Option<bool>,
    do_convert_rgb: Option<bool>,
}

/// A side, in the three spellings that published files use.
#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Side(u32),
    Shortest { shortest_edge: u32 },
    Both { height: u32, width: u32 },
}

impl Preprocess {
    /// Reads a `preprocessor_config.json`. Without mean and standard deviation, CLIP's are meant.
    ///
    /// # Errors
    /// [`ImagingError::ReadConfig`] if the file cannot be read; [`ImagingError::Config`] naming the key if it
    /// is no JSON, lacks a size, or asks for something else than resize, centre crop and normalisation.
    pub fn from_file(path: &Path) -> Result<Self, ImagingError> {
        let read = |source| ImagingError::ReadConfig { path: path.to_owned(), source };
        let file = BufReader::new(File::open(path).map_err(read)?);
        let mut text = Vec::new();
        file.take(MAX_CONFIG_BYTES).read_to_end(&mut text).map_err(read)?;
        serde_json::from_slice::<Raw>(&text)
            .map_err(|error| error.to_string())
            .and_then(Self::check)
            .map_err(|reason| ImagingError::Config { path: path.to_owned(), reason })
    }

    fn check(raw: Raw) -> Result<Self, String> {
        let size = side("size", &raw.size)?;
        if let Some(crop) = &raw.crop_size {
            let crop = side("crop_size", crop)?;
            if crop != size {
                return Err(format!("`crop_size` is {crop}, `size` is {size}; they must be equal"));
            }
        }
        if let Some(resample) = raw.resample.filter(|&resample| resample != BICUBIC) {
            return Err(format!("`resample` is {resample}; only {BICUBIC} (bicubic) is done here"));
        }
        if let Some(factor) = raw.rescale_factor.filter(|factor| (factor * 255.0 - 1.0).abs() > 1e-6) {
            return Err(format!("`rescale_factor` is {factor}; only 1/255 is done here"));
        }
        for (key, value) in [
            ("do_resize", raw.do_resize),
            ("do_center_crop", raw.do_center_crop),
            ("do_rescale", raw.do_rescale),
            ("do_normalize", raw.do_normalize),
            ("do_convert_rgb", raw.do_convert_rgb),
        ] {
            if value == Some(false) {
                return Err(format!("`{key}` is false; only true is done here"));
            }
        }
        let (mean, std) = (raw.image_mean.unwrap_or(CLIP_MEAN), raw.image_std.unwrap_or(CLIP_STD));
        if !mean.iter().all(|value| value.is_finite()) {
            return Err("`image_mean` must have three finite numbers".to_owned());
        }
        if !std.iter().all(|value| value.is_finite() && *value > 0.0) {
            return Err("`image_std` must have three numbers above 0".to_owned());
        }
        Ok(Self { size, mean, std })
    }
}

fn side(key: &str, size: &Size) -> Result<u32, String> {
    let side = match *size {
        Size::Side(side) | Size::Shortest { shortest_edge: side } => side,
        Size::Both { height, width } if height == width => height,
        Size::Both { height, width } => {
            return Err(format!("`{key}` is {height} x {width}; only squares are done here"));
        }
    };
    if side == 0 || side > MAX_SIZE {
        return Err(format!("`{key}` is {side}; it must be 1 to {MAX_SIZE}"));
    }
    Ok(side)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Preprocess, String> {
        serde_json::from_str::<Raw>(text).map_err(|error| error.to_string()).and_then(Preprocess::check)
    }

    #[test]
    fn reads_the_three_spellings_of_a_size() {
        for text in [
            r#"{"size": 224}"#,
            r#"{"size": {"shortest_edge": 224}, "crop_size": 224, "resample": 3, "feature_extractor_type": "x"}"#,
            r#"{"size": {"height": 224, "width": 224}, "crop_size": {"height": 224, "width": 224}}"#,
        ] {
            let read = parse(text).unwrap();
            assert_eq!((read.size, read.mean, read.std), (224, CLIP_MEAN, CLIP_STD), "{text}");
        }
        let own = parse(r#"{"size": 8, "image_mean": [0.5, 0.5, 0.5], "image_std": [1, 2, 3]}"#).unwrap();
        assert_eq!((own.mean, own.std), ([0.5; 3], [1.0, 2.0, 3.0]));
    }

    #[test]
    fn refuses_what_it_would_not_do_and_names_the_key() {
        for (text, key) in [
            (r#"{}"#, "size"),
            (r#"{"size": 0}"#, "`size`"),
            (r#"{"size": 224, "crop_size": 200}"#, "`crop_size`"),
            (r#"{"size": {"height": 2, "width": 3}}"#, "`size`"),
            (r#"{"size": 224, "resample": 2}"#, "`resample`"),
            (r#"{"size": 224, "rescale_factor": 1.0}"#, "`rescale_factor`"),
            (r#"{"size": 224, "do_center_crop": false}"#, "`do_center_crop`"),
            (r#"{"size": 224, "image_std": [1, 0, 1]}"#, "`image_std`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn names_the_file_that_is_missing() {
        let error = Preprocess::from_file(Path::new("/nowhere/preprocessor_config.json")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/preprocessor_config.json"), "{error}");
    }
}
