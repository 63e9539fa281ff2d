//! A client of the gateway, and the same of the language service, so that both are called alike.

use std::time::{Duration, Instant};

use fondue_proto::{
    dialogue::{
        ConverseRequest, Event, Image, Part, Turn, converse_request::Action, dialogue_client::DialogueClient,
        event::Kind, part,
    },
    language::{self, GenerateRequest, generate_event, language_client::LanguageClient},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel, transport::Endpoint};

/// An open conversation.
pub(crate) struct Conversation {
    channel: Channel,
    say: mpsc::Sender<ConverseRequest>,
    events: Streaming<Event>,
}

/// What a turn took, seen by the client.
#[derive(Clone, Copy)]
pub(crate) struct Turned {
    pub(crate) first_text: Duration,
    pub(crate) texts: usize,
}

pub(crate) async fn channel(address: &str) -> Channel {
    Endpoint::from_shared(address.to_owned()).unwrap().tcp_nodelay(true).connect().await.unwrap()
}

pub(crate) fn text(text: &str) -> Part {
    Part { kind: Some(part::Kind::Text(text.to_owned())) }
}

pub(crate) fn picture(data: Vec<u8>) -> Part {
    Part { kind: Some(part::Kind::Image(Image { data: data.into(), ..Image::default() })) }
}

impl Conversation {
    pub(crate) async fn open(channel: Channel) -> Self {
        let (say, words) = mpsc::channel(4);
        let mut client = DialogueClient::new(channel.clone()).max_encoding_message_size(usize::MAX);
        let response = client.converse(ReceiverStream::new(words)).await;
        let events = response.expect("a conversation is opened").into_inner();
        Self { channel, say, events }
    }

    pub(crate) async fn say(&mut self, parts: Vec<Part>) {
        let action = Some(Action::Turn(Turn { parts, options: None }));
        if self.say.send(ConverseRequest { action }).await.is_err() {
            panic!("the conversation has ended: {:?}", self.events.message().await);
        }
    }

    /// The next event is a text.
    pub(crate) async fn one_text(&mut self) {
        while !matches!(self.events.message().await.unwrap().unwrap().kind, Some(Kind::Text(_))) {}
    }

    /// Says it and hears all.
    pub(crate) async fn turn(&mut self, parts: Vec<Part>) -> Turned {
        let start = Instant::now();
        self.say(parts).await;
        let (mut first_text, mut texts) = (Duration::ZERO, 0);
        loop {
            match self.events.message().await.unwrap().expect("the stream goes on").kind {
                Some(Kind::Text(_)) => {
                    if texts == 0 {
                        first_text = start.elapsed();
                    }
                    texts += 1;
                }
                Some(Kind::Done(_)) => return Turned { first_text, texts },
                Some(Kind::Failed(failed)) => panic!("the turn failed: {failed:?}"),
                _ => {}
            }
        }
    }

    /// Begins anew on the same connection, so that no turn is longer than the first.
    pub(crate) async fn forget(&mut self) {
        let next = Self::open(self.channel.clone()).await;
        let Self { say, mut events, .. } = std::mem::replace(self, next);
        // Left as clients should: with what they say at an end, and all heard.
        drop(say);
        while events.message().await.unwrap().is_some() {}
    }
}

/// The same turn of the language service itself.
pub(crate) async fn directly(client: &mut LanguageClient<Channel>, text: &str) -> Turned {
    let kind = Some(language::part::Kind::Text(text.to_owned()));
    let request =
        GenerateRequest { parts: vec![language::Part { kind }], max_new_tokens: 64, ..Default::default() };
    let start = Instant::now();
    let mut events = client.generate(request).await.unwrap().into_inner();
    let (mut first_text, mut texts) = (Duration::ZERO, 0);
    while let Some(event) = events.message().await.unwrap() {
        if let Some(generate_event::Kind::Text(_)) = event.kind {
            if texts == 0 {
                first_text = start.elapsed();
            }
            texts += 1;
        }
    }
    Turned { first_text, texts }
}
