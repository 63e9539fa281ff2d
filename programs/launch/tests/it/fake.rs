//! A gateway that answers by what it is told: `fail`, `break`, `hang`, `mute` (no picture), `silent` (not a word),
//! `untaken` (cancelled before the model had it), `evil` (everything commands the terminal); else with a text and a
//! picture.

use std::{pin::Pin, time::Duration};

use fondue_proto::dialogue::{
    ConverseRequest, Event, FieldViolation, FoundImage, ReplyRequest, RetrieveRequest, RetrieveResponse,
    ScoreRequest, ScoreResponse, TextDelta, Turn, TurnDone, TurnFailed, Usage,
    converse_request::Action,
    dialogue_server::{Dialogue, DialogueServer},
    event::Kind,
    part,
};
use futures::{Stream, StreamExt, stream};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

type Events = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

struct Fake;

/// What a turn says, pictures as `<length>`.
fn said(turn: &Turn) -> String {
    let parts = turn.parts.iter().filter_map(|part| part.kind.as_ref()).map(|kind| match kind {
        part::Kind::Text(text) => text.clone(),
        part::Kind::Image(image) => format!("<{}>", image.data.len()),
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn event(kind: Kind) -> Result<Event, Status> {
    Ok(Event { turn: 1, kind: Some(kind) })
}

fn done(text: String) -> TurnDone {
    TurnDone { transcript: text.clone(), text, usage: Some(Usage::default()), ..Default::default() }
}

/// Clears the screen, in the ways of seven and eight bits.
const EVIL: &str = "\u{1b}[2J\u{9b}2J";

fn evil_picture() -> Result<Event, Status> {
    let (id, url, caption) = (format!("id{EVIL}"), format!("http://url{EVIL}"), format!("caption{EVIL}"));
    event(Kind::Image(FoundImage { id, url, caption, ..Default::default() }))
}

fn evil_end() -> Result<Event, Status> {
    let violation =
        FieldViolation { field: format!("field{EVIL}"), description: format!("description{EVIL}") };
    let (message, violations) = (format!("message{EVIL}"), vec![violation]);
    event(Kind::Failed(TurnFailed { code: 3, message, violations, ..Default::default() }))
}

fn answer(said: String, n_before: usize) -> Events {
    let text = format!("{said} after {n_before}");
    let delta = event(Kind::Text(TextDelta { text: text.clone(), offset: 0 }));
    let end = match said.as_str() {
        "break" => return stream::iter([delta]).boxed(),
        "fail" => event(Kind::Failed(TurnFailed {
            code: 14,
            message: "language is down".into(),
            ..Default::default()
        })),
        "silent" => return stream::iter([event(Kind::Done(done(String::new())))]).boxed(),
        "untaken" => {
            return stream::iter([event(Kind::Done(TurnDone { usage: None, ..done(String::new()) }))])
                .boxed();
        }
        "evil" => return stream::iter([evil_picture(), evil_end()]).boxed(),
        _ => event(Kind::Done(done(text))),
    };
    let image = event(Kind::Image(FoundImage {
        id: "1f34e".into(),
        caption: "red apple".into(),
        media_type: "image/png".into(),
        data: b"png"[..].into(),
        ..Default::default()
    }));
    match said.as_str() {
        "hang" => stream::iter([delta, image]).chain(stream::pending()).boxed(),
        said if said.ends_with("mute") => stream::iter([delta, end]).boxed(),
        _ => stream::iter([delta, image, end]).boxed(),
    }
}

#[tonic::async_trait]
impl Dialogue for Fake {
    type ConverseStream = Events;
    type ReplyStream = Events;

    async fn converse(
        &self,
        request: Request<Streaming<ConverseRequest>>,
    ) -> Result<Response<Events>, Status> {
        let state = Some((request.into_inner(), 0_usize));
        let turns = stream::unfold(state, |state| async move {
            let (mut messages, mut n_before) = state?; // None: the last turn broke the stream
            loop {
                match messages.message().await.ok()??.action? {
                    Action::Open(open) => n_before = open.history.len(),
                    Action::Turn(turn) => {
                        let said = said(&turn);
                        let n_now = n_before + usize::from(said != "untaken");
                        let state = (said != "break").then_some((messages, n_now));
                        return Some((answer(said, n_before), state));
                    }
                    Action::Cancel(_) | Action::Undo(_) | Action::Reset(_) | Action::Branch(_) => {}
                }
            }
        });
        Ok(Response::new(turns.flatten().boxed()))
    }

    async fn reply(&self, request: Request<ReplyRequest>) -> Result<Response<Events>, Status> {
        let turn = request.into_inner().turn.unwrap_or_default();
        if said(&turn) == "wrong" {
            let violation =
                FieldViolation { field: "turn.parts[0].text".into(), description: "is wrong".into() };
            let mut details =
                ErrorDetails::with_bad_request_violation(violation.field, violation.description);
            details.set_retry_info(Some(Duration::from_secs(1)));
            let code = tonic::Code::InvalidArgument;
            return Err(Status::with_error_details(code, "the turn is wrong", details));
        }
        Ok(Response::new(answer(said(&turn), 0)))
    }

    async fn retrieve(&self, _: Request<RetrieveRequest>) -> Result<Response<RetrieveResponse>, Status> {
        Err(Status::unimplemented("not needed here"))
    }

    async fn score(&self, _: Request<ScoreRequest>) -> Result<Response<ScoreResponse>, Status> {
        Err(Status::unimplemented("not needed here"))
    }
}

/// Serves it as long as the runtime lives; gives its address.
pub(crate) async fn gateway() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tonic::transport::Server::builder().add_service(DialogueServer::new(Fake));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}
