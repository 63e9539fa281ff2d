//! Checked requests: what comes over the wire, turned into what the engine takes, or an error that names the field.

use fondue_domain::{Classify, Compat, Fault, TokenId, Violation};
use fondue_engine::{EngineError, LanguageEngine};
use fondue_model::{Prompt, PromptPart, Sampling};
use fondue_proto::language::{self as wire, part::Kind};

use crate::config::Limits;

mod cut;

pub(crate) use cut::cut_prompt;

/// Tokens to generate where the caller does not say.
const DEFAULT_NEW_TOKENS: usize = 64;
/// Stop strings at most, and bytes of one.
const MAX_STOPS: usize = 8;
const MAX_STOP_BYTES: usize = 64;
/// Bytes of a cache key.
const MAX_CACHE_KEY_BYTES: usize = 128;

/// A request that cannot be served as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// A field is wrong.
    #[error("{field}: {reason}")]
    Field { field: String, reason: String },
    /// The engine refuses the prompt.
    #[error("parts: {0}")]
    Prompt(#[source] EngineError),
}

impl RequestError {
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field { field: field.into(), reason: reason.into() }
    }
}

impl Classify for RequestError {
    fn fault(&self) -> Fault {
        match self {
            Self::Field { .. } => Fault::Invalid,
            Self::Prompt(error) => error.fault(),
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Field { field, reason } => vec![Violation::new(field, reason)],
            Self::Prompt(error) if error.fault() == Fault::Invalid => {
                vec![Violation::new("parts", error.to_string())]
            }
            Self::Prompt(_) => Vec::new(),
        }
    }
}

/// The prompt of a request.
pub(crate) fn prompt(
    parts: Vec<wire::Part>,
    engine: &LanguageEngine,
    limits: &Limits,
) -> Result<Prompt, RequestError> {
    prompt_from(0, parts, engine, limits)
}

/// The prompt of a request's parts from `first` on.
fn prompt_from(
    first: usize,
    parts: Vec<wire::Part>,
    engine: &LanguageEngine,
    limits: &Limits,
) -> Result<Prompt, RequestError> {
    if parts.len() > limits.parts {
        return Err(RequestError::field("parts", format!("{} pieces, limit {}", parts.len(), limits.parts)));
    }
    let text = |part: &wire::Part| if let Some(Kind::Text(text)) = &part.kind { text.len() } else { 0 };
    let bytes: usize = parts.iter().map(text).sum();
    if bytes > limits.text_bytes {
        return Err(RequestError::field(
            "parts",
            format!("{bytes} bytes of text, limit {}", limits.text_bytes),
        ));
    }
    let mut checked = Vec::with_capacity(parts.len());
    for (index, part) in (first..).zip(parts) {
        checked.push(match part.kind {
            Some(Kind::Text(text)) => {
                PromptPart::Text(engine.tokenizer().encode(&text).map_err(|error| {
                    RequestError::field(format!("parts[{index}].text"), error.to_string())
                })?)
            }
            Some(Kind::Image(image)) => {
                PromptPart::Image(features(image, &format!("parts[{index}].image.values"), engine)?)
            }
            None => {
                return Err(RequestError::field(format!("parts[{index}]"), "neither text nor image is set"));
            }
        });
    }
    engine.prompt(checked).map_err(RequestError::Prompt)
}

/// Features of pictures to project.
pub(crate) fn all_features(
    all: Vec<wire::Features>,
    engine: &LanguageEngine,
    limits: &Limits,
) -> Result<Vec<Vec<f32>>, RequestError> {
    let (n, max) = (all.len(), limits.features);
    if n == 0 || n > max {
        return Err(RequestError::field("features", format!("{n} pictures, expected 1 … {max}")));
    }
    let all = all.into_iter().enumerate();
    all.map(|(index, one)| features(one, &format!("features[{index}].values"), engine)).collect()
}

fn features(
    features: wire::Features,
    field: &str,
    engine: &LanguageEngine,
) -> Result<Vec<f32>, RequestError> {
    let (got, expected) = (features.values.len(), engine.facts().feature_dim);
    if got != expected {
        return Err(RequestError::field(field, format!("{got} values, expected {expected}")));
    }
    if let Some(at) = features.values.iter().position(|value| !value.is_finite()) {
        return Err(RequestError::field(field, format!("value {at} is not a finite number")));
    }
    Ok(features.values)
}

/// Continuations to score.
pub(crate) fn candidates(
    texts: &[String],
    at_least: usize,
    engine: &LanguageEngine,
    limits: &Limits,
) -> Result<Vec<Vec<TokenId>>, RequestError> {
    let (n, max) = (texts.len(), limits.candidates);
    if n < at_least || n > max {
        return Err(RequestError::field("candidates", format!("{n} texts, expected {at_least} … {max}")));
    }
    let bytes: usize = texts.iter().map(String::len).sum();
    if bytes > limits.text_bytes {
        return Err(RequestError::field(
            "candidates",
            format!("{bytes} bytes of text, limit {}", limits.text_bytes),
        ));
    }
    let encode = |(index, text): (usize, &String)| {
        let field = || format!("candidates[{index}]");
        let tokens = engine
            .tokenizer()
            .encode(text)
            .map_err(|error| RequestError::field(field(), error.to_string()))?;
        if tokens.is_empty() { Err(RequestError::field(field(), "is empty")) } else { Ok(tokens) }
    };
    texts.iter().enumerate().map(encode).collect()
}

/// Tokens to generate.
pub(crate) fn new_tokens(asked: i32, limits: &Limits) -> Result<usize, RequestError> {
    let max = limits.new_tokens;
    match usize::try_from(asked) {
        Ok(0) => Ok(DEFAULT_NEW_TOKENS.min(max)),
        Ok(n) if n <= max => Ok(n),
        _ => Err(RequestError::field(
            "max_new_tokens",
            format!("{asked}, expected 1 … {max}, or 0 for the default"),
        )),
    }
}

/// Whose prompts may share keys and values.
pub(crate) fn cache_key(key: String) -> Result<String, RequestError> {
    match key.len() {
        0..=MAX_CACHE_KEY_BYTES => Ok(key),
        n => Err(RequestError::field("cache_key", format!("{n} bytes, limit {MAX_CACHE_KEY_BYTES}"))),
    }
}

/// Which behaviour is wanted.
pub(crate) fn compat(asked: i32) -> Result<Compat, RequestError> {
    match wire::Compat::try_from(asked) {
        Ok(wire::Compat::Unspecified) => Ok(Compat::Off),
        Ok(wire::Compat::Reference) => Ok(Compat::Reference),
        Err(_) => {
            let known = "COMPAT_UNSPECIFIED (0) or COMPAT_REFERENCE (1)";
            Err(RequestError::field("compat", format!("{asked}, expected {known}")))
        }
    }
}

/// Stop strings.
pub(crate) fn stops(stops: Vec<String>, compat: Compat) -> Result<Vec<String>, RequestError> {
    if compat.is_reference() && !stops.is_empty() {
        return Err(RequestError::field(
            "stop",
            "must be empty with COMPAT_REFERENCE: the published code has none",
        ));
    }
    if stops.len() > MAX_STOPS {
        return Err(RequestError::field("stop", format!("{} strings, limit {MAX_STOPS}", stops.len())));
    }
    match stops.iter().position(|stop| stop.is_empty() || stop.len() > MAX_STOP_BYTES) {
        Some(at) => {
            let reason = format!("{} bytes, expected 1 … {MAX_STOP_BYTES}", stops[at].len());
            Err(RequestError::field(format!("stop[{at}]"), reason))
        }
        None => Ok(stops),
    }
}

/// How tokens are chosen; `random` is the seed where the caller gives none.
pub(crate) fn sampling(asked: Option<wire::Sampling>, random: u64) -> Result<Sampling, RequestError> {
    let asked = asked.unwrap_or_default();
    let within = |field: &str, value: f32, low: f32, high: f32| {
        // NaN is in no range.
        if (low..=high).contains(&value) {
            Ok(value)
        } else {
            Err(RequestError::field(format!("sampling.{field}"), format!("{value}, expected {low} … {high}")))
        }
    };
    let count = |field: &str, value: i32| {
        let negative =
            |_| RequestError::field(format!("sampling.{field}"), format!("{value}, expected 0 or more"));
        usize::try_from(value).map_err(negative)
    };
    let temperature = within("temperature", asked.temperature, 0.0, 100.0)?;
    let top_p = within("top_p", asked.top_p, 0.0, 1.0)?;
    let top_p = if top_p == 0.0 { 1.0 } else { top_p };
    if top_p < 1.0 && temperature == 0.0 {
        return Err(RequestError::field("sampling.top_p", format!("{top_p} needs a temperature above 0")));
    }
    Ok(Sampling {
        temperature,
        top_p,
        seed: asked.seed.unwrap_or(random),
        ret_bias: within("ret_bias", asked.ret_bias, -100.0, 100.0)?,
        ret_scale_factor: within("ret_scale_factor", asked.ret_scale_factor.unwrap_or(1.0), 0.0, 100.0)?,
        min_word_tokens: count("min_word_tokens", asked.min_word_tokens)?,
        max_rets: asked.max_rets.map(|n| count("max_rets", n)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<T: std::fmt::Debug>(result: Result<T, RequestError>) -> String {
        result.unwrap_err().violations().remove(0).field
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        assert_eq!(sampling(None, 7).unwrap(), Sampling { seed: 7, ..Sampling::GREEDY });
    }

    #[test]
    fn the_published_behaviour_is_asked_for_by_name_and_has_no_stop_strings() {
        assert_eq!(compat(0).unwrap(), Compat::Off);
        assert_eq!(compat(1).unwrap(), Compat::Reference);
        assert_eq!(field(compat(2)), "compat");
        assert_eq!(field(stops(vec!["a".to_owned()], Compat::Reference)), "stop");
        assert!(stops(Vec::new(), Compat::Reference).is_ok());
    }

    #[test]
    fn each_bound_is_checked_and_named() {
        let with = |change: fn(&mut wire::Sampling)| {
            let mut asked = wire::Sampling::default();
            change(&mut asked);
            sampling(Some(asked), 0)
        };
        assert_eq!(field(with(|s| s.temperature = f32::NAN)), "sampling.temperature");
        assert_eq!(field(with(|s| s.temperature = -0.1)), "sampling.temperature");
        assert!(with(|s| s.temperature = 100.0).is_ok());
        assert_eq!(field(with(|s| s.top_p = 1.1)), "sampling.top_p");
        assert_eq!(field(with(|s| s.top_p = 0.5)), "sampling.top_p");
        assert_eq!(field(with(|s| s.ret_bias = f32::INFINITY)), "sampling.ret_bias");
        assert_eq!(field(with(|s| s.ret_scale_factor = Some(-1.0))), "sampling.ret_scale_factor");
        assert_eq!(field(with(|s| s.min_word_tokens = -1)), "sampling.min_word_tokens");
        assert_eq!(field(with(|s| s.max_rets = Some(-1))), "sampling.max_rets");
        let stops = |texts| stops(texts, Compat::Off);
        assert_eq!(field(stops(vec!["a".to_owned(); 9])), "stop");
        assert_eq!(field(stops(vec!["a".to_owned(), String::new()])), "stop[1]");
        assert!(stops(vec!["a".repeat(64); 8]).is_ok());
        assert_eq!(field(stops(vec!["a".repeat(65)])), "stop[0]");
        assert!(cache_key("k".repeat(128)).is_ok());
        assert_eq!(field(cache_key("k".repeat(129))), "cache_key");
    }
}
