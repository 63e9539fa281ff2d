//! Identity of models, so that an index is never searched with queries of another model.

use std::{fs, io, path::Path};

use sha2::{Digest, Sha256};

use crate::ModelError;

/// Identity of the mapping layers and of the language model that they were trained for: SHA-256, hexadecimal.
///
/// The language model's billions of weights are told by its configuration alone; the mapping layers, which are new
/// in every training, by their content.
///
/// # Errors
/// [`ModelError::Read`] naming the file.
pub fn language(opt: &Path, mapping: &Path) -> Result<String, ModelError> {
    of_files(&[
        &mapping.join("mapping.safetensors"),
        &mapping.join("model_args.json"),
        &opt.join("config.json"),
    ])
}

/// Identity of a vision tower: SHA-256 of its files, hexadecimal.
///
/// # Errors
/// [`ModelError::Read`] naming the file.
pub fn vision(clip: &Path) -> Result<String, ModelError> {
    let index = clip.join("model.safetensors.index.json");
    let weights = if index.exists() { index } else { clip.join("model.safetensors") };
    of_files(&[&clip.join("config.json"), &weights])
}

fn of_files(paths: &[&Path]) -> Result<String, ModelError> {
    let mut all = Sha256::new();
    for path in paths {
        let mut one = Sha256::new();
        let mut file = fs::File::open(path).map_err(|error| ModelError::read(path, error))?;
        io::copy(&mut file, &mut one).map_err(|error| ModelError::read(path, error))?;
        // Digests of fixed length, so that two files cannot pass for two others that join to the same bytes.
        all.update(one.finalize());
    }
    Ok(hex::encode(all.finalize()))
}
