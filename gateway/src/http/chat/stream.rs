//! An answer as it comes: server-sent events, through the turn's bounded channel.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use fondue_proto::dialogue::event::Kind;
use futures::Stream;
use serde::Serialize;
use tokio_stream::StreamExt;
use tonic::Status;

use super::{answer::Telling, dialogue::Paths};
use crate::{http::errors::Problem, single::EventStream};

/// How often a stream without events says that it is there.
const ALIVE: Duration = Duration::from_secs(15);

struct State {
    events: EventStream,
    telling: Telling,
    paths: Paths,
    with_usage: bool,
    ready: VecDeque<Event>,
    closed: bool,
}

/// The events of a turn; dropping them drops the turn.
pub(super) fn stream(
    events: EventStream,
    telling: Telling,
    paths: Paths,
    with_usage: bool,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let state = State { events, telling, paths, with_usage, ready: VecDeque::new(), closed: false };
    let events = futures::stream::unfold(state, async |mut state| {
        let event = state.next().await?;
        Some((Ok(event), state))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE))
}

impl State {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.closed {
                return None;
            }
            let heard = match self.events.next().await {
                Some(heard) => heard,
                None => Err(Status::internal("the turn broke off; the server's log tells more")),
            };
            match heard.map(|event| event.kind) {
                Err(status) => self.fail(Problem::broken(&status)),
                Ok(Some(Kind::Failed(failed))) => {
                    let problem = Problem::failed(failed, |field| self.paths.translate(field));
                    self.fail(problem);
                }
                Ok(Some(kind)) => {
                    self.closed = matches!(kind, Kind::Done(_));
                    for piece in self.telling.pieces(kind, self.with_usage) {
                        self.ready.push_back(event(&piece));
                    }
                    if self.closed {
                        self.ready.push_back(Event::default().data("[DONE]"));
                    }
                }
                Ok(None) => {}
            }
        }
    }

    /// The last event, without `[DONE]`: whoever waits for that knows that the answer is not whole.
    fn fail(&mut self, problem: Problem) {
        self.closed = true;
        self.ready.push_back(event(&problem.into_body()));
    }
}

fn event(data: &impl Serialize) -> Event {
    // These types have no keys but text, which is all that JSON could refuse.
    Event::default().data(serde_json::to_string(data).unwrap_or_default())
}
