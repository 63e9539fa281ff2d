//! The conversation loop: messages of one client in, events of its turns out, the dialogue kept in between.
//!
//! One turn runs at a time; those sent meanwhile wait. The running turn is a future of this loop, not a task,
//! so whatever ends the loop ends the turn.

mod waiting;

use std::{future::Future, pin::Pin, time::Instant};

use fondue_domain::Fault;
use fondue_proto::dialogue::{ConverseRequest, converse_request::Action};
use fondue_serving::status::{fault_of, status};
use futures::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;

use self::waiting::Waiting;
use crate::{
    desk::Desk,
    dialogue::{Dialogue, Draft},
    failure::Failure,
    request::{self, Open, Options, Overrides},
    turn::{
        self, Outcome,
        recall::pins::Hold,
        reply::{CLOSING_GRACE, Events, Gone, Reply},
    },
};

type Running<'a> = Pin<Box<dyn Future<Output = Result<Option<Outcome>, Gone>> + Send + 'a>>;

/// Holds a conversation until the client leaves, breaks the protocol or says nothing for long, or the server stops.
pub async fn converse(
    desk: &Desk,
    messages: impl Stream<Item = Result<ConverseRequest, Status>> + Send + Unpin,
    events: &Events,
    call_deadline: Instant,
) {
    let dialogue = Dialogue::new(desk.config.template.clone(), Open::default());
    let defaults = Overrides::default();
    let state = Conversation {
        desk,
        events,
        call_deadline,
        dialogue,
        held: None,
        defaults,
        waiting: Waiting::default(),
        n_messages: 0,
        n_turns: 0,
        cancel: CancellationToken::new(),
    };
    if let Err(End::Broken(status)) = state.hold(messages).await {
        tracing::info!(%status, "conversation ended");
        // A client that does not read has no use for the reason.
        let _ = tokio::time::timeout(CLOSING_GRACE, events.send(Err(*status))).await;
    }
}

struct Conversation<'a> {
    desk: &'a Desk,
    events: &'a Events,
    call_deadline: Instant,
    dialogue: Dialogue,
    /// Keeps the dialogue's generation from being collected.
    held: Option<Hold>,
    defaults: Overrides,
    waiting: Waiting,
    n_messages: u64,
    n_turns: u32,
    /// Stops the running turn.
    cancel: CancellationToken,
}

/// Why a conversation cannot go on.
enum End {
    /// The client has left.
    Gone,
    /// The client is told why.
    Broken(Box<Status>),
}

impl From<Gone> for End {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Broken(Box::new(status(failure)))
    }
}

impl<'a> Conversation<'a> {
    async fn hold(
        mut self,
        mut messages: impl Stream<Item = Result<ConverseRequest, Status>> + Send + Unpin,
    ) -> Result<(), End> {
        let (mut open, mut running) = (true, None);
        loop {
            if running.is_none() {
                if !open && self.waiting.is_empty() {
                    return Ok(());
                }
                if self.desk.draining.is_cancelled() {
                    return Err(self.stop().await);
                }
                running = self.next_turn();
            }
            tokio::select! {
                outcome = finished(&mut running) => {
                    running = None;
                    self.remember(outcome?);
                }
                message = messages.next(), if open => {
                    let taken = match message {
                        Some(Ok(message)) => self.take(message, running.is_some()).await,
                        Some(Err(status)) => Err(broken(status)),
                        None => {
                            open = false;
                            Ok(())
                        }
                    };
                    if let Err(end) = taken {
                        return Err(self.end(running, end).await);
                    }
                }
                () = self.desk.draining.cancelled(), if running.is_none() => {} // seen above
                // Begins anew with each message and each end of a turn.
                () = tokio::time::sleep(self.desk.config.idle_timeout), if running.is_none() => {
                    return Err(self.idle().into());
                }
                () = tokio::time::sleep_until(self.call_deadline.into()), if running.is_none() => {
                    return Err(Failure::new(Fault::Deadline, "the call's deadline has passed").into());
                }
            }
        }
    }

    /// Refuses the turns that wait: nothing new begins once the server stops.
    async fn stop(mut self) -> End {
        while let Some((number, _)) = self.waiting.pop() {
            let reply = Reply::new(number, self.events.clone());
            if turn::refused(&turn_id(), Failure::stopping(), &reply).await.is_err() {
                return End::Gone;
            }
        }
        Failure::stopping().into()
    }

    fn idle(&self) -> Failure {
        let ms = self.desk.config.idle_timeout.as_millis();
        let message = format!(
            "nothing was said for {ms} ms, the limit (idle_timeout_ms); go on in another conversation with this \
             one's history"
        );
        Failure::new(Fault::Deadline, message)
    }

    /// Stops the running turn, so that it gets its closing event before the conversation ends.
    async fn end(self, running: Option<Running<'_>>, end: End) -> End {
        self.cancel.cancel();
        match running {
            Some(running) => running.await.map_or(End::Gone, |_| end),
            None => end,
        }
    }

    /// Does what a message says.
    async fn take(&mut self, message: ConverseRequest, runs: bool) -> Result<(), End> {
        self.n_messages += 1;
        let config = &self.desk.config;
        match message.action {
            None => {
                Err(Failure::field("action", "must be `open`, `turn` or `cancel`, got none of them").into())
            }
            Some(Action::Open(_)) if self.n_messages > 1 => {
                Err(Failure::field("open", "may only be the first message").into())
            }
            Some(Action::Open(raw)) => {
                let open = request::open(raw, &config.defaults, &config.limits)?;
                self.defaults = open.defaults.clone();
                self.dialogue = Dialogue::new(config.template.clone(), open);
                self.stay();
                Ok(())
            }
            Some(Action::Undo(_) | Action::Reset(_) | Action::Branch(_)) => {
                Err(Failure::field("action", "this server does not edit histories yet").into())
            }
            Some(Action::Cancel(_)) => {
                self.cancel.cancel(); // without a turn it does nothing: each turn begins with its own token
                Ok(())
            }
            Some(Action::Turn(raw)) => {
                self.n_turns = self.n_turns.saturating_add(1);
                match self.waiting.push(self.n_turns, raw, runs, &config.limits) {
                    Ok(()) => Ok(()),
                    Err(failure) => {
                        let reply = Reply::new(self.n_turns, self.events.clone());
                        Ok(turn::refused(&turn_id(), failure, &reply).await?)
                    }
                }
            }
        }
    }

    /// The next turn, if one waits.
    fn next_turn(&mut self) -> Option<Running<'a>> {
        let (number, raw) = self.waiting.pop()?;
        let config = &self.desk.config;
        let drafted = request::turn(raw, "turn", &self.defaults, &config.defaults, &config.limits)
            .and_then(|said| Ok((self.dialogue.draft(&said, &config.limits)?, said.options)));
        self.cancel = CancellationToken::new();
        let reply = Reply::new(number, self.events.clone());
        let turn_id = turn_id();
        let span = tracing::info_span!("turn", turn_id, number);
        let (desk, call_deadline, cancel) = (self.desk, self.call_deadline, self.cancel.clone());
        let running = async move {
            match drafted {
                Ok((draft, options)) => {
                    run(desk, turn_id, draft, options, call_deadline, &reply, &cancel).await
                }
                Err(failure) => turn::refused(&turn_id, failure, &reply).await.map(|()| None),
            }
        };
        Some(Box::pin(running.instrument(span)))
    }

    /// Holds the dialogue's generation from the moment that it has one.
    fn stay(&mut self) {
        if self.held.is_none() {
            self.held = self.dialogue.generation().map(|generation| self.desk.index.pins.hold(generation));
        }
    }

    fn remember(&mut self, outcome: Option<Outcome>) {
        let Some(Outcome { spoken, generation }) = outcome else { return };
        self.dialogue.pin(generation);
        self.stay();
        if let Some(spoken) = spoken {
            self.dialogue.record(spoken);
        }
    }
}

/// Runs one turn to its closing event. `None`: it was never taken, the dialogue has nothing to remember.
async fn run(
    desk: &Desk,
    turn_id: String,
    draft: Draft,
    options: Options,
    call_deadline: Instant,
    reply: &Reply,
    cancel: &CancellationToken,
) -> Result<Option<Outcome>, Gone> {
    let deadline = call_deadline.min(Instant::now() + options.timeout);
    let _room = match desk.admit_turn() {
        Ok(room) => room,
        Err(failure) => return turn::refused(&turn_id, failure, reply).await.map(|()| None),
    };
    let begun = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        begun = turn::begin(desk, turn_id.clone(), draft, &options, deadline) => Some(begun),
    };
    match begun {
        None => turn::cancelled(&turn_id, reply).await.map(|()| None),
        Some(Err(failure)) => turn::refused(&turn_id, failure, reply).await.map(|()| None),
        Some(Ok(turn)) => turn.finish(reply, cancel).await.map(Some),
    }
}

/// What the running turn comes to; waits for ever without one.
async fn finished(running: &mut Option<Running<'_>>) -> Result<Option<Outcome>, Gone> {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

/// The stream of messages broke: bytes that are no message are the client's fault, too many are a limit.
fn broken(status: Status) -> End {
    match fault_of(&status) {
        Fault::TooLarge => Failure::new(Fault::TooLarge, status.message()).into(),
        _ => End::Broken(Box::new(status)),
    }
}

fn turn_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
