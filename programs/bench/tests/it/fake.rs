//! Gateways that answer as they are told: over gRPC, and over HTTP.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fondue_proto::dialogue::{
    ConverseRequest, Event, FoundImage, ReplyRequest, RetrieveRequest, RetrieveResponse, ScoreRequest,
    ScoreResponse, TextDelta, TurnDone, TurnFailed,
    converse_request::Action,
    dialogue_server::{Dialogue, DialogueServer},
    event::Kind,
};
use futures::{Stream, StreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::mpsc,
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

/// How a turn is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Text, a picture, the end.
    Whole,
    /// A typed error before anything.
    Refuse,
    /// Text, then a typed error.
    Fail,
    /// Text, and no end.
    Break,
    /// Text, and nothing more as long as the client listens.
    Hang,
    /// As `Whole` to whoever has the token `secret`; others are refused.
    Keyed,
    /// As `Whole`; but what comes between these milliseconds after the first turn is answered at the second.
    Stall(u64, u64),
}

type Events = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

/// A running fake; dropped, it is gone.
pub(crate) struct Fake {
    pub(crate) url: String,
    turns: Arc<AtomicUsize>,
    _runtime: Runtime,
}

struct Answers {
    manners: &'static [Manner],
    turns: Arc<AtomicUsize>,
    first: std::sync::OnceLock<Instant>,
}

impl Fake {
    /// Answers turns in these manners, round and round.
    pub(crate) fn grpc(manners: &'static [Manner]) -> Self {
        let turns = Arc::new(AtomicUsize::new(0));
        let answers = Answers { manners, turns: Arc::clone(&turns), first: Default::default() };
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder().add_service(DialogueServer::new(answers));
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { url, turns, _runtime: runtime }
    }

    /// The same for chat completions.
    pub(crate) fn http(manners: &'static [Manner]) -> Self {
        let turns = Arc::new(AtomicUsize::new(0));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counted = Arc::clone(&turns);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(completions(stream, manners, Arc::clone(&counted)));
            }
        });
        Self { url, turns, _runtime: runtime }
    }

    /// Turns that have come.
    pub(crate) fn turns(&self) -> usize {
        self.turns.load(Ordering::SeqCst)
    }
}

fn event(kind: Kind) -> Result<Event, Status> {
    Ok(Event { turn: 1, kind: Some(kind) })
}

impl Answers {
    async fn answer(&self, metadata: &MetadataMap) -> Result<Events, Status> {
        let n = self.turns.fetch_add(1, Ordering::SeqCst);
        let text = || event(Kind::Text(TextDelta { text: "some text".to_owned(), offset: 0 }));
        let done = event(Kind::Done(TurnDone { transcript: "some text".to_owned(), ..TurnDone::default() }));
        let whole = vec![text(), event(Kind::Image(FoundImage::default())), text(), done];
        Ok(match self.manners[n % self.manners.len()] {
            Manner::Keyed if metadata.get("authorization").is_none_or(|value| value != "Bearer secret") => {
                return Err(Status::unauthenticated("who are you?"));
            }
            Manner::Whole | Manner::Keyed => stream::iter(whole).boxed(),
            Manner::Refuse => return Err(Status::resource_exhausted("no room")),
            Manner::Fail => {
                let failed = TurnFailed { code: 13, ..TurnFailed::default() };
                stream::iter([text(), event(Kind::Failed(failed))]).boxed()
            }
            Manner::Break => stream::iter([text()]).boxed(),
            Manner::Hang => stream::iter([text()]).chain(stream::pending()).boxed(),
            Manner::Stall(from, to) => {
                let first = *self.first.get_or_init(Instant::now);
                let [from, to] = [from, to].map(|ms| first + Duration::from_millis(ms));
                if (from..to).contains(&Instant::now()) {
                    tokio::time::sleep_until(to.into()).await;
                }
                stream::iter(whole).boxed()
            }
        })
    }
}

#[tonic::async_trait]
impl Dialogue for Answers {
    type ConverseStream = Events;
    type ReplyStream = Events;

    async fn converse(
        &self,
        request: Request<Streaming<ConverseRequest>>,
    ) -> Result<Response<Events>, Status> {
        let metadata = request.metadata().clone();
        let answer = self.answer(&metadata).await?;
        let mut messages = request.into_inner();
        let (events, out) = mpsc::channel(8);
        // All turns of a conversation are answered as its first one.
        let whole = answer.collect::<Vec<_>>().await;
        tokio::spawn(async move {
            while let Ok(Some(message)) = messages.message().await {
                for event in whole.iter().filter(|_| matches!(message.action, Some(Action::Turn(_)))) {
                    let event = event.clone().map_err(|_| Status::internal("not here"));
                    if events.send(event).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(out).boxed()))
    }

    async fn reply(&self, request: Request<ReplyRequest>) -> Result<Response<Events>, Status> {
        Ok(Response::new(self.answer(request.metadata()).await?))
    }

    async fn retrieve(&self, _: Request<RetrieveRequest>) -> Result<Response<RetrieveResponse>, Status> {
        Err(Status::unimplemented("not needed here"))
    }

    async fn score(&self, _: Request<ScoreRequest>) -> Result<Response<ScoreResponse>, Status> {
        Err(Status::unimplemented("not needed here"))
    }
}

/// One request of a connection, which is closed after it.
async fn completions(mut stream: TcpStream, manners: &[Manner], turns: Arc<AtomicUsize>) {
    let mut asked = Vec::new();
    while !is_whole(&asked) {
        if stream.read_buf(&mut asked).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let n = turns.fetch_add(1, Ordering::SeqCst);
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"some\"}}]}\n\n";
    let picture = "data: {\"choices\":[{\"delta\":{\"content\":\"![]\"}}],\"fondue\":{\"image\":{}}}\n\n";
    let failed = "data: {\"error\":{\"code\":\"internal_error\"}}\n\n";
    let events = match manners[n % manners.len()] {
        Manner::Keyed if !String::from_utf8_lossy(&asked).contains("authorization: Bearer secret\r\n") => {
            let head = "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            return;
        }
        Manner::Refuse => {
            let body = "{\"error\":{}}";
            let head = format!(
                "HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            return;
        }
        Manner::Fail => format!("{text}{failed}"),
        Manner::Break | Manner::Hang => text.to_owned(),
        Manner::Whole | Manner::Keyed | Manner::Stall(..) => format!("{text}{picture}data: [DONE]\n\n"),
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(format!("{head}{events}").as_bytes()).await;
    if matches!(manners[n % manners.len()], Manner::Hang) {
        std::future::pending::<()>().await;
    }
}

/// Whether head and body are there.
fn is_whole(asked: &[u8]) -> bool {
    let asked = String::from_utf8_lossy(asked);
    let Some((head, body)) = asked.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    body.len() >= length.parse().unwrap()
}
