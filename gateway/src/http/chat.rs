//! `POST /v1/chat/completions`: a turn in OpenAI's words, whole or as it comes.

mod answer;
mod dialogue;
mod request;
mod stream;

use axum::{
    Json,
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use fondue_auth::Caller;
use fondue_proto::dialogue::event::Kind;
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tonic::Status;

use self::{answer::Telling, request::Asked};
use super::{Front, body, content, errors::Problem, links::Hosts, models};
use crate::single;

/// Answers a turn.
pub(super) async fn complete(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let desk = &front.desk;
    let (room, asked): (_, Asked) = body::admitted(desk, &caller, &headers, body).await?;
    models::check(&front, &asked.model)?;
    asked.check()?;
    let hosts = Hosts::of(&headers, &front.desk.config.http.public_url);
    let telling = Telling::new(asked.model.clone(), desk.config.http.public_url.clone());
    let (streamed, with_usage) = (asked.stream(), asked.include_usage());
    let mut said = dialogue::dialogue(asked, hosts)?;
    content::fetch(&front, said.pieces_mut(), Instant::now() + desk.config.defaults.timeout).await?;
    let (message, paths) = said.into_wire();
    let events = single::answer(desk, room, message, |timeout| Instant::now() + timeout).await;
    let events = events.map_err(|failure| failure.with_paths(|field| Some(paths.translate(field))))?;
    if streamed {
        return Ok(stream::stream(events, telling, paths, with_usage).into_response());
    }
    // Dropped with this call, if the client leaves, and then the turn is dropped too.
    let (mut events, mut telling) = (events, telling);
    while let Some(event) = events.next().await {
        match event.map_err(|status| Problem::broken(&status))?.kind {
            Some(Kind::Done(done)) => return Ok(Json(telling.whole(done)).into_response()),
            Some(Kind::Failed(failed)) => {
                return Err(Problem::failed(failed, |field| paths.translate(field)));
            }
            Some(kind) => telling.hear(kind),
            None => {}
        }
    }
    Err(Problem::broken(&Status::internal("the turn broke off; the server's log tells more")))
}
