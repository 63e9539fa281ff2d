//! A conversation over one `Converse` stream, as a client keeps it: sends turns, edits the history, reads events, and
//! remembers everything itself.
//!
//! The client's own transcript is what counts. A gateway that was lost, that forgot a turn, or that knows no edits gets the
//! history again on a new stream, with the next turn.

mod live;

use std::{mem::take, time::Duration};

use fondue_proto::dialogue::{
    BranchHistory, CancelTurn, Event, OpenDialogue, Part, ResetHistory, Turn as Said, TurnOptions, UndoTurns,
    converse_request::Action, event::Kind,
};
use tokio::time::timeout;

use crate::{
    failure::Failure,
    gateway::Client,
    transcript::{Transcript, Turn},
};
use live::Live;

/// How long an edit may take; the next turn sends the history anew if the gateway does not answer.
const EDIT_WITHIN: Duration = Duration::from_secs(5);

/// Turns with one gateway, one at a time.
#[derive(Debug)]
pub(crate) struct Conversation {
    client: Client,
    defaults: TurnOptions,
    generation: String,
    transcript: Transcript,
    running: Option<Running>,
    live: Option<Live>,
    /// Whether a stream was lost since the last one was opened.
    lost: bool,
    replayed: Option<usize>,
}

#[derive(Debug)]
struct Running {
    turn: Turn,
    options: TurnOptions,
    /// Whether it was sent on a stream that lay idle and may have been dead, and nothing came back yet.
    unsure: bool,
}

impl Conversation {
    /// Nothing is sent before the first turn. `generation`: where to find pictures; empty for the active one.
    pub(crate) fn new(client: Client, defaults: TurnOptions, generation: String) -> Self {
        Self {
            client,
            defaults,
            generation,
            transcript: Transcript::default(),
            running: None,
            live: None,
            lost: false,
            replayed: None,
        }
    }

    /// Goes on from a history that was held before.
    pub(crate) fn resume(&mut self, turns: Vec<Turn>) {
        (self.transcript, self.live) = (Transcript::of(turns), None);
    }

    /// What was said and answered.
    pub(crate) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// How many turns were sent again since this was asked last, because a stream had been lost.
    pub(crate) fn replayed(&mut self) -> Option<usize> {
        self.replayed.take()
    }

    /// Begins a turn; read its events with [`Conversation::next`] until it is over.
    pub(crate) async fn say(&mut self, parts: Vec<Part>, options: TurnOptions) -> Result<(), Failure> {
        let said = Said { parts: parts.clone(), options: Some(options.clone()) };
        self.running = Some(Running { turn: Turn::new(parts), options, unsure: true });
        if let Some(live) = self.usable() {
            if live.send(Action::Turn(said.clone())).await.is_ok() {
                return Ok(());
            }
            self.lose();
        }
        self.open(said).await
    }

    /// The stream, unless it has ended meanwhile.
    fn usable(&mut self) -> Option<&mut Live> {
        if self.live.as_mut().is_some_and(|live| !live.is_usable()) {
            self.lose();
        }
        self.live.as_mut()
    }

    fn lose(&mut self) {
        (self.live, self.lost) = (None, true);
    }

    async fn open(&mut self, said: Said) -> Result<(), Failure> {
        self.live = None;
        if let Some(running) = &mut self.running {
            running.unsure = false;
        }
        let history: Vec<_> = self.transcript.history().into_iter().map(Turn::exchange).collect();
        let n_turns = history.len();
        let open = OpenDialogue {
            defaults: Some(self.defaults.clone()),
            history,
            generation: self.generation.clone(),
        };
        self.live = Some(Live::open(&mut self.client, open, said).await?);
        if take(&mut self.lost) {
            self.replayed = Some(n_turns);
        }
        Ok(())
    }

    /// The next event of the running turn. The turn is over with its `TurnDone` or `TurnFailed`.
    pub(crate) async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            let Some(live) = &mut self.live else { return Err(Failure::Broken) };
            let failure = match live.next().await {
                Ok(event) => {
                    self.note(&event);
                    return Ok(event);
                }
                Err(failure) => failure,
            };
            self.lose();
            // A stream that died while it lay idle is told only by the turn that was sent on it.
            match self.running.as_ref().filter(|running| running.unsure && failure.is_lost()) {
                Some(running) => {
                    let parts = running.turn.said.clone();
                    self.open(Said { parts, options: Some(running.options.clone()) }).await?;
                }
                None => return Err(failure),
            }
        }
    }

    fn note(&mut self, event: &Event) {
        let Some(running) = &mut self.running else { return };
        running.unsure = false;
        running.turn.note(event);
        match &event.kind {
            Some(Kind::Done(done)) => {
                // One without usage was cancelled before the model had taken it: it leaves nothing, here as at the
                // gateway. All others count, those without a word too.
                if let Some(running) = self.running.take().filter(|_| done.usage.is_some()) {
                    let number = self.transcript.push(running.turn);
                    if let Some(live) = &mut self.live {
                        live.number(number, event.turn);
                    }
                }
            }
            Some(Kind::Failed(_)) => self.running = None,
            _ => {}
        }
    }

    /// Asks that the running turn stop; its `TurnDone` still comes.
    pub(crate) fn cancel(&self) {
        if let Some(live) = &self.live {
            live.try_send(Action::Cancel(CancelTurn {}));
        }
    }

    /// Takes back the last turns. How many there were, `n` at most.
    pub(crate) async fn undo(&mut self, n: usize) -> usize {
        let path = self.transcript.path();
        let n = n.min(path.len());
        if n > 0 {
            let last = path.len().checked_sub(n + 1).and_then(|place| path.get(place)).copied();
            self.edit(undo(n), last.unwrap_or(0)).await;
        }
        n
    }

    /// Begins anew; earlier turns can be returned to.
    pub(crate) async fn reset(&mut self) {
        self.edit(Some(Action::Reset(ResetHistory {})), 0).await;
    }

    /// Goes on from behind a turn of the transcript; 0 is the beginning.
    pub(crate) async fn branch(&mut self, number: usize) {
        let path = self.transcript.path();
        if number == self.transcript.last() {
            return;
        }
        let known = self.live.as_ref().and_then(|live| live.number_of(number));
        let action = match (known, path.iter().position(|&each| each == number)) {
            (Some(after_turn), _) => Some(Action::Branch(BranchHistory { after_turn })),
            (None, Some(place)) => undo(path.len() - 1 - place),
            (None, None) if number == 0 => Some(Action::Reset(ResetHistory {})),
            (None, None) => None, // of a stream that is gone
        };
        self.edit(action, number).await;
    }

    /// Makes a turn the last one here and, if it can be done there by `action`, at the gateway.
    async fn edit(&mut self, action: Option<Action>, last: usize) {
        self.transcript.go_to(last);
        let path = self.transcript.path();
        let Some(live) = self.usable() else { return };
        let same = match action {
            Some(action) => timeout(EDIT_WITHIN, live.edit(action, &path)).await.unwrap_or(false),
            None => false,
        };
        if !same {
            self.live = None; // the next turn opens a stream with the history as it is here
        }
    }

    /// Turns that are remembered.
    pub(crate) fn n_turns(&self) -> usize {
        self.transcript.path().len()
    }
}

fn undo(n: usize) -> Option<Action> {
    Some(Action::Undo(UndoTurns { turns: u32::try_from(n).ok()? }))
}
