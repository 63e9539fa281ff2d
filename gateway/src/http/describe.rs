//! `GET /v1/fondue`: what is served, and what may be asked for.

use axum::{Json, extract::State};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Front;

/// Tells it. An index that cannot be reached has no generation.
pub(super) async fn describe(State(front): State<Front>) -> Json<Value> {
    let config = &front.desk.config;
    let deadline = Instant::now() + config.search_timeout;
    let indexes = join_all(front.desk.indexes.iter().map(async |index| {
        let described = index.describe(deadline).await.ok();
        json!({
            "name": index.name(),
            "generation": described.as_ref().map(|it| it.generation.as_str()),
            "rows": described.as_ref().map(|it| it.rows),
        })
    }));
    let (limits, defaults) = (&config.limits, &config.defaults);
    let max_timeout_ms = limits.timeout.as_millis();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "models": [config.http.model_name],
        "indexes": indexes.await,
        "limits": {
            "max_tokens": limits.new_tokens,
            "max_images": 32,
            "max_images_per_ret": 16,
            "timeout_ms": u64::try_from(max_timeout_ms).unwrap_or(u64::MAX),
            "turns": limits.turns,
            "images_per_turn": limits.images_per_turn,
            "images_per_dialogue": limits.images_per_dialogue,
            "text_bytes": limits.text_bytes,
            "message_bytes": config.serving.max_message_bytes,
        },
        "defaults": {
            "max_tokens": defaults.max_new_tokens,
            "max_images": defaults.max_images,
            "max_images_per_ret": 1,
            "temperature": 0.0,
            "top_p": 1.0,
            "ret_bias": defaults.ret_bias,
            "ret_scale_factor": 1.0,
            "min_word_tokens": 0,
            "timeout_ms": u64::try_from(defaults.timeout.as_millis()).unwrap_or(u64::MAX),
            "compat": if defaults.compat.is_reference() { "reference" } else { "off" },
            "fit": if defaults.compat.is_reference() { "squash" } else { "crop" },
        },
    }))
}
