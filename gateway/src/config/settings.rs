//! What can be set, by flag or by file, one name for both.

use fondue_serving::settings::ServingSettings;
use serde::{Deserialize, Serialize};

use super::{auth::AuthSettings, http::HttpSettings, images::ImageSettings, upstreams::UpstreamSettings};

/// What can be set. Unset settings take the file's, then the defaults.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
pub struct Settings {
    /// Settings of every server.
    #[command(flatten)]
    #[serde(flatten)]
    pub serving: ServingSettings,
    /// The services behind the gateway.
    #[command(flatten)]
    #[serde(flatten)]
    pub upstreams: UpstreamSettings,
    /// Tokens of an answer, where the client does not say [default: 64].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_new_tokens: Option<i32>,
    /// Pictures of a turn, where the client does not say; 0 … 32 [default: 2].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_images: Option<i32>,
    /// Added to the logit of `[RET]`, where the client does not say; -100 … 100 [default: 0].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ret_bias: Option<f32>,
    /// Whether to behave as is right (off) or as the published model's code does where that differs (reference), where
    /// the client does not say [default: off].
    #[arg(long, value_name = "off|reference")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compat: Option<String>,
    /// Time of a turn in milliseconds, where the client does not say [default: 60000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// Most milliseconds that a client may allow a turn [default: 600000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_limit_ms: Option<u32>,
    /// Milliseconds for one search; the text goes on without its pictures [default: 10000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_timeout_ms: Option<u32>,
    /// Most tokens that a client may ask for [default: 1024].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_tokens_limit: Option<i32>,
    /// Turns that run at once; more are refused [default: 64].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_turns: Option<usize>,
    /// Conversations that are open at once [default: 1024].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_conversations: Option<usize>,
    /// Turns of a conversation that wait for the running one [default: 4].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_waiting_turns: Option<usize>,
    /// Bytes of a conversation's turns that wait, together [default: twice max_message_bytes].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_waiting_bytes: Option<usize>,
    /// Milliseconds without a message and without a turn after which a conversation ends [default: 600000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u32>,
    /// Milliseconds after which the retrieval service is told again which generations open conversations stay with; well
    /// below its collect_after_seconds [default: 60000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_interval_ms: Option<u32>,
    /// Whether clients may add pictures to the gallery and remove them [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gallery_writable: Option<bool>,
    /// Turns of a dialogue [default: 256].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<usize>,
    /// Pictures in what a user says [default: 16].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_images_per_turn: Option<usize>,
    /// Pictures in the prompt of a dialogue, its history included [default: 256].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_images_per_dialogue: Option<usize>,
    /// Answered turns that a conversation can return to, the newest ones [default: 64].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch_turns: Option<usize>,
    /// Bytes of turns that are not in a conversation's history any more but can be returned to; beyond, the oldest are
    /// forgotten [default: 8388608].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_branch_bytes: Option<usize>,
    /// Bytes of text in what a user says [default: 65536].
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_text_bytes: Option<usize>,
    /// Events kept for a client that reads slowly; then its turn waits [default: 64].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_buffer: Option<usize>,
    /// Pictures in one call to vision; more than its max_images or its max_queued are never taken [default: 16].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vision_batch: Option<usize>,
    /// Pictures whose features are kept for all dialogues, 4 KiB each [default: 4096].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_cache: Option<usize>,
    /// What stands before the user's words in the prompt [default: the model's own, else "Q: "].
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_prefix: Option<String>,
    /// What stands before the answer [default: the model's own, else "\nA:"].
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_prefix: Option<String>,
    /// What ends a turn [default: the model's own, else "\n"].
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_separator: Option<String>,
    /// Whether prompts and answers are put into traces, 8 KiB of each at most; whoever reads the traces reads them
    /// [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_content: Option<bool>,
    /// Pictures by URL.
    #[command(flatten)]
    #[serde(flatten)]
    pub images: ImageSettings,
    /// The HTTP API.
    #[command(flatten)]
    #[serde(flatten)]
    pub http: HttpSettings,
    /// Who may call.
    #[command(flatten)]
    #[serde(flatten)]
    pub auth: AuthSettings,
}
