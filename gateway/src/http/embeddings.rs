//! `POST /v1/embeddings`: rows of retrieval space. A text's is the query that the model makes of it, a picture's is where
//! the index would place it, so that the product of the two is a search's score.

use std::fmt;

use axum::{
    Json,
    body::Body,
    extract::{Extension, State},
    http::HeaderMap,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use fondue_auth::Caller;
use fondue_proto::dialogue::RetrieveRequest;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Front, body,
    content::Content,
    errors::Problem,
    links::Hosts,
    models,
    rest::AnyText,
    vectors::{self, Sought},
};
use crate::{failure::Failure, request, unary};

/// Inputs of one request.
const MAX_INPUTS: usize = 128;
/// Inputs that are asked for at once, if there is room for as many turns.
const AT_ONCE: usize = 8;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    model: String,
    input: Input,
    encoding_format: Option<Encoding>,
    dimensions: Option<u64>,
    /// Taken and passed over.
    #[serde(rename = "user")]
    _user: Option<AnyText>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Float,
    Base64,
}

/// One text, or a list of texts and lists of parts.
#[derive(Debug)]
struct Input {
    list: bool,
    items: Vec<Content>,
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Input;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a list of texts, or a list of lists of parts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Input, E> {
                Ok(Input { list: false, items: vec![Content::Text(text.to_owned())] })
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, items: A) -> Result<Input, A::Error> {
                let items = Vec::deserialize(de::value::SeqAccessDeserializer::new(items))?;
                Ok(Input { list: true, items })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The rows, in OpenAI's shape.
#[derive(Debug, Serialize)]
pub(super) struct Rows {
    object: &'static str,
    data: Vec<Row>,
    model: String,
    usage: Usage,
}

#[derive(Debug, Serialize)]
struct Row {
    object: &'static str,
    index: usize,
    /// Numbers, or base64 of little-endian f32.
    embedding: Value,
}

/// The services do not count what a query takes: both are 0.
#[derive(Debug, Serialize)]
struct Usage {
    prompt_tokens: u32,
    total_tokens: u32,
}

/// Embeds.
pub(super) async fn embed(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Rows>, Problem> {
    let desk = &front.desk;
    let (_room, asked): (_, Asked) = body::admitted(desk, &caller, &headers, body).await?;
    models::check(&front, &asked.model)?;
    let Input { list, items } = asked.input;
    if !(1..=MAX_INPUTS).contains(&items.len()) {
        let message = format!("input: must be 1 … {MAX_INPUTS} inputs, got {}", items.len());
        return Err(Problem::invalid("invalid_value", "input".to_owned(), message));
    }
    let deadline = Instant::now() + desk.config.defaults.timeout;
    let hosts = Hosts::of(&headers, &front.desk.config.http.public_url);
    let rows = items.into_iter().enumerate().map(|(index, content)| {
        let path = if list { format!("input[{index}]") } else { "input".to_owned() };
        row(&front, &caller, content, path, hosts, deadline)
    });
    // Each that is asked for beside the first has a turn's room, as if it had come by itself.
    let more = desk.further_rooms(&caller, rows.len().min(AT_ONCE) - 1);
    // Those that are not asked for yet are not held up by anything but these.
    let rows: Vec<Vec<f32>> = futures::stream::iter(rows).buffered(1 + more.len()).try_collect().await?;
    drop(more);
    let dim = rows.first().map_or(0, Vec::len);
    if let Some(wanted) = asked.dimensions.filter(|wanted| *wanted != dim as u64) {
        let message = format!("dimensions: must be {dim}, as the model's rows are, got {wanted}");
        return Err(Problem::invalid("unsupported_value", "dimensions".to_owned(), message));
    }
    let encoding = asked.encoding_format.unwrap_or_default();
    let rows = rows.into_iter().enumerate();
    let data = rows.map(|(index, row)| Row { object: "embedding", index, embedding: encode(row, encoding) });
    Ok(Json(Rows {
        object: "list",
        data: data.collect(),
        model: asked.model,
        usage: Usage { prompt_tokens: 0, total_tokens: 0 },
    }))
}

async fn row(
    front: &Front,
    caller: &Caller,
    content: Content,
    path: String,
    hosts: Hosts<'_>,
    deadline: Instant,
) -> Result<Vec<f32>, Problem> {
    let desk = &front.desk;
    let (sought, paths) = vectors::sought(front, content, &path, hosts, deadline).await?;
    let row = async {
        match sought {
            Sought::Picture(picture) => {
                let raw = RetrieveRequest { parts: vec![picture], ..RetrieveRequest::default() };
                let (picture, _) = request::like(raw, &desk.config.defaults, &desk.config.limits)?;
                unary::place(desk, caller, picture, deadline).await
            }
            Sought::Prompt(parts) => {
                let raw = RetrieveRequest { parts, ..RetrieveRequest::default() };
                let asked = request::retrieve(raw, &desk.config.defaults, &desk.config.limits)?;
                unary::query(desk, caller, asked.parts, asked.compat, asked.cache_key, deadline).await
            }
        }
    };
    let told = |failure: Failure| failure.with_paths(|field| Some(vectors::translate(field, &paths, &path)));
    row.await.map_err(|failure| told(failure).into())
}

fn encode(row: Vec<f32>, encoding: Encoding) -> Value {
    match encoding {
        Encoding::Float => row.into(),
        Encoding::Base64 => {
            let bytes: Vec<u8> = row.into_iter().flat_map(f32::to_le_bytes).collect();
            STANDARD.encode(bytes).into()
        }
    }
}
