//! What tests say, and what they hear.

use std::pin::Pin;

use anyhow::Result;
use fondue_harness::Cluster;
use fondue_proto::dialogue::{
    Event, FoundImage, Image, ImageUnavailable, Part, ReplyRequest, Turn, TurnDone, TurnFailed, TurnOptions,
    event::Kind, part,
};
use futures::{Stream, StreamExt};
use tonic::Status;

pub(crate) fn text(text: &str) -> Part {
    Part { kind: Some(part::Kind::Text(text.to_owned())) }
}

pub(crate) fn image(data: Vec<u8>) -> Part {
    Part { kind: Some(part::Kind::Image(Image { data: data.into(), fit: 0, url: String::new() })) }
}

/// So likely a [RET] that one comes after two words.
pub(crate) fn pictures(max_images: i32) -> TurnOptions {
    TurnOptions {
        ret_bias: Some(100.0),
        min_word_tokens: Some(2),
        max_new_tokens: Some(12),
        max_images: Some(max_images),
        ..TurnOptions::default()
    }
}

/// A long answer: at such a temperature every token is as likely, and the newline is one of 3,995.
pub(crate) fn long() -> TurnOptions {
    TurnOptions {
        temperature: Some(100.0),
        seed: Some(3),
        max_new_tokens: Some(400),
        max_images: Some(0),
        ..TurnOptions::default()
    }
}

pub(crate) fn turn(parts: Vec<Part>, options: TurnOptions) -> Turn {
    Turn { parts, options: Some(options) }
}

/// One turn as it was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) deltas: Vec<String>,
    pub(crate) images: Vec<FoundImage>,
    pub(crate) unavailable: Vec<ImageUnavailable>,
    pub(crate) done: Option<TurnDone>,
    pub(crate) failed: Option<TurnFailed>,
}

impl Heard {
    pub(crate) fn text(&self) -> String {
        self.deltas.concat()
    }

    pub(crate) fn done(&self) -> &TurnDone {
        self.done.as_ref().unwrap_or_else(|| panic!("no TurnDone: {self:?}"))
    }
}

/// Listens to one turn and checks what holds for every turn: the order of events, and that offsets fit the text.
pub(crate) async fn hear(events: &mut (impl Stream<Item = Result<Event, Status>> + Unpin)) -> Result<Heard> {
    let mut heard = Heard::default();
    let mut started = false;
    while let Some(event) = events.next().await {
        let event = event?;
        let kind = event.kind.expect("a kind");
        assert_eq!(started, !matches!(kind, Kind::Started(_)), "TurnStarted comes first, and once");
        let length = heard.text().chars().count() as u32;
        match kind {
            Kind::Started(begun) => {
                assert_eq!(begun.trace_id.len(), 32);
                started = true;
            }
            Kind::Text(delta) => {
                assert_eq!(delta.offset, length, "deltas join without a gap");
                assert!(!delta.text.is_empty());
                heard.deltas.push(delta.text);
            }
            Kind::HistoryChanged(_) | Kind::EditFailed(_) => {
                panic!("an event of the conversation within a turn")
            }
            Kind::Image(image) => heard.images.push(image),
            Kind::ImageUnavailable(unavailable) => heard.unavailable.push(unavailable),
            Kind::Done(done) => {
                assert_eq!(done.text, heard.text());
                for offset in heard.images.iter().map(|image| image.text_offset) {
                    assert!(offset <= length, "{offset} is beyond {length}");
                }
                heard.done = Some(done);
                return Ok(heard);
            }
            Kind::Failed(failed) => {
                assert_eq!(failed.text, heard.text());
                heard.failed = Some(failed);
                return Ok(heard);
            }
        }
    }
    panic!("the stream ended without TurnDone or TurnFailed: {heard:?}");
}

/// One turn over `Reply`.
pub(crate) async fn reply(cluster: &Cluster, turn: Turn) -> Result<Heard, Status> {
    let request = ReplyRequest { turn: Some(turn), ..ReplyRequest::default() };
    let mut events = cluster.dialogue().expect("an address").reply(request).await?.into_inner();
    let events: Pin<&mut tonic::Streaming<Event>> = Pin::new(&mut events);
    let mut events = events;
    Ok(hear(&mut events).await.expect("a whole turn"))
}
