//! A generation's collection: a row a picture. What becomes of a picture in it, and a picture of what comes back.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use fondue_domain::Embedding;
use fondue_index::{IndexError, Item, Metadata, NewItem, Value, metadata::Kind};
use milvus::v2::{CollectionSchema, FieldData, FieldSchema, ResultRow, ResultValue, prelude::DataType};
use serde_json::{Map, Value as Json};

use super::{catalogue::MAX_TEXT, server::broken};
use crate::store::{Picture, StoreError};

pub(super) const ID: &str = "id";
pub(super) const VECTOR: &str = "vector";
pub(super) const CAPTION: &str = "caption";
// `group` is a word of query languages.
pub(super) const GROUP: &str = "group_name";
pub(super) const MEDIA_TYPE: &str = "media_type";
pub(super) const URL: &str = "url";
pub(super) const SHA256: &str = "sha256";
pub(super) const METADATA: &str = "metadata";
/// The file in base64, in pieces, since Milvus has no column of bytes.
pub(super) const PICTURE: &str = "picture";
pub(super) const PICTURE_BYTES: &str = "picture_bytes";
/// Whether it came after the generation was made.
pub(super) const INGESTED: &str = "ingested";

/// What is known of a picture, without its file.
pub(super) const DESCRIPTION: [&str; 7] = [ID, CAPTION, GROUP, MEDIA_TYPE, URL, METADATA, PICTURE_BYTES];

/// Bytes of an id at most, as in the index's own files.
const MAX_ID: usize = 1024;
/// Bytes of a picture's file at most: the SDK reads answers of 4 MiB, and base64 takes a third more.
pub const MAX_PICTURE: usize = 2 << 20;
/// Bytes of a file in one piece: base64 of them just fits a text.
const PIECE: usize = MAX_TEXT / 4 * 3;

/// The collection's columns.
pub(super) fn schema(dim: usize) -> CollectionSchema {
    let column = |name: &str, of| FieldSchema::new().name(name).data_type(of);
    let text = |name: &str, bytes: usize| column(name, DataType::VarChar).max_length(bytes as u32);
    // Read only when it is sent: it need not be in memory.
    let on_disk = |column: FieldSchema| column.type_param("mmap.enabled", "true");
    let pieces = column(PICTURE, DataType::Array).element_type(DataType::VarChar);
    let pieces = pieces.max_length(MAX_TEXT as u32).max_capacity(MAX_PICTURE.div_ceil(PIECE) as u32);
    CollectionSchema::new()
        .add_field(text(ID, MAX_ID).primary_key(true))
        .add_field(column(VECTOR, DataType::FloatVector).dimension(dim as u32))
        .add_field(text(CAPTION, MAX_TEXT))
        .add_field(text(GROUP, MAX_TEXT))
        .add_field(text(MEDIA_TYPE, MAX_TEXT))
        .add_field(text(URL, MAX_TEXT))
        .add_field(text(SHA256, 64))
        .add_field(column(METADATA, DataType::Json))
        .add_field(on_disk(pieces))
        .add_field(column(PICTURE_BYTES, DataType::Int64))
        .add_field(column(INGESTED, DataType::Bool))
}

/// The key of a metadata field: its kind and its name, of which no character means anything to Milvus.
pub(super) fn key(name: &str, kind: Kind) -> String {
    let kind = match kind {
        Kind::Text => 't',
        Kind::Number => 'n',
        Kind::Truth => 'b',
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match name.bytes().all(plain) {
        true => format!("{kind}_{name}"),
        false => format!("{kind}x_{}", hex::encode(name)),
    }
}

/// The name that a key stands for.
fn name(key: &str) -> Option<String> {
    match key.as_bytes() {
        [_, b'_', ..] => Some(key[2..].to_owned()),
        [_, b'x', b'_', ..] => String::from_utf8(hex::decode(&key[3..]).ok()?).ok(),
        _ => None,
    }
}

/// Whether Milvus takes a picture.
///
/// # Errors
/// [`IndexError::IdLength`], [`IndexError::Metadata`], [`StoreError::TooLong`].
pub(super) fn check(new: &NewItem) -> Result<(), StoreError> {
    let item = &new.item;
    if item.id.is_empty() || item.id.len() > MAX_ID {
        return Err(IndexError::IdLength { got: item.id.len(), max: MAX_ID }.into());
    }
    let file = new.picture.as_ref().map_or(0, Vec::len);
    for (field, got, max) in [
        ("caption", item.caption.len(), MAX_TEXT),
        ("group", item.group.len(), MAX_TEXT),
        ("media_type", item.media_type.len(), MAX_TEXT),
        ("url", item.url.len(), MAX_TEXT),
        ("data", file, MAX_PICTURE),
    ] {
        if got > max {
            return Err(StoreError::TooLong { field, got, max });
        }
    }
    let bytes = Json::Object(json(&item.metadata)).to_string().len();
    if bytes > MAX_TEXT {
        let reason = format!("{bytes} bytes of JSON in all, Milvus holds {MAX_TEXT}");
        return Err(IndexError::Metadata { field: "*".to_owned(), reason }.into());
    }
    Ok(())
}

fn json(metadata: &Metadata) -> Map<String, Json> {
    let value = |value: &Value| match value {
        Value::Text(text) => Json::from(text.as_str()),
        Value::Number(number) => Json::from(*number),
        Value::Truth(truth) => Json::from(*truth),
    };
    metadata.iter().map(|(name, each)| (key(name, each.kind()), value(each))).collect()
}

/// Pictures as columns; of several with one id the last.
pub(super) fn columns(batch: &[(NewItem, Embedding)], ingested: bool) -> Vec<FieldData> {
    let mut last: std::collections::BTreeMap<&str, &(NewItem, Embedding)> = Default::default();
    for picture in batch {
        last.insert(&picture.0.item.id, picture);
    }
    let rows: Vec<_> = last.into_values().collect();
    let texts = |name: &str, of: fn(&NewItem) -> String| {
        FieldData::varchar(name, rows.iter().map(|(new, _)| of(new)).collect())
    };
    let file = |new: &NewItem| -> Vec<String> {
        new.picture.iter().flat_map(|file| file.chunks(PIECE)).map(|piece| STANDARD.encode(piece)).collect()
    };
    let bytes = |new: &NewItem| new.picture.as_ref().map_or(0, |file| file.len() as i64);
    vec![
        texts(ID, |new| new.item.id.clone()),
        FieldData::float_vector(VECTOR, rows.iter().map(|(_, vector)| vector.values().to_vec()).collect()),
        texts(CAPTION, |new| new.item.caption.clone()),
        texts(GROUP, |new| new.item.group.clone()),
        texts(MEDIA_TYPE, |new| new.item.media_type.clone()),
        texts(URL, |new| new.item.url.clone()),
        texts(SHA256, |new| hex::encode(new.sha256)),
        FieldData::json(
            METADATA,
            rows.iter().map(|(new, _)| Json::Object(json(&new.item.metadata))).collect(),
        ),
        FieldData::array_varchar(PICTURE, rows.iter().map(|(new, _)| file(new)).collect()),
        FieldData::int64(PICTURE_BYTES, rows.iter().map(|(new, _)| bytes(new)).collect()),
        FieldData::boolean(INGESTED, vec![ingested; rows.len()]),
    ]
}

/// A picture without its file, and how long that is.
///
/// # Errors
/// [`StoreError::Broken`] for a row that was not written by [`columns`].
pub(super) fn picture(row: &ResultRow<'_>) -> Result<(Picture, usize), StoreError> {
    let text = |name| Ok::<_, StoreError>(row.get_str(name).map_err(unreadable)?.to_owned());
    let item = Item {
        id: text(ID)?,
        caption: text(CAPTION)?,
        group: text(GROUP)?,
        media_type: text(MEDIA_TYPE)?,
        url: text(URL)?,
        metadata: match row.get(METADATA).map_err(unreadable)? {
            ResultValue::Json(Json::Object(fields)) => metadata(fields)?,
            other => return Err(unreadable(format!("metadata: {other:?}"))),
        },
    };
    let bytes = row.get_i64(PICTURE_BYTES).map_err(unreadable)?;
    let bytes = usize::try_from(bytes).map_err(unreadable)?;
    Ok((Picture { item, data: Bytes::new() }, bytes))
}

fn metadata(fields: &Map<String, Json>) -> Result<Metadata, StoreError> {
    let mut metadata = Metadata::new();
    for (key, value) in fields {
        let value = match (key.as_bytes().first(), value) {
            (Some(b't'), Json::String(text)) => Value::Text(text.clone()),
            (Some(b'n'), Json::Number(number)) => Value::Number(number.as_f64().unwrap_or_default()),
            (Some(b'b'), Json::Bool(truth)) => Value::Truth(*truth),
            _ => return Err(unreadable(format!("metadata `{key}`"))),
        };
        let name = name(key).ok_or_else(|| unreadable(format!("metadata `{key}`")))?;
        metadata.set(name, value).map_err(unreadable)?;
    }
    Ok(metadata)
}

/// A picture's file.
///
/// # Errors
/// As [`picture`].
pub(super) fn file(row: &ResultRow<'_>) -> Result<Bytes, StoreError> {
    let pieces = match row.get(PICTURE).map_err(unreadable)? {
        ResultValue::ArrayVarChar(pieces) => pieces,
        ResultValue::Null => &[],
        // Of empty arrays servers do not tell the kind.
        other => return empty_or(other),
    };
    let mut file = Vec::new();
    for piece in pieces {
        STANDARD.decode_vec(piece, &mut file).map_err(unreadable)?;
    }
    Ok(file.into())
}

fn empty_or(value: ResultValue<'_>) -> Result<Bytes, StoreError> {
    match value {
        ResultValue::ArrayBool([]) | ResultValue::ArrayInt64([]) | ResultValue::ArrayInt32([]) => {
            Ok(Bytes::new())
        }
        other => Err(unreadable(format!("picture: {other:?}"))),
    }
}

fn unreadable(reason: impl ToString) -> StoreError {
    broken(format!("a row of Milvus cannot be read: {}", reason.to_string()))
}

#[cfg(test)]
mod tests;
