//! `Reply` and `Converse`.

use std::{error::Error, time::Duration};

use fondue_proto::dialogue::{
    ConverseRequest, Event, Exchange, Image, OpenDialogue, Part, ReplyRequest, Turn, TurnDone, TurnOptions,
    converse_request::Action, event::Kind, image_unavailable, part,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{Asking, Caller, Dialogue};
use crate::serve::{
    album::Album,
    outcome::Outcome,
    record::{Clock, Watch},
    schedule::TurnPlan,
};

/// An open conversation.
pub(super) struct Live {
    outbox: mpsc::Sender<ConverseRequest>,
    events: Streaming<Event>,
}

/// What was heard of a turn's answer.
#[derive(Default)]
struct Heard {
    image_ids: Vec<String>,
    done: Option<TurnDone>,
}

impl Caller {
    /// One turn, with the history that the dialogue has.
    pub(super) async fn reply(
        &self,
        plan: &TurnPlan,
        dialogue: &mut Dialogue,
        watch: &mut Watch,
        clock: Clock,
    ) -> Outcome {
        let parts = parts(plan, &self.album);
        let turn = Turn { parts: parts.clone(), options: Some(options(plan, &self.asking)) };
        let request =
            ReplyRequest { turn: Some(turn), history: dialogue.history.clone(), generation: String::new() };
        let mut events = match self.client().reply(self.request(request)).await {
            Ok(response) => response.into_inner(),
            Err(status) => return told(&status, watch),
        };
        let mut heard = Heard::default();
        let outcome = listen(&mut events, &mut heard, watch, clock).await;
        if let (Outcome::Answered, Some(done)) = (outcome, heard.done) {
            let exchange = Exchange { parts, reply: done.transcript, image_ids: heard.image_ids };
            dialogue.history.push(exchange);
        }
        outcome
    }

    /// The next turn of a conversation, which the first one opens.
    pub(super) async fn converse(
        &self,
        plan: &TurnPlan,
        dialogue: &mut Dialogue,
        watch: &mut Watch,
        clock: Clock,
    ) -> Outcome {
        let turn = Turn { parts: parts(plan, &self.album), options: Some(options(plan, &self.asking)) };
        let action = ConverseRequest { action: Some(Action::Turn(turn)) };
        if let Some(live) = &dialogue.live {
            if live.outbox.send(action).await.is_err() {
                return Outcome::Broken;
            }
        } else {
            let (outbox, messages) = mpsc::channel(2);
            let open = ConverseRequest { action: Some(Action::Open(OpenDialogue::default())) };
            // Both are on their way before the call: a server may wait for them with its answer's headers.
            if outbox.send(open).await.is_err() || outbox.send(action).await.is_err() {
                return Outcome::Broken;
            }
            match self.client().converse(self.request(ReceiverStream::new(messages))).await {
                Ok(response) => dialogue.live = Some(Live { outbox, events: response.into_inner() }),
                Err(status) => return told(&status, watch),
            }
        }
        let Some(live) = &mut dialogue.live else { return Outcome::Broken };
        listen(&mut live.events, &mut Heard::default(), watch, clock).await
    }
}

/// Reads a turn's events to its closing one.
async fn listen(
    events: &mut Streaming<Event>,
    heard: &mut Heard,
    watch: &mut Watch,
    clock: Clock,
) -> Outcome {
    loop {
        let event = match events.message().await {
            Ok(Some(event)) => event,
            Ok(None) => return Outcome::Broken,
            Err(status) => return told(&status, watch),
        };
        match event.kind {
            Some(Kind::Text(_)) => watch.text(clock.now()),
            Some(Kind::Image(image)) => {
                watch.picture(clock.now());
                heard.image_ids.push(image.id);
            }
            // The text goes on, but what the turn was for is not there.
            Some(Kind::ImageUnavailable(lack)) if lack.reason() == image_unavailable::Reason::Unavailable => {
                watch.lack();
            }
            Some(Kind::Done(done)) => {
                heard.done = Some(done);
                return Outcome::Answered;
            }
            Some(Kind::Failed(failed)) => return Outcome::typed(failed.code, watch.has_begun()),
            _ => {}
        }
    }
}

/// What a status is: the server's own word, or what tonic made of a connection that broke, which has a cause.
fn told(status: &Status, watch: &Watch) -> Outcome {
    match status.source() {
        Some(_) => Outcome::Broken,
        None => Outcome::typed(status.code().into(), watch.has_begun()),
    }
}

fn parts(plan: &TurnPlan, album: &Album) -> Vec<Part> {
    let picture =
        plan.picture.map(|place| part::Kind::Image(Image { data: album.get(place), ..Image::default() }));
    let text = part::Kind::Text(plan.text.clone());
    picture.into_iter().chain([text]).map(|kind| Part { kind: Some(kind) }).collect()
}

fn options(plan: &TurnPlan, asking: &Asking) -> TurnOptions {
    TurnOptions {
        max_new_tokens: Some(asking.max_new_tokens as i32),
        max_images: Some(1),
        timeout_ms: Some(milliseconds(plan.deadline)),
        ..TurnOptions::default()
    }
}

/// As options have it; at least one.
pub(super) fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1)
}
