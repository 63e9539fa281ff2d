//! `POST /v1/images/search`: pictures for a prompt or like a picture, without an answer.

use axum::{
    Json,
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
};
use fondue_auth::Caller;
use fondue_proto::dialogue::{Condition, RetrieveRequest};
use fondue_serving::telemetry::current_trace_id;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Front, body,
    content::Content,
    errors::Problem,
    links::Hosts,
    picture::Image,
    vectors::{self, Sought},
};
use crate::{failure::Failure, request, unary};

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    input: Content,
    k: Option<i32>,
    generation: Option<String>,
    index: Option<String>,
    conditions: Option<Vec<Condition>>,
    exclude_ids: Option<Vec<String>>,
}

/// Pictures, best first.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    object: &'static str,
    data: Vec<Image>,
    fondue: Trace,
}

#[derive(Debug, Serialize)]
struct Trace {
    trace_id: String,
}

/// Searches.
pub(super) async fn search(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Found>, Problem> {
    let desk = &front.desk;
    let (_room, asked): (_, Asked) = body::admitted(desk, &caller, &headers, body).await?;
    let deadline = Instant::now() + desk.config.defaults.timeout;
    let hosts = Hosts::of(&headers, &front.desk.config.http.public_url);
    let (sought, paths) = vectors::sought(&front, asked.input, "input", hosts, deadline).await?;
    let raw = RetrieveRequest {
        parts: Vec::new(),
        k: asked.k,
        excluded_ids: asked.exclude_ids.unwrap_or_default(),
        generation: asked.generation.unwrap_or_default(),
        conditions: asked.conditions.unwrap_or_default(),
        index: asked.index.unwrap_or_default(),
        ..RetrieveRequest::default()
    };
    let (defaults, limits) = (&desk.config.defaults, &desk.config.limits);
    let found = async {
        match sought {
            Sought::Prompt(parts) => {
                let asked = request::retrieve(RetrieveRequest { parts, ..raw }, defaults, limits)?;
                unary::retrieve(desk, &caller, asked, deadline).await
            }
            Sought::Picture(picture) => {
                let raw = RetrieveRequest { parts: vec![picture], ..raw };
                let (picture, asked) = request::like(raw, defaults, limits)?;
                desk.index(&asked.index)?; // before any work
                let query = unary::place(desk, &caller, picture, deadline).await?;
                unary::search(desk, query, asked, deadline).await
            }
        }
    };
    let told = |failure: Failure| failure.with_paths(|field| Some(translate(field, &paths)));
    let found = found.await.map_err(told)?;
    Ok(Json(Found {
        object: "list",
        data: found.images.into_iter().map(Image::from).collect(),
        fondue: Trace { trace_id: current_trace_id() },
    }))
}

fn translate(field: &str, paths: &[String]) -> String {
    match field.strip_prefix("excluded_ids") {
        Some(rest) => format!("exclude_ids{rest}"),
        None => vectors::translate(field, paths, "input"),
    }
}
