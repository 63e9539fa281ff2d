//! What a turn's span tells.

use fondue_proto::dialogue::{FinishReason, Usage};
use fondue_serving::telemetry::went_wrong;
use tracing::{Span, field};

use crate::failure::Failure;

/// The span of a turn, which tells at its end what the turn took.
pub fn span(turn_id: &str, number: Option<u32>) -> Span {
    tracing::info_span!(
        "turn",
        turn_id,
        number = number.map(i64::from),
        trace_id = field::Empty,
        first_token_ms = field::Empty,
        prompt_tokens = field::Empty,
        cached_tokens = field::Empty,
        generated_tokens = field::Empty,
        images_in = field::Empty,
        images_found = field::Empty,
        reason = field::Empty,
    )
}

/// Notes in the current turn's span what it took.
pub(super) fn note(usage: &Usage, reason: FinishReason) {
    let span = Span::current();
    // Signed: else they would be texts in traces.
    span.record("prompt_tokens", i64::from(usage.prompt_tokens))
        .record("cached_tokens", i64::from(usage.cached_tokens))
        .record("generated_tokens", i64::from(usage.generated_tokens))
        .record("images_in", i64::from(usage.images_in))
        .record("images_found", i64::from(usage.images_found))
        .record("reason", reason.as_str_name());
}

/// Notes in a turn's span why it failed.
pub(crate) fn note_failure(span: &Span, failure: &Failure) {
    went_wrong(span, failure.kind());
}
