//! What tells one model's answers from another's: a hash of everything that it is loaded from.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use fondue_terminal::interrupt::Interrupt;
use sha2::{Digest, Sha256};

use super::engines::Engines;

/// Raised when the same question comes to mean another thing.
const RULES: u32 = 1;
/// Read at a time.
const PIECE: usize = 1 << 20;

/// SHA-256 of all files of `opt/`, `clip/` and `fromage/`, hexadecimal.
pub(crate) fn of(model: &Path, interrupt: &Interrupt) -> Result<String> {
    let mut all = Sha256::new();
    for part in ["opt", "clip", "fromage"] {
        let folder = model.join(part);
        ensure!(
            folder.is_dir(),
            "{}: there is no folder {part}/; --model names one that holds opt/, clip/ and fromage/",
            model.display()
        );
        for path in files(&folder)? {
            all.update(Sha256::digest(path.strip_prefix(model)?.as_os_str().as_encoded_bytes()));
            all.update(digest(&path, interrupt)?);
        }
    }
    Ok(hex::encode(all.finalize()))
}

/// The name of the folder of its answers.
pub(super) fn folder(identity: &str, engines: &Engines) -> String {
    let at = engines.placement();
    // A device's number changes nothing.
    let device = at.device_name();
    let device = device.split(':').next().unwrap_or_default();
    let digest = Sha256::digest(format!("{RULES} {identity} {device} {} {}", at.dtype, at.backend));
    hex::encode(digest).chars().take(16).collect()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let said = || format!("looking into {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(said)? {
        let path = entry.with_context(said)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn digest(path: &Path, interrupt: &Interrupt) -> Result<[u8; 32]> {
    let said = || format!("reading {}", path.display());
    let (mut file, mut hash, mut piece) =
        (File::open(path).with_context(said)?, Sha256::new(), vec![0; PIECE]);
    loop {
        interrupt.check()?;
        match file.read(&mut piece).with_context(said)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.write_all(&piece[..n])?,
        }
    }
}
