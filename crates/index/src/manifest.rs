//! `manifest.json`: what a generation holds and how its files can be checked.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::IndexError;

pub(crate) const FORMAT: u32 = 1;
pub(crate) const FILE: &str = "manifest.json";
pub(crate) const VECTORS: &str = "vectors.f32";
pub(crate) const DIGESTS: &str = "digests.bin";
pub(crate) const ORDER: &str = "order.u32";

/// Vectors longer than this are a mistake.
pub(crate) const MAX_DIM: usize = 1 << 16;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    pub(crate) rows: usize,
    pub(crate) dim: usize,
    /// Identity of the mapping layers that made the vectors; empty if nobody knows.
    pub(crate) fingerprint: String,
    /// Identity of the vision tower that they were made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vision_fingerprint: Option<String>,
    pub(crate) files: BTreeMap<String, Stored>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    /// Hexadecimal.
    pub(crate) sha256: String,
}

/// A generation's id: `g` and 16 hexadecimal digits of its manifest's SHA-256. As the manifest holds every file's
/// checksum, the id stands for the whole content.
pub(crate) fn id_of(text: &[u8]) -> String {
    format!("g{}", &hex::encode(Sha256::digest(text))[..16])
}

impl Manifest {
    /// Reads and checks it; also returns the id that its bytes make.
    pub(crate) fn read(folder: &Path) -> Result<(Self, String), IndexError> {
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let path = folder.join(FILE);
        let text = fs::read(&path).map_err(IndexError::io(&path))?;
        let broken = |error: serde_json::Error| IndexError::damaged(&path, error.to_string());
        // The format first: of another one, nothing else can be expected to be as here.
        let Versioned { format } = serde_json::from_slice(&text).map_err(broken)?;
        if format != FORMAT {
            return Err(IndexError::Format { path, got: format, expected: FORMAT });
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(broken)?;
        if manifest.rows == 0
            || u32::try_from(manifest.rows).is_err()
            || !(1..=MAX_DIM).contains(&manifest.dim)
        {
            return Err(IndexError::damaged(
                &path,
                format!("{} rows of {} values", manifest.rows, manifest.dim),
            ));
        }
        Ok((manifest, id_of(&text)))
    }
}
