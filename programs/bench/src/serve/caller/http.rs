//! `POST /v1/chat/completions` as server-sent events.

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use super::{Asking, grpc::milliseconds, sse};
use crate::serve::{
    album::Album,
    outcome::Outcome,
    record::{Clock, Watch},
    schedule::TurnPlan,
};

/// Bytes of an error's body that are read.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// A client that keeps connections.
pub(super) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
}

impl Http {
    pub(super) fn new(gateway: &str) -> Result<Self> {
        let url = format!("{}/v1/chat/completions", gateway.trim_end_matches('/'));
        let url = url.parse().with_context(|| format!("--gateway {gateway}"))?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), url })
    }

    /// Asks for one answer and reads it to its end.
    pub(super) async fn ask(
        &self,
        plan: &TurnPlan,
        album: &Album,
        asking: &Asking,
        watch: &mut Watch,
        clock: Clock,
    ) -> Outcome {
        let body = Full::from(body(plan, album, asking).to_string());
        let mut request = Request::post(self.url.clone()).header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = &asking.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let Ok(request) = request.body(body) else { return Outcome::Broken };
        let Ok(response) = self.client.request(request).await else { return Outcome::Broken };
        let status = response.status();
        let mut body = response.into_body();
        if status != StatusCode::OK {
            // The body tells nothing that the status does not; read, the connection can be used again.
            let read = Limited::new(body, MAX_ERROR_BYTES).collect().await;
            return if read.is_ok() { Outcome::typed(code(status), false) } else { Outcome::Broken };
        }
        let mut lines = sse::Lines::default();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Outcome::Broken };
            let Some(bytes) = frame.data_ref() else { continue };
            let now = clock.now();
            for data in lines.push(bytes) {
                match sse::heard(&data) {
                    sse::Heard::Text => watch.text(now),
                    sse::Heard::Picture => watch.picture(now),
                    sse::Heard::Lack => watch.lack(),
                    sse::Heard::Done => return Outcome::Answered,
                    sse::Heard::Failed(code) => return Outcome::typed(code, true),
                    sse::Heard::Other => {}
                }
            }
        }
        Outcome::Broken
    }
}

fn body(plan: &TurnPlan, album: &Album, asking: &Asking) -> Value {
    let text = json!({"type": "text", "text": plan.text});
    let picture = plan.picture.map(|place| {
        let data = BASE64_STANDARD.encode(album.get(place));
        json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}")}})
    });
    let content: Vec<Value> = picture.into_iter().chain([text]).collect();
    json!({
        "model": "fondue",
        "stream": true,
        "max_tokens": asking.max_new_tokens,
        "messages": [{"role": "user", "content": content}],
        "fondue": {"max_images": 1, "timeout_ms": milliseconds(plan.deadline)},
    })
}

/// gRPC's code for an HTTP status, as the gateway maps them.
fn code(status: StatusCode) -> i32 {
    match status.as_u16() {
        401 => 16,
        403 => 7,
        404 => 5,
        413 | 429 => 8,
        400..=499 => 3,
        501 => 12,
        502 | 503 => 14,
        504 => 4,
        _ => 13,
    }
}
