//! What the model says, and what that costs the turn's caller in tokens. Charged when the turn is gone, whatever way it went.

#[cfg(test)]
mod tests;

use fondue_auth::Caller;
use fondue_proto::language::Started;
use futures::FutureExt;

use super::speak::{Heard, Speech};
use crate::failure::Failure;

/// Events that lay unread beyond which nobody knows how many more there are: their stream's window may be full. Fewer always fit.
const BEHIND: u64 = 64;

/// A reply that is heard at its caller's expense; dropping it charges its tokens and frees the engine's slot.
#[derive(Debug)]
pub struct Bill {
    caller: Caller,
    /// Tokens of the prompt.
    prompt: u64,
    /// What may be generated.
    most: u64,
    generated: u64,
    /// Nothing more is to be heard.
    ended: bool,
    /// As long as it is not let go.
    speech: Option<Speech>,
}

impl Bill {
    /// The bill of a turn whose prompt has been taken, with `max_new_tokens` for its answer.
    pub fn new(caller: Caller, speech: Speech, max_new_tokens: i32) -> Self {
        let (prompt, most) =
            (speech.started.prompt_tokens.into(), u64::try_from(max_new_tokens).unwrap_or(0));
        Self { caller, prompt, most, generated: 0, ended: false, speech: Some(speech) }
    }

    /// What the model does next; see [`Speech::next`].
    ///
    /// # Errors
    /// As of [`Speech::next`].
    pub async fn next(&mut self) -> Result<Heard, Failure> {
        let Some(speech) = &mut self.speech else { return std::future::pending().await };
        let heard = speech.next().await;
        match &heard {
            // One token at least. The number is told at the end alone, which a client may not wait for.
            Ok(Heard::Text(_) | Heard::Ret(_)) => self.generated += 1,
            Ok(Heard::Done(done)) => (self.generated, self.ended) = (done.generated_tokens.into(), true),
            Err(_) => self.ended = true,
        }
        heard
    }

    /// What the service told when it took the prompt.
    pub fn started(&self) -> Started {
        self.speech.as_ref().map_or_else(Started::default, |speech| speech.started)
    }

    /// The turn's time has run out; see [`Speech::late`].
    pub fn late(&mut self) {
        if let Some(speech) = &mut self.speech {
            speech.late();
        }
    }

    /// Charges a reply that was heard to its end; see [`Speech::let_end`].
    pub fn let_end(mut self) {
        if let Some(speech) = self.speech.take() {
            speech.let_end();
        }
    }

    /// Hears what the model has said while the client did not read.
    fn catch_up(&mut self) {
        let mut behind = 0;
        while !self.ended && behind <= self.most && self.next().now_or_never().is_some() {
            behind += 1;
        }
        if !self.ended && behind >= BEHIND {
            self.generated = self.generated.max(self.most);
        }
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        self.catch_up();
        self.caller.charge(self.prompt + self.generated);
    }
}
