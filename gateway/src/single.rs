//! One turn that brings its history: what `Reply` does, and a chat completion by HTTP.

use std::{sync::Arc, time::Duration};

use fondue_proto::dialogue::{Event, ReplyRequest};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;

use crate::{
    desk::{Desk, Room},
    failure::Failure,
    measures::Counted,
    request,
    turn::{self, reply::Reply},
};

/// The events of a turn; dropping it drops the turn.
pub type EventStream = ReceiverStream<Result<Event, Status>>;

/// Answers a turn. It holds its `room` as long as it runs; `until` tells by when it must be over, given the time that the
/// client allows.
///
/// # Errors
/// [`Failure`]: the turn was not taken, nothing has been sent.
pub async fn answer(
    desk: &Arc<Desk>,
    room: Room,
    message: ReplyRequest,
    until: impl FnOnce(Duration) -> Instant,
) -> Result<EventStream, Failure> {
    let config = &desk.config;
    let (open, said) = request::reply(message, &config.defaults, &config.limits)?;
    let deadline = until(said.options.timeout);
    let turn_id = uuid::Uuid::new_v4().to_string();
    let span = turn::told::span(&turn_id, None);
    let counted = Counted::begin();
    let begun = async {
        let dialogue = turn::opened(desk, open, deadline).await?;
        let draft = turn::draft(desk, &dialogue, said.parts, deadline).await?;
        turn::begin(desk, &room.caller, turn_id, draft, &said.options, deadline).await
    };
    let begun = async {
        tokio::select! {
            turn = begun => turn,
            () = desk.ending.cancelled() => Err(Failure::stopping()),
        }
    };
    let turn = match begun.instrument(span.clone()).await {
        Ok(turn) => turn,
        Err(failure) => {
            counted.ended("refused");
            turn::told::note_failure(&span, &failure);
            return Err(failure);
        }
    };

    let (events, stream) = mpsc::channel(config.limits.events);
    let finish = async move {
        let reply = Reply::new(1, events.clone());
        let never = CancellationToken::new(); // a client cancels this call by leaving
        tokio::select! {
            () = events.closed() => {}
            _ = turn.finish(&reply, &never, counted) => {}
        }
        drop(room);
    };
    tokio::spawn(finish.instrument(span));
    Ok(ReceiverStream::new(stream))
}
