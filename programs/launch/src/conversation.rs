//! A conversation over `Converse`, as a client keeps it: sends turns, reads events, remembers what was said.
//!
//! The client's own history lets a turn be undone and lets the conversation go on, on a new stream, after the
//! gateway was restarted.

use fondue_proto::dialogue::{
    CancelTurn, ConverseRequest, Event, Exchange, OpenDialogue, Part, Turn, TurnOptions,
    converse_request::Action, dialogue_client::DialogueClient, event::Kind,
};
use futures::FutureExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

use crate::failure::Failure;

/// Messages on their way: settings, a turn and a few cancels.
const OUTBOX: usize = 8;

/// Turns with one gateway, one at a time.
#[derive(Debug)]
pub(crate) struct Conversation {
    client: DialogueClient<Channel>,
    defaults: TurnOptions,
    generation: String,
    history: Vec<Exchange>,
    /// What is said in the running turn, with the pictures found so far.
    running: Option<Exchange>,
    live: Option<Live>,
}

#[derive(Debug)]
struct Live {
    outbox: mpsc::Sender<ConverseRequest>,
    events: Streaming<Event>,
}

impl Conversation {
    /// Nothing is sent before the first turn. `generation`: where to find pictures; empty for the active one.
    pub(crate) fn new(client: DialogueClient<Channel>, defaults: TurnOptions, generation: String) -> Self {
        Self { client, defaults, generation, history: Vec::new(), running: None, live: None }
    }

    /// Begins a turn; read its events with [`Conversation::next`] until it is over.
    pub(crate) async fn say(&mut self, parts: Vec<Part>, options: TurnOptions) -> Result<(), Failure> {
        self.running = Some(Exchange { parts: parts.clone(), ..Exchange::default() });
        let turn = Action::Turn(Turn { parts, options: Some(options) });
        // An idle stream that speaks has ended: the gateway was stopped meanwhile.
        let usable = match &mut self.live {
            Some(live) => live.events.message().now_or_never().is_none() && !live.outbox.is_closed(),
            None => false,
        };
        match self.live.as_ref().filter(|_| usable) {
            Some(live) => send(&live.outbox, turn).await,
            None => self.open(turn).await,
        }
    }

    async fn open(&mut self, turn: Action) -> Result<(), Failure> {
        self.live = None;
        let (outbox, messages) = mpsc::channel(OUTBOX);
        let open = OpenDialogue {
            defaults: Some(self.defaults.clone()),
            history: self.history.clone(),
            generation: self.generation.clone(),
        };
        // Both are on their way before the call: a server may wait for them with its answer's headers.
        send(&outbox, Action::Open(open)).await?;
        send(&outbox, turn).await?;
        let events = self.client.converse(ReceiverStream::new(messages)).await?.into_inner();
        self.live = Some(Live { outbox, events });
        Ok(())
    }

    /// The next event of the running turn. The turn is over with its `TurnDone` or `TurnFailed`.
    pub(crate) async fn next(&mut self) -> Result<Event, Failure> {
        let Some(live) = &mut self.live else { return Err(Failure::Broken) };
        let event = live.events.message().await;
        match event {
            Ok(Some(event)) => {
                self.note(&event);
                Ok(event)
            }
            Ok(None) => {
                self.live = None;
                Err(Failure::Broken)
            }
            Err(status) => {
                self.live = None;
                Err(status.into())
            }
        }
    }

    fn note(&mut self, event: &Event) {
        match &event.kind {
            Some(Kind::Image(image)) => {
                if let Some(running) = &mut self.running {
                    running.image_ids.push(image.id.clone());
                }
            }
            Some(Kind::Done(done)) => {
                // One without usage was cancelled before the model had taken it: it leaves nothing, here as at the
                // gateway. All others count, those without a word too.
                if let Some(exchange) = self.running.take().filter(|_| done.usage.is_some()) {
                    self.history.push(Exchange { reply: done.transcript.clone(), ..exchange });
                }
            }
            Some(Kind::Failed(_)) => self.running = None,
            _ => {}
        }
    }

    /// Asks that the running turn stop; its `TurnDone` still comes.
    pub(crate) fn cancel(&self) {
        if let Some(live) = &self.live {
            let message = ConverseRequest { action: Some(Action::Cancel(CancelTurn {})) };
            let _ = live.outbox.try_send(message); // full only of cancels
        }
    }

    /// Forgets the last turn. Whether there was one.
    pub(crate) fn undo(&mut self) -> bool {
        self.live = None; // the next turn opens a stream with the shorter history
        self.history.pop().is_some()
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.live = None;
        self.history.clear();
    }

    /// Turns that are remembered.
    pub(crate) fn n_turns(&self) -> usize {
        self.history.len()
    }
}

async fn send(outbox: &mpsc::Sender<ConverseRequest>, action: Action) -> Result<(), Failure> {
    outbox.send(ConverseRequest { action: Some(action) }).await.map_err(|_| Failure::Broken)
}
