//! How to answer a turn, as flags.

use fondue_domain::Compat;
use fondue_proto::dialogue::{self as wire, TurnOptions};

/// Options of a turn. What is not given takes the gateway's default; the gateway checks the ranges.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Generation")]
pub(crate) struct Generation {
    /// Tokens to generate at most.
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<i32>,
    /// Sampling temperature; 0 takes the likeliest token each time.
    #[arg(long, value_name = "X")]
    temperature: Option<f32>,
    /// Sample among the likeliest tokens up to this probability; needs a temperature above 0.
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,
    /// Seed of the sampler, to get the same answer again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// End the answer before this text; may be given several times.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Added to the logit of [RET]: above 0 for more pictures, below 0 for fewer.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    ret_bias: Option<f32>,
    /// Above 1 for more pictures, below 1 for fewer: a factor on the logit of [RET].
    #[arg(long, value_name = "X")]
    ret_scale_factor: Option<f32>,
    /// No picture among this many first tokens.
    #[arg(long, value_name = "N")]
    min_word_tokens: Option<i32>,
    /// Pictures for each [RET].
    #[arg(long, value_name = "N")]
    max_images_per_ret: Option<i32>,
    /// Pictures in a turn; 0 for none.
    #[arg(long, value_name = "N")]
    max_images: Option<i32>,
    /// Let the model see the pictures that it found, in the next turns.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    feed_back_images: Option<bool>,
    /// Time for a turn in milliseconds.
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<i32>,
    /// Behave as is right (off) or as the published model's code does where that differs (reference).
    #[arg(long, value_name = "off|reference")]
    compat: Option<Compat>,
    /// Which of the server's indexes to find pictures in [default: the first].
    #[arg(long, value_name = "NAME")]
    index: Option<String>,
    /// Who may share the model's memory of earlier prompts with this.
    #[arg(long, value_name = "KEY")]
    cache_key: Option<String>,
}

impl Generation {
    /// The same as a message.
    pub(crate) fn options(&self) -> TurnOptions {
        TurnOptions {
            max_new_tokens: self.max_new_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            seed: self.seed,
            stop: self.stop.clone(),
            ret_bias: self.ret_bias,
            ret_scale_factor: self.ret_scale_factor,
            min_word_tokens: self.min_word_tokens,
            max_images_per_ret: self.max_images_per_ret,
            max_images: self.max_images,
            feed_back_images: self.feed_back_images,
            timeout_ms: self.timeout_ms,
            compat: match self.compat {
                None => wire::Compat::Unspecified,
                Some(Compat::Off) => wire::Compat::Off,
                Some(Compat::Reference) => wire::Compat::Reference,
            } as i32,
            index: self.index.clone(),
            cache_key: self.cache_key.clone(),
            ..TurnOptions::default()
        }
    }
}
