//! Holds turns: sends, prints as it comes, stops on Ctrl-C, and keeps what was not answered.

use std::mem::take;

use anyhow::Result;
use fondue_proto::dialogue::{Part, event::Kind};

use super::{Chat, Next};
use crate::{exit, failure::Failure, picture, printer::told_cut};

impl Chat {
    /// Says a text with what is attached.
    pub(super) async fn say(&mut self, text: String) -> Result<Next> {
        let mut parts: Vec<Part> = take(&mut self.attached).into_iter().map(|(part, _)| part).collect();
        if !text.trim().is_empty() {
            parts.push(picture::text(text));
        }
        if parts.is_empty() {
            self.fault("Nothing is said and no picture is attached; /image PATH attaches one.", exit::WRONG)?;
            return Ok(Next::Line);
        }
        if let Some(number) = self.editing.take() {
            let before = self.conversation.transcript().before(number);
            self.conversation.branch(before).await;
        }
        self.turn(parts).await
    }

    /// Says again what was said last, answered or not.
    pub(super) async fn retry(&mut self) -> Result<Next> {
        if let Some(parts) = self.unanswered.take() {
            return self.turn(parts).await;
        }
        let transcript = self.conversation.transcript();
        let last = transcript.last();
        let Some(parts) = transcript.turn(last).map(|turn| turn.said.clone()) else {
            self.fault("There is no turn to say again.", exit::WRONG)?;
            return Ok(Next::Line);
        };
        let before = transcript.before(last);
        self.conversation.branch(before).await;
        self.turn(parts).await
    }

    /// Holds one turn. What goes wrong with it is told; the chat goes on.
    async fn turn(&mut self, parts: Vec<Part>) -> Result<Next> {
        self.unanswered = Some(parts.clone());
        self.printer.begin();
        let error = match self.answer(parts).await {
            Ok(next) => return Ok(next),
            Err(error) => error,
        };
        let Some(failure) = error.downcast_ref::<Failure>() else { return Err(error) };
        self.printer.close_line()?;
        let then = if failure.is_lost() {
            let n_turns = self.conversation.n_turns();
            format!(
                "The gateway is lost, but not the history ({n_turns} turns): say it again, or /retry, once it is back."
            )
        } else {
            "The turn left no trace; /retry says it again.".to_owned()
        };
        let (text, code) = (format!("{error:#}\n{then}"), exit::code(&error));
        self.fault(&text, code)?;
        Ok(Next::Line)
    }

    async fn answer(&mut self, parts: Vec<Part>) -> Result<Next> {
        let mut cancelled = false;
        tokio::select! {
            said = self.conversation.say(parts, self.options.clone()) => said?,
            _ = self.interrupts.recv() => {
                self.tell("Not sent.")?;
                return Ok(Next::Line);
            }
        }
        loop {
            tokio::select! {
                event = self.conversation.next() => {
                    let event = event?;
                    if let Some(n_turns) = self.conversation.replayed() {
                        self.tell(&format!("(connected anew; {n_turns} turns were sent again)"))?;
                    }
                    if let Some(Kind::Started(started)) = &event.kind && let Some(cut) = &started.history_cut {
                        self.tell(&told_cut(cut))?;
                    }
                    if let Some(done) = self.printer.event(event)? {
                        self.unanswered = None;
                        if self.timings || cancelled {
                            let summary = self.printer.summary(&done);
                            self.tell(&format!("({summary})"))?;
                        }
                        return Ok(Next::Line);
                    }
                }
                _ = self.interrupts.recv() => {
                    if cancelled {
                        self.printer.close_line()?;
                        return Ok(Next::Leave);
                    }
                    cancelled = true;
                    self.conversation.cancel();
                }
            }
        }
    }
}
