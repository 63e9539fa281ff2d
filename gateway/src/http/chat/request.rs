//! A request for a chat completion, as OpenAI's API has it, with what it has no words for under `fondue`.

use std::fmt;

use fondue_proto::dialogue::{self as wire, Condition};
use serde::{Deserialize, Deserializer, de};
use serde_json::Number;

use crate::http::{
    content::{Content, Fit},
    errors::Problem,
    rest::{AnyText, AnyTexts, Rest},
};

/// What is asked. What changes the meaning of an answer and is not done here is refused unless it is at rest; see
/// [`Asked::check`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) messages: Vec<Message>,
    pub(super) max_tokens: Option<i32>,
    pub(super) max_completion_tokens: Option<i32>,
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
    seed: Option<Number>,
    stop: Option<Stop>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<i64>,
    pub(super) prompt_cache_key: Option<String>,
    pub(super) fondue: Option<Extension>,
    // Passed over.
    #[serde(rename = "user")]
    _user: Option<AnyText>,
    #[serde(rename = "safety_identifier")]
    _safety_identifier: Option<AnyText>,
    #[serde(rename = "metadata")]
    _metadata: Option<AnyTexts>,
    #[serde(rename = "parallel_tool_calls")]
    _parallel_tool_calls: Option<bool>,
    // At rest, or refused.
    frequency_penalty: Option<f64>,
    presence_penalty: Option<f64>,
    logprobs: Option<bool>,
    top_logprobs: Option<i64>,
    logit_bias: Option<Rest>,
    tools: Option<Rest>,
    tool_choice: Option<Rest>,
    functions: Option<Rest>,
    function_call: Option<Rest>,
    response_format: Option<Rest>,
    modalities: Option<Rest>,
    audio: Option<Rest>,
    prediction: Option<Rest>,
    web_search_options: Option<Rest>,
    reasoning_effort: Option<Rest>,
    verbosity: Option<Rest>,
    service_tier: Option<Rest>,
    store: Option<bool>,
}

/// One or several.
#[derive(Debug)]
struct Stop(Vec<String>);

impl<'de> Deserialize<'de> for Stop {
    /// By hand, since a derived choice keeps a copy of all that it may be.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Stop;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Stop, E> {
                Ok(Stop(vec![text.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, texts: A) -> Result<Stop, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(texts)).map(Stop)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamOptions {
    include_usage: Option<bool>,
    /// Passed over: no chunk is padded.
    #[serde(rename = "include_obfuscation")]
    _include_obfuscation: Option<bool>,
}

/// Who says what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) content: Option<Content>,
    /// What an answer was in truth.
    pub(super) fondue: Option<Past>,
    #[serde(rename = "name")]
    _name: Option<AnyText>,
    // An answer is often sent back with all that it came with; none of these is ever set in ours.
    refusal: Option<Rest>,
    annotations: Option<Rest>,
    audio: Option<Rest>,
    tool_calls: Option<Rest>,
    function_call: Option<Rest>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    System,
    Developer,
    User,
    Assistant,
}

/// An answer as the model wrote it, and what it found.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Past {
    pub(super) transcript: String,
    pub(super) image_ids: Option<Vec<String>>,
}

/// What OpenAI's API has no words for; the .proto file documents each.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extension {
    max_images: Option<i32>,
    max_images_per_ret: Option<i32>,
    ret_bias: Option<f32>,
    ret_scale_factor: Option<f32>,
    min_word_tokens: Option<i32>,
    timeout_ms: Option<i32>,
    compat: Option<Compat>,
    pub(super) fit: Option<Fit>,
    pub(super) generation: Option<String>,
    index: Option<String>,
    conditions: Option<Vec<Condition>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Compat {
    Off,
    Reference,
}

impl Asked {
    /// Whether the answer is to come as it is made.
    pub(super) fn stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Whether a stream is to end with what it took.
    pub(super) fn include_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false)
    }

    /// Refuses what is not done here.
    ///
    /// # Errors
    /// [`Problem`] that names the field.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let is = |value: Option<Rest>, rest: &[Rest]| value.is_none_or(|it| rest.contains(&it));
        let at_rest = [
            ("n", self.n.is_none_or(|n| n == 1), "must be 1"),
            ("frequency_penalty", self.frequency_penalty.is_none_or(|it| it == 0.0), "must be 0"),
            ("presence_penalty", self.presence_penalty.is_none_or(|it| it == 0.0), "must be 0"),
            ("logprobs", self.logprobs != Some(true), "must be false"),
            ("top_logprobs", self.top_logprobs.is_none_or(|it| it == 0), "must be 0"),
            ("logit_bias", is(self.logit_bias, &[Rest::EmptyMap]), "must be empty"),
            ("tools", is(self.tools, &[Rest::EmptyList]), "must be empty"),
            ("tool_choice", is(self.tool_choice, &[Rest::None, Rest::Auto]), "must be none or auto"),
            ("functions", is(self.functions, &[Rest::EmptyList]), "must be empty"),
            ("function_call", is(self.function_call, &[Rest::None, Rest::Auto]), "must be none or auto"),
            ("response_format", is(self.response_format, &[Rest::TextType]), "must be of type text"),
            ("modalities", is(self.modalities, &[Rest::TextAlone]), "must be [\"text\"]"),
            ("audio", self.audio.is_none(), "must be null"),
            ("prediction", self.prediction.is_none(), "must be null"),
            ("web_search_options", self.web_search_options.is_none(), "must be null"),
            ("reasoning_effort", is(self.reasoning_effort, &[Rest::None]), "must be none"),
            ("verbosity", self.verbosity.is_none(), "must be null"),
            ("service_tier", is(self.service_tier, &[Rest::Auto, Rest::Default]), "must be auto or default"),
            ("store", self.store != Some(true), "must be false"),
        ];
        for (name, rests, rule) in at_rest {
            if !rests {
                let message = format!("{name}: {rule}; this server does nothing else");
                return Err(Problem::invalid("unsupported_value", name.to_owned(), message));
            }
        }
        if self.stream_options.is_some() && !self.stream() {
            let field = "stream_options".to_owned();
            let message = "stream_options: only with `stream`".to_owned();
            return Err(Problem::invalid("invalid_value", field, message));
        }
        if self.max_tokens.is_some() && self.max_completion_tokens.is_some() {
            let message = "max_tokens: is the old name of max_completion_tokens; set one of them";
            return Err(Problem::invalid("invalid_value", "max_tokens".to_owned(), message.to_owned()));
        }
        self.seed.as_ref().map_or(Ok(()), |number| seed(number).map(drop))?;
        for (index, message) in self.messages.iter().enumerate() {
            message.check(&format!("messages[{index}]"))?;
        }
        Ok(())
    }

    /// The options in the words of the dialogue API.
    pub(super) fn options(&mut self) -> wire::TurnOptions {
        let it = self.fondue.take().unwrap_or_default();
        let stop = self.stop.take().map_or_else(Vec::new, |Stop(texts)| texts);
        wire::TurnOptions {
            max_new_tokens: self.max_completion_tokens.or(self.max_tokens),
            temperature: self.temperature,
            top_p: self.top_p,
            seed: self.seed.as_ref().and_then(|number| seed(number).ok()),
            stop,
            ret_bias: it.ret_bias,
            ret_scale_factor: it.ret_scale_factor,
            min_word_tokens: it.min_word_tokens,
            max_images_per_ret: it.max_images_per_ret,
            max_images: it.max_images,
            feed_back_images: None, // a dialogue that is sent anew has its pictures in what the user says
            timeout_ms: it.timeout_ms,
            compat: it
                .compat
                .map(|compat| match compat {
                    Compat::Off => wire::Compat::Off,
                    Compat::Reference => wire::Compat::Reference,
                } as i32)
                .unwrap_or_default(),
            cache_key: self.prompt_cache_key.take(),
            conditions: it.conditions.unwrap_or_default(),
            generation: None,
            index: it.index,
        }
    }
}

/// OpenAI's seeds may be below 0; to us they are bits.
fn seed(number: &Number) -> Result<u64, Problem> {
    let bits = number.as_u64().or_else(|| number.as_i64().map(i64::cast_unsigned));
    bits.ok_or_else(|| {
        let message = format!("seed: must be a whole number of 64 bits, got {number}");
        Problem::invalid("invalid_type", "seed".to_owned(), message)
    })
}

impl Message {
    fn check(&self, path: &str) -> Result<(), Problem> {
        let empty = |value: &Option<Rest>| value.is_none_or(|it| it == Rest::EmptyList);
        let fault = |name: &str, what: &str| {
            let field = format!("{path}.{name}");
            let message = format!("{field}: {what}");
            Err(Problem::invalid("invalid_value", field, message))
        };
        let answer = self.role == Role::Assistant;
        let beside = [
            ("refusal", &self.refusal),
            ("annotations", &self.annotations),
            ("audio", &self.audio),
            ("tool_calls", &self.tool_calls),
            ("function_call", &self.function_call),
        ];
        if let Some((name, _)) = beside.iter().find(|(_, value)| !empty(value) || !answer && value.is_some())
        {
            return fault(name, "must be left out");
        }
        if self.fondue.is_some() && !answer {
            return fault("fondue", "only an assistant's message has it");
        }
        if self.content.is_none() && self.fondue.is_none() {
            return fault("content", "must be there");
        }
        Ok(())
    }
}
