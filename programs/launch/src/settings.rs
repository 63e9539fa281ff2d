//! Options of turns by their names, as `/set` changes them. Pure.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use fondue_proto::dialogue::{Compat, TurnOptions};

/// One option.
pub(crate) struct Setting {
    /// As in the contract.
    pub(crate) name: &'static str,
    /// What it may be and what it is for.
    pub(crate) about: &'static str,
    set: fn(&mut TurnOptions, &str) -> Result<(), String>,
    unset: fn(&mut TurnOptions),
    get: fn(&TurnOptions) -> Option<String>,
}

/// An option that is a number within a range.
macro_rules! number {
    ($field:ident, $range:expr, $about:literal) => {
        Setting {
            name: stringify!($field),
            about: $about,
            set: |options, text| {
                options.$field = Some(number(text, $range)?);
                Ok(())
            },
            unset: |options| options.$field = None,
            get: |options| options.$field.map(|value| value.to_string()),
        }
    };
}

/// An option that is a text.
macro_rules! text {
    ($field:ident, $about:literal) => {
        Setting {
            name: stringify!($field),
            about: $about,
            set: |options, text| {
                options.$field = Some(text.to_owned());
                Ok(())
            },
            unset: |options| options.$field = None,
            get: |options| options.$field.clone(),
        }
    };
}

/// All of them. The ranges are the contract's; the server's limits may be narrower.
pub(crate) const SETTINGS: [Setting; 16] = [
    number!(max_new_tokens, 1..=1024, "1 … 1024: tokens to generate at most"),
    number!(temperature, 0.0..=100.0, "0 … 100: 0 takes the likeliest token each time"),
    number!(top_p, f32::MIN_POSITIVE..=1.0, "above 0, up to 1: the likeliest tokens up to this probability"),
    number!(seed, 0..=u64::MAX, "a whole number: the same answer again"),
    Setting {
        name: "stop",
        about: "texts that end an answer, separated by |",
        set: |options, text| {
            options.stop = text.split('|').map(str::to_owned).collect();
            Ok(())
        },
        unset: |options| options.stop.clear(),
        get: |options| (!options.stop.is_empty()).then(|| options.stop.join("|")),
    },
    number!(ret_bias, -100.0..=100.0, "-100 … 100: above 0 for more pictures, below for fewer"),
    number!(ret_scale_factor, 0.0..=100.0, "0 … 100: above 1 for more pictures, below for fewer"),
    number!(min_word_tokens, 0..=1024, "0 … 1024: no picture among this many first tokens"),
    number!(max_images_per_ret, 1..=16, "1 … 16: pictures for each [RET]"),
    number!(max_images, 0..=32, "0 … 32: pictures in a turn"),
    Setting {
        name: "feed_back_images",
        about: "true or false: whether the model sees the pictures that it found",
        set: |options, text| {
            options.feed_back_images = Some(truth(text)?);
            Ok(())
        },
        unset: |options| options.feed_back_images = None,
        get: |options| options.feed_back_images.map(|value| value.to_string()),
    },
    number!(timeout_ms, 1..=600_000, "1 … 600000: time for a turn in milliseconds"),
    Setting {
        name: "compat",
        about: "off or reference: as is right, or as the published model's code does",
        set: |options, text| {
            let compat = match text {
                "off" => Compat::Off,
                "reference" => Compat::Reference,
                _ => return Err(format!("`{text}` is neither off nor reference")),
            };
            options.compat = compat.into();
            Ok(())
        },
        unset: |options| options.compat = Compat::Unspecified.into(),
        get: |options| match options.compat() {
            Compat::Unspecified => None,
            Compat::Off => Some("off".to_owned()),
            Compat::Reference => Some("reference".to_owned()),
        },
    },
    text!(cache_key, "who may share the model's memory of earlier prompts"),
    text!(generation, "the index generation to find pictures in"),
    text!(index, "the index to find pictures in, by its name"),
];

/// The words that take an option back to the server's default.
const DEFAULT: [&str; 2] = ["default", "unset"];

/// Sets an option, or takes it back with `default`.
///
/// # Errors
/// What is wrong and what would be right, for people.
pub(crate) fn set(options: &mut TurnOptions, name: &str, value: &str) -> Result<(), String> {
    let wanted = name.replace('-', "_");
    let setting = SETTINGS.iter().find(|setting| setting.name == wanted).ok_or_else(|| {
        let names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
        format!("there is no option `{name}`; there are: {}", names.join(", "))
    })?;
    if DEFAULT.contains(&value) {
        (setting.unset)(options);
        return Ok(());
    }
    (setting.set)(options, value).map_err(|error| format!("{}: {error} ({})", setting.name, setting.about))
}

/// All options, one a line, with their values.
pub(crate) fn table(options: &TurnOptions) -> String {
    let row = |setting: &Setting| {
        let value = (setting.get)(options).unwrap_or_else(|| "default".to_owned());
        format!("  {:<19}{value:<12} {}", setting.name, setting.about)
    };
    SETTINGS.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn number<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Result<T, String> {
    let number = text.parse::<T>().map_err(|_| format!("`{text}` is no number that is allowed"))?;
    if range.contains(&number) { Ok(number) } else { Err(format!("{number} is out of range")) }
}

fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_set_and_taken_back() {
        let mut options = TurnOptions::default();
        set(&mut options, "temperature", "0.7").unwrap();
        set(&mut options, "max-images", "3").unwrap();
        set(&mut options, "ret_bias", "-4").unwrap();
        set(&mut options, "stop", "a|b").unwrap();
        set(&mut options, "compat", "reference").unwrap();
        assert_eq!(
            (options.temperature, options.max_images, options.ret_bias),
            (Some(0.7), Some(3), Some(-4.0))
        );
        assert_eq!(options.stop, ["a", "b"]);
        assert!(table(&options).contains("temperature        0.7"), "{}", table(&options));
        for setting in SETTINGS {
            set(&mut options, setting.name, "default").unwrap();
        }
        assert_eq!(options, TurnOptions::default());
    }

    #[test]
    fn what_is_wrong_is_told_and_changes_nothing() {
        let mut options = TurnOptions::default();
        for (name, value) in [
            ("temperature", "hot"),
            ("temperature", "101"),
            ("temperature", "NaN"),
            ("top_p", "0"),
            ("max_images", "33"),
            ("seed", "-1"),
            ("compat", "on"),
            ("feed_back_images", "1"),
            ("heat", "1"),
        ] {
            assert!(set(&mut options, name, value).unwrap_err().contains(name), "{name}");
        }
        assert_eq!(options, TurnOptions::default());
    }
}
