//! What back ends tell, as it goes over the wire.

use std::collections::HashMap;

use fondue_index::{Value, metadata::Kind};
use fondue_proto::retrieval::{self as wire, value};

use crate::store::{Description, Found, Picture};

pub(crate) fn found(found: Found) -> wire::SearchResponse {
    let hit = |(score, each)| wire::Hit { score, picture: Some(picture(each)) };
    wire::SearchResponse {
        hits: found.hits.into_iter().map(hit).collect(),
        generation: found.generation,
        exact: found.exact,
    }
}

pub(crate) fn picture(picture: Picture) -> wire::Picture {
    let Picture { item, data } = picture;
    let metadata: HashMap<_, _> =
        item.metadata.iter().map(|(name, each)| (name.to_owned(), value(each))).collect();
    wire::Picture {
        id: item.id,
        caption: item.caption,
        group: item.group,
        media_type: item.media_type,
        data,
        url: item.url,
        metadata,
    }
}

fn value(value: &Value) -> wire::Value {
    let value = match value {
        Value::Text(text) => value::Value::Text(text.clone()),
        Value::Number(number) => value::Value::Number(*number),
        Value::Truth(truth) => value::Value::Truth(*truth),
    };
    wire::Value { value: Some(value) }
}

pub(crate) fn description(known: Description) -> wire::DescribeResponse {
    let kind = |kind| match kind {
        Kind::Text => "text",
        Kind::Number => "number",
        Kind::Truth => "truth",
    };
    wire::DescribeResponse {
        generation: known.generation,
        rows: known.rows as u64,
        dim: u32::try_from(known.dim).unwrap_or(u32::MAX),
        fingerprint: known.fingerprint,
        generations: known.generations,
        vision_fingerprint: known.vision_fingerprint,
        active: known.active,
        created_seconds: known.created_seconds,
        parent: known.parent,
        precision: known.precision,
        has_graph: known.has_graph,
        ingested: known.ingested as u64,
        removed: known.removed as u64,
        fields: known.fields.into_iter().map(|(name, each)| (name, kind(each).to_owned())).collect(),
        backend: known.backend.to_owned(),
    }
}
