//! One open `Converse` stream.

use std::collections::HashMap;

use fondue_proto::dialogue::{
    ConverseRequest, Event, OpenDialogue, Turn, converse_request::Action, event::Kind,
};
use futures::FutureExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::{failure::Failure, gateway::Client};

/// Messages on their way: settings, a turn and a few cancels.
const OUTBOX: usize = 8;

#[derive(Debug)]
pub(super) struct Live {
    outbox: mpsc::Sender<ConverseRequest>,
    events: Streaming<Event>,
    /// The gateway's numbers of the transcript's turns; those of the history that it was opened with have none.
    numbers: HashMap<usize, u32>,
}

impl Live {
    pub(super) async fn open(client: &mut Client, open: OpenDialogue, turn: Turn) -> Result<Self, Failure> {
        let (outbox, messages) = mpsc::channel(OUTBOX);
        // Both are on their way before the call: a server may wait for them with its answer's headers.
        send(&outbox, Action::Open(open)).await?;
        send(&outbox, Action::Turn(turn)).await?;
        let events = client.converse(ReceiverStream::new(messages)).await?.into_inner();
        Ok(Self { outbox, events, numbers: HashMap::new() })
    }

    /// An idle stream that speaks has ended: the gateway was stopped meanwhile, or tired of waiting.
    pub(super) fn is_usable(&mut self) -> bool {
        self.events.message().now_or_never().is_none() && !self.outbox.is_closed()
    }

    pub(super) async fn send(&self, action: Action) -> Result<(), Failure> {
        send(&self.outbox, action).await
    }

    /// Sends if there is room.
    pub(super) fn try_send(&self, action: Action) {
        let _ = self.outbox.try_send(ConverseRequest { action: Some(action) }); // full only of cancels
    }

    pub(super) async fn next(&mut self) -> Result<Event, Failure> {
        self.events.message().await?.ok_or(Failure::Broken)
    }

    /// Notes the gateway's number of a turn.
    pub(super) fn number(&mut self, turn: usize, there: u32) {
        self.numbers.insert(turn, there);
    }

    /// The gateway's number of a turn, if it was answered on this stream.
    pub(super) fn number_of(&self, turn: usize) -> Option<u32> {
        self.numbers.get(&turn).copied()
    }

    /// Edits the history; whether it is then the turns of `path`.
    pub(super) async fn edit(&mut self, action: Action, path: &[usize]) -> bool {
        if self.send(action).await.is_err() {
            return false;
        }
        let expected: Vec<_> = path.iter().map(|&turn| self.number_of(turn).unwrap_or(0)).collect();
        loop {
            match self.next().await.map(|event| event.kind) {
                Ok(Some(Kind::HistoryChanged(changed))) => return changed.turns == expected,
                Ok(Some(Kind::EditFailed(_))) | Err(_) => return false,
                Ok(_) => {}
            }
        }
    }
}

async fn send(outbox: &mpsc::Sender<ConverseRequest>, action: Action) -> Result<(), Failure> {
    outbox.send(ConverseRequest { action: Some(action) }).await.map_err(|_| Failure::Broken)
}
