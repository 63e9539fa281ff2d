//! Checkpoints: named tensors and what else a run must know, in one file that is whole or not there.
//!
//! The file is safetensors; what is no tensor stands as JSON under `state` in its metadata.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::HashMap,
    fs::{self, File},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Serialize, de::DeserializeOwned};
use tch::{Kind, Tensor};

/// Where the state stands in the metadata.
const STATE: &str = "state";

/// Writes a checkpoint in the place of the one before: the old one or the new one is there at every moment, also if the
/// machine stops.
///
/// # Errors
/// If it cannot be written; the old one stays then.
pub fn save<'t>(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, &'t Tensor)>,
    state: &impl Serialize,
) -> Result<()> {
    write(path, tensors, Some(serde_json::to_string(state)?))
}

/// Writes tensors alone, as models are published, in the place of a file that may be there.
///
/// # Errors
/// As [`save`].
pub fn save_tensors<'t>(path: &Path, tensors: impl IntoIterator<Item = (String, &'t Tensor)>) -> Result<()> {
    write(path, tensors, None)
}

fn write<'t>(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, &'t Tensor)>,
    state: Option<String>,
) -> Result<()> {
    let failed = RefCell::new(None);
    let mut parts = Vec::new();
    for (name, tensor) in tensors {
        let shape = tensor.size().iter().map(|n| *n as usize).collect();
        parts.push((name, Part { tensor, dtype: dtype(tensor.f_kind()?)?, shape, failed: &failed }));
    }
    // Without `format`, Hugging Face's library refuses the file.
    let mut metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    metadata.extend(state.map(|state| (STATE.to_owned(), state)));
    place(path, |file| {
        safetensors::serialize_to_file(parts, Some(metadata), file)?;
        failed.take().map_or(Ok(()), Err)
    })
}

/// A tensor whose bytes are made when they are written, one tensor at a time.
struct Part<'t> {
    tensor: &'t Tensor,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Why a tensor's bytes could not be had.
    failed: &'t RefCell<Option<anyhow::Error>>,
}

impl View for Part<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        raw(self.tensor).map_or_else(
            |error| {
                self.failed.replace(Some(error));
                Cow::default()
            },
            Cow::Owned,
        )
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// Puts a file in the place of another in one step.
///
/// # Errors
/// If it cannot be written; the other stays then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    place(path, |file| Ok(fs::write(file, bytes)?))
}

/// Has a file filled beside its place, then puts it there in one step.
///
/// # Errors
/// If it cannot be written; what lay there stays then.
pub fn place(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let at = || format!("writing {}", path.display());
    let folder = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().prefix(".partial-").tempfile_in(folder).with_context(at)?;
    fill(file.path()).with_context(at)?;
    // By its path: what filled it may have put another file there. A temporary file is its owner's alone; this is as any file
    // that the user makes.
    let filled = File::open(file.path()).with_context(at)?;
    filled.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644)).with_context(at)?;
    filled.sync_all().with_context(at)?;
    file.persist(path).with_context(at)?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(at)
}

/// Reads a checkpoint, onto the CPU; `None` if there is none.
///
/// # Errors
/// If it is there and cannot be read.
pub fn load<S: DeserializeOwned>(path: &Path) -> Result<Option<(HashMap<String, Tensor>, S)>> {
    let bytes = bytes(path)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    parse(&bytes).with_context(|| format!("checkpoint {}", path.display())).map(Some)
}

/// A checkpoint's bytes; none if there is none.
///
/// # Errors
/// If it is there and cannot be read.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result.with_context(|| format!("checkpoint {}", path.display())),
    }
}

/// Tensors and state of a checkpoint's bytes.
///
/// # Errors
/// If they are none.
pub fn parse<S: DeserializeOwned>(bytes: &[u8]) -> Result<(HashMap<String, Tensor>, S)> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let state = header.metadata().as_ref().and_then(|all| all.get(STATE));
    let state = serde_json::from_str(state.context("it holds no state")?)?;
    let mut tensors = HashMap::new();
    for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
        let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind(view.dtype())?)?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok((tensors, state))
}

/// A tensor's bytes, row-major.
///
/// # Errors
/// libtorch's.
pub fn raw(tensor: &Tensor) -> Result<Vec<u8>> {
    let host = tensor.f_detach()?.f_to_device(tch::Device::Cpu)?.f_contiguous()?;
    let mut bytes = vec![0; host.numel() * host.f_kind()?.elt_size_in_bytes()];
    host.f_copy_data_u8(&mut bytes, host.numel())?;
    Ok(bytes)
}

fn dtype(kind: Kind) -> Result<Dtype> {
    let known = KINDS.iter().find(|(known, _)| *known == kind);
    Ok(known.with_context(|| format!("tensors of {kind:?} are not written"))?.1)
}

fn kind(dtype: Dtype) -> Result<Kind> {
    let known = KINDS.iter().find(|(_, known)| *known == dtype);
    ensure!(known.is_some(), "tensors of {dtype:?} are not read");
    Ok(known.map_or(Kind::Float, |known| known.0))
}

const KINDS: [(Kind, Dtype); 5] = [
    (Kind::Float, Dtype::F32),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Half, Dtype::F16),
    (Kind::Double, Dtype::F64),
    (Kind::Int64, Dtype::I64),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_and_state_come_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        assert!(load::<f64>(&path).unwrap().is_none());
        let all: Vec<Tensor> = [Kind::Float, Kind::BFloat16]
            .map(|kind| Tensor::randn([3, 5], (Kind::Float, tch::Device::Cpu)).to_kind(kind))
            .into();
        let named = || all.iter().enumerate().map(|(n, tensor)| (n.to_string(), tensor));
        save(&path, named(), &0.1f64).unwrap();
        save(&path, named(), &0.3f64).unwrap();
        let (back, state) = load::<f64>(&path).unwrap().unwrap();
        assert_eq!(state, 0.3);
        for (name, tensor) in named() {
            assert_eq!(&back[&name], tensor);
            assert_eq!(back[&name].kind(), tensor.kind());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        fs::write(&path, b"\x02\0\0\0\0\0\0\0{}").unwrap();
        assert!(load::<f64>(&path).is_err());
    }
}
