//! The keys of a `preprocessor_config.json`, one by one, so that an error names the key.

use serde_json::{Map, Value};

use super::{Preprocess, Resize};

/// Mean of CLIP's training pictures.
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Standard deviation of CLIP's training pictures.
const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];
/// Pillow's number for bicubic.
const BICUBIC: u64 = 3;
/// Sides larger than any known tower's are a mistake in the file.
const MAX_SIZE: u32 = 4096;

/// Reads the file's content.
pub(super) fn parse(text: &[u8]) -> Result<Preprocess, String> {
    let keys: Map<String, Value> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let keys = Keys(keys);
    keys.refuse()?;
    let wants_crop = keys.flag("do_center_crop")?;
    let resize = if keys.flag("do_resize")? { keys.resize()? } else { Resize::Keep };
    let size = match (wants_crop, resize) {
        (true, _) => keys.crop(resize)?,
        (false, Resize::Exact { width, height }) if width == height => width,
        (false, Resize::Exact { .. }) => {
            return Err("`size` must be a square if `do_center_crop` is false".into());
        }
        (false, _) => {
            return Err(
                "`do_center_crop` is false, so `do_resize` must be true, and `size` must have equal \
                        `height` and `width`: the tower takes squares only"
                    .into(),
            );
        }
    };
    let rescale = if keys.flag("do_rescale")? { keys.factor()? } else { 1.0 };
    let (mean, std) = match keys.flag("do_normalize")? {
        true => (keys.channels("image_mean", CLIP_MEAN)?, keys.channels("image_std", CLIP_STD)?),
        false => ([0.0; 3], [1.0; 3]),
    };
    if !std.iter().all(|&value| value > 0.0) {
        return Err("`image_std` must have three numbers above 0".to_owned());
    }
    Ok(Preprocess { size, resize, rescale, mean, std })
}

struct Keys(Map<String, Value>);

impl Keys {
    /// The value of a key; `null` counts as missing.
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A `do_…` key.
    fn flag(&self, key: &str) -> Result<bool, String> {
        match self.get(key) {
            None => Ok(true),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(format!("`{key}` is {other}; it must be true or false")),
        }
    }

    /// Keys with values that would change the pixels in a way that is not done here.
    fn refuse(&self) -> Result<(), String> {
        self.flag("do_convert_rgb")?; // either way; but it must be one
        if let Some(resample) = self.get("resample").filter(|value| value.as_u64() != Some(BICUBIC)) {
            return Err(format!("`resample` is {resample}; only {BICUBIC} (bicubic) is done here"));
        }
        if let Some(pad) = self.get("do_pad").filter(|&value| value != &Value::Bool(false)) {
            return Err(format!("`do_pad` is {pad}; only false is done here"));
        }
        for key in ["data_format", "input_data_format"] {
            if let Some(format) = self.get(key).filter(|&value| value != "channels_first") {
                return Err(format!("`{key}` is {format}; only \"channels_first\" is done here"));
            }
        }
        Ok(())
    }

    fn resize(&self) -> Result<Resize, String> {
        let value = self.get("size").ok_or("`size` is missing, though `do_resize` is not false")?;
        let square = self.get("default_to_square").is_some_and(|value| value == true);
        let edges = |key: &str| value.get(key).filter(|value| !value.is_null());
        match (edges("shortest_edge"), edges("height"), edges("width")) {
            (None, None, None) if value.is_number() => match side("size", value)? {
                side if square => Ok(Resize::Exact { width: side, height: side }),
                side => Ok(Resize::Short(side)),
            },
            (Some(short), None, None) if edges("longest_edge").is_none() => {
                Ok(Resize::Short(side("size", short)?))
            }
            (None, Some(height), Some(width)) => {
                Ok(Resize::Exact { width: side("size", width)?, height: side("size", height)? })
            }
            _ => Err(format!(
                "`size` is {value}; it must be a number, `shortest_edge`, or `height` and `width`"
            )),
        }
    }

    /// Without the key, the crop is what the size makes square.
    fn crop(&self, resize: Resize) -> Result<u32, String> {
        let Some(value) = self.get("crop_size") else {
            return match resize {
                Resize::Short(side) => Ok(side),
                Resize::Exact { width, height } => Ok(width.min(height)),
                Resize::Keep => Err("`crop_size` is missing, though `do_resize` is false".to_owned()),
            };
        };
        match (value.get("height"), value.get("width")) {
            (None, None) if value.is_number() => side("crop_size", value),
            (Some(height), Some(width)) if height == width => side("crop_size", height),
            _ => Err(format!("`crop_size` is {value}; it must be a number, or equal `height` and `width`")),
        }
    }

    fn factor(&self) -> Result<f64, String> {
        let Some(value) = self.get("rescale_factor") else { return Ok(1.0 / 255.0) };
        let factor = value.as_f64().filter(|factor| factor.is_finite() && *factor != 0.0);
        factor.ok_or_else(|| format!("`rescale_factor` is {value}; it must be a number other than 0"))
    }

    fn channels(&self, key: &str, default: [f32; 3]) -> Result<[f32; 3], String> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let number =
            |value: &Value| value.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
        let numbers = match value {
            Value::Array(values) => values.iter().map(number).collect::<Option<Vec<_>>>(),
            one => number(one).map(|number| vec![number; 3]),
        };
        let three = numbers.and_then(|numbers| numbers.try_into().ok());
        three.ok_or_else(|| format!("`{key}` is {value}; it must be three finite numbers, or one for all"))
    }
}

fn side(key: &str, value: &Value) -> Result<u32, String> {
    let side = value.as_u64().and_then(|side| u32::try_from(side).ok());
    let side = side.filter(|side| (1..=MAX_SIZE).contains(side));
    side.ok_or_else(|| format!("`{key}` is {value}; it must be a whole number from 1 to {MAX_SIZE}"))
}
