//! Prompt → language → text and retrieval queries, as they are decoded.

use std::time::Duration;

use fondue_domain::{Compat, Fault};
use fondue_proto::language::{
    self, Cut, Done, GenerateEvent, GenerateRequest, Part, RetQuery, Sampling, Started, generate_event::Kind,
    language_client::LanguageClient,
};
use fondue_serving::upstream::{Affinity, Channel};
use tokio::time::Instant;
use tonic::{Status, Streaming};
use tracing::field;

use super::clock::{self, Call};
use crate::{failure::Failure, request::Options};

/// A reply that the language service has begun. Dropping it frees the engine's slot.
#[derive(Debug)]
pub struct Speech {
    stream: Streaming<GenerateEvent>,
    /// What the service told when it took the prompt.
    pub started: Started,
    /// Lasts as long as the stream.
    call: Call,
    n_rets: u32,
}

/// Something that the model did.
#[derive(Debug)]
pub enum Heard {
    /// It wrote text.
    Text(String),
    /// It wrote `[RET]`.
    Ret(RetQuery),
    /// It ended.
    Done(Done),
}

/// Asks for a reply and waits until the engine has taken the prompt. `cache_key` is the caller's, its tenant within it. Turns with
/// the same `affinity` go to one replica, whose prefix cache knows what they have in common.
///
/// # Errors
/// [`Failure`]: the prompt does not fit, the queue is full, the service is down, or time ran out.
pub async fn speak(
    language: &LanguageClient<Channel>,
    parts: Vec<Part>,
    cuts: Vec<Cut>,
    options: &Options,
    cache_key: String,
    affinity: Affinity,
    deadline: Instant,
) -> Result<Speech, Failure> {
    let span = tracing::debug_span!(
        "speak",
        otel.kind = "client",
        rpc.system = "grpc",
        rpc.service = "language",
        rpc.method = "Generate",
        parts = parts.len() as i64,
        prompt_tokens = field::Empty,
        cached_tokens = field::Empty,
        generated_tokens = field::Empty,
        rets = field::Empty,
        reason = field::Empty,
    );
    let mut call = Call::within(span, "language", "Generate");
    let mut request = clock::repeatable(generate_request(parts, cuts, options, cache_key));
    request.extensions_mut().insert(affinity);
    let stream =
        clock::begin(&mut call, deadline, request, async |request| language.clone().generate(request).await);
    let mut stream = stream.await.map_err(|failure| failure.with_paths(path))?;
    let first = tokio::time::timeout_at(deadline, next(&mut stream, &mut call)).await;
    let first = first.map_err(|_| {
        call.late();
        Failure::deadline("the language service's queue")
    })?;
    match first.map_err(|failure| failure.with_paths(path))? {
        Kind::Started(started) => {
            call.span().record("prompt_tokens", i64::from(started.prompt_tokens));
            call.span().record("cached_tokens", i64::from(started.cached_tokens));
            Ok(Speech { stream, started, call, n_rets: 0 })
        }
        _ => Err(Failure::new(Fault::Internal, "the language service did not begin its reply with Started")),
    }
}

impl Speech {
    /// What the model does next. Can be dropped and asked again without loss.
    ///
    /// # Errors
    /// [`Failure`] if the stream breaks; an end without `Done` is unavailable, never a short answer.
    pub async fn next(&mut self) -> Result<Heard, Failure> {
        loop {
            match next(&mut self.stream, &mut self.call).await? {
                Kind::Started(_) => {}
                Kind::Text(delta) => return Ok(Heard::Text(delta.text)),
                Kind::Query(query) => {
                    self.n_rets += 1;
                    return Ok(Heard::Ret(query));
                }
                Kind::Done(done) => {
                    self.call.done();
                    let span = self.call.span();
                    span.record("generated_tokens", i64::from(done.generated_tokens));
                    span.record("rets", i64::from(self.n_rets));
                    span.record("reason", done.reason().as_str_name());
                    return Ok(Heard::Done(done));
                }
            }
        }
    }
}

#[cfg(test)]
impl Speech {
    /// One whose events come in `stream`, after its `started`.
    pub(super) fn playing(stream: Streaming<GenerateEvent>, started: Started) -> Self {
        Self { stream, started, call: Call::within(tracing::Span::none(), "language", "Generate"), n_rets: 0 }
    }
}

impl Speech {
    /// The turn's time has run out: so the call is told.
    pub fn late(&mut self) {
        self.call.late();
    }

    /// Lets a stream that has told its `Done` come to its end by itself, so that the language service counts it as
    /// ended and not as cut off. Nobody waits for it.
    pub fn let_end(mut self) {
        tokio::spawn(async move {
            let _ = tokio::time::timeout(END, self.stream.message()).await;
        });
    }
}

/// Time for a stream's trailers, which follow its last message at once.
const END: Duration = Duration::from_secs(1);

async fn next(stream: &mut Streaming<GenerateEvent>, call: &mut Call) -> Result<Kind, Failure> {
    loop {
        match stream.message().await {
            Ok(Some(event)) => {
                if let Some(kind) = event.kind {
                    return Ok(kind);
                } // else a kind of a newer service
            }
            Ok(None) => {
                call.failed(&Status::unavailable(""));
                let message =
                    "the language service is unavailable: its stream ended in the middle of the answer";
                return Err(Failure::new(Fault::Unavailable, message));
            }
            Err(status) => {
                call.failed(&status);
                return Err(Failure::upstream("language", status));
            }
        }
    }
}

/// The language service's word for it.
pub fn language_compat(compat: Compat) -> language::Compat {
    match compat {
        Compat::Off => language::Compat::Unspecified,
        Compat::Reference => language::Compat::Reference,
    }
}

fn generate_request(
    parts: Vec<Part>,
    cuts: Vec<Cut>,
    options: &Options,
    cache_key: String,
) -> GenerateRequest {
    let max_rets = match options.compat {
        Compat::Off => options.max_images,
        // The published code counts the `[RET]`s that it looks up, not the pictures.
        Compat::Reference => options.max_images.div_ceil(options.max_images_per_ret.max(1)),
    };
    GenerateRequest {
        parts,
        sampling: Some(Sampling {
            temperature: options.temperature,
            top_p: options.top_p,
            seed: options.seed,
            ret_bias: options.ret_bias,
            ret_scale_factor: Some(options.ret_scale_factor),
            min_word_tokens: options.min_word_tokens,
            max_rets: Some(i32::try_from(max_rets).unwrap_or(i32::MAX)),
        }),
        max_new_tokens: options.max_new_tokens,
        stop: options.stop.clone(),
        ignore_newline: false,
        compat: language_compat(options.compat) as i32,
        cache_key,
        cuts,
    }
}

/// The client's path for a path of the language service's request; `None` for what no client sets.
fn path(field: &str) -> Option<String> {
    let end = field.find('[').unwrap_or(field.len());
    let option = match &field[..end] {
        // The history's pieces count too. A picture is there as features, which are vision's.
        "parts" => return (!field.contains(".image")).then(|| "turn.parts".to_owned()),
        "sampling.max_rets" => "max_images",
        "max_new_tokens" | "stop" | "cache_key" => field,
        other => other.strip_prefix("sampling.")?,
    };
    Some(format!("turn.options.{option}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_by_the_clients_path_or_not_at_all() {
        let cases = [
            ("parts", Some("turn.parts")),
            ("parts[7].text", Some("turn.parts")),
            ("parts[0].image.values", None),
            ("sampling.top_p", Some("turn.options.top_p")),
            ("sampling.max_rets", Some("turn.options.max_images")),
            ("stop[1]", Some("turn.options.stop[1]")),
            ("cache_key", Some("turn.options.cache_key")),
            ("max_new_tokens", Some("turn.options.max_new_tokens")),
            ("ignore_newline", None),
        ];
        for (field, expected) in cases {
            assert_eq!(path(field).as_deref(), expected, "{field}");
        }
    }
}
