//! Texts and pictures of a request.

use bytes::Bytes;
use fondue_domain::Compat;
use fondue_proto::{
    dialogue::{self as wire, part::Kind},
    vision,
};
use sha2::{Digest, Sha256};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::Faults;
use crate::config::Limits;

/// Parts in one list; far above what a turn means, far below what would hurt.
const MAX_PARTS: usize = 1024;

/// Bytes that are hashed in about a tenth of a millisecond; a message of 32 MiB takes a hundred.
const HASHED_AT_ONCE: usize = 64 << 10;

/// Bytes of a URL.
const MAX_URL: usize = 2048;

/// A text or a picture, as a client sends it.
#[derive(Clone, Debug)]
pub enum Part {
    /// As the client sent it.
    Text(String),
    /// A picture file, not empty.
    Picture(Picture),
    /// A picture that is yet to be fetched.
    Link(Link),
}

/// A text or a picture that is there.
#[derive(Clone, Debug)]
pub enum Content {
    /// As the client sent it.
    Text(String),
    /// A picture file.
    Picture(Picture),
}

impl Content {
    /// The picture, if it is one.
    pub fn into_picture(self) -> Option<Picture> {
        match self {
            Self::Picture(picture) => Some(picture),
            Self::Text(_) => None,
        }
    }
}

/// Where a picture can be fetched.
#[derive(Clone, Debug)]
pub struct Link {
    /// Not empty; nobody has looked yet whether it is one.
    pub url: String,
    /// How the picture is brought to the tower's square; `None` is the usual way.
    pub fit: Option<Fit>,
    /// Right or published behaviour.
    pub compat: Compat,
    /// Path of the image in the request.
    pub field: String,
}

/// A picture file that a client sent or that was found.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its content and fit, by which its features are kept.
    pub key: PictureKey,
    /// The file.
    pub data: Bytes,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a picture came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Path of the image in the request, for example `turn.parts[2].image`.
    Field(String),
    /// The same of an image that was fetched from its URL.
    Url(String),
    /// Found in an earlier turn and fed back; nobody can be told to mend it.
    Found,
}

/// What makes two pictures the same to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PictureKey {
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// How it is brought to the tower's square.
    pub fit: Fit,
    /// Right or published behaviour.
    pub compat: Compat,
}

/// How a picture is brought to the vision tower's square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fit {
    /// Resize the short side, crop the centre.
    Crop,
    /// Resize both sides.
    Squash,
}

impl Fit {
    /// The vision service's word for it.
    pub fn to_wire(self) -> vision::Fit {
        match self {
            Self::Crop => vision::Fit::Crop,
            Self::Squash => vision::Fit::Squash,
        }
    }
}

impl Picture {
    /// A picture of `data`, hashed. Without a fit it is brought to the square as `compat` has it.
    pub fn new(data: Bytes, fit: Option<Fit>, compat: Compat, origin: Origin) -> Self {
        let usual = match compat {
            Compat::Off => Fit::Crop,
            // The published code brings whatever it fetches or is shown to a square before anything else.
            Compat::Reference => Fit::Squash,
        };
        let fit = fit.unwrap_or(usual);
        Self { key: PictureKey { sha256: digest(&data), fit, compat }, data, origin }
    }
}

/// SHA-256 of a picture file. Before a large one the runtime's other tasks go to another thread, so that the tokens
/// of other dialogues do not wait for it.
pub fn digest(data: &[u8]) -> [u8; 32] {
    let hash = || Sha256::digest(data).into();
    let others_can_move =
        || Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::MultiThread);
    if data.len() > HASHED_AT_ONCE && others_can_move() { tokio::task::block_in_place(hash) } else { hash() }
}

/// Checks what a user says: as [`prompt`], and at least a picture or a text that is not blank.
pub fn said(
    raw: Vec<wire::Part>,
    path: &str,
    compat: Compat,
    limits: &Limits,
    faults: &mut Faults,
) -> Vec<Part> {
    let empty = raw.iter().all(|part| matches!(&part.kind, Some(Kind::Text(text)) if text.trim().is_empty()));
    if empty {
        faults.add(path, "needs a picture or a text that is not blank");
    }
    prompt(raw, path, compat, limits, faults)
}

/// Checks a list of parts: each set, pictures not empty, numbers and bytes within limits.
pub fn prompt(
    raw: Vec<wire::Part>,
    path: &str,
    compat: Compat,
    limits: &Limits,
    faults: &mut Faults,
) -> Vec<Part> {
    if raw.len() > MAX_PARTS {
        faults.add(path, format!("at most {MAX_PARTS} parts, got {}", raw.len()));
        return Vec::new();
    }
    let n_images = raw.iter().filter(|part| matches!(part.kind, Some(Kind::Image(_)))).count();
    if n_images > limits.images_per_turn {
        faults.add(path, format!("at most {} pictures, got {n_images}", limits.images_per_turn));
        return Vec::new(); // before anything is hashed
    }
    let mut text_bytes = 0;
    let mut parts = Vec::with_capacity(raw.len());
    for (index, part) in raw.into_iter().enumerate() {
        match part.kind {
            Some(Kind::Text(text)) => {
                let before = text_bytes;
                text_bytes += text.len();
                if before <= limits.text_bytes && text_bytes > limits.text_bytes {
                    let field = format!("{path}[{index}].text");
                    let max = limits.text_bytes;
                    faults.add(
                        field,
                        format!("texts may hold {max} bytes together, got at least {text_bytes}"),
                    );
                }
                parts.push(Part::Text(text));
            }
            Some(Kind::Image(image)) => {
                let field = format!("{path}[{index}].image");
                parts.extend(picture(image, field, compat, faults));
            }
            None => faults.add(format!("{path}[{index}]"), "must be `text` or `image`, got neither"),
        }
    }
    parts
}

/// A picture that is there, or where it can be fetched.
fn picture(raw: wire::Image, field: String, compat: Compat, faults: &mut Faults) -> Option<Part> {
    let wire::Image { data, url, .. } = raw;
    let fault = match (data.is_empty(), url.len()) {
        (false, 1..) => Some(("", "must have `data` or `url`, got both".to_owned())),
        (true, 0) => {
            Some((".data", "must be a picture file, or `url` must name one; got 0 bytes".to_owned()))
        }
        (true, n) if n > MAX_URL => Some((".url", format!("may be {MAX_URL} bytes long, got {n}"))),
        _ => None,
    };
    if let Some((name, what)) = fault {
        faults.add(format!("{field}{name}"), what);
        return None;
    }
    let fit = fit(raw.fit, &field, faults);
    Some(if data.is_empty() {
        Part::Link(Link { url, fit, compat, field })
    } else {
        Part::Picture(Picture::new(data, fit, compat, Origin::Field(field)))
    })
}

/// The fit that is asked for; `None` is the usual one.
fn fit(raw: i32, field: &str, faults: &mut Faults) -> Option<Fit> {
    match wire::ImageFit::try_from(raw) {
        Ok(wire::ImageFit::Unspecified) => None,
        Ok(wire::ImageFit::Crop) => Some(Fit::Crop),
        Ok(wire::ImageFit::Squash) => Some(Fit::Squash),
        Err(_) => {
            let known = "IMAGE_FIT_UNSPECIFIED (0), IMAGE_FIT_CROP (1) or IMAGE_FIT_SQUASH (2)";
            faults.add(format!("{field}.fit"), format!("must be {known}, got {raw}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    #[test]
    fn hashing_a_large_picture_does_not_hold_up_the_runtime() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let picture = vec![7; 256 << 20];
        let expected: [u8; 32] = Sha256::digest(&picture).into();
        let task = async move {
            let other_ran = Arc::new(AtomicBool::new(false));
            let ran = other_ran.clone();
            // On the only worker, which this task does not give up by itself.
            tokio::spawn(async move { ran.store(true, Ordering::SeqCst) });
            let digest = digest(&picture);
            (digest, other_ran.load(Ordering::SeqCst))
        };
        assert_eq!(runtime.block_on(async { tokio::spawn(task).await.unwrap() }), (expected, true));
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_hashes_too() {
        let picture = vec![7; HASHED_AT_ONCE + 1];
        let expected: [u8; 32] = Sha256::digest(&picture).into();
        assert_eq!(digest(&picture), expected);
    }
}
