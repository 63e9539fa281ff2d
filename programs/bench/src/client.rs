//! A client of the language service that notes when each token comes.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use fondue_proto::language::{
    FinishReason, GenerateRequest, Part, generate_event::Kind, language_client::LanguageClient, part,
};
use futures::future::try_join_all;
use tonic::transport::Channel;

use crate::{
    statistics::Answers,
    words::{self, Word},
};

/// One answer to ask for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) text: String,
    /// Tokens that the text must be, BOS included.
    pub(crate) tokens: usize,
    pub(crate) new_tokens: usize,
    pub(crate) cache_key: String,
}

/// An answer with the time of each token since it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) times: Vec<f64>,
    pub(crate) cached: usize,
    pub(crate) asked: Instant,
}

/// Connects.
///
/// # Errors
/// If nobody answers there.
pub(crate) async fn connect(url: &str) -> Result<LanguageClient<Channel>> {
    let channel = Channel::from_shared(url.to_owned())?.tcp_nodelay(true).connect().await?;
    Ok(LanguageClient::new(channel).max_decoding_message_size(1 << 30))
}

/// Asks for one answer.
///
/// # Errors
/// If it fails, ends early, or if a token came without its text.
pub(crate) async fn ask(client: &LanguageClient<Channel>, ask: Ask) -> Result<Answer> {
    let request = GenerateRequest {
        parts: vec![Part { kind: Some(part::Kind::Text(ask.text)) }],
        max_new_tokens: ask.new_tokens as i32,
        cache_key: ask.cache_key,
        ..GenerateRequest::default()
    };
    let asked = Instant::now();
    let mut events = client.clone().generate(request).await?.into_inner();
    let mut answer = Answer { text: String::new(), times: Vec::new(), cached: 0, asked };
    while let Some(event) = events.message().await? {
        match event.kind.context("an empty event")? {
            Kind::Started(started) => {
                let got = started.prompt_tokens as usize;
                ensure!(got == ask.tokens, "the prompt is {got} tokens, not {}", ask.tokens);
                answer.cached = started.cached_tokens as usize;
            }
            Kind::Text(delta) => {
                answer.times.push(asked.elapsed().as_secs_f64());
                answer.text += &delta.text;
            }
            Kind::Query(_) => bail!("an answer of a bench's model holds no [RET]"),
            Kind::Done(done) => {
                ensure!(done.reason() == FinishReason::Length, "the answer ended: {:?}", done.reason());
                ensure!(
                    answer.times.len() == ask.new_tokens,
                    "{} pieces of text for {} tokens",
                    answer.times.len(),
                    ask.new_tokens
                );
                return Ok(answer);
            }
        }
    }
    bail!("the answer broke off")
}

/// Asks for several at once.
///
/// # Errors
/// If one fails, or is no answer of words of so many tokens.
pub(crate) async fn ask_all(
    client: &LanguageClient<Channel>,
    asks: Vec<Ask>,
    known: &[Word],
) -> Result<Answers> {
    let answers = try_join_all(asks.into_iter().map(|one| ask(client, one))).await?;
    Ok(Answers {
        ids: answers.iter().map(|answer| words::ids(known, &answer.text)).collect(),
        tokens: answers.into_iter().map(|answer| answer.times).collect(),
        peak: 0.0,
    })
}
