//! A gateway among its fakes, and a client's words to it.

use std::time::Duration;

use clap::Parser;
use fondue_gateway::config::Args;
use fondue_proto::dialogue::{
    ConverseRequest, Event, FoundImage, Image, ImageUnavailable, Part, ReplyRequest, TextDelta, Turn,
    TurnDone, TurnFailed, TurnOptions, converse_request::Action, dialogue_client::DialogueClient, event,
    gallery_client::GalleryClient, part,
};
use tokio::{net::TcpListener, sync::Semaphore, sync::mpsc, sync::oneshot, task::JoinHandle};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use crate::fakes::{Fake, language::LanguageFake, retrieval::RetrievalFake, vision::VisionFake};

/// Nothing here takes this long unless it hangs.
pub(crate) const HANGS: Duration = Duration::from_secs(20);

pub(crate) struct Scene {
    pub(crate) address: String,
    pub(crate) vision: VisionFake,
    pub(crate) language: LanguageFake,
    pub(crate) retrieval: RetrievalFake,
    pub(crate) vision_server: Fake,
    pub(crate) language_server: Fake,
    pub(crate) retrieval_server: Fake,
    /// `http://HOST:PORT` of the gateway.
    pub(crate) client: DialogueClient<Channel>,
    pub(crate) gallery: GalleryClient<Channel>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) ended: JoinHandle<Result<(), fondue_gateway::RunError>>,
}

impl Scene {
    /// A gateway with default settings.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A gateway with these flags.
    pub(crate) async fn with(flags: &[&str]) -> Self {
        let (vision, language, retrieval) =
            (VisionFake::default(), LanguageFake::default(), RetrievalFake::default());
        let vision_server = Fake::serve(vision.routes());
        let language_server = Fake::serve(language.routes());
        let retrieval_server = Fake::serve(retrieval.routes());
        let (v, l, r) = (&vision_server.address, &language_server.address, &retrieval_server.address);
        let args =
            ["fondue-gateway", "--allowed-host", "gateway", "--vision", v, "--language", l, "--retrieval", r];
        let config = Args::parse_from(args.iter().chain(flags)).resolve().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let ended = tokio::spawn(fondue_gateway::run(config, listener, shutdown));
        let client = DialogueClient::connect(address.clone()).await.unwrap();
        let gallery = GalleryClient::connect(address.clone()).await.unwrap();
        let stop = Some(stop);
        Self {
            address,
            vision,
            language,
            retrieval,
            vision_server,
            language_server,
            retrieval_server,
            client,
            gallery,
            stop,
            ended,
        }
    }

    /// One turn without history.
    pub(crate) async fn reply(&self, turn: Turn) -> Result<Events, Status> {
        reply(self.client.clone(), turn).await
    }

    /// A conversation that has just begun.
    pub(crate) async fn converse(&self) -> Conversation {
        let (say, words) = mpsc::unbounded_channel();
        let words = UnboundedReceiverStream::new(words);
        let response = self.client.clone().converse(words).await.unwrap();
        Conversation { say: Some(say), events: Events(response.into_inner()) }
    }
}

/// One turn without history.
pub(crate) async fn reply(mut client: DialogueClient<Channel>, turn: Turn) -> Result<Events, Status> {
    let request = ReplyRequest { turn: Some(turn), ..ReplyRequest::default() };
    client.reply(request).await.map(|response| Events(response.into_inner()))
}

/// The events of a call.
pub(crate) struct Events(pub(crate) Streaming<Event>);

impl Events {
    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Status> {
        tokio::time::timeout(HANGS, self.0.message()).await.expect("the gateway hangs")
    }

    /// What the next event is.
    pub(crate) async fn kind(&mut self) -> event::Kind {
        self.next().await.unwrap().expect("the stream has ended").kind.expect("the event has a kind")
    }

    /// The events of one turn, from `TurnStarted` to the closing one, both included.
    pub(crate) async fn turn(&mut self) -> Vec<event::Kind> {
        let mut kinds = vec![self.kind().await];
        assert!(matches!(kinds[0], event::Kind::Started(_)), "{kinds:?}");
        while !matches!(kinds.last(), Some(event::Kind::Done(_) | event::Kind::Failed(_))) {
            kinds.push(self.kind().await);
        }
        kinds
    }

    /// Passes over events up to a text.
    pub(crate) async fn text(&mut self) -> TextDelta {
        loop {
            if let event::Kind::Text(delta) = self.kind().await {
                return delta;
            }
        }
    }

    /// Nothing more may come.
    pub(crate) async fn end(&mut self) {
        assert_eq!(self.next().await.unwrap(), None);
    }
}

/// A conversation's two streams.
pub(crate) struct Conversation {
    say: Option<mpsc::UnboundedSender<ConverseRequest>>,
    pub(crate) events: Events,
}

impl Conversation {
    pub(crate) fn act(&self, action: impl Into<Option<Action>>) {
        self.say.as_ref().unwrap().send(ConverseRequest { action: action.into() }).unwrap();
    }

    pub(crate) fn say(&self, turn: Turn) {
        self.act(Action::Turn(turn));
    }

    /// Says it and hears the whole turn.
    pub(crate) async fn turn(&mut self, turn: Turn) -> Vec<event::Kind> {
        self.say(turn);
        self.events.turn().await
    }

    /// Says no more.
    pub(crate) fn half_close(&mut self) {
        self.say = None;
    }
}

pub(crate) fn text(text: &str) -> Part {
    Part { kind: Some(part::Kind::Text(text.to_owned())) }
}

pub(crate) fn image(data: &str) -> Part {
    Part { kind: Some(part::Kind::Image(Image { data: data.to_owned().into(), fit: 0, url: String::new() })) }
}

pub(crate) fn turn(parts: impl Into<Vec<Part>>) -> Turn {
    Turn { parts: parts.into(), options: None }
}

pub(crate) fn turn_with(parts: impl Into<Vec<Part>>, options: TurnOptions) -> Turn {
    Turn { parts: parts.into(), options: Some(options) }
}

/// Waits for one permit.
pub(crate) async fn one(permits: &Semaphore) {
    tokio::time::timeout(HANGS, permits.acquire()).await.expect("it never happened").unwrap().forget();
}

pub(crate) fn done(kinds: &[event::Kind]) -> &TurnDone {
    match kinds.last() {
        Some(event::Kind::Done(done)) => done,
        other => panic!("not done: {other:?}"),
    }
}

pub(crate) fn failed(kinds: &[event::Kind]) -> &TurnFailed {
    match kinds.last() {
        Some(event::Kind::Failed(failed)) => failed,
        other => panic!("not failed: {other:?}"),
    }
}

pub(crate) fn images(kinds: &[event::Kind]) -> Vec<&FoundImage> {
    let mut images = Vec::new();
    for kind in kinds {
        if let event::Kind::Image(image) = kind {
            images.push(image);
        }
    }
    images
}

pub(crate) fn unavailable(kinds: &[event::Kind]) -> Vec<&ImageUnavailable> {
    let mut lacks = Vec::new();
    for kind in kinds {
        if let event::Kind::ImageUnavailable(lack) = kind {
            lacks.push(lack);
        }
    }
    lacks
}
