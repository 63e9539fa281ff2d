//! Pictures in and out: read from files, saved into a folder, shown in the terminal.

mod found;
mod show;

use std::{fs::File, io::Read, path::Path};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use fondue_proto::dialogue::{Image, ImageFit, Part, part::Kind};

pub(crate) use found::{Found, unsaved};
pub(crate) use show::{Screen, ShowArgs};

/// The gateway's default limit of a message.
const MAX_BYTES: u64 = 32 << 20;

/// How a picture is brought to the vision tower's square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fit {
    /// Keep its shape and crop the centre.
    Crop,
    /// Squash it, as the published demo does.
    Squash,
}

/// Reads a picture file as a part of a turn; its format is the gateway's to tell.
pub(crate) fn read(path: &Path, fit: Option<Fit>) -> Result<Part> {
    let file = File::open(path).with_context(|| format!("opening the picture {}", path.display()))?;
    let mut data = Vec::new();
    let length = file.take(MAX_BYTES + 1).read_to_end(&mut data);
    let length = length.with_context(|| format!("reading the picture {}", path.display()))?;
    ensure!(length > 0, "the picture {} is an empty file", path.display());
    ensure!(length as u64 <= MAX_BYTES, "the picture {} has more than {MAX_BYTES} bytes", path.display());
    let fit = match fit {
        None => ImageFit::Unspecified,
        Some(Fit::Crop) => ImageFit::Crop,
        Some(Fit::Squash) => ImageFit::Squash,
    };
    Ok(Part { kind: Some(Kind::Image(Image { data: data.into(), fit: fit.into(), url: String::new() })) })
}

/// A text as a part of a turn.
pub(crate) fn text(text: impl Into<String>) -> Part {
    Part { kind: Some(Kind::Text(text.into())) }
}
