//! The turn's events → the client, through a bounded channel: a slow reader makes the turn wait.

use std::time::Duration;

use fondue_proto::dialogue::{
    EditFailed, Event, FoundImage, HistoryChanged, HistoryCut, ImageUnavailable, TextDelta, TurnDone,
    TurnFailed, TurnStarted, Usage, event::Kind, image_unavailable::Reason,
};
use tokio::sync::mpsc;
use tonic::Status;

use super::recall::Place;
use crate::failure::Failure;

/// How long a client that does not read may hold a turn that is over.
pub(crate) const CLOSING_GRACE: Duration = Duration::from_secs(30);

/// The client has left, or does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// What a stream of events carries to the client.
pub type Events = mpsc::Sender<Result<Event, Status>>;

/// Where one turn's events go.
#[derive(Clone, Debug)]
pub struct Reply {
    turn: u32,
    events: Events,
}

impl Reply {
    /// The reply to turn number `turn`.
    pub fn new(turn: u32, events: Events) -> Self {
        Self { turn, events }
    }

    /// Tells that the turn was admitted, and what of its history was left out.
    ///
    /// # Errors
    /// [`Gone`], as for every event.
    pub async fn started(&self, turn_id: &str, history_cut: Option<HistoryCut>) -> Result<(), Gone> {
        let trace_id = fondue_serving::telemetry::current_trace_id();
        self.close(Kind::Started(TurnStarted { turn_id: turn_id.to_owned(), trace_id, history_cut })).await
    }

    /// Tells more text. Waits for room as long as it takes: the turn's deadline bounds it.
    ///
    /// # Errors
    /// [`Gone`], as for every event.
    pub async fn text(&self, text: String, offset: u32) -> Result<(), Gone> {
        self.send(Kind::Text(TextDelta { text, offset })).await
    }

    /// Tells a picture.
    ///
    /// # Errors
    /// [`Gone`], as for every event.
    pub async fn image(&self, image: FoundImage) -> Result<(), Gone> {
        self.send(Kind::Image(image)).await
    }

    /// Tells that a `[RET]` brought no picture.
    ///
    /// # Errors
    /// [`Gone`], as for every event.
    pub async fn unavailable(&self, place: Place, reason: Reason, message: String) -> Result<(), Gone> {
        let Place { ret_index, text_offset } = place;
        let event = ImageUnavailable { text_offset, ret_index, reason: reason as i32, message };
        self.send(Kind::ImageUnavailable(event)).await
    }

    /// Ends the turn well.
    ///
    /// # Errors
    /// [`Gone`] also when the client reads nothing for half a minute.
    pub async fn done(&self, done: TurnDone) -> Result<(), Gone> {
        self.close(Kind::Done(done)).await
    }

    /// Ends the turn with a failure, after `text` had been sent, and tells what it took if the model had taken it.
    ///
    /// # Errors
    /// [`Gone`] also when the client reads nothing for half a minute.
    pub async fn failed(&self, failure: Failure, text: String, usage: Option<Usage>) -> Result<(), Gone> {
        self.close(Kind::Failed(failure.event(text, usage))).await
    }

    /// Tells which turns the history holds now; of a conversation's reply, not a turn's.
    ///
    /// # Errors
    /// [`Gone`], as for every event.
    pub async fn changed(&self, turns: Vec<u32>) -> Result<(), Gone> {
        self.close(Kind::HistoryChanged(HistoryChanged { turns })).await
    }

    /// Tells that the history could not be changed.
    ///
    /// # Errors
    /// [`Gone`], as for every event.
    pub async fn not_changed(&self, failure: Failure) -> Result<(), Gone> {
        let TurnFailed { code, message, violations, .. } = failure.event(String::new(), None);
        self.close(Kind::EditFailed(EditFailed { code, message, violations })).await
    }

    async fn close(&self, kind: Kind) -> Result<(), Gone> {
        tokio::time::timeout(CLOSING_GRACE, self.send(kind)).await.unwrap_or(Err(Gone))
    }

    async fn send(&self, kind: Kind) -> Result<(), Gone> {
        let event = Event { turn: self.turn, kind: Some(kind) };
        self.events.send(Ok(event)).await.map_err(|_| Gone)
    }
}
