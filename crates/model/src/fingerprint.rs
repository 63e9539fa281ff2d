//! Identity of models, so that an index is never searched with queries of another model.

use std::{
    io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{ModelError, files, weights::find};

/// Identity of the mapping layers and of the language model that they were trained for: SHA-256, hexadecimal.
///
/// The language model's billions of weights are told by its configuration alone; the mapping layers, which are new
/// in every training, by their content.
///
/// # Errors
/// [`ModelError::Read`] naming the file.
pub fn language(opt: &Path, mapping: &Path) -> Result<String, ModelError> {
    let mut files = find::mapping(mapping)?;
    files.extend([mapping.join("model_args.json"), opt.join("config.json")]);
    of_files(&files)
}

/// Identity of a vision tower: SHA-256 of its files, hexadecimal.
///
/// # Errors
/// [`ModelError::Read`] naming the file.
pub fn vision(clip: &Path) -> Result<String, ModelError> {
    let mut files = vec![clip.join("config.json")];
    files.extend(find::model(clip)?);
    of_files(&files)
}

fn of_files(paths: &[PathBuf]) -> Result<String, ModelError> {
    let mut all = Sha256::new();
    for path in paths {
        let mut one = Sha256::new();
        let mut file = files::open(path)?;
        io::copy(&mut file, &mut one).map_err(|error| ModelError::read(path, error))?;
        // Digests of fixed length, so that two files cannot pass for two others that join to the same bytes.
        all.update(one.finalize());
    }
    Ok(hex::encode(all.finalize()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_files_that_are_read_are_the_ones_that_count() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model");
        let (opt, fromage) = (model.join("opt"), model.join("fromage"));
        let shipped = language(&opt, &fromage).unwrap();
        // As published: a checkpoint and no safetensors. Its bytes are what is told apart here, not its tensors.
        let folder = tempfile::tempdir().unwrap();
        fs::copy(fromage.join("model_args.json"), folder.path().join("model_args.json")).unwrap();
        assert!(language(&opt, folder.path()).is_err(), "no mapping layers");
        fs::write(folder.path().join("pretrained_ckpt.pth.tar"), b"checkpoint").unwrap();
        let published = language(&opt, folder.path()).unwrap();
        assert_ne!(published, shipped);
        // What is read first is what counts.
        fs::copy(fromage.join("mapping.safetensors"), folder.path().join("mapping.safetensors")).unwrap();
        assert_eq!(language(&opt, folder.path()).unwrap(), shipped);

        // Every shard counts, not only their list.
        let clip = tempfile::tempdir().unwrap();
        fs::write(clip.path().join("config.json"), "{}").unwrap();
        let map = r#"{"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}"#;
        fs::write(clip.path().join("model.safetensors.index.json"), map).unwrap();
        fs::write(clip.path().join("a.safetensors"), "a").unwrap();
        fs::write(clip.path().join("b.safetensors"), "b").unwrap();
        let before = vision(clip.path()).unwrap();
        fs::write(clip.path().join("b.safetensors"), "c").unwrap();
        assert_ne!(vision(clip.path()).unwrap(), before);
    }
}
