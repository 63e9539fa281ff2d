//! Pictures in and out: read from files and addresses, saved into a folder, shown in the terminal.

mod ask;
mod draw;
mod found;
mod screen;

use std::{
    fs::File,
    io::{Read, stdin},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use fondue_proto::dialogue::{Image, ImageFit, Part, part::Kind};

pub(crate) use found::{Found, Place, ending, file_stem, name, unsaved};
pub(crate) use screen::{Screen, ShowArgs};

/// The gateway's default limit of a message.
const MAX_BYTES: u64 = 32 << 20;
/// The contract's limit of an address.
const MAX_URL_BYTES: usize = 2048;

/// How a picture is brought to the vision tower's square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fit {
    /// Keep its shape and crop the centre.
    Crop,
    /// Squash it, as the published demo does.
    Squash,
}

/// A picture as a part of a turn: a file's bytes, stdin's for `-`, or an address that the gateway fetches. The format is
/// the gateway's to tell.
pub(crate) fn take(place: &str, fit: Option<Fit>) -> Result<Part> {
    if is_url(place) {
        ensure!(place.len() <= MAX_URL_BYTES, "the picture's address has more than {MAX_URL_BYTES} bytes");
        return Ok(part(Image { url: place.to_owned(), fit: wire(fit).into(), ..Image::default() }));
    }
    if place == "-" {
        return read_from(stdin().lock(), "of stdin", fit);
    }
    read(Path::new(place), fit)
}

/// Reads a picture file as a part of a turn.
pub(crate) fn read(path: &Path, fit: Option<Fit>) -> Result<Part> {
    let file = File::open(path).with_context(|| format!("opening the picture {}", path.display()))?;
    read_from(file, &path.display().to_string(), fit)
}

fn read_from(file: impl Read, name: &str, fit: Option<Fit>) -> Result<Part> {
    let mut data = Vec::new();
    let length = file.take(MAX_BYTES + 1).read_to_end(&mut data);
    let length = length.with_context(|| format!("reading the picture {name}"))?;
    ensure!(length > 0, "the picture {name} is an empty file");
    ensure!(length as u64 <= MAX_BYTES, "the picture {name} has more than {MAX_BYTES} bytes");
    Ok(part(Image { data: data.into(), fit: wire(fit).into(), url: String::new() }))
}

/// Whether a place is an address rather than a file.
pub(crate) fn is_url(place: &str) -> bool {
    place.starts_with("http://") || place.starts_with("https://")
}

/// A text as a part of a turn.
pub(crate) fn text(text: impl Into<String>) -> Part {
    Part { kind: Some(Kind::Text(text.into())) }
}

fn part(image: Image) -> Part {
    Part { kind: Some(Kind::Image(image)) }
}

fn wire(fit: Option<Fit>) -> ImageFit {
    match fit {
        None => ImageFit::Unspecified,
        Some(Fit::Crop) => ImageFit::Crop,
        Some(Fit::Squash) => ImageFit::Squash,
    }
}

/// The ending of a picture file, told from its bytes.
pub(crate) fn ending_of(data: &[u8]) -> &'static str {
    image::guess_format(data).map_or("bin", |format| ending(format.to_mime_type()))
}
