//! A turn's events in OpenAI's words.

use fondue_proto::dialogue::{
    FinishReason, FoundImage, HistoryCut, ImageUnavailable, Timings, TurnDone, TurnStarted, Usage as Took,
    event::Kind,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::{links, now, picture::Image};

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Telling {
    model: String,
    /// Before links to pictures.
    public_url: String,
    created: u64,
    started: TurnStarted,
    found: Vec<FoundImage>,
    unavailable: Vec<ImageUnavailable>,
}

/// A whole answer.
#[derive(Debug, Serialize)]
pub(super) struct Completion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: [Choice; 1],
    usage: Usage,
    fondue: Value,
}

#[derive(Debug, Serialize)]
struct Choice {
    index: u32,
    message: Message,
    finish_reason: &'static str,
    logprobs: (),
}

#[derive(Debug, Serialize)]
struct Message {
    role: &'static str,
    content: String,
    refusal: (),
}

/// A piece of an answer.
#[derive(Debug, Serialize)]
pub(super) struct Chunk {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<ChunkChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fondue: Option<Value>,
}

#[derive(Debug, Serialize)]
struct ChunkChoice {
    index: u32,
    delta: Delta,
    finish_reason: Option<&'static str>,
    logprobs: (),
}

#[derive(Debug, Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

/// What an answer took, as OpenAI counts it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
    prompt_tokens_details: Cached,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Cached {
    cached_tokens: u32,
}

impl From<Took> for Usage {
    fn from(took: Took) -> Self {
        let (prompt_tokens, completion_tokens) = (took.prompt_tokens, took.generated_tokens);
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: Cached { cached_tokens: took.cached_tokens },
        }
    }
}

impl Telling {
    /// Nothing is said yet.
    pub(super) fn new(model: String, public_url: String) -> Self {
        let started = TurnStarted::default();
        Self { model, public_url, created: now(), started, found: Vec::new(), unavailable: Vec::new() }
    }

    /// Keeps what a whole answer will tell.
    pub(super) fn hear(&mut self, kind: Kind) {
        match kind {
            Kind::Started(started) => self.started = started,
            Kind::Image(image) => self.found.push(FoundImage { data: Default::default(), ..image }),
            Kind::ImageUnavailable(lack) => self.unavailable.push(lack),
            _ => {} // `TurnDone` has the whole text
        }
    }

    /// The whole answer.
    pub(super) fn whole(mut self, done: TurnDone) -> Completion {
        self.found.sort_by_key(|image| (image.text_offset, image.ret_index, image.rank));
        let images: Vec<Image> = self.found.iter().cloned().map(Image::from).collect();
        let message = Message {
            role: "assistant",
            content: with_links(&done.text, &self.found, &self.public_url),
            refusal: (),
        };
        let finish_reason = finish_reason(done.reason());
        let usage = done.usage.unwrap_or_default().into();
        let mut fondue = told(&done, &self.found);
        fondue["turn_id"] = self.started.turn_id.clone().into();
        fondue["trace_id"] = self.started.trace_id.clone().into();
        fondue["history_cut"] = cut(self.started.history_cut);
        fondue["images"] = json!(images);
        fondue["unavailable"] = self.unavailable.iter().map(lack).collect();
        Completion {
            id: self.id(),
            object: "chat.completion",
            created: self.created,
            model: self.model,
            choices: [Choice { index: 0, message, finish_reason, logprobs: () }],
            usage,
            fondue,
        }
    }

    /// The pieces that an event comes to; the last one comes with its usage, if that is wanted.
    pub(super) fn pieces(&mut self, kind: Kind, with_usage: bool) -> Vec<Chunk> {
        match kind {
            Kind::Started(started) => {
                self.started = started;
                let told = json!({
                    "turn_id": self.started.turn_id,
                    "trace_id": self.started.trace_id,
                    "history_cut": cut(self.started.history_cut),
                });
                let delta = Delta { role: Some("assistant"), content: Some(String::new()) };
                vec![self.chunk(delta, None, Some(told))]
            }
            Kind::Text(delta) => {
                vec![self.chunk(Delta { content: Some(delta.text), ..Delta::default() }, None, None)]
            }
            Kind::Image(image) => {
                let image = FoundImage { data: Default::default(), ..image };
                let delta =
                    Delta { content: Some(links::markdown(&image, &self.public_url)), ..Delta::default() };
                self.found.push(image.clone());
                vec![self.chunk(delta, None, Some(json!({ "image": Image::from(image) })))]
            }
            Kind::ImageUnavailable(unavailable) => {
                let told = json!({ "unavailable": lack(&unavailable) });
                vec![self.chunk(Delta::default(), None, Some(told))]
            }
            Kind::Done(done) => {
                let told = told(&done, &self.found);
                let last = self.chunk(Delta::default(), Some(finish_reason(done.reason())), Some(told));
                let usage = with_usage.then(|| Chunk {
                    choices: Vec::new(),
                    usage: Some(done.usage.unwrap_or_default().into()),
                    ..self.chunk(Delta::default(), None, None)
                });
                [Some(last), usage].into_iter().flatten().collect()
            }
            _ => Vec::new(), // a failure is told by the stream; the rest is of conversations
        }
    }

    fn chunk(&self, delta: Delta, finish_reason: Option<&'static str>, fondue: Option<Value>) -> Chunk {
        Chunk {
            id: self.id(),
            object: "chat.completion.chunk",
            created: self.created,
            model: self.model.clone(),
            choices: vec![ChunkChoice { index: 0, delta, finish_reason, logprobs: () }],
            usage: None,
            fondue,
        }
    }

    fn id(&self) -> String {
        format!("chatcmpl-{}", self.started.turn_id)
    }
}

/// `text` with the pictures, in order, where they belong.
fn with_links(text: &str, found: &[FoundImage], public_url: &str) -> String {
    let mut content = String::with_capacity(text.len());
    let mut found = found.iter().peekable();
    for (index, c) in text.chars().enumerate() {
        while let Some(image) = found.next_if(|image| image.text_offset as usize <= index) {
            content += &links::markdown(image, public_url);
        }
        content.push(c);
    }
    found.for_each(|image| content += &links::markdown(image, public_url));
    content
}

/// What is told at the end of any answer.
fn told(done: &TurnDone, found: &[FoundImage]) -> Value {
    let usage = done.usage.unwrap_or_default();
    let ids: Vec<&str> = found.iter().map(|image| image.id.as_str()).collect();
    let reason = done.reason().as_str_name();
    json!({
        "text": done.text,
        "transcript": done.transcript,
        "image_ids": ids,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "generated_tokens": usage.generated_tokens,
            "cached_tokens": usage.cached_tokens,
            "images_in": usage.images_in,
            "images_found": usage.images_found,
        },
        "timings": timings(done.timings.clone().unwrap_or_default()),
        "finish_reason": reason.strip_prefix("FINISH_REASON_").unwrap_or(reason),
    })
}

fn timings(took: Timings) -> Value {
    let search = |search: &fondue_proto::dialogue::SearchTiming| {
        json!({
            "ret_index": search.ret_index,
            "start_ms": search.start_ms,
            "end_ms": search.end_ms,
        })
    };
    json!({
        "fetch_ms": took.fetch_ms,
        "vision_ms": took.vision_ms,
        "queue_ms": took.queue_ms,
        "prefill_ms": took.prefill_ms,
        "first_token_ms": took.first_token_ms,
        "first_text_ms": took.first_text_ms,
        "decode_ms": took.decode_ms,
        "search_ms": took.search_ms,
        "total_ms": took.total_ms,
        "searches": took.searches.iter().map(search).collect::<Vec<_>>(),
    })
}

fn lack(lack: &ImageUnavailable) -> Value {
    let reason = lack.reason().as_str_name();
    json!({
        "text_offset": lack.text_offset,
        "ret_index": lack.ret_index,
        "reason": reason.strip_prefix("REASON_").unwrap_or(reason),
        "message": lack.message,
    })
}

fn cut(cut: Option<HistoryCut>) -> Value {
    cut.map_or(Value::Null, |cut| {
        json!({
            "turns_left_out": cut.turns_left_out,
            "turns_kept": cut.turns_kept,
            "max_positions": cut.max_positions,
        })
    })
}

fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length | FinishReason::ContextFull => "length",
        _ => "stop",
    }
}
