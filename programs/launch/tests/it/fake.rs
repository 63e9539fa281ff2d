//! A gateway that answers by what it is told: `fail`, `break`, `hang`, `wait` (until it is cancelled), `mute` (no picture),
//! `silent` (not a word), `untaken` (cancelled before the model had it), `evil` (everything commands the terminal), `cut`
//! (the history did not fit), `fruit` (a real picture); else with a text and a picture. It keeps and edits histories as the
//! contract says.

mod answer;

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fondue_proto::dialogue::{
    ConverseRequest, EditFailed, Event, FieldViolation, HistoryChanged, ReplyRequest, RetrieveRequest,
    RetrieveResponse, ScoreRequest, ScoreResponse,
    converse_request::Action,
    dialogue_server::{Dialogue, DialogueServer},
    event::Kind,
};
use futures::{Stream, StreamExt, stream};
use tokio::{net::TcpListener, runtime::Runtime, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

use answer::{answer, said};

type Events = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

/// What became of it, for tests to ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    n_streams: Arc<AtomicUsize>,
    n_edits: Arc<AtomicUsize>,
    shown: Arc<Mutex<Option<String>>>,
}

impl Seen {
    /// Conversations that were opened.
    pub(crate) fn n_streams(&self) -> usize {
        self.n_streams.load(Ordering::SeqCst)
    }

    /// The newest `authorization` that `Reply` was called with.
    pub(crate) fn shown(&self) -> Option<String> {
        self.shown.lock().unwrap().clone()
    }

    /// Edits that were done.
    pub(crate) fn n_edits(&self) -> usize {
        self.n_edits.load(Ordering::SeqCst)
    }
}

struct Fake {
    /// Whether it knows `undo`, `reset` and `branch`.
    edits: bool,
    seen: Seen,
}

/// One conversation's history: numbers of turns, 0 for those that it was opened with.
#[derive(Default)]
struct History {
    turns: Vec<u32>,
    opened: usize,
    n_turns: u32,
    after: HashMap<u32, Vec<u32>>,
}

impl History {
    fn edit(&mut self, action: &Action) -> Kind {
        let failed = |message: &str| {
            Kind::EditFailed(EditFailed { code: 3, message: message.into(), ..Default::default() })
        };
        match action {
            Action::Undo(undo) => match self.turns.len().checked_sub(undo.turns.max(1) as usize) {
                None => return failed("there are not so many turns"),
                Some(left) => self.turns.truncate(left),
            },
            Action::Reset(_) => self.turns.clear(),
            Action::Branch(branch) if branch.after_turn == 0 => self.turns = vec![0; self.opened],
            Action::Branch(branch) => match self.after.get(&branch.after_turn) {
                None => return failed("there is no such turn"),
                Some(turns) => self.turns = turns.clone(),
            },
            _ => return failed("that is no edit"),
        }
        Kind::HistoryChanged(HistoryChanged { turns: self.turns.clone() })
    }

    /// Notes a turn that was answered.
    fn push(&mut self, turn: u32) {
        self.turns.push(turn);
        self.after.insert(turn, self.turns.clone());
    }
}

/// Holds a conversation until its client leaves or it is told to break.
async fn hold(
    edits: bool,
    seen: Seen,
    mut messages: Streaming<ConverseRequest>,
    events: mpsc::Sender<Result<Event, Status>>,
) {
    let mut history = History::default();
    while let Ok(Some(message)) = messages.message().await {
        let Some(action) = message.action else { return };
        match action {
            Action::Open(open) => {
                history.opened = open.history.len();
                history.turns = vec![0; history.opened];
            }
            Action::Turn(turn) => {
                history.n_turns += 1;
                let (number, said) = (history.n_turns, said(&turn));
                let mut answer = answer(&said, history.turns.len(), number);
                loop {
                    tokio::select! {
                        event = answer.next() => match event {
                            None => break,
                            Some(event) => {
                                if events.send(event).await.is_err() {
                                    return;
                                }
                            }
                        },
                        message = messages.message(), if said == "wait" => {
                            let Ok(Some(_)) = message else { return };
                            let _ = events.send(Ok(answer::cancelled(number))).await;
                            break;
                        }
                    }
                }
                match said.as_str() {
                    "break" => return,
                    "fail" | "untaken" | "evil" => {}
                    _ => history.push(number),
                }
            }
            Action::Cancel(_) => {}
            _ if !edits => {
                let _ = events.send(Err(Status::invalid_argument("there is no such action"))).await;
                return;
            }
            action => {
                let kind = history.edit(&action);
                seen.n_edits
                    .fetch_add(usize::from(matches!(kind, Kind::HistoryChanged(_))), Ordering::SeqCst);
                let _ = events.send(Ok(Event { turn: 0, kind: Some(kind) })).await;
            }
        }
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
        self.seen.n_streams.fetch_add(1, Ordering::SeqCst);
        let (events, out) = mpsc::channel(1);
        tokio::spawn(hold(self.edits, self.seen.clone(), request.into_inner(), events));
        Ok(Response::new(ReceiverStream::new(out).boxed()))
    }

    async fn reply(&self, request: Request<ReplyRequest>) -> Result<Response<Events>, Status> {
        let shown = request.metadata().get("authorization").map(|key| key.to_str().unwrap().to_owned());
        *self.seen.shown.lock().unwrap() = shown;
        let request = request.into_inner();
        let turn = request.turn.unwrap_or_default();
        let said = said(&turn);
        if said == "wrong" {
            let violation =
                FieldViolation { field: "turn.parts[0].text".into(), description: "is wrong".into() };
            let mut details =
                ErrorDetails::with_bad_request_violation(violation.field, violation.description);
            details.set_retry_info(Some(Duration::from_secs(1)));
            let code = tonic::Code::InvalidArgument;
            return Err(Status::with_error_details(code, "the turn is wrong", details));
        }
        if said == "conditions" {
            let conditions = turn.options.unwrap_or_default().conditions;
            return Ok(Response::new(answer(&format!("{conditions:?} mute"), 0, 1)));
        }
        if said == "many" {
            let many = (0..2000).map(|_| answer::text("a line\n", 1)).map(Ok);
            return Ok(Response::new(stream::iter(many).chain(answer("mute", 0, 1)).boxed()));
        }
        Ok(Response::new(answer(&said, request.history.len(), 1)))
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
    watched(true).await.0
}

/// Serves one that edits histories, or does not; also tells what became of it.
pub(crate) async fn watched(edits: bool) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Seen::default();
    serve(listener, edits, seen.clone());
    (address, seen)
}

/// Serves one that answers nobody but who shows this API key.
pub(crate) async fn guarded(key: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let check = move |request: Request<()>| match request.metadata().get("authorization") {
        Some(shown) if shown.as_bytes() == format!("Bearer {key}").as_bytes() => Ok(request),
        _ => Err(Status::unauthenticated("who are you?")),
    };
    let fake = DialogueServer::with_interceptor(Fake { edits: true, seen: Seen::default() }, check);
    let server = tonic::transport::Server::builder().add_service(fake);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

/// Serves one at an address, on threads of its own that can be stopped with all their connections.
pub(crate) fn at(address: &str) -> Runtime {
    let runtime = Runtime::new().unwrap();
    // A moment ago another one listened here, whose socket may still be closing.
    let listener = loop {
        match std::net::TcpListener::bind(address) {
            Ok(listener) => break listener,
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    let inside = runtime.enter();
    listener.set_nonblocking(true).unwrap();
    serve(TcpListener::from_std(listener).unwrap(), true, Seen::default());
    drop(inside);
    runtime
}

fn serve(listener: TcpListener, edits: bool, seen: Seen) {
    let server = tonic::transport::Server::builder().add_service(DialogueServer::new(Fake { edits, seen }));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
}
