//! Options of a turn: checked field by field, then laid over the conversation's and the server's.

use std::{fmt::Display, time::Duration};

use fondue_domain::Compat;
use fondue_proto::{dialogue as wire, retrieval};

use super::{Faults, conditions, generation};
use crate::config::{Defaults, Limits};

/// Options that were set, each within its range.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    max_new_tokens: Option<i32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    seed: Option<u64>,
    stop: Vec<String>,
    ret_bias: Option<f32>,
    ret_scale_factor: Option<f32>,
    min_word_tokens: Option<i32>,
    max_images_per_ret: Option<i32>,
    max_images: Option<i32>,
    feed_back_images: Option<bool>,
    timeout_ms: Option<i32>,
    compat: Option<Compat>,
    cache_key: Option<String>,
    conditions: Vec<retrieval::Condition>,
    generation: Option<String>,
    index: Option<String>,
}

/// How to answer a turn; the fields are those of the wire's `TurnOptions`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the .proto file documents each
pub struct Options {
    pub max_new_tokens: i32,
    pub temperature: f32,
    pub top_p: f32,
    pub seed: Option<u64>,
    pub stop: Vec<String>,
    pub ret_bias: f32,
    pub ret_scale_factor: f32,
    pub min_word_tokens: i32,
    pub max_images_per_ret: usize,
    pub max_images: usize,
    pub feed_back_images: bool,
    pub timeout: Duration,
    pub compat: Compat,
    pub cache_key: String,
    pub conditions: Vec<retrieval::Condition>,
    pub generation: Option<String>,
    /// Empty for the first one.
    pub index: String,
}

/// Checks each option that is set. `path` is where the options lie in the request.
pub fn overrides(raw: wire::TurnOptions, path: &str, limits: &Limits, faults: &mut Faults) -> Overrides {
    let at = |name: &str| format!("{path}.{name}");
    let top_p = raw.top_p.filter(|top_p| {
        let fits = *top_p > 0.0 && *top_p <= 1.0;
        if !fits {
            faults.add(at("top_p"), format!("must be above 0 and at most 1, got {top_p}"));
        }
        fits
    });
    if raw.stop.len() > 8 {
        faults.add(at("stop"), format!("at most 8 texts, got {}", raw.stop.len()));
    } else {
        for (index, stop) in raw.stop.iter().enumerate().filter(|(_, stop)| !(1..=64).contains(&stop.len())) {
            faults.add(format!("{path}.stop[{index}]"), format!("must be 1 … 64 bytes, got {}", stop.len()));
        }
    }
    let max_timeout = i32::try_from(limits.timeout.as_millis()).unwrap_or(i32::MAX);
    let tokens = limits.new_tokens;
    Overrides {
        max_new_tokens: ranged(&at("max_new_tokens"), raw.max_new_tokens, 1, tokens, faults),
        temperature: ranged(&at("temperature"), raw.temperature, 0.0, 100.0, faults),
        top_p,
        seed: raw.seed,
        stop: raw.stop,
        ret_bias: ranged(&at("ret_bias"), raw.ret_bias, -100.0, 100.0, faults),
        ret_scale_factor: ranged(&at("ret_scale_factor"), raw.ret_scale_factor, 0.0, 100.0, faults),
        min_word_tokens: ranged(&at("min_word_tokens"), raw.min_word_tokens, 0, tokens, faults),
        max_images_per_ret: ranged(&at("max_images_per_ret"), raw.max_images_per_ret, 1, 16, faults),
        max_images: ranged(&at("max_images"), raw.max_images, 0, 32, faults),
        feed_back_images: raw.feed_back_images,
        timeout_ms: ranged(&at("timeout_ms"), raw.timeout_ms, 1, max_timeout, faults),
        compat: compat(&at("compat"), raw.compat, faults),
        cache_key: raw.cache_key.map(|key| cache_key(&at("cache_key"), key, faults)),
        conditions: conditions::checked(raw.conditions, &at("conditions"), faults),
        generation: raw.generation.and_then(|name| generation(name, &at("generation"), faults)),
        index: raw.index.map(|name| index(&at("index"), name, limits, faults)),
    }
}

impl Overrides {
    /// These options, and `base`'s where these are unset.
    pub fn over(self, base: &Self) -> Self {
        Self {
            max_new_tokens: self.max_new_tokens.or(base.max_new_tokens),
            temperature: self.temperature.or(base.temperature),
            top_p: self.top_p.or(base.top_p),
            seed: self.seed.or(base.seed),
            stop: if self.stop.is_empty() { base.stop.clone() } else { self.stop },
            ret_bias: self.ret_bias.or(base.ret_bias),
            ret_scale_factor: self.ret_scale_factor.or(base.ret_scale_factor),
            min_word_tokens: self.min_word_tokens.or(base.min_word_tokens),
            max_images_per_ret: self.max_images_per_ret.or(base.max_images_per_ret),
            max_images: self.max_images.or(base.max_images),
            feed_back_images: self.feed_back_images.or(base.feed_back_images),
            timeout_ms: self.timeout_ms.or(base.timeout_ms),
            compat: self.compat.or(base.compat),
            cache_key: self.cache_key.or_else(|| base.cache_key.clone()),
            conditions: if self.conditions.is_empty() { base.conditions.clone() } else { self.conditions },
            // A generation is one of its index: it does not hold in another.
            generation: match &self.index {
                Some(index) if *index != base.index.clone().unwrap_or_default() => self.generation,
                _ => self.generation.or_else(|| base.generation.clone()),
            },
            index: self.index.or_else(|| base.index.clone()),
        }
    }

    /// The behaviour that is wanted.
    pub fn compat(&self, defaults: &Defaults) -> Compat {
        self.compat.unwrap_or(defaults.compat)
    }

    /// These options, and the server's where these are unset.
    pub fn resolve(self, defaults: &Defaults) -> Options {
        let count = |value: i32| usize::try_from(value).unwrap_or(0);
        Options {
            compat: self.compat(defaults),
            max_new_tokens: self.max_new_tokens.unwrap_or(defaults.max_new_tokens),
            temperature: self.temperature.unwrap_or(0.0),
            top_p: self.top_p.unwrap_or(1.0),
            seed: self.seed,
            stop: self.stop,
            cache_key: self.cache_key.unwrap_or_default(),
            conditions: self.conditions,
            generation: self.generation,
            index: self.index.unwrap_or_default(),
            ret_bias: self.ret_bias.unwrap_or(defaults.ret_bias),
            ret_scale_factor: self.ret_scale_factor.unwrap_or(1.0),
            min_word_tokens: self.min_word_tokens.unwrap_or(0),
            max_images_per_ret: count(self.max_images_per_ret.unwrap_or(1)),
            max_images: count(self.max_images.unwrap_or(defaults.max_images)),
            feed_back_images: self.feed_back_images.unwrap_or(false),
            timeout: self
                .timeout_ms
                .map_or(defaults.timeout, |ms| Duration::from_millis(u64::from(ms.unsigned_abs()))),
        }
    }
}

impl Options {
    /// Checks what holds between fields; only the merged options can tell.
    pub fn check(&self, path: &str, faults: &mut Faults) {
        if self.top_p < 1.0 && self.temperature == 0.0 {
            let got = self.top_p;
            faults
                .add(format!("{path}.top_p"), format!("other than 1 needs a temperature above 0, got {got}"));
        }
        if self.compat.is_reference() && !self.stop.is_empty() {
            let got = self.stop.len();
            faults.add(
                format!("{path}.stop"),
                format!("must be empty with COMPAT_REFERENCE, whose model knows none, got {got} texts"),
            );
        }
        if self.min_word_tokens > self.max_new_tokens {
            let (most, got) = (self.max_new_tokens, self.min_word_tokens);
            faults.add(
                format!("{path}.min_word_tokens"),
                format!("must be 0 … max_new_tokens ({most}), got {got}"),
            );
        }
    }
}

/// Bytes of a cache key: the language service's own limit.
const MAX_CACHE_KEY: usize = 128;

/// Whose prompts may share the model's memory.
pub(super) fn cache_key(field: &str, key: String, faults: &mut Faults) -> String {
    if key.len() > MAX_CACHE_KEY {
        faults.add(field, format!("may be {MAX_CACHE_KEY} bytes long, got {}", key.len()));
    }
    key
}

/// An index of the server's; empty for the first one.
pub(super) fn index(field: &str, name: String, limits: &Limits, faults: &mut Faults) -> String {
    if !name.is_empty() && !limits.indexes.contains(&name) {
        let known: Vec<_> = limits.indexes.iter().map(|known| format!("`{known}`")).collect();
        let known = if known.is_empty() { "no others".to_owned() } else { known.join(", ") };
        let name: String = name.chars().take(64).collect();
        faults.add(field, format!("there is no index `{name}`; beside the unnamed one there are {known}"));
    }
    name
}

/// The behaviour that is asked for; `None` is the server's choice.
pub(super) fn compat(field: &str, raw: i32, faults: &mut Faults) -> Option<Compat> {
    match wire::Compat::try_from(raw) {
        Ok(wire::Compat::Unspecified) => None,
        Ok(wire::Compat::Off) => Some(Compat::Off),
        Ok(wire::Compat::Reference) => Some(Compat::Reference),
        Err(_) => {
            let known = "COMPAT_UNSPECIFIED (0), COMPAT_OFF (1) or COMPAT_REFERENCE (2)";
            faults.add(field, format!("must be {known}, got {raw}"));
            None
        }
    }
}

/// `value` if it lies in `low … high`; NaN does not.
pub(super) fn ranged<T: PartialOrd + Display>(
    field: &str,
    value: Option<T>,
    low: T,
    high: T,
    faults: &mut Faults,
) -> Option<T> {
    let value = value?;
    if value >= low && value <= high {
        return Some(value);
    }
    faults.add(field, format!("must be {low} … {high}, got {value}"));
    None
}
