//! What a message holds: texts and pictures in OpenAI's words, put into those of the dialogue API.

use std::{collections::HashMap, fmt};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use fondue_domain::Fault;
use fondue_proto::dialogue::{self as wire, part::Kind};
use serde::{Deserialize, Deserializer, de};
use tokio::time::Instant;

use super::{
    Front,
    errors::Problem,
    images,
    links::{self, Hosts},
};
use crate::failure::Failure;

/// Bytes of the pictures of this server that one request may name, together.
const MAX_LINKED_BYTES: usize = 64 << 20;

/// Pads or does not pad: both are written.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A message's content.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

impl<'de> Deserialize<'de> for Content {
    /// By hand, since a derived choice loses the path of what is wrong within.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Content;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of parts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, parts: A) -> Result<Content, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(parts)).map(Content::Parts)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A text or a picture.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    r#type: PartType,
    text: Option<String>,
    image_url: Option<ImageUrl>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartType {
    Text,
    ImageUrl,
}

/// Where a picture is, or the picture itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageUrl {
    url: String,
    /// Taken and passed over: the vision tower sees all pictures alike.
    #[serde(rename = "detail")]
    _detail: Option<Detail>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Detail {
    Auto,
    Low,
    High,
}

/// How pictures are brought to the tower's square.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Fit {
    Crop,
    Squash,
}

/// A piece of content, and its path in the request.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) what: What,
    pub(super) path: String,
}

/// What a piece is.
#[derive(Clone, Debug)]
pub(super) enum What {
    Text(String),
    Data(Bytes),
    /// The gateway fetches it, if it may.
    Away(String),
    /// A picture of this server.
    Here(links::Stored),
}

/// The pieces of `content`, which lies at `path`. `hosts` is what clients call this server.
///
/// # Errors
/// [`Problem`] that names the part at fault.
pub(super) fn pieces(content: Content, path: &str, hosts: Hosts<'_>) -> Result<Vec<Piece>, Problem> {
    let parts = match content {
        Content::Text(text) => return Ok(vec![Piece { what: What::Text(text), path: path.to_owned() }]),
        Content::Parts(parts) => parts,
    };
    parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| piece(part, &format!("{path}[{index}]"), hosts))
        .collect()
}

fn piece(part: Part, path: &str, hosts: Hosts<'_>) -> Result<Piece, Problem> {
    let lacks = |name: &str| {
        let field = format!("{path}.{name}");
        let message = format!("{field}: a part of this type has `{name}` and nothing else");
        Problem::invalid("invalid_value", field, message)
    };
    match part {
        Part { r#type: PartType::Text, text: Some(text), image_url: None } => {
            Ok(Piece { what: What::Text(text), path: format!("{path}.text") })
        }
        Part { r#type: PartType::ImageUrl, text: None, image_url: Some(image) } => {
            let path = format!("{path}.image_url.url");
            match picture(image.url, hosts) {
                Ok(what) => Ok(Piece { what, path }),
                Err(reason) => {
                    let message = format!("{path}: {reason}");
                    Err(Problem::invalid("invalid_image_url", path, message))
                }
            }
        }
        Part { r#type: PartType::Text, .. } => Err(lacks("text")),
        Part { r#type: PartType::ImageUrl, .. } => Err(lacks("image_url")),
    }
}

/// What a picture's URL stands for.
fn picture(url: String, hosts: Hosts<'_>) -> Result<What, &'static str> {
    if let Some(data) = url.strip_prefix("data:") {
        return data_url(data);
    }
    if let Some(stored) = links::stored(&url, Some(hosts)) {
        return Ok(What::Here(stored));
    }
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(What::Away(url));
    }
    Err("must be data:image/…;base64,…, a URL of http or https, or /v1/images/GENERATION/ID of this server")
}

/// `image/png;base64,…` → the bytes.
fn data_url(data: &str) -> Result<What, &'static str> {
    let (head, data) = data.split_once(',').ok_or("the data: URL has no comma")?;
    let kind = head.strip_suffix(";base64").ok_or("a data: URL must be of base64")?;
    if !kind.get(..6).is_some_and(|kind| kind.eq_ignore_ascii_case("image/")) {
        return Err("a data: URL must be of image/…");
    }
    let bytes = BASE64.decode(data).map_err(|_| "the data: URL is not of base64")?;
    if bytes.is_empty() { Err("the data: URL is empty") } else { Ok(What::Data(bytes.into())) }
}

/// Gets the pictures of this server that `pieces` name, each once.
///
/// # Errors
/// [`Problem`] that names the piece: the picture is not there, there are too many, or retrieval is down.
pub(super) async fn fetch<'a>(
    front: &Front,
    pieces: impl Iterator<Item = &'a mut Piece> + Send,
    deadline: Instant,
) -> Result<(), Problem> {
    let most = front.desk.config.limits.images_per_dialogue;
    let (mut known, mut n_bytes) = (HashMap::<links::Stored, Bytes>::new(), 0);
    for piece in pieces {
        let What::Here(stored) = &piece.what else { continue };
        if let Some(data) = known.get(stored) {
            piece.what = What::Data(data.clone());
            continue;
        }
        if known.len() == most {
            let message = format!("{}: at most {most} pictures", piece.path);
            return Err(Problem::invalid("invalid_value", piece.path.clone(), message));
        }
        let data = match images::fetch(front, stored.clone(), deadline).await {
            Ok(picture) => picture.data,
            Err(Failed::Gone(message)) => {
                let message = format!("{}: {message}", piece.path);
                return Err(Problem::invalid("invalid_image_url", piece.path.clone(), message));
            }
            Err(Failed::Other(failure)) => return Err(failure.into()),
        };
        n_bytes += data.len();
        if n_bytes > MAX_LINKED_BYTES {
            let message =
                format!("the pictures of this server have more than {MAX_LINKED_BYTES} bytes together");
            return Err(Failure::new(Fault::TooLarge, message).into());
        }
        known.insert(stored.clone(), data.clone());
        piece.what = What::Data(data);
    }
    Ok(())
}

/// Why a stored picture cannot be had.
#[derive(Debug)]
pub(super) enum Failed {
    /// It is not there, or has no bytes.
    Gone(String),
    Other(Failure),
}

/// The piece in the words of the dialogue API.
pub(super) fn to_wire(what: What, fit: Option<Fit>) -> wire::Part {
    let fit = match fit {
        None => wire::ImageFit::Unspecified,
        Some(Fit::Crop) => wire::ImageFit::Crop,
        Some(Fit::Squash) => wire::ImageFit::Squash,
    } as i32;
    let kind = match what {
        What::Text(text) => Kind::Text(text),
        What::Data(data) => Kind::Image(wire::Image { data, fit, url: String::new() }),
        What::Away(url) => Kind::Image(wire::Image { data: Bytes::new(), fit, url }),
        // `fetch` leaves none; the door would refuse an empty picture.
        What::Here(_) => Kind::Image(wire::Image { data: Bytes::new(), fit, url: String::new() }),
    };
    wire::Part { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_are_read_strictly() {
        for right in ["image/png;base64,aGk=", "IMAGE/jpeg;x=y;base64,aGk"] {
            assert!(matches!(data_url(right), Ok(What::Data(data)) if &*data == b"hi"), "{right}");
        }
        for wrong in [
            "",
            "image/png",
            "image/png,aGk=",
            "text/plain;base64,aGk=",
            "image/png;base64,",
            "image/png;base64,%",
            "imäge/png;base64,aGk=",
        ] {
            assert!(data_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_url_of_this_server_is_not_fetched_from_the_web() {
        let at = |asked| Hosts { asked, public: "https://f.org" };
        let here = |url: &str, asked| matches!(picture(url.to_owned(), at(asked)), Ok(What::Here(_)));
        assert!(here("https://F.org/v1/images/g/a", None), "its public address");
        assert!(here("/v1/images/g/a", None) && here("http://h:1/v1/images/g/a", Some("h:1")));
        assert!(!here("http://h:1/v1/images/g/a", None) && !here("http://h:1/v1/images/g/a", Some("h:2")));
        assert!(picture("ftp://h/a".to_owned(), at(None)).is_err());
    }
}
