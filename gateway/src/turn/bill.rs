//! What a turn costs its caller in tokens. Charged when the turn is gone, whatever way it went.

use fondue_auth::Caller;

/// A turn's tokens so far; dropping it charges them.
#[derive(Debug)]
pub struct Bill {
    caller: Caller,
    prompt: u64,
    generated: u64,
}

impl Bill {
    /// The bill of a turn whose prompt has been taken.
    pub fn new(caller: Caller, prompt_tokens: u32) -> Self {
        Self { caller, prompt: prompt_tokens.into(), generated: 0 }
    }

    /// Something was heard of the model: one token at least. The number is told at the end alone, which a client may not wait for.
    pub fn hear(&mut self) {
        self.generated += 1;
    }

    /// The number is told.
    pub fn settle(&mut self, generated_tokens: u32) {
        self.generated = generated_tokens.into();
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        self.caller.charge(self.prompt + self.generated);
    }
}
