//! A picture file, and what tells it from all others.

use bytes::Bytes;
use fondue_imaging::{Compat, Fit, ImageLimits, decoded_bytes};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

/// A picture as it came, and how it is to be shown to the tower.
#[derive(Clone, Debug)]
pub struct PictureFile {
    /// The file.
    pub data: Bytes,
    /// How it becomes a square.
    pub fit: Fit,
    /// By whose rules it is read.
    pub compat: Compat,
}

/// All that features depend on, but for the tower. Equal keys have equal features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    sha256: [u8; 32],
    fit: Fit,
    compat: Compat,
}

/// A picture that is known by its content.
#[derive(Debug)]
pub(super) struct Identified {
    pub(super) key: Key,
    pub(super) file: PictureFile,
    /// What decoding it will hold in memory, beside the result.
    pub(super) decoding_bytes: usize,
    /// The room that the file takes.
    pub(super) room: OwnedSemaphorePermit,
}

impl Identified {
    /// Hashes the file and reads its header.
    pub(super) fn new(file: PictureFile, limits: &ImageLimits, room: OwnedSemaphorePermit) -> Self {
        let decoding_bytes = usize::try_from(decoded_bytes(&file.data, limits)).unwrap_or(usize::MAX);
        Self { key: Key::new(&file), file, decoding_bytes, room }
    }
}

impl Key {
    pub(super) fn new(file: &PictureFile) -> Self {
        Self { sha256: Sha256::digest(&file.data).into(), fit: file.fit, compat: file.compat }
    }
}
