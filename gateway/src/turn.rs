//! One turn, whole. Read this first.
//!
//! ```text
//! draft   fetch  links → picture files; the model's template; the dialogue's memory
//! begin   see    pictures → vision → features
//!         speak  prompt → language; waits until the engine has taken it
//! finish  listen text → client; [RET] → recall ↔ retrieval → pictures → client, whenever they come
//!         then   the searches still out, and the closing event
//! ```
//! A failure of `draft` or `begin` is the caller's to tell: nothing has been sent yet. `finish` always ends in a closing
//! event, unless the client has left; dropping it at any point drops the language stream and the search.

pub mod answer;
pub mod bill;
pub mod clock;
pub mod fetch;
pub mod recall;
pub mod reply;
pub mod see;
pub mod speak;
pub mod told;

#[cfg(test)]
mod tests;

use std::time::Duration;

use fondue_auth::Caller;
use fondue_proto::{
    dialogue::{FinishReason, HistoryCut, Timings, TurnDone, Usage, image_unavailable::Reason},
    language::{self, Done, Started},
};
use fondue_serving::telemetry::content;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use self::{
    answer::Answer,
    bill::Bill,
    clock::ms,
    recall::{Allowance, Place, Recall, Recalled},
    reply::{CLOSING_GRACE, Gone, Reply},
    speak::Heard,
};
use crate::{
    desk::Desk,
    dialogue::{Dialogue, Draft, Spoken, prompt},
    failure::Failure,
    measures::{self, Counted},
    request::{Exchange, Open, Options, Part},
};

/// A turn that vision and language have taken; nothing has been sent yet.
#[derive(Debug)]
pub struct Turn {
    turn_id: String,
    draft: Draft,
    history_cut: Option<HistoryCut>,
    /// Whether the client has been told that it started.
    told: bool,
    /// Whether the dialogue is to stay with the generation that is searched.
    pins: bool,
    feed_back: bool,
    bill: Bill,
    recall: Recall,
    answer: Answer,
    n_found: u32,
    started: Instant,
    deadline: Instant,
    /// The server stops: the turn must close now.
    ending: CancellationToken,
    timings: Timings,
    /// When the last token came.
    last_token: Option<Instant>,
    trace_content: bool,
}

/// What a finished turn leaves to its dialogue.
#[derive(Debug)]
pub struct Outcome {
    /// The answered turn; `None` if it failed, and the history stays as it was.
    pub spoken: Option<Spoken>,
    /// The index and the generation that a dialogue stays with, if it has not one of that index already.
    pub generation: Option<(String, String)>,
}

/// How the speaking ended.
enum End {
    Done(Done),
    Cancelled,
    Failed(Failure),
}

/// Why listening stopped early.
enum Stop {
    Failed(Failure),
    Gone,
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// Cuts of a prompt: the language service's own limit.
const MAX_CUTS: usize = 4096;

/// The dialogue that a client brings along, its pictures fetched.
///
/// # Errors
/// [`Failure`] of a picture's URL.
pub async fn opened(desk: &Desk, open: Open, deadline: Instant) -> Result<Dialogue, Failure> {
    let (mut lists, mut rest) = (Vec::new(), Vec::new());
    for Exchange { parts, reply, image_ids } in open.history {
        lists.push(parts);
        rest.push((reply, image_ids));
    }
    let lists = desk.links.follow(lists, deadline).await?;
    let history = lists.into_iter().zip(rest);
    let history = history.map(|(parts, (reply, image_ids))| Exchange { parts, reply, image_ids });
    Ok(Dialogue::new(history.collect(), open.generation))
}

/// The dialogue with what the user says at its end, pictures fetched, as the model reads it.
///
/// # Errors
/// [`Failure`] of a picture's URL, or if the dialogue would grow beyond its limits.
pub async fn draft(
    desk: &Desk,
    dialogue: &Dialogue,
    parts: Vec<Part>,
    deadline: Instant,
) -> Result<Draft, Failure> {
    let started = Instant::now();
    let has_links = parts.iter().any(|part| matches!(part, Part::Link(_)));
    let fetched = async {
        let lists = desk.links.follow(vec![parts], deadline).await?;
        Ok((lists.concat(), if has_links { started.elapsed() } else { Duration::ZERO }))
    };
    let (fetched, template) = tokio::join!(fetched, desk.model.template(deadline));
    let (parts, fetch_took) = fetched?;
    let mut draft = dialogue.draft(&parts, template, &desk.config.limits)?;
    (draft.started, draft.fetch_took) = (started, fetch_took);
    Ok(draft)
}

/// Shows the pictures to vision and gives the prompt to language.
///
/// # Errors
/// [`Failure`]: the turn was not taken.
pub async fn begin(
    desk: &Desk,
    caller: &Caller,
    turn_id: String,
    mut draft: Draft,
    options: &Options,
    deadline: Instant,
) -> Result<Turn, Failure> {
    let index = desk.index(&options.index)?.clone();
    let taken = async {
        let seen = see::see(desk, &draft.unseen, deadline).await?;
        draft.learn(seen.features, &seen.unreadable);
        let prompt = draft.prompt();
        if desk.config.trace_content {
            content("fondue.prompt", &prompt::shown(&prompt.pieces));
        }
        let parts = prompt::to_wire(&prompt.pieces, &draft.features)?;
        let cuts = prompt::cuts_to_wire(&prompt.cuts, MAX_CUTS);
        let n_cuts = cuts.len();
        let cache_key = caller.prompt_key(&options.cache_key);
        let affinity = draft.affinity(&cache_key);
        let speech = speak::speak(&desk.language, parts, cuts, options, cache_key, affinity, deadline);
        Ok((seen.took, n_cuts, speech.await?))
    };
    let (vision_took, n_cuts, speech) = tokio::select! {
        taken = taken => taken?,
        () = desk.ending.cancelled() => return Err(Failure::stopping()),
    };
    let allowance = Allowance { deadline, search_timeout: desk.config.search_timeout };
    Ok(Turn {
        turn_id,
        recall: Recall::new(index, &draft, options, allowance),
        history_cut: history_cut(&speech.started, draft.n_turns(), n_cuts),
        told: false,
        pins: options.generation.is_none(),
        feed_back: options.feed_back_images,
        timings: Timings {
            fetch_ms: ms(draft.fetch_took),
            vision_ms: ms(vision_took),
            queue_ms: speech.started.queue_ms,
            ..Timings::default()
        },
        bill: Bill::new(caller.clone(), speech, options.max_new_tokens),
        answer: Answer::new(options.compat),
        n_found: 0,
        started: draft.started,
        draft,
        deadline,
        ending: desk.ending.clone(),
        last_token: None,
        trace_content: desk.config.trace_content,
    })
}

impl Turn {
    /// Sends all of the turn's events, the closing one included.
    ///
    /// # Errors
    /// [`Gone`] if the client left or does not read.
    pub async fn finish(
        mut self,
        reply: &Reply,
        cancel: &CancellationToken,
        counted: Counted,
    ) -> Result<Outcome, Gone> {
        let ending = self.ending.clone();
        let end = tokio::select! {
            biased;
            () = cancel.cancelled() => End::Cancelled,
            () = ending.cancelled() => End::Failed(Failure::stopping()),
            end = self.answer(reply) => end?,
        };
        self.close(end, reply, counted).await
    }

    async fn answer(&mut self, reply: &Reply) -> Result<End, Gone> {
        let done = match timeout_at(self.deadline, self.listen(reply)).await {
            Ok(Ok(done)) => done,
            Ok(Err(Stop::Gone)) => return Err(Gone),
            Ok(Err(Stop::Failed(failure))) => return Ok(End::Failed(failure)),
            Err(_) => {
                self.bill.late();
                return Ok(End::Failed(Failure::deadline("the answer")));
            }
        };
        let last = self.deadline + CLOSING_GRACE;
        timeout_at(last, self.collect(reply)).await.unwrap_or(Err(Gone))?;
        Ok(End::Done(done))
    }

    /// Tells that the turn has started, and passes on what the model does until it is done, and the pictures that are found
    /// meanwhile.
    async fn listen(&mut self, reply: &Reply) -> Result<Done, Stop> {
        reply.started(&self.turn_id, self.history_cut).await?;
        self.told = true;
        loop {
            tokio::select! {
                heard = self.bill.next() => match heard.map_err(Stop::Failed)? {
                    Heard::Text(delta) => {
                        self.token();
                        self.text(delta, reply).await?;
                    }
                    Heard::Ret(query) => {
                        self.token();
                        let text_offset = self.answer.ret(query.ret_index, query.text_offset);
                        self.recall.ask(Place { ret_index: query.ret_index, text_offset }, query.embedding);
                    }
                    Heard::Done(done) => return Ok(done),
                },
                recalled = self.recall.next() => self.show(recalled, reply).await?,
            }
        }
    }

    /// Waits for the searches that are still out; what is not there by the deadline is not waited for.
    async fn collect(&mut self, reply: &Reply) -> Result<(), Gone> {
        while !self.recall.is_idle() {
            if let Ok(recalled) = timeout_at(self.deadline, self.recall.next()).await {
                self.show(recalled, reply).await?;
                continue;
            }
            for place in self.recall.abandon() {
                let message = "the search took longer than the turn may take; allow more with timeout_ms";
                reply.unavailable(place, Reason::Deadline, message.to_owned()).await?;
            }
        }
        Ok(())
    }

    fn token(&mut self) {
        let now = Instant::now();
        match self.last_token.replace(now) {
            Some(last) => measures::next_token(now - last),
            None => {
                let waited = now - self.started;
                self.timings.first_token_ms = ms(waited);
                measures::first_token(waited);
                Span::current().record("first_token_ms", ms(waited));
            }
        }
    }

    async fn text(&mut self, delta: String, reply: &Reply) -> Result<(), Gone> {
        let text = self.answer.visible(delta);
        if text.is_empty() {
            return Ok(());
        }
        if self.answer.text().is_empty() {
            self.timings.first_text_ms = ms(self.started.elapsed());
        }
        // Added once it is sent: a failure tells the text that the client has.
        reply.text(text.clone(), self.answer.n_chars()).await?;
        self.answer.push(&text);
        Ok(())
    }

    async fn show(&mut self, recalled: Recalled, reply: &Reply) -> Result<(), Gone> {
        match recalled {
            Recalled::Unavailable(place, reason, message) => reply.unavailable(place, reason, message).await,
            Recalled::Found(images) => {
                for image in images {
                    // Counted once it is sent: a cancelled turn tells, and feeds back, what the client has.
                    reply.image(image.clone()).await?;
                    self.n_found += 1;
                    if self.feed_back {
                        self.answer.feed_back(&image);
                    }
                }
                Ok(())
            }
        }
    }

    /// Lets go of the upstreams and tells how it ended.
    async fn close(self, end: End, reply: &Reply, counted: Counted) -> Result<Outcome, Gone> {
        let Self {
            turn_id,
            draft,
            history_cut,
            told,
            bill,
            mut recall,
            answer,
            n_found,
            started,
            timings,
            pins,
            trace_content,
            ..
        } = self;
        if trace_content {
            content("fondue.answer", &answer.transcript());
        }
        let Started { prompt_tokens, cached_tokens, .. } = bill.started();
        let generation = recall.generation().filter(|_| pins);
        recall.abandon(); // what still runs is told as far as it came
        let searches = std::mem::take(&mut recall.searches);
        match &end {
            End::Done(_) => bill.let_end(),
            // Frees the engine's slot before the client reads on.
            End::Cancelled | End::Failed(_) => drop(bill),
        }
        // One that was ended before its start could be told tells it now.
        let begun = async { if told { Ok(()) } else { reply.started(&turn_id, history_cut).await } };
        let found = recall.found();
        let usage = Usage {
            prompt_tokens,
            generated_tokens: 0, // only Done tells it
            images_in: u32::try_from(draft.n_images).unwrap_or(u32::MAX),
            images_found: n_found,
            cached_tokens,
        };
        let (reason, done) = match end {
            End::Failed(failure) => {
                if !failure.is_defect() {
                    tracing::warn!(%failure, "turn failed");
                }
                counted.ended("failed");
                told::note_failure(&Span::current(), &failure);
                begun.await?;
                reply.failed(failure, answer.text().to_owned(), Some(usage)).await?;
                return Ok(Outcome { spoken: None, generation });
            }
            End::Cancelled => (FinishReason::Cancelled, Done { prompt_tokens, ..Done::default() }),
            End::Done(done) => (finish_reason(done.reason()), done),
        };
        counted.ended(if reason == FinishReason::Cancelled { "cancelled" } else { "done" });
        let total = started.elapsed();
        let usage = Usage { generated_tokens: done.generated_tokens, ..usage };
        let first_text = timings.first_text_ms / 1e3;
        measures::answered(total, (first_text > 0.0).then(|| Duration::from_secs_f32(first_text)), &usage);
        told::note(&usage, reason);
        let event = TurnDone {
            reason: reason as i32,
            text: answer.text().to_owned(),
            transcript: answer.transcript(),
            usage: Some(usage),
            timings: Some(Timings {
                prefill_ms: done.prefill_ms,
                decode_ms: done.decode_ms,
                search_ms: searches.iter().map(|search| search.end_ms - search.start_ms).sum(),
                searches,
                total_ms: ms(total),
                ..timings
            }),
        };
        begun.await?;
        reply.done(event).await?;
        Ok(Outcome { spoken: Some(Spoken { draft, answer, found }), generation })
    }
}

/// Ends a turn that was cancelled before language had taken it.
///
/// # Errors
/// [`Gone`] if the client left or does not read.
pub async fn cancelled(turn_id: &str, reply: &Reply, counted: Counted) -> Result<(), Gone> {
    counted.ended("cancelled");
    reply.started(turn_id, None).await?;
    reply.done(TurnDone { reason: FinishReason::Cancelled as i32, ..TurnDone::default() }).await
}

/// Ends a turn that was not taken, in a conversation; every turn's events begin with `TurnStarted`.
///
/// # Errors
/// [`Gone`] if the client left or does not read.
pub async fn refused(turn_id: &str, failure: Failure, reply: &Reply, counted: Counted) -> Result<(), Gone> {
    if !failure.is_defect() {
        tracing::info!(%failure, "turn refused");
    }
    counted.ended("refused");
    told::note_failure(&Span::current(), &failure);
    reply.started(turn_id, None).await?;
    reply.failed(failure, String::new(), None).await
}

/// What the language service left out of a history of `n_turns` turns, of which the newest `n_cuts` could be kept.
fn history_cut(started: &Started, n_turns: usize, n_cuts: usize) -> Option<HistoryCut> {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let passed = usize::try_from(started.cut).unwrap_or(usize::MAX).min(n_cuts);
    let left_out = n_turns - n_cuts.min(n_turns) + passed;
    (passed > 0).then(|| HistoryCut {
        turns_left_out: count(left_out),
        turns_kept: count(n_turns.saturating_sub(left_out)),
        max_positions: started.max_positions,
    })
}

fn finish_reason(reason: language::FinishReason) -> FinishReason {
    match reason {
        language::FinishReason::Unspecified => FinishReason::Unspecified,
        language::FinishReason::Stop => FinishReason::Stop,
        language::FinishReason::StopString => FinishReason::StopString,
        language::FinishReason::Length => FinishReason::Length,
        language::FinishReason::ContextFull => FinishReason::ContextFull,
    }
}
