//! The conversation loop: messages of one client in, events of its turns out, the dialogue kept in between.
//!
//! One turn runs at a time; turns and edits of the history sent meanwhile wait. The running turn is a future of this loop, not a task,
//! so whatever ends the loop ends the turn.

mod waiting;

#[cfg(test)]
mod tests;

use std::{future::Future, pin::Pin, time::Duration};

use fondue_auth::Caller;
use fondue_domain::Fault;
use fondue_proto::dialogue::{BranchHistory, ConverseRequest, UndoTurns, converse_request::Action};
use fondue_serving::{
    status::{fault_of, status},
    telemetry::begin_trace,
};
use futures::{Stream, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument;

use self::waiting::{Edit, Next, Waiting};
use crate::{
    auth,
    desk::Desk,
    dialogue::Dialogue,
    failure::Failure,
    measures::Counted,
    request::{self, Overrides, Turn},
    turn::{
        self, Outcome,
        recall::pins::Hold,
        reply::{CLOSING_GRACE, Events, Gone, Reply},
    },
};

/// How often it is asked whether the caller of a silent conversation still may call.
const STANDING: Duration = Duration::from_secs(60);

/// How long a client may leave unread that a turn was refused.
const UNREAD: Duration = Duration::from_secs(5);

type Running<'a> = Pin<Box<dyn Future<Output = Result<Came, Gone>> + Send + 'a>>;

/// What running came to.
enum Came {
    /// A turn that left something to its dialogue, and its number.
    Turn(u32, Box<Outcome>),
    /// A turn that was never taken: the dialogue has nothing to remember.
    Nothing,
    /// The dialogue that the client brought along.
    Opened(Box<Result<Dialogue, Failure>>),
}

/// Holds a conversation until the client leaves, breaks the protocol, says nothing for long or may not call any more, or the server stops.
/// Each turn is a trace of its own, but in a conversation that is part of the client's (`traced`).
pub async fn converse(
    desk: &Desk,
    caller: &Caller,
    messages: impl Stream<Item = Result<ConverseRequest, Status>> + Send + Unpin,
    events: &Events,
    call_deadline: Instant,
    traced: bool,
) {
    let state = Conversation::new(desk, caller, events, call_deadline, traced);
    if let Err(End::Broken(status)) = state.hold(messages).await {
        tracing::info!(%status, "conversation ended");
        // A client that does not read has no use for the reason.
        let _ = tokio::time::timeout(CLOSING_GRACE, events.send(Err(*status))).await;
    }
}

struct Conversation<'a> {
    desk: &'a Desk,
    caller: &'a Caller,
    events: &'a Events,
    call_deadline: Instant,
    /// Whether the conversation is part of the client's own trace.
    traced: bool,
    /// How often it is asked whether the caller still may call, while no turn runs.
    ask_every: Duration,
    dialogue: Dialogue,
    /// Keep the dialogue's generations from being collected.
    held: Vec<(String, Hold)>,
    /// Whether what runs is no turn but the beginning.
    opening: bool,
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
    fn new(
        desk: &'a Desk,
        caller: &'a Caller,
        events: &'a Events,
        call_deadline: Instant,
        traced: bool,
    ) -> Self {
        Self {
            desk,
            caller,
            events,
            call_deadline,
            traced,
            ask_every: STANDING,
            dialogue: Dialogue::default(),
            held: Vec::new(),
            opening: false,
            defaults: Overrides::default(),
            waiting: Waiting::default(),
            n_messages: 0,
            n_turns: 0,
            cancel: CancellationToken::new(),
        }
    }

    async fn hold(
        mut self,
        mut messages: impl Stream<Item = Result<ConverseRequest, Status>> + Send + Unpin,
    ) -> Result<(), End> {
        let (mut open, mut running) = (true, None);
        let mut quiet_since = Instant::now();
        loop {
            if running.is_none() {
                if !open && self.waiting.is_empty() {
                    return Ok(());
                }
                if self.desk.draining.is_cancelled() {
                    return Err(self.stop(Failure::stopping).await);
                }
                // A caller who may not call any more leaves the place to others; what runs is ended first.
                if let Err(refusal) = self.caller.stands() {
                    return Err(self.stop(|| auth::failure(refusal.clone())).await);
                }
                running = self.next().await?;
                if !open && running.is_none() {
                    return Ok(()); // edits alone were left
                }
            }
            tokio::select! {
                came = finished(&mut running) => {
                    running = None;
                    quiet_since = Instant::now();
                    self.remember(came?)?;
                }
                message = messages.next(), if open => {
                    quiet_since = Instant::now();
                    let taken = match message {
                        Some(Ok(message)) => self.take(message, &mut running).await,
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
                () = tokio::time::sleep(self.ask_every), if running.is_none() => {} // seen above
                () = tokio::time::sleep_until(quiet_since + self.desk.config.idle_timeout), if running.is_none() => {
                    return Err(self.idle().into());
                }
                () = tokio::time::sleep_until(self.call_deadline), if running.is_none() => {
                    return Err(Failure::new(Fault::Deadline, "the call's deadline has passed").into());
                }
            }
        }
    }

    /// Refuses what waits: nothing new begins once the server stops, or the caller may not call any more.
    async fn stop(mut self, why: impl Fn() -> Failure) -> End {
        while let Some(next) = self.waiting.pop() {
            let refused = match next {
                Next::Turn(number, _) => {
                    let reply = Reply::new(number, self.events.clone());
                    turn::refused(&turn_id(), why(), &reply, Counted::begin()).await
                }
                Next::Edit(_) => self.refuse_edits(1, &why).await,
                Next::Refused(n) => self.refuse_edits(n, || waiting::full(&self.desk.config.limits)).await,
            };
            if refused.is_err() {
                return End::Gone;
            }
        }
        why().into()
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
            // The beginning has no closing event.
            Some(running) if !self.opening => running.await.map_or(End::Gone, |_| end),
            _ => end,
        }
    }

    /// Does what a message says.
    async fn take(&mut self, message: ConverseRequest, running: &mut Option<Running<'a>>) -> Result<(), End> {
        self.n_messages += 1;
        let config = &self.desk.config;
        match message.action {
            None => {
                let what = "must be `open`, `turn`, `cancel`, `undo`, `reset` or `branch`, got none of them";
                Err(Failure::field("action", what).into())
            }
            Some(Action::Open(_)) if self.n_messages > 1 => {
                Err(Failure::field("open", "may only be the first message").into())
            }
            Some(Action::Open(raw)) => {
                let open = request::open(raw, &config.defaults, &config.limits)?;
                self.defaults = open.defaults.clone();
                let deadline = self.call_deadline.min(Instant::now() + config.defaults.timeout);
                let desk = self.desk;
                self.opening = true;
                *running = Some(Box::pin(async move {
                    let opened = tokio::select! {
                        opened = turn::opened(desk, open, deadline) => opened,
                        () = desk.ending.cancelled() => Err(Failure::stopping()),
                    };
                    Ok(Came::Opened(Box::new(opened)))
                }));
                Ok(())
            }
            Some(Action::Undo(undo)) => self.edit(Edit::Undo(undo), running.is_some()),
            Some(Action::Reset(_)) => self.edit(Edit::Reset, running.is_some()),
            Some(Action::Branch(branch)) => self.edit(Edit::Branch(branch), running.is_some()),
            Some(Action::Cancel(_)) => {
                self.cancel.cancel(); // without a turn it does nothing: each turn begins with its own token
                Ok(())
            }
            Some(Action::Turn(raw)) => {
                self.n_turns = self.n_turns.saturating_add(1);
                let waits = self.waits(running.is_some());
                match self.waiting.push(self.n_turns, raw, waits, &config.limits) {
                    Ok(()) => Ok(()),
                    Err(failure) => self.refuse(failure).await,
                }
            }
        }
    }

    /// Tells that the newest turn was refused. While nobody reads that, nothing more can be taken from the client, and what it sends
    /// would pile up in its connection, which HTTP/2 ends at last with all other calls in it; so this conversation ends before.
    async fn refuse(&self, failure: Failure) -> Result<(), End> {
        let (id, reply) = (turn_id(), Reply::new(self.n_turns, self.events.clone()));
        let span = turn::told::span(&id, Some(self.n_turns));
        let told = turn::refused(&id, failure, &reply, Counted::begin()).instrument(span);
        match tokio::time::timeout(UNREAD, told).await {
            Ok(told) => Ok(told?),
            Err(_) => {
                let message =
                    "turns were refused, and the events that tell of it are not read; read while you send";
                Err(Failure::busy(message).into())
            }
        }
    }

    /// Whether what is sent now has to wait for a turn; the beginning is none.
    fn waits(&self, runs: bool) -> bool {
        runs && !(self.opening && self.waiting.is_empty())
    }

    /// Takes an edit; if it finds no room, that is told when it is its turn.
    fn edit(&mut self, edit: Edit, runs: bool) -> Result<(), End> {
        let waits = self.waits(runs);
        self.waiting.push_edit(edit, waits, &self.desk.config.limits);
        Ok(())
    }

    /// Makes the edits that are next, and begins the turn behind them, if one waits.
    async fn next(&mut self) -> Result<Option<Running<'a>>, End> {
        loop {
            match self.waiting.pop() {
                None => return Ok(None),
                Some(Next::Turn(number, raw)) => return Ok(Some(self.turn(number, *raw))),
                Some(Next::Edit(edit)) => {
                    let reply = self.own_reply();
                    match self.change(edit) {
                        Ok(()) => reply.changed(self.dialogue.numbers()).await?,
                        Err(failure) => reply.not_changed(failure).await?,
                    }
                }
                Some(Next::Refused(n)) => {
                    self.refuse_edits(n, || waiting::full(&self.desk.config.limits)).await?;
                }
            }
        }
    }

    fn turn(&mut self, number: u32, raw: fondue_proto::dialogue::Turn) -> Running<'a> {
        let config = &self.desk.config;
        let said = request::turn(raw, "turn", &self.defaults, &config.defaults, &config.limits);
        self.cancel = CancellationToken::new();
        let reply = Reply::new(number, self.events.clone());
        let turn_id = turn_id();
        let span = turn::told::span(&turn_id, Some(number));
        if !self.traced {
            begin_trace(&span);
        }
        let (desk, caller, cancel) = (self.desk, self.caller, self.cancel.clone());
        let left = self.call_deadline.saturating_duration_since(Instant::now());
        let dialogue = self.dialogue.clone();
        let running = async move {
            let outcome = match said {
                Ok(mut said) => {
                    said.options.timeout = said.options.timeout.min(left);
                    run(desk, caller, turn_id, &dialogue, said, &reply, &cancel).await?
                }
                Err(failure) => {
                    turn::refused(&turn_id, failure, &reply, Counted::begin()).await?;
                    None
                }
            };
            Ok(outcome.map_or(Came::Nothing, |outcome| Came::Turn(number, Box::new(outcome))))
        };
        Box::pin(running.instrument(span))
    }

    fn change(&mut self, edit: Edit) -> Result<(), Failure> {
        let limits = &self.desk.config.limits;
        match edit {
            Edit::Undo(UndoTurns { turns }) => self.dialogue.undo(turns, limits),
            Edit::Branch(BranchHistory { after_turn }) => self.dialogue.branch(after_turn, limits),
            Edit::Reset => {
                self.dialogue.reset(limits);
                Ok(())
            }
        }
    }

    async fn refuse_edits(&self, n: u32, why: impl Fn() -> Failure) -> Result<(), Gone> {
        for _ in 0..n {
            self.own_reply().not_changed(why()).await?;
        }
        Ok(())
    }

    /// Where events go that are of no turn.
    fn own_reply(&self) -> Reply {
        Reply::new(0, self.events.clone())
    }

    /// Holds the dialogue's generations from the moment that it has them.
    fn stay(&mut self) {
        for index in &self.desk.indexes {
            if let Some(generation) = self.dialogue.generations().of(index.name())
                && !self.held.iter().any(|(held, _)| held == index.name())
            {
                self.held.push((index.name().to_owned(), index.pins.hold(generation)));
            }
        }
    }

    fn remember(&mut self, came: Came) -> Result<(), End> {
        match came {
            Came::Nothing => {}
            Came::Opened(opened) => {
                self.opening = false;
                self.dialogue = (*opened)?;
                self.stay();
            }
            Came::Turn(number, outcome) => {
                let Outcome { spoken, generation } = *outcome;
                if let Some((index, generation)) = generation {
                    self.dialogue.pin(index, generation);
                    self.stay();
                }
                if let Some(spoken) = spoken {
                    self.dialogue.record(number, spoken, &self.desk.config.limits);
                }
            }
        }
        Ok(())
    }
}

/// Runs one turn to its closing event. `None`: it was never taken, the dialogue has nothing to remember.
async fn run(
    desk: &Desk,
    caller: &Caller,
    turn_id: String,
    dialogue: &Dialogue,
    said: Turn,
    reply: &Reply,
    cancel: &CancellationToken,
) -> Result<Option<Outcome>, Gone> {
    let Turn { parts, options } = said;
    let deadline = Instant::now() + options.timeout;
    // A key may have gone or expired since the conversation began; then this turn is refused, and one that runs goes on.
    let counted = Counted::begin();
    let admitted = caller.request().map_err(auth::failure).and_then(|()| desk.admit_turn(caller));
    let room = match admitted {
        Ok(room) => room,
        Err(failure) => return turn::refused(&turn_id, failure, reply, counted).await.map(|()| None),
    };
    let begun = async {
        let draft = turn::draft(desk, dialogue, parts, deadline).await?;
        turn::begin(desk, &room.caller, turn_id.clone(), draft, &options, deadline).await
    };
    let begun = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        () = desk.ending.cancelled() => Some(Err(Failure::stopping())),
        begun = begun => Some(begun),
    };
    match begun {
        None => turn::cancelled(&turn_id, reply, counted).await.map(|()| None),
        Some(Err(failure)) => turn::refused(&turn_id, failure, reply, counted).await.map(|()| None),
        Some(Ok(turn)) => turn.finish(reply, cancel, counted).await.map(Some),
    }
}

/// What the running turn comes to; waits for ever without one.
async fn finished(running: &mut Option<Running<'_>>) -> Result<Came, Gone> {
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
